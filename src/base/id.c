#include <sys/random.h>
#include <errno.h>
#include <string.h>

#include "base/id.h"

static const size_t random_bytes = 8; /* of each id */

static int
refill(struct ol_id_source *source)
{
	ssize_t n;

	do
		n = getrandom(source->random, sizeof(source->random), 0);
	while (n == -1 && errno == EINTR);
	if (n < (ssize_t)random_bytes)
		return -1;
	source->left = (size_t)n;
	return 0;
}

int
ol_id_new(struct ol_id_source *source, uint64_t msec, struct ol_id *id)
{
	int i;

	if (source->left < random_bytes && refill(source) == -1)
		return -1;
	if (msec > source->msec) {
		source->msec = msec;
		source->count = 0;
	} else if (++source->count == 4096) {
		source->msec++;
		source->count = 0;
	}
	for (i = 0; i < 6; i++)
		id->bytes[i] = (uint8_t)(source->msec >> (40 - 8 * i));
	id->bytes[6] = (uint8_t)(0x70 | source->count >> 8);
	id->bytes[7] = (uint8_t)source->count;
	source->left -= random_bytes;
	memcpy(id->bytes + 8, source->random + source->left, random_bytes);
	/* Whoever reads our memory later shall not find it twice. */
	memset(source->random + source->left, 0, random_bytes);
	id->bytes[8] = (uint8_t)(0x80 | (id->bytes[8] & 0x3f));
	return 0;
}

int
ol_id_compare(const struct ol_id *a, const struct ol_id *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

void
ol_id_format(const struct ol_id *id, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < sizeof(id->bytes); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*buf++ = '-';
		*buf++ = digits[id->bytes[i] >> 4];
		*buf++ = digits[id->bytes[i] & 15];
	}
	*buf = '\0';
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
ol_id_parse(struct ol_id *id, const char *text, size_t len)
{
	struct ol_id read;
	size_t i, at = 0;

	if (len != OL_ID_TEXT_SIZE - 1)
		return -1;
	for (i = 0; i < sizeof(read.bytes); i++) {
		int high, low;

		if ((i == 4 || i == 6 || i == 8 || i == 10) &&
		    text[at++] != '-')
			return -1;
		high = digit(text[at++]);
		low = digit(text[at++]);
		if (high == -1 || low == -1)
			return -1;
		read.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (read.bytes[6] >> 4 != 7 || read.bytes[8] >> 6 != 2)
		return -1;
	*id = read;
	return 0;
}
