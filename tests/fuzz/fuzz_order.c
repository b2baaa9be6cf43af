/* One order between the master and its engine or spawner. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/order.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

/* The first byte says how many descriptors came with the rest. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char again[OL_ORDER_MAX], *copy;
	struct ol_order order;
	size_t nfds;

	if (len == 0)
		return 0;
	nfds = *data++ % (OL_CHANNEL_FDS + 1);
	len--;
	/* A copy of just that size: reading past its end is seen. */
	copy = malloc(len ? len : 1);
	memcpy(copy, data, len);
	if (ol_order_parse(&order, copy, len, nfds) == 0) {
		MUST(len <= OL_ORDER_MAX);
		MUST(order.verb < OL_ORDER_VERBS);
		MUST(ol_order_fds(&order) == nfds);
		/* They are multiplied to nanoseconds. */
		MUST(order.left_ms >= -1 &&
		     order.left_ms <= INT64_MAX / 1000000);
		MUST(order.grace_ms >= 0 &&
		     order.grace_ms <= INT64_MAX / 1000000);
		MUST(memchr(order.reason, '\0', sizeof(order.reason)) != NULL);
		/* There is one way to write an order; a reason is escaped. */
		if (order.verb != OL_ORDER_FAILED) {
			MUST(ol_order_format(&order, again) == len);
			MUST(memcmp(again, copy, len) == 0);
		}
	}
	free(copy);
	return 0;
}
