/* One datagram of a pool process: master and engine read it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/notify.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ol_notify n;
	/* A copy of just that size: reading past its end is seen. */
	char *copy = malloc(len ? len : 1);

	memcpy(copy, data, len);
	if (ol_notify_parse(&n, copy, len) == -1) {
		MUST(!n.ready && !n.stopping && n.status[0] == '\0');
		MUST(n.tasks == -1 && n.extend_usec == -1);
	} else
		MUST(len <= OL_NOTIFY_MAX);
	MUST(n.progress >= -1 && n.progress <= 100);
	MUST(n.tasks >= -1 && n.requests >= -1 && n.idle_usec >= -1);
	/* The master multiplies it to nanoseconds. */
	MUST(n.extend_usec >= -1 && n.extend_usec <= INT64_MAX / 1000);
	MUST(memchr(n.status, '\0', sizeof(n.status)) != NULL);
	MUST(strchr(n.status, '\n') == NULL);
	free(copy);
	return 0;
}
