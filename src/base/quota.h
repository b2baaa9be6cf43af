/*
 * How many lines a log gets of what others can cause as often as they like.
 * Belongs to one thread. Zeroed when new.
 */
#ifndef OL_BASE_QUOTA_H
#define OL_BASE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

#define OL_QUOTA_LINES 10
#define OL_QUOTA_TIME  OL_SEC(10)

struct ol_quota {
	int64_t since;	   /* the lines are counted from then on */
	unsigned lines;	   /* that were written */
	unsigned withheld; /* that were not */
};

/*
 * Whether one more line may be written at now: OL_QUOTA_LINES within
 * OL_QUOTA_TIME. Before the first one that may be again, a line of log's says
 * how many were withheld.
 */
bool ol_quota_take(struct ol_quota *, const struct ol_log *, int64_t now);

#endif
