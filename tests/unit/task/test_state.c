#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "task/state.h"

/* The table, written a second time, by event; what is not here is refused. */
static const struct {
	enum ol_task_event event;
	enum ol_task_state from, to;
} legal[] = {
	{ OL_EVENT_SUBMIT, OL_TASK_NONE, OL_TASK_SUBMITTED },
	{ OL_EVENT_SUBMIT_RUNNING, OL_TASK_NONE, OL_TASK_ENTERING },
	{ OL_EVENT_LOAD_SCHEDULED, OL_TASK_NONE, OL_TASK_SCHEDULED },
	{ OL_EVENT_LOAD_SCHEDULED, OL_TASK_PARKED, OL_TASK_SCHEDULED },
	{ OL_EVENT_LOAD_READY, OL_TASK_NONE, OL_TASK_READY },
	{ OL_EVENT_LOAD_READY, OL_TASK_PARKED, OL_TASK_READY },
	{ OL_EVENT_LOAD_RETRYING, OL_TASK_NONE, OL_TASK_RETRYING },
	{ OL_EVENT_LOAD_RETRYING, OL_TASK_PARKED, OL_TASK_RETRYING },

	{ OL_EVENT_DUE, OL_TASK_SCHEDULED, OL_TASK_READY },
	{ OL_EVENT_DUE, OL_TASK_RETRYING, OL_TASK_READY },
	{ OL_EVENT_START, OL_TASK_READY, OL_TASK_STARTING },
	{ OL_EVENT_LAPSE, OL_TASK_READY, OL_TASK_ENDING },
	{ OL_EVENT_END, OL_TASK_RUNNING, OL_TASK_FINISHING },
	{ OL_EVENT_END, OL_TASK_CANCELLING, OL_TASK_FINISHING },
	{ OL_EVENT_RETURN, OL_TASK_RUNNING, OL_TASK_RETURNING },

	{ OL_EVENT_CANCEL, OL_TASK_SCHEDULED, OL_TASK_ENDING },
	{ OL_EVENT_CANCEL, OL_TASK_READY, OL_TASK_ENDING },
	{ OL_EVENT_CANCEL, OL_TASK_RETRYING, OL_TASK_ENDING },
	{ OL_EVENT_CANCEL, OL_TASK_PARKED, OL_TASK_ENDING },
	{ OL_EVENT_CANCEL, OL_TASK_STARTING, OL_TASK_REVOKED },
	{ OL_EVENT_CANCEL, OL_TASK_RETURNING, OL_TASK_REVOKED },
	{ OL_EVENT_CANCEL, OL_TASK_RUNNING, OL_TASK_CANCELLING },
	{ OL_EVENT_CANCEL, OL_TASK_CANCELLING, OL_TASK_CANCELLING },
	{ OL_EVENT_CANCEL, OL_TASK_REVOKED, OL_TASK_REVOKED },
	{ OL_EVENT_CANCEL, OL_TASK_FINISHING, OL_TASK_FINISHING },
	{ OL_EVENT_CANCEL, OL_TASK_ENDING, OL_TASK_ENDING },

	{ OL_EVENT_PARK, OL_TASK_SCHEDULED, OL_TASK_PARKED },
	{ OL_EVENT_PARK, OL_TASK_READY, OL_TASK_PARKED },
	{ OL_EVENT_PARK, OL_TASK_RETRYING, OL_TASK_PARKED },

	{ OL_EVENT_ADMITTED, OL_TASK_SUBMITTED, OL_TASK_READY },
	{ OL_EVENT_ADMITTED_LATER, OL_TASK_SUBMITTED, OL_TASK_SCHEDULED },
	{ OL_EVENT_STARTED, OL_TASK_ENTERING, OL_TASK_RUNNING },
	{ OL_EVENT_STARTED, OL_TASK_STARTING, OL_TASK_RUNNING },
	{ OL_EVENT_STARTED, OL_TASK_REVOKED, OL_TASK_ENDING },
	{ OL_EVENT_SUCCEEDED, OL_TASK_FINISHING, OL_TASK_SUCCEEDED },
	{ OL_EVENT_FAILED, OL_TASK_FINISHING, OL_TASK_FAILED },
	{ OL_EVENT_GAVE_UP, OL_TASK_FINISHING, OL_TASK_FAILED },
	{ OL_EVENT_GAVE_UP, OL_TASK_ENDING, OL_TASK_FAILED },
	{ OL_EVENT_POISONED, OL_TASK_FINISHING, OL_TASK_POISONED },
	{ OL_EVENT_EXPIRED, OL_TASK_ENDING, OL_TASK_FAILED },
	{ OL_EVENT_CANCELLED, OL_TASK_FINISHING, OL_TASK_CANCELLED },
	{ OL_EVENT_CANCELLED, OL_TASK_ENDING, OL_TASK_CANCELLED },
	{ OL_EVENT_RETRYING, OL_TASK_RETURNING, OL_TASK_RETRYING },
	{ OL_EVENT_RETRYING, OL_TASK_REVOKED, OL_TASK_ENDING },
	{ OL_EVENT_REQUEUED, OL_TASK_RETURNING, OL_TASK_READY },
	{ OL_EVENT_REQUEUED, OL_TASK_REVOKED, OL_TASK_ENDING },

	{ OL_EVENT_COMMIT_FAILED, OL_TASK_SUBMITTED, OL_TASK_NONE },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_ENTERING, OL_TASK_NONE },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_STARTING, OL_TASK_READY },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_REVOKED, OL_TASK_ENDING },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_FINISHING, OL_TASK_FINISHING },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_RETURNING, OL_TASK_RETURNING },
	{ OL_EVENT_COMMIT_FAILED, OL_TASK_ENDING, OL_TASK_ENDING },

	{ OL_EVENT_WITHDRAWN, OL_TASK_SUBMITTED, OL_TASK_NONE },
	{ OL_EVENT_WITHDRAWN, OL_TASK_ENTERING, OL_TASK_NONE },
};

