#include <limits.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"

int64_t
ol_clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return OL_SEC(ts.tv_sec) + ts.tv_nsec;
}

int64_t
ol_clock_after(int64_t when, int64_t delay)
{
	/* A time before the boot is below 0. */
	return when > 0 && delay > OL_NEVER - when ? OL_NEVER : when + delay;
}

int
ol_clock_seconds_left(int64_t when, int64_t now)
{
	int64_t left = when <= now ? 0 : (when - now) / OL_SEC(1);

	return left > INT_MAX ? INT_MAX : (int)left;
}

void
ol_clock_stamp(char *buf, size_t size)
{
	struct timespec ts;
	struct tm tm;
	size_t len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, size - len, ".%03ldZ", ts.tv_nsec / 1000000);
}
