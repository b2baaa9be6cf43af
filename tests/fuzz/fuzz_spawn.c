/* One message of the channel between the engine and the spawner. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "run/spawn.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned char again[OL_SPAWN_MAX];
	/* A copy of just that size: reading past its end is seen. */
	unsigned char *copy = malloc(len ? len : 1);
	const char *at, *end;
	struct ol_spawn m;
	size_t nfds;

	memcpy(copy, data, len);
	nfds = len > 0 && data[0] == OL_SPAWN_START ? OL_SPAWN_FDS : 0;
	MUST(ol_spawn_parse(&m, copy, len, nfds + 1) == -1);
	if (ol_spawn_parse(&m, copy, len, nfds) == 0) {
		/* What was read is written just so. */
		MUST(ol_spawn_format(&m, again) == len);
		MUST(memcmp(again, copy, len) == 0);
		if (m.verb == OL_SPAWN_START) {
			MUST(strlen(m.type) < OL_SPAWN_NAME_MAX);
			end = m.env + m.env_size;
			for (at = m.env; at != end; at += strlen(at) + 1)
				MUST(at < end && strchr(at, '=') > at);
		}
		if (m.verb == OL_SPAWN_REFUSED)
			MUST(strchr(m.text, '\n') == NULL);
	} else
		MUST(m.verb == 0 && m.env == NULL && m.type == NULL);
	free(copy);
	return 0;
}
