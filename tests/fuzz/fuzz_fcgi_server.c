/*
 * The server's record stream and parameters: whatever comes, no byte is read
 * too far, and everything ends. How it is cut must not matter: the same bytes,
 * at once and in pieces, lead to the same callbacks and the same answers.
 *
 * The first byte says how the owner behaves, the second how it is cut.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "serving.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came of it: what the owner was told, and what was answered. */
struct outcome {
	char text[256 * 1024];
};

static struct serving s;

/* n bytes at a time, or, for cut > 127, cut - 127 and then the rest. */
static void
play(struct outcome *outcome, const uint8_t *data, size_t size, unsigned cut)
{
	size_t at = 0, n;
	int fd;

	s.told_len = 0;
	s.held = NULL;
	fd = serving_connect(&s);
	while (at < size) {
		n = cut == 0	? size
		    : cut < 128 ? cut
		    : at == 0	? (cut - 127) * 7u
				: size;
		if (n > size - at)
			n = size - at;
		serving_send(&s, fd, data + at, n);
		at += n;
	}
	strlcpy(outcome->text, serving_got(&s, fd), sizeof(outcome->text));
	strlcat(outcome->text, "|", sizeof(outcome->text));
	s.told[s.told_len] = '\0';
	strlcat(outcome->text, s.told, sizeof(outcome->text));
	close(fd);
	serving_turn(&s);
	if (ol_server_connections(s.server) != 0 ||
	    ol_server_requests(s.server) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces;

	if (s.loop == NULL) {
		const struct ol_log_sink quiet = { .target = OL_LOG_STDERR,
			.level = OL_LOG_ERROR };

		ol_log_open(&quiet, 1, NULL);
		s.options.max_body = 3000;
		s.options.max_ignored = 4000;
		serving_start(&s);
	}
	if (size < 2)
		return 0;
	s.manner = (enum manner)(data[0] % (BEGINS + 1));
	play(&whole, data + 2, size - 2, 0);
	play(&pieces, data + 2, size - 2, data[1] == 0 ? 1 : data[1]);
	if (strcmp(whole.text, pieces.text) != 0) {
		fprintf(stderr, "at once: %s\nin pieces: %s\n", whole.text,
		    pieces.text);
		abort();
	}
	return 0;
}
