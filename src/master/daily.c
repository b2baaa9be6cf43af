#include <string.h>

#include "master/daily.h"

/* The first of the times after that one; 0: there is none. */
static time_t
first_after(const struct ol_conf_clock *at, time_t after)
{
	time_t when, first = 0;
	struct tm today, tm;
	int day, i;

	if (localtime_r(&after, &today) == NULL)
		return 0;
	/* The day after tomorrow for when tomorrow's is moved. */
	for (day = 0; day < 3; day++)
		for (i = 0; i < at->n; i++) {
			tm = (struct tm){
				.tm_year = today.tm_year,
				.tm_mon = today.tm_mon,
				.tm_mday = today.tm_mday + day,
				.tm_hour = at->minutes[i] / 60,
				.tm_min = at->minutes[i] % 60,
				.tm_isdst = -1,
			};
			when = mktime(&tm);
			if (when > after && (first == 0 || when < first))
				first = when;
		}
	return first;
}

void
ol_daily_set(struct ol_daily *d, const struct ol_conf_clock *at)
{
	static const struct ol_conf_clock never = { .n = 0 };

	if (at == NULL)
		at = &never;
	if (at->n == d->at.n &&
	    memcmp(at->minutes, d->at.minutes,
		(size_t)at->n * sizeof(at->minutes[0])) == 0)
		return;
	d->at = *at;
	d->due = 0;
}

bool
ol_daily_due(struct ol_daily *d, time_t wall)
{
	bool due = d->due != 0 && wall >= d->due;

	if (due)
		d->done = d->due;
	d->due = first_after(&d->at, wall);
	/* The clock was set back. */
	if (d->due != 0 && d->due == d->done)
		d->due = first_after(&d->at, d->done);
	return due;
}

time_t
ol_daily_next(const struct ol_daily *d)
{
	return d->due;
}
