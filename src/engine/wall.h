/*
 * Between the wall clock of rows (milliseconds since 1970) and the clock of
 * base/clock.h. Each due time is converted once: a jump of the wall clock
 * afterwards moves nothing.
 */
#ifndef OL_ENGINE_WALL_H
#define OL_ENGINE_WALL_H

#include <stdint.h>

int64_t ol_wall_now(void);

/* At most a century away from now. */
int64_t ol_wall_to_clock(int64_t msec);
int64_t ol_wall_from_clock(int64_t when);

#endif
