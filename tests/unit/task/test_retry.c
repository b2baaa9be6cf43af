#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "task/retry.h"

static const uint32_t middle = 0x80000000, most = 0xffffffff;

static void
near(int64_t delay, int64_t expected)
{
	assert_in_range(delay, expected - OL_MSEC(1), expected + OL_MSEC(1));
}

static void
test_exponential_doubles_to_max(void **state)
{
	static const struct ol_retry retry = {
		.base = OL_SEC(15), .max = OL_SEC(3600), .exponential = true
	};

	(void)state;
	near(ol_retry_delay(&retry, 1, middle), OL_SEC(15));
	near(ol_retry_delay(&retry, 2, middle), OL_SEC(30));
	near(ol_retry_delay(&retry, 3, middle), OL_SEC(60));
	near(ol_retry_delay(&retry, 8, middle), OL_SEC(1920));
	near(ol_retry_delay(&retry, 9, most), OL_SEC(3600));
	near(ol_retry_delay(&retry, UINT32_MAX, most), OL_SEC(3600));
}

static void
test_fixed_stays(void **state)
{
	static const struct ol_retry retry = { .base = OL_SEC(30) };

	(void)state;
	near(ol_retry_delay(&retry, 1, middle), OL_SEC(30));
	near(ol_retry_delay(&retry, 100, middle), OL_SEC(30));
}

static void
test_spread_is_a_fifth_each_way(void **state)
{
	static const struct ol_retry retry = { .base = OL_SEC(100) };

	(void)state;
	near(ol_retry_delay(&retry, 1, 0), OL_SEC(80));
	near(ol_retry_delay(&retry, 1, most), OL_SEC(120));
	near(ol_retry_delay(&retry, 1, middle / 2), OL_SEC(90));
}

static void
test_never_above_max(void **state)
{
	static const struct ol_retry retry = {
		.base = OL_SEC(60), .max = OL_SEC(64), .exponential = true
	};
	uint32_t n;

	(void)state;
	for (n = 1; n < 70; n++) {
		assert_true(ol_retry_delay(&retry, n, most) <= OL_SEC(64));
		assert_true(ol_retry_delay(&retry, n, 0) > 0);
	}
	/* Not all at max at once. */
	near(ol_retry_delay(&retry, 5, 0), OL_SEC(64) * 4 / 5);
}

static void
test_no_max_is_a_week(void **state)
{
	static const struct ol_retry retry = { .base = OL_SEC(1),
		.exponential = true };

	(void)state;
	assert_true(ol_retry_delay(&retry, 60, most) <= OL_RETRY_MAX);
	near(ol_retry_delay(&retry, 60, most), OL_RETRY_MAX);
}

static void
test_asked_is_never_less(void **state)
{
	(void)state;
	assert_int_equal(ol_retry_asked(0, most), 0);
	near(ol_retry_asked(OL_SEC(10), 0), OL_SEC(10));
	near(ol_retry_asked(OL_SEC(10), most), OL_SEC(12));
	near(ol_retry_asked(INT64_MAX, most), OL_RETRY_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exponential_doubles_to_max),
		cmocka_unit_test(test_fixed_stays),
		cmocka_unit_test(test_spread_is_a_fifth_each_way),
		cmocka_unit_test(test_never_above_max),
		cmocka_unit_test(test_no_max_is_a_week),
		cmocka_unit_test(test_asked_is_never_less),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
