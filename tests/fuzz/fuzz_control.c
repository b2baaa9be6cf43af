/* One request on the control socket: the master reads it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/control.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ol_control_request request;
	char again[OL_CONTROL_REQUEST_MAX];
	/* A copy of just that size: reading past its end is seen. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	if (ol_control_parse(&request, copy, len) == NULL) {
		MUST(len <= OL_CONTROL_REQUEST_MAX);
		MUST(memchr(request.pool, '\0', sizeof(request.pool)) != NULL);
		MUST((request.pool[0] != '\0') ==
		     ol_control_takes_pool(request.verb));
		/* There is one way to say it. */
		MUST(ol_control_format(again, &request) == len);
		MUST(memcmp(again, copy, len) == 0);
	}
	free(copy);
	return 0;
}
