#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "master/closings.h"

struct ol_closing {
	LIST_ENTRY(ol_closing) link;
	struct ol_listener *listener;
	uint32_t number;
	int64_t due;
	bool wanted;
	bool held; /* the engine was told that it is closed */
	bool owed; /* and is to be told, that or the contrary */
};

void
ol_closings_init(struct ol_closings *c)
{
	LIST_INIT(&c->list);
	c->last = 0;
}

static void
drop(struct ol_closing *closing)
{
	LIST_REMOVE(closing, link);
	ol_listener_unref(closing->listener);
	free(closing);
}

void
ol_closings_fini(struct ol_closings *c)
{
	while (!LIST_EMPTY(&c->list))
		drop(LIST_FIRST(&c->list));
}

void
ol_closings_begin(struct ol_closings *c)
{
	struct ol_closing *closing;

	LIST_FOREACH (closing, &c->list, link)
		closing->wanted = false;
}

/* One that is being taken back is none. */
static struct ol_closing *
find(const struct ol_closings *c, const struct ol_listener *listener)
{
	struct ol_closing *closing;

	LIST_FOREACH (closing, &c->list, link)
		if (closing->listener == listener)
			return closing;
	return NULL;
}

void
ol_closings_want(
    struct ol_closings *c, struct ol_listener *listener, int64_t due)
{
	struct ol_closing *closing = find(c, listener);

	if (closing == NULL) {
		closing = ol_must(calloc(1, sizeof(*closing)));
		closing->listener = ol_listener_ref(listener);
		closing->number = ++c->last;
		closing->owed = true;
		LIST_INSERT_HEAD(&c->list, closing, link);
	}
	if (closing->due != due)
		closing->owed = true;
	closing->due = due;
	closing->wanted = true;
}

void
ol_closings_end(struct ol_closings *c)
{
	struct ol_closing *closing, *next;

	LIST_FOREACH_SAFE (closing, &c->list, link, next) {
		if (closing->wanted)
			continue;
		if (!closing->held)
			drop(closing);
		else if (closing->due != 0) {
			/* 0: it is being taken back already. */
			closing->due = 0;
			closing->owed = true;
		}
	}
}

bool
ol_closings_held(
    const struct ol_closings *c, const struct ol_listener *listener)
{
	const struct ol_closing *closing = find(c, listener);

	return closing != NULL && closing->held;
}

bool
ol_closings_tell(struct ol_closings *c, struct ol_wire *wire, int64_t now)
{
	struct ol_closing *closing;

	LIST_FOREACH (closing, &c->list, link) {
		struct ol_order order = { .number = closing->number };
		int fd = ol_listener_fd(closing->listener);

		if (!closing->owed)
			continue;
		if (closing->due != 0) {
			order.verb = OL_ORDER_CLOSED;
			order.left_ms = closing->due > now
					    ? (closing->due - now) / OL_MSEC(1)
					    : 0;
		} else
			order.verb = OL_ORDER_OPEN;
		if (!ol_wire_tell(wire, &order, &fd))
			return false;
		closing->held = true;
		closing->owed = false;
	}
	return true;
}

void
ol_closings_opened(struct ol_closings *c, uint32_t number)
{
	struct ol_closing *closing, *next;

	LIST_FOREACH_SAFE (closing, &c->list, link, next) {
		if (closing->number != number)
			continue;
		if (closing->due == 0) {
			drop(closing);
			return;
		}
		/* Closed again before the engine had opened it: what it was
		 * told since has made another door. */
		return;
	}
}

void
ol_closings_lost(struct ol_closings *c)
{
	struct ol_closing *closing, *next;

	LIST_FOREACH_SAFE (closing, &c->list, link, next) {
		closing->held = false;
		closing->owed = true;
		if (closing->due == 0)
			drop(closing);
	}
}
