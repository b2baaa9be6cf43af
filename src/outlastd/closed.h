/*
 * Listeners of pools that rapid_fail has stopped: every request is answered 503
 * with Retry-After, until the master wants the listener back.
 */
#ifndef OL_OUTLASTD_CLOSED_H
#define OL_OUTLASTD_CLOSED_H

#include <stdint.h>
#include <bsd/sys/queue.h>

#include "loop/loop.h"

struct ol_closed_door;

struct ol_closed {
	struct ol_loop *loop;
	LIST_HEAD(, ol_closed_door) doors;
};

void ol_closed_init(struct ol_closed *, struct ol_loop *);

/* Closes all, answered or not. */
void ol_closed_fini(struct ol_closed *);

/*
 * Answer on that listener, which is taken, that it may be tried again at the
 * time retry. One of that number goes on with the new time. A failure is
 * logged: requests wait.
 */
void ol_closed_add(
    struct ol_closed *, uint32_t number, int listener, int64_t retry);

/* Accept there no more; what was accepted is answered. */
void ol_closed_remove(struct ol_closed *, uint32_t number);

#endif
