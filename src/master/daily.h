/*
 * Something to do at times of the day. Pure: the wall clock is an argument, and
 * may have been set since the last call. Local time, as localtime(3) has it.
 *
 * A time that a clock set forward has passed over is due once, however many
 * there were; one that comes again after a clock was set back is not due a
 * second time. A time that a day does not have, because an hour is left out, is
 * moved by that hour; one that it has twice is due once.
 */
#ifndef OL_MASTER_DAILY_H
#define OL_MASTER_DAILY_H

#include <stdbool.h>
#include <time.h>

#include "config/conf.h"

struct ol_daily {
	struct ol_conf_clock at;
	time_t due;  /* 0: to be found */
	time_t done; /* the last one that was due; 0: none */
};

/* NULL: never. What is due does not change when at does not. */
void ol_daily_set(struct ol_daily *, const struct ol_conf_clock *at);

/* Whether one of the times has come. True once for each. */
bool ol_daily_due(struct ol_daily *, time_t wall);

/* When ol_daily_due() is to be called again, by the same clock; 0: never. */
time_t ol_daily_next(const struct ol_daily *);

#endif
