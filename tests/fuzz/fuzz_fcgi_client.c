/*
 * What a backend sends to the client: whatever comes, no byte is read too far,
 * and everything ends. How it is cut must not matter: the same bytes, at once
 * and in pieces, lead to the same callbacks.
 *
 * The first byte says in which callback the owner cancels, the second how it
 * is cut, the third how the records are made: 0 takes them as they are, another
 * makes headers for them, so that more of them are looked into.
 */
#include <sys/socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/record.h"
#include "backend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct backend b;

static void
stop(void)
{
	backend_stop(&b);
}

/* n bytes at a time, or, for cut > 127, cut - 127 and then the rest. */
static const char *
play(const uint8_t *data, size_t size, unsigned cut)
{
	static unsigned char rest[64 * 1024];
	size_t at = 0, n;
	int fd;

	backend_ask(&b, NULL);
	fd = backend_accept(&b);
	while (at < size) {
		n = cut == 0	? size
		    : cut < 128 ? cut
		    : at == 0	? (cut - 127) * 7u
				: size;
		if (n > size - at)
			n = size - at;
		if (!backend_send(&b, fd, data + at, n))
			break;
		at += n;
	}
	backend_read(&b, fd, rest, sizeof(rest));
	close(fd);
	backend_turn(&b);
	/* Either it has ended, or the owner has cancelled. */
	if (b.client != NULL)
		abort();
	return b.told;
}

/* Records of STDOUT with a piece of data each, and an end. */
static size_t
wrap(unsigned char *out, const uint8_t *data, size_t size, unsigned piece)
{
	size_t at = 0, n, len = 0;

	while (at < size) {
		n = size - at < piece ? size - at : piece;
		ol_record_header(out + len, OL_RECORD_STDOUT, n);
		len += OL_RECORD_HEADER;
		memcpy(out + len, data + at, n);
		len += n;
		at += n;
	}
	ol_record_end(out + len, 1, 0);
	return len + OL_RECORD_END_SIZE;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char whole[sizeof(b.told)];
	static unsigned char records[128 * 1024];
	const char *pieces;
	unsigned cut;

	if (b.loop == NULL) {
		backend_start(&b);
		atexit(stop);
	}
	if (size < 3)
		return 0;
	b.cancel_in = (enum cancel_in)(data[0] % (CANCEL_END + 1));
	cut = data[1] == 0 ? 1 : data[1];
	if (data[2] != 0) {
		size = wrap(records, data + 3, size - 3, data[2]);
		data = records;
	} else {
		data += 3;
		size -= 3;
	}
	strlcpy(whole, play(data, size, 0), sizeof(whole));
	pieces = play(data, size, cut);
	/* A cancel within a text leaves what had come of it. */
	if ((b.cancel_in == CANCEL_NEVER || b.cancel_in == CANCEL_HEAD) &&
	    strcmp(whole, pieces) != 0) {
		fprintf(stderr, "at once: %s\nin pieces: %s\n", whole, pieces);
		abort();
	}
	return 0;
}
