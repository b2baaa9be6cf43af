/*
 * What an attempt says of itself over its notify socket: its progress, told at
 * most ten times a second, and how much longer it needs.
 */
#ifndef OL_RUN_NOTICES_H
#define OL_RUN_NOTICES_H

#include <stdint.h>

#include "loop/loop.h"
#include "run/run.h"

struct ol_notices;

struct ol_notices_hands {
	/* It asked for so many nanoseconds from now on: until then at the
	 * latest; already bounded. */
	void (*extend)(void *arg, int64_t until);
	/* Something came: ol_notices_due() may be another. */
	void (*heard)(void *arg);
};

struct ol_notices {
	const struct ol_notices_hands *hands;
	const struct ol_run_events *events; /* on_progress, on_extend */
	void *hands_arg, *events_arg;
	int64_t latest; /* no extension reaches farther */
	int fd;		/* owned; -1: nothing is heard any more */
	struct ol_watch *watch;
	int64_t due, last; /* when progress is told; was told */
	int percent;
	char text[768]; /* 256 bytes, as UTF-8 */
};

/* Without a socket; begun is when the attempt did. What is passed is borrowed.
 */
void ol_notices_init(struct ol_notices *, int64_t begun,
    const struct ol_notices_hands *, void *hands_arg,
    const struct ol_run_events *, void *events_arg);

/* Takes fd, a non-blocking datagram socket. */
void ol_notices_listen(struct ol_notices *, struct ol_loop *, int fd);

/* From within a callback, too: nothing comes after that. */
void ol_notices_close(struct ol_notices *);

/* When progress is to be told; OL_NEVER. */
int64_t ol_notices_due(const struct ol_notices *);

/* Tell what is due at now. */
void ol_notices_tell(struct ol_notices *, int64_t now);

/* The attempt is over: read and tell all that is left. */
void ol_notices_finish(struct ol_notices *);

#endif
