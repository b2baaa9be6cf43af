#include <stdbool.h>
#include <string.h>

#include "fcgi/pairs.h"

/* A one- or four-byte length at *at; false: it is cut short. */
static bool
take_length(const unsigned char **at, const unsigned char *end, size_t *out)
{
	const unsigned char *p = *at;

	if (p == end)
		return false;
	if (*p < 0x80) {
		*out = *p;
		*at = p + 1;
		return true;
	}
	if (end - p < 4)
		return false;
	*out = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
	       (size_t)p[2] << 8 | p[3];
	*at = p + 4;
	return true;
}

/* The lengths of the pair at *at, which moves to its name; false: cut short. */
static bool
take_lengths(const unsigned char **at, const unsigned char *end, size_t *name,
    size_t *value)
{
	if (!take_length(at, end, name) || !take_length(at, end, value))
		return false;
	/* Below 2^31 each: the sum does not wrap. */
	return *name + *value <= (size_t)(end - *at);
}

int
ol_pairs_count(const unsigned char *data, size_t len)
{
	const unsigned char *at = data, *end = data + len;
	size_t name, value;
	int n = 0;

	for (; at < end; n++) {
		if (!take_lengths(&at, end, &name, &value))
			return -1;
		at += name + value;
	}
	return n;
}

void
ol_pairs_split(unsigned char *data, size_t len, struct ol_pair *pairs)
{
	const unsigned char *at = data, *end = data + len;
	unsigned char *last = NULL;
	size_t name, value;

	while (at < end && take_lengths(&at, end, &name, &value)) {
		unsigned char *p = data + (at - data);

		/* The lengths are read: their bytes make room for two NULs. */
		if (last != NULL)
			*last = '\0';
		memmove(p - 1, p, name);
		*(p - 1 + name) = '\0';
		*pairs++ = (struct ol_pair){ .name = (char *)p - 1,
			.name_len = (uint32_t)name,
			.value = (char *)p + name,
			.value_len = (uint32_t)value };
		at += name + value;
		last = p + name + value;
	}
	if (last != NULL)
		*last = '\0';
}

const char *
ol_pairs_content_length(const char *value, size_t len, int64_t *out)
{
	int64_t n = 0;
	size_t i;

	if (len == 0)
		return NULL;
	if (len > 18)
		return "CONTENT_LENGTH is too large";
	for (i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return "CONTENT_LENGTH is not a number";
		n = n * 10 + (value[i] - '0');
	}
	*out = n;
	return NULL;
}
