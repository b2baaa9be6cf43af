#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "task/outcome.h"

static const struct ol_rules rules = { .retries = 2, .poison_after = 3 };

static struct ol_decision
decide(struct ol_task task, struct ol_ending ending)
{
	if (task.state == OL_TASK_NONE)
		task.state = OL_TASK_RUNNING;
	return ol_outcome_decide(&task, &rules, &ending);
}

#define ENDED(...)	((struct ol_ending){ .outcome = __VA_ARGS__ })
#define RUN(...)	((struct ol_task){ __VA_ARGS__ })
#define NOTHING_ELSE(d) assert_false((d).crash || (d).refund || (d).first)

static void
test_ok_is_ok_whatever_was_asked(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 1), ENDED(OL_OUTCOME_OK));
	assert_int_equal(d.verdict, OL_EVENT_SUCCEEDED);
	NOTHING_ELSE(d);
	d = decide(RUN(.attempt = 9, .state = OL_TASK_CANCELLING, .told = 1),
	    ENDED(OL_OUTCOME_OK));
	assert_int_equal(d.verdict, OL_EVENT_SUCCEEDED);
}

static void
test_any_other_end_of_a_cancelled_task_is_cancelled(void **state)
{
	int outcome;

	(void)state;
	for (outcome = OL_OUTCOME_RETRY; outcome < OL_OUTCOMES; outcome++) {
		struct ol_decision d =
		    decide(RUN(.attempt = 1, .state = OL_TASK_CANCELLING,
			       .crashes = 2),
			ENDED((enum ol_outcome)outcome, .crashed = true));

		assert_int_equal(d.verdict, OL_EVENT_CANCELLED);
		NOTHING_ELSE(d);
	}
}

static void
test_retry_until_the_runs_are_used_up(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 2), ENDED(OL_OUTCOME_RETRY));
	assert_int_equal(d.verdict, OL_EVENT_RETRYING);
	NOTHING_ELSE(d);
	d = decide(RUN(.attempt = 3), ENDED(OL_OUTCOME_RETRY));
	assert_int_equal(d.verdict, OL_EVENT_GAVE_UP);
	/* A refund is one run more. */
	d = decide(RUN(.attempt = 3, .refunds = 1), ENDED(OL_OUTCOME_RETRY));
	assert_int_equal(d.verdict, OL_EVENT_RETRYING);
}

static void
test_fail_is_the_end(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 1, .told = 1), ENDED(OL_OUTCOME_FAIL));
	assert_int_equal(d.verdict, OL_EVENT_FAILED);
	NOTHING_ELSE(d);
}

static void
test_lost_is_charged(void **state)
{
	struct ol_decision d;

	(void)state;
	/* Not by its own doing: it runs again at once. */
	d = decide(RUN(.attempt = 1, .crashes = 2), ENDED(OL_OUTCOME_LOST));
	assert_int_equal(d.verdict, OL_EVENT_REQUEUED);
	NOTHING_ELSE(d);
	d = decide(RUN(.attempt = 3), ENDED(OL_OUTCOME_LOST));
	assert_int_equal(d.verdict, OL_EVENT_GAVE_UP);
}

static void
test_own_crashes_poison(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 1, .crashes = 1),
	    ENDED(OL_OUTCOME_LOST, .crashed = true));
	assert_int_equal(d.verdict, OL_EVENT_RETRYING);
	assert_true(d.crash);
	assert_false(d.refund);
	d = decide(RUN(.attempt = 1, .crashes = 2),
	    ENDED(OL_OUTCOME_LOST, .crashed = true));
	assert_int_equal(d.verdict, OL_EVENT_POISONED);
	assert_true(d.crash);
}

static void
test_interrupted_is_refunded_and_first(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 3), ENDED(OL_OUTCOME_INTERRUPTED));
	assert_int_equal(d.verdict, OL_EVENT_REQUEUED);
	assert_true(d.refund);
	assert_true(d.first);
	assert_false(d.crash);
}

static void
test_unreachable_is_refunded_and_not_first(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 3),
	    ENDED(OL_OUTCOME_INTERRUPTED, .unreachable = true));
	assert_int_equal(d.verdict, OL_EVENT_REQUEUED);
	assert_true(d.refund);
	assert_false(d.first);
}

static void
test_what_the_drain_stopped_is_interrupted(void **state)
{
	struct ol_decision d;

	(void)state;
	d = decide(RUN(.attempt = 3, .told = 1), ENDED(OL_OUTCOME_RETRY));
	assert_int_equal(d.verdict, OL_EVENT_REQUEUED);
	assert_true(d.refund && d.first);
	d = decide(RUN(.attempt = 3, .told = 1, .crashes = 2),
	    ENDED(OL_OUTCOME_LOST, .crashed = true));
	assert_int_equal(d.verdict, OL_EVENT_REQUEUED);
	assert_true(d.refund && d.first);
	assert_false(d.crash);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ok_is_ok_whatever_was_asked),
		cmocka_unit_test(
		    test_any_other_end_of_a_cancelled_task_is_cancelled),
		cmocka_unit_test(test_retry_until_the_runs_are_used_up),
		cmocka_unit_test(test_fail_is_the_end),
		cmocka_unit_test(test_lost_is_charged),
		cmocka_unit_test(test_own_crashes_poison),
		cmocka_unit_test(test_interrupted_is_refunded_and_first),
		cmocka_unit_test(test_unreachable_is_refunded_and_not_first),
		cmocka_unit_test(test_what_the_drain_stopped_is_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
