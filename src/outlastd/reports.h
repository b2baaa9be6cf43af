/*
 * What the engine's process tells the master (base/order.h). Numbers that
 * change all the time are told now and then: the master takes so many messages
 * in a second, and one that says more for broken.
 */
#ifndef OL_OUTLASTD_REPORTS_H
#define OL_OUTLASTD_REPORTS_H

#include <stdint.h>

#include "base/order.h"
#include "loop/loop.h"

struct ol_reports {
	int master; /* -1: gone */
	struct ol_timer *timer;
	uint32_t running, running_told;
	int64_t running_at; /* when it was told */
	int64_t deadline, deadline_told, deadline_at;
};

/* master is borrowed. */
void ol_reports_init(struct ol_reports *, struct ol_loop *, int master);
void ol_reports_fini(struct ol_reports *);

/* Nobody is told any more. */
void ol_reports_end(struct ol_reports *);

/* At once; one that cannot be sent is logged. */
void ol_reports_send(struct ol_reports *, const struct ol_order *);
void ol_reports_failure(struct ol_reports *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* How many attempts run: once a second at most. */
void ol_reports_running(struct ol_reports *, uint32_t running);

/* A stop will take until deadline: ten times a second at most, but soon when
 * the last one told is near. */
void ol_reports_deadline(struct ol_reports *, int64_t deadline);

#endif
