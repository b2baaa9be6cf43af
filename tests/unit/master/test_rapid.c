#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/rapid.h"

static const int64_t t0 = OL_SEC(1000);

static void
make(struct ol_rapid *r, int crashes)
{
	ol_rapid_set(r, crashes, OL_SEC(300), OL_SEC(60));
}

static void
test_window(void **state)
{
	struct ol_rapid r;
	int i;

	(void)state;
	make(&r, 5);
	/* One every 76 s: never five within 300. */
	for (i = 0; i < 1000; i++)
		assert_false(ol_rapid_crash(&r, t0 + i * OL_SEC(76)));
	make(&r, 5);
	for (i = 0; i < 4; i++)
		assert_false(ol_rapid_crash(&r, t0 + i * OL_SEC(75)));
	assert_true(ol_rapid_crash(&r, t0 + 4 * OL_SEC(75)));
	assert_int_equal(ol_rapid_due(&r), t0 + OL_SEC(360));
	/* What crashes while it is being stopped counts no more. */
	assert_false(ol_rapid_crash(&r, t0 + OL_SEC(301)));
	make(&r, 1);
	assert_true(ol_rapid_crash(&r, t0));
	make(&r, 0);
	for (i = 0; i < 1000; i++)
		assert_false(ol_rapid_crash(&r, t0));
	assert_int_equal(ol_rapid_due(&r), OL_NEVER);
}

static void
test_trial(void **state)
{
	struct ol_rapid r;
	int i;

	(void)state;
	make(&r, 2);
	assert_false(ol_rapid_ready(&r, t0));
	assert_false(ol_rapid_crash(&r, t0));
	assert_true(ol_rapid_crash(&r, t0));
	assert_false(ol_rapid_try(&r, t0 + OL_SEC(60) - 1));
	/* One crash is enough now, for each trial. */
	for (i = 1; i < 5; i++) {
		assert_true(ol_rapid_try(&r, t0 + i * OL_SEC(60)));
		assert_false(ol_rapid_try(&r, t0 + i * OL_SEC(60)));
		assert_int_equal(ol_rapid_due(&r), OL_NEVER);
		assert_true(ol_rapid_crash(&r, t0 + i * OL_SEC(60)));
		assert_int_equal(ol_rapid_due(&r), t0 + (i + 1) * OL_SEC(60));
	}
	/* Ready; and a crash soon after that. */
	assert_true(ol_rapid_try(&r, t0 + OL_SEC(300)));
	assert_true(ol_rapid_ready(&r, t0 + OL_SEC(301)));
	assert_false(ol_rapid_ready(&r, t0 + OL_SEC(301)));
	assert_true(ol_rapid_crash(&r, t0 + OL_SEC(311) - 1));
	/* Ready, and for long: the old crashes are forgotten. */
	assert_true(ol_rapid_try(&r, t0 + OL_SEC(371)));
	assert_true(ol_rapid_ready(&r, t0 + OL_SEC(371)));
	assert_false(ol_rapid_crash(&r, t0 + OL_SEC(381)));
	assert_true(ol_rapid_crash(&r, t0 + OL_SEC(382)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_trial),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
