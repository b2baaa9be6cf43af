#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"

static void
test_after_does_not_pass_never(void **state)
{
	(void)state;
	assert_true(ol_clock_after(5, 7) == 12);
	assert_true(ol_clock_after(5, OL_NEVER) == OL_NEVER);
	assert_true(ol_clock_after(OL_NEVER, 1) == OL_NEVER);
	assert_true(ol_clock_after(OL_NEVER - 1, 1) == OL_NEVER);
	/* A task may have waited since before the boot. */
	assert_true(ol_clock_after(-7, OL_NEVER) == OL_NEVER - 7);
	assert_true(ol_clock_after(-7, 5) == -2);
}

static void
test_seconds_left(void **state)
{
	(void)state;
	assert_int_equal(ol_clock_seconds_left(OL_SEC(9), OL_SEC(2)), 7);
	assert_int_equal(ol_clock_seconds_left(OL_SEC(9) - 1, OL_SEC(2)), 6);
	assert_int_equal(ol_clock_seconds_left(OL_SEC(2), OL_SEC(9)), 0);
	assert_int_equal(ol_clock_seconds_left(OL_NEVER, 0), INT_MAX);
}

static void
test_now_goes_on(void **state)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	int64_t before = ol_clock_now(), passed;

	(void)state;
	nanosleep(&nap, NULL);
	passed = ol_clock_now() - before;
	assert_true(passed >= OL_MSEC(20) && passed < OL_SEC(10));
}

static void
test_stamp(void **state)
{
	char text[OL_CLOCK_STAMP_SIZE];
	int part[7], end = 0;

	(void)state;
	ol_clock_stamp(text, sizeof(text));
	assert_int_equal(
	    sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &part[0], &part[1],
		&part[2], &part[3], &part[4], &part[5], &part[6], &end),
	    7);
	assert_int_equal(end, strlen("2026-11-20T21:05:11.123Z"));
	assert_int_equal(strlen(text), end);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_after_does_not_pass_never),
		cmocka_unit_test(test_seconds_left),
		cmocka_unit_test(test_now_goes_on),
		cmocka_unit_test(test_stamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
