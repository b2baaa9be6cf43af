#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/daily.h"

static const struct ol_conf_clock at = { 2, { 3 * 60, 15 * 60 + 30 } };

/* A local time of 2026. */
static time_t
local(int month, int day, int hour, int minute, int second)
{
	struct tm tm = {
		.tm_year = 126,
		.tm_mon = month - 1,
		.tm_mday = day,
		.tm_hour = hour,
		.tm_min = minute,
		.tm_sec = second,
		.tm_isdst = -1,
	};

	return mktime(&tm);
}

static void
zone(const char *tz)
{
	assert_int_equal(setenv("TZ", tz, 1), 0);
	tzset();
}

static void
make(struct ol_daily *d, time_t now)
{
	*d = (struct ol_daily){ .due = 0 };
	ol_daily_set(d, &at);
	assert_false(ol_daily_due(d, now));
}

static void
test_two_days(void **state)
{
	struct ol_daily d;

	(void)state;
	zone("UTC0");
	make(&d, local(6, 1, 2, 59, 59));
	assert_int_equal(ol_daily_next(&d), local(6, 1, 3, 0, 0));
	assert_false(ol_daily_due(&d, local(6, 1, 2, 59, 59)));
	assert_true(ol_daily_due(&d, local(6, 1, 3, 0, 0)));
	assert_false(ol_daily_due(&d, local(6, 1, 3, 0, 0)));
	assert_int_equal(ol_daily_next(&d), local(6, 1, 15, 30, 0));
	assert_true(ol_daily_due(&d, local(6, 1, 15, 30, 1)));
	assert_int_equal(ol_daily_next(&d), local(6, 2, 3, 0, 0));
	/* One that begins at the very second waits for the next one. */
	make(&d, local(6, 1, 3, 0, 0));
	assert_int_equal(ol_daily_next(&d), local(6, 1, 15, 30, 0));
}

static void
test_clock_is_set(void **state)
{
	struct ol_daily d;

	(void)state;
	zone("UTC0");
	make(&d, local(6, 1, 2, 0, 0));
	/* A week forward: once, not fourteen times. */
	assert_true(ol_daily_due(&d, local(6, 8, 12, 0, 0)));
	assert_false(ol_daily_due(&d, local(6, 8, 12, 0, 0)));
	assert_int_equal(ol_daily_next(&d), local(6, 8, 15, 30, 0));
	/* Back again: what comes next by the clock, not in a week; but not the
	 * one that was due already. */
	assert_false(ol_daily_due(&d, local(6, 1, 2, 0, 0)));
	assert_int_equal(ol_daily_next(&d), local(6, 1, 15, 30, 0));
	/* Back by a minute behind one that was due: not a second time. */
	assert_true(ol_daily_due(&d, local(6, 1, 15, 30, 1)));
	assert_false(ol_daily_due(&d, local(6, 1, 15, 29, 1)));
	assert_int_equal(ol_daily_next(&d), local(6, 2, 3, 0, 0));
}

static void
test_summer_time(void **state)
{
	const struct ol_conf_clock night = { 1, { 2 * 60 + 30 } };
	struct ol_daily d = { .due = 0 };
	time_t due;

	(void)state;
	/* Europe: 02:00 becomes 03:00 on March 29, 03:00 becomes 02:00 on
	 * October 25. */
	zone("CET-1CEST,M3.5.0,M10.5.0/3");
	ol_daily_set(&d, &night);
	assert_false(ol_daily_due(&d, local(3, 28, 12, 0, 0)));
	due = ol_daily_next(&d);
	assert_in_range(due, local(3, 29, 1, 0, 0), local(3, 29, 4, 0, 0));
	assert_true(ol_daily_due(&d, due));
	assert_int_equal(ol_daily_next(&d), local(3, 30, 2, 30, 0));
	/* Twice that night, due once. */
	assert_true(ol_daily_due(&d, local(10, 24, 12, 0, 0)));
	due = ol_daily_next(&d);
	assert_in_range(due, local(10, 25, 1, 59, 0), local(10, 25, 4, 0, 0));
	assert_true(ol_daily_due(&d, due));
	assert_int_equal(ol_daily_next(&d), local(10, 26, 2, 30, 0));
}

static void
test_never_and_changed(void **state)
{
	const struct ol_conf_clock other = { 1, { 4 * 60 } };
	struct ol_daily d = { .due = 0 };

	(void)state;
	zone("UTC0");
	assert_false(ol_daily_due(&d, local(6, 1, 0, 0, 0)));
	assert_int_equal(ol_daily_next(&d), 0);
	make(&d, local(6, 1, 0, 0, 0));
	/* A reload that changes nothing loses nothing. */
	ol_daily_set(&d, &at);
	assert_true(ol_daily_due(&d, local(6, 1, 3, 0, 0)));
	ol_daily_set(&d, &other);
	assert_false(ol_daily_due(&d, local(6, 1, 3, 0, 0)));
	assert_int_equal(ol_daily_next(&d), local(6, 1, 4, 0, 0));
	ol_daily_set(&d, NULL);
	assert_false(ol_daily_due(&d, local(6, 1, 5, 0, 0)));
	assert_int_equal(ol_daily_next(&d), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_days),
		cmocka_unit_test(test_clock_is_set),
		cmocka_unit_test(test_summer_time),
		cmocka_unit_test(test_never_and_changed),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
