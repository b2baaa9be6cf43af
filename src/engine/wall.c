#include <time.h>

#include "base/clock.h"
#include "engine/wall.h"

static const int64_t century = (int64_t)100 * 366 * 24 * 3600 * 1000;

int64_t
ol_wall_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t
within(int64_t value, int64_t most)
{
	return value > most ? most : value < -most ? -most : value;
}

int64_t
ol_wall_to_clock(int64_t msec)
{
	int64_t now = ol_wall_now();

	/* Numbers of a row may be anything. */
	if (msec < 0)
		msec = 0;
	return ol_clock_now() + OL_MSEC(within(msec - now, century));
}

int64_t
ol_wall_from_clock(int64_t when)
{
	return ol_wall_now() +
	       within((when - ol_clock_now()) / OL_MSEC(1), century);
}
