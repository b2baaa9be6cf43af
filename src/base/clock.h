/*
 * Time. Intervals and deadlines everywhere in outlast are CLOCK_MONOTONIC
 * nanoseconds in an int64_t; the wall clock is for people and for cron.
 */
#ifndef OL_BASE_CLOCK_H
#define OL_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define OL_MSEC(n) ((int64_t)(n)*1000000)
#define OL_SEC(n)  ((int64_t)(n)*1000000000)

/* A deadline that never comes. */
#define OL_NEVER INT64_MAX

/* Monotonic nanoseconds. Any thread; async-signal-safe. */
int64_t ol_clock_now(void);

/* when + delay, never past OL_NEVER. delay is not negative. */
int64_t ol_clock_after(int64_t when, int64_t delay);

/* Whole seconds from now until when, rounded down, within 0 … INT_MAX. */
int ol_clock_seconds_left(int64_t when, int64_t now);

/*
 * The wall clock as RFC 3339 in UTC with milliseconds, such as
 * "2026-11-20T21:05:11.123Z". size must be at least OL_CLOCK_STAMP_SIZE.
 */
#define OL_CLOCK_STAMP_SIZE 32
void ol_clock_stamp(char *buf, size_t size);

#endif