static void
test_every_pair(void **state)
{
	int from, event;
	size_t i;

	(void)state;
	for (from = 0; from < OL_TASK_STATES; from++)
		for (event = 0; event < OL_EVENT_COUNT; event++) {
			int to = OL_STATE_REFUSED;

			for (i = 0; i < sizeof(legal) / sizeof(*legal); i++)
				if ((int)legal[i].from == from &&
				    (int)legal[i].event == event)
					to = legal[i].to;
			if ((int)ol_state_next((enum ol_task_state)from,
				(enum ol_task_event)event) != to)
				fail_msg("state %d, %s: is %d, not %d", from,
				    ol_state_event_name(
					(enum ol_task_event)event),
				    ol_state_next((enum ol_task_state)from,
					(enum ol_task_event)event),
				    to);
		}
}

static void
test_nothing_leaves_an_end(void **state)
{
	int from, event;

	(void)state;
	for (from = OL_TASK_SUCCEEDED; from < OL_TASK_STATES; from++)
		for (event = 0; event < OL_EVENT_COUNT; event++)
			assert_int_equal(ol_state_next((enum ol_task_state)from,
					     (enum ol_task_event)event),
			    OL_STATE_REFUSED);
}

/* What a write says is where the task goes when it is on disk. */
static void
test_what_is_written_is_where_it_goes(void **state)
{
	int event, from, said = 0;

	(void)state;
	for (event = 0; event < OL_EVENT_COUNT; event++) {
		enum ol_task_event verdict = (enum ol_task_event)event;
		enum ol_task_state row = ol_state_written(verdict);

		if (row == OL_STATE_REFUSED)
			continue;
		said++;
		for (from = 0; from < OL_TASK_STATES; from++) {
			enum ol_task_state to =
			    ol_state_next((enum ol_task_state)from, verdict);

			/* A cancel that came in between is written next. */
			if (to != OL_STATE_REFUSED && from != OL_TASK_REVOKED)
				assert_int_equal(to, row);
		}
	}
	assert_int_equal(said, OL_EVENT_REQUEUED - OL_EVENT_ADMITTED + 1);
}

static void
test_slots(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < OL_TASK_STATES; i++) {
		enum ol_task_state s = (enum ol_task_state)i;
		const char *name = ol_state_name(s);

		assert_int_equal(ol_state_has_slot(s),
		    s == OL_TASK_ENTERING ||
			(name != NULL && strcmp(name, "running") == 0));
		assert_int_equal(ol_state_is_busy(s),
		    ol_state_has_slot(s) && s != OL_TASK_FINISHING);
	}
}

static void
test_names(void **state)
{
	/* All states that users know, and those that they must not see. */
	static const char *const names[OL_TASK_STATES] = { NULL, NULL, NULL,
		"scheduled", "ready", "running", "running", "running",
		"running", "running", "running", "retrying", "parked", "ready",
		"succeeded", "failed", "poisoned", "cancelled" };
	int i;

	(void)state;
	for (i = 0; i < OL_TASK_STATES; i++) {
		const char *name = ol_state_name((enum ol_task_state)i);

		if (names[i] == NULL)
			assert_null(name);
		else
			assert_string_equal(name, names[i]);
	}
	assert_string_equal(
	    ol_state_event_name(OL_EVENT_COMMIT_FAILED), "COMMIT_FAILED");
	assert_string_equal(ol_state_event_name(OL_EVENT_CANCEL), "CANCEL");
	assert_string_equal(ol_state_event_name(OL_EVENT_EXPIRED), "EXPIRED");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_nothing_leaves_an_end),
		cmocka_unit_test(test_what_is_written_is_where_it_goes),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
