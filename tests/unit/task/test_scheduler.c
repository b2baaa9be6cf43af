#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

/* What a test writes after RULES' own initializers is meant to replace them. */
#pragma GCC diagnostic ignored "-Woverride-init"

/* Retries after 10 s, 20 s, … */
#define RULES(...) \
	{ \
		.retries = 2, .concurrency = 1, .max_waiting = 3, \
		.poison_after = 2, .durable = true, \
		.retry = { .base = OL_SEC(10), .exponential = true }, \
		__VA_ARGS__ \
	}
#define TYPE(type, ...) \
	{ \
		.name = type, .rules = RULES(__VA_ARGS__) \
	}
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define OPEN(w, ...) \
	do { \
		struct ol_task_type types_[] = { __VA_ARGS__ }; \
		world_open(w, types_, LENGTH(types_), 100); \
	} while (0)
#define CONFIGURE(w, ...) \
	do { \
		struct ol_task_type types_[] = { __VA_ARGS__ }; \
		ol_scheduler_configure( \
		    (w)->s, types_, LENGTH(types_), 100, (w)->now); \
	} while (0)

/* 'a' runs, spawned. */
static void
open_running(struct world *w)
{
	OPEN(w, TYPE("t"));
	submitted(w, "t", 0);
	tick(w);
	assert_acts(w, "spawn a1; ");
}

/* --- submit --- */

static void
test_one_write_when_it_can_start_at_once(void **state)
{
	struct world w;
	struct ol_task *a;

	(void)state;
	OPEN(&w, TYPE("t"));
	assert_int_equal(submit_at(&w, "t", 0, 0, &a), OL_SUBMITTED);
	assert_int_equal(a->state, OL_TASK_ENTERING);
	assert_int_equal(a->attempt, 1);
	tick(&w);
	assert_acts(&w, "");
	assert_null(task_named(&w, 'a'));
	ol_scheduler_written(w.s, a, true, w.now);
	assert_acts(&w, "spawn a1; ");
	assert_int_equal(state_of(&w, 'a'), OL_TASK_RUNNING);
	world_close(&w);
}

static void
test_invisible_until_committed(void **state)
{
	struct world w;
	struct ol_task *b;

	(void)state;
	open_running(&w);
	assert_int_equal(submit_at(&w, "t", 0, 0, &b), OL_SUBMITTED);
	assert_int_equal(b->state, OL_TASK_SUBMITTED);
	assert_null(task_named(&w, 'b'));
	assert_int_equal(cancel(&w, 'b'), OL_CANCEL_UNKNOWN);
	/* A slot is free, but b cannot be dispatched. */
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	written(&w, 'a', true);
	tick(&w);
	assert_acts(&w, "write a SUCCEEDED; succeeded a; ");
	ol_scheduler_written(w.s, b, true, w.now);
	assert_int_equal(state_of(&w, 'b'), OL_TASK_READY);
	tick(&w);
	assert_acts(&w, "write b STARTED; ");
	world_close(&w);
}

static void
test_a_failed_commit_drops_it(void **state)
{
	struct world w;
	struct ol_task *a, *b;

	(void)state;
	OPEN(&w, TYPE("t"));
	submit_at(&w, "t", 0, 0, &a);
	submit_at(&w, "t", 0, 0, &b);
	assert_int_equal(b->state, OL_TASK_SUBMITTED);
	ol_scheduler_written(w.s, a, false, w.now);
	ol_scheduler_written(w.s, b, false, w.now);
	assert_acts(&w, "dropped a; dropped b; ");
	assert_int_equal(ol_scheduler_tasks(w.s), 0);
	assert_int_equal(ol_scheduler_running(w.s), 0);
	world_close(&w);
}

static void
test_a_withdrawn_submit_is_no_failure(void **state)
{
	struct world w;
	struct ol_task *a, *b, *c;

	(void)state;
	OPEN(&w, TYPE("t"));
	submit_at(&w, "t", 0, 0, &a);
	submit_at(&w, "t", 0, 0, &b);
	submit_at(&w, "t", 0, 0, &c);
	assert_int_equal(a->state, OL_TASK_ENTERING);
	assert_int_equal(b->state, OL_TASK_SUBMITTED);
	ol_scheduler_withdrawn(w.s, a, w.now);
	ol_scheduler_withdrawn(w.s, b, w.now);
	assert_acts(&w, "dropped a; dropped b; ");
	assert_int_equal(ol_scheduler_tasks(w.s), 1);
	assert_int_equal(ol_scheduler_running(w.s), 0);
	/* The slot is free at once, and nothing waits for the store. */
	ol_scheduler_written(w.s, c, true, w.now);
	tick(&w);
	assert_acts(&w, "write c STARTED; ");
	written(&w, 'c', true);
	assert_acts(&w, "spawn c1; ");
	/* What is not a submit is refused, and stays as it is. */
	ol_scheduler_withdrawn(w.s, c, w.now);
	assert_int_equal(w.refused, 1);
	w.refused = 0;
	assert_int_equal(state_of(&w, 'c'), OL_TASK_RUNNING);
	world_close(&w);
}

static void
test_full_counts_what_waits_and_not_what_runs(void **state)
{
	struct world w;
	struct ol_task *task;

	(void)state;
	open_running(&w);
	submit_at(&w, "t", 0, 0, &task); /* not committed: it counts */
	submitted(&w, "t", 0);
	submit_at(&w, "t", 0, w.now + OL_SEC(5), &task);
	assert_int_equal(submit_at(&w, "t", 0, 0, &task), OL_SUBMIT_FULL);
	assert_int_equal(ol_queue_waiting(ol_scheduler_queue(w.s, "t")), 3);
	ol_scheduler_written(w.s, task, false, w.now);
	assert_int_equal(submit_at(&w, "t", 0, 0, &task), OL_SUBMITTED);
	world_close(&w);
}

static void
test_what_is_not_taken(void **state)
{
	struct world w;
	struct ol_task *task;

	(void)state;
	OPEN(&w, TYPE("t"), TYPE("volatile", .durable = false));
	assert_int_equal(
	    submit_at(&w, "x", 0, 0, &task), OL_SUBMIT_UNKNOWN_TYPE);
	submitted(&w, "t", 0);
	w.n--;
	assert_int_equal(submit_at(&w, "t", 0, 0, &task), OL_SUBMIT_EXISTS);
	ol_scheduler_drain(w.s, OL_NEVER, 0, w.now);
	assert_int_equal(
	    submit_at(&w, "volatile", 0, 0, &task), OL_SUBMIT_DRAINING);
	assert_int_equal(submit_at(&w, "t", 0, 0, &task), OL_SUBMITTED);
	assert_int_equal(task->state, OL_TASK_SUBMITTED);
	world_close(&w);
}

/* --- order --- */

static void
test_priority_then_submit_order(void **state)
{
	struct world w;
	char expected[] = "write ? STARTED; ";
	const char *order = "cbd";

	(void)state;
	open_running(&w); /* a */
	submitted(&w, "t", 0);
	submitted(&w, "t", 5);
	submitted(&w, "t", -5);
	for (; *order != '\0'; order++) {
		char now = order[0] == 'c' ? 'a' : order[-1];

		ended(&w, now, 1, OL_OUTCOME_OK);
		written(&w, now, true);
		w.acts[0] = '\0';
		tick(&w);
		expected[6] = *order;
		assert_acts(&w, expected);
		written(&w, *order, true);
	}
	world_close(&w);
}

static void
test_no_submit_overtakes_a_ready_task(void **state)
{
	struct world w;
	struct ol_task *task;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	written(&w, 'a', true);
	/* The slot is free, and b has not been started by a tick yet. */
	submit_at(&w, "t", 100, 0, &task);
	assert_int_equal(task->state, OL_TASK_SUBMITTED);
	world_close(&w);
}

static void
test_types_take_turns(void **state)
{
	struct world w;
	int i;

	(void)state;
	OPEN(&w, TYPE("t", .concurrency = 9, .max_waiting = 9),
	    TYPE("u", .concurrency = 9, .max_waiting = 9));
	ol_scheduler_pause(w.s, "t", true, w.now);
	ol_scheduler_pause(w.s, "u", true, w.now);
	for (i = 0; i < 4; i++)
		submitted(&w, i < 3 ? "t" : "u", 0);
	ol_scheduler_pause(w.s, "t", false, w.now);
	ol_scheduler_pause(w.s, "u", false, w.now);
	tick(&w);
	assert_acts(&w, "write a STARTED; write d STARTED; write b STARTED; "
			"write c STARTED; ");
	world_close(&w);
}

static void
test_limits_of_type_and_of_all(void **state)
{
	struct ol_task_type types[] = { TYPE("t", .concurrency = 2),
		TYPE("u", .concurrency = 2) };
	struct world w;

	(void)state;
	world_open(&w, types, 2, 3);
	submitted(&w, "t", 0);
	submitted(&w, "t", 0);
	submitted(&w, "t", 0);
	submitted(&w, "u", 0);
	submitted(&w, "u", 0);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "spawn a1; spawn b1; spawn d1; ");
	ended(&w, 'd', 1, OL_OUTCOME_OK);
	tick(&w);
	assert_acts(&w, "write d SUCCEEDED; "); /* holds its slot */
	written(&w, 'd', true);
	tick(&w);
	assert_acts(&w, "succeeded d; write e STARTED; ");
	world_close(&w);
}

/* One commit may hold both. */
static void
test_the_next_starts_while_an_end_is_written(void **state)
{
	struct world w;
	int i;

	(void)state;
	OPEN(&w, TYPE("t", .concurrency = 2));
	for (i = 0; i < 5; i++)
		submitted(&w, "t", 0);
	assert_acts(&w, "spawn a1; spawn b1; ");
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a SUCCEEDED; write c STARTED; ");
	assert_int_equal(ol_scheduler_running(w.s), 3);
	/* It is spawned when its own write is there, in any order. */
	written(&w, 'c', true);
	assert_acts(&w, "spawn c1; ");
	ended(&w, 'b', 1, OL_OUTCOME_FAIL);
	ended(&w, 'c', 1, OL_OUTCOME_OK);
	tick(&w);
	assert_acts(&w, "write b FAILED; write c SUCCEEDED; write d STARTED; ");
	/* Four of them: two may run, two may wait for their end. */
	written(&w, 'd', true);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "spawn d1; ");
	written(&w, 'c', true);
	tick(&w);
	assert_acts(&w, "succeeded c; write e STARTED; ");
	world_close(&w);
}

static void
test_nothing_starts_beside_an_end_that_cannot_be_written(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	tick(&w);
	assert_acts(&w, "write a SUCCEEDED; write b STARTED; ");
	/* Both were in one commit. */
	written(&w, 'a', false);
	written(&w, 'b', false);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	w.now += OL_MSEC(50);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a SUCCEEDED; write b STARTED; ");
	/* The next commit took only one of them. */
	written(&w, 'b', true);
	written(&w, 'a', false);
	ended(&w, 'b', 2, OL_OUTCOME_OK);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	assert_acts(&w, "spawn b2; write b SUCCEEDED; ");
	written(&w, 'b', true);
	w.now += OL_MSEC(50);
	tick(&w);
	assert_acts(&w, "succeeded b; write a SUCCEEDED; write c STARTED; ");
	world_close(&w);
}

static void
test_what_returns_keeps_its_place(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 100);
	ended(&w, 'a', 1, OL_OUTCOME_INTERRUPTED);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a REQUEUED; ");
	written(&w, 'a', true);
	tick(&w);
	assert_acts(&w, "write a STARTED; ");
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_UNSTARTED);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "");
	world_close(&w);
}

static void
test_pause_by_hand(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t"));
	assert_int_equal(ol_scheduler_pause(w.s, "x", true, w.now), -1);
	ol_scheduler_pause(w.s, "t", true, w.now);
	submitted(&w, "t", 0);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "");
	ol_scheduler_pause(w.s, "t", false, w.now);
	tick(&w);
	assert_acts(&w, "write a STARTED; ");
	world_close(&w);
}

/* --- time --- */

static void
test_delayed_until_due(void **state)
{
	struct world w;
	struct ol_task *a;

	(void)state;
	OPEN(&w, TYPE("t"));
	submit_at(&w, "t", 0, w.now + OL_SEC(5), &a);
	ol_scheduler_written(w.s, a, true, w.now);
	assert_int_equal(a->state, OL_TASK_SCHEDULED);
	assert_int_equal(tick(&w), w.now + OL_SEC(5));
	w.now += OL_SEC(5) - 1;
	assert_int_equal(tick(&w), w.now + 1);
	assert_acts(&w, "");
	w.now++;
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a STARTED; ");
	world_close(&w);
}

static void
test_expired_is_not_started(void **state)
{
	struct world w;
	struct ol_task *c;

	(void)state;
	OPEN(&w, TYPE("t", .expires = OL_SEC(60)));
	submitted(&w, "t", 0);
	submitted(&w, "t", 0);
	/* A delay does not count. */
	submit_at(&w, "t", 0, w.now + OL_SEC(100), &c);
	ol_scheduler_written(w.s, c, true, w.now);
	assert_int_equal(tick(&w), w.now + OL_SEC(60));
	assert_acts(&w, "spawn a1; ");
	w.now += OL_SEC(60);
	assert_int_equal(tick(&w), w.now + OL_SEC(40));
	assert_acts(&w, "write b EXPIRED; ");
	written(&w, 'b', true);
	assert_acts(&w, "failed b; ");
	w.now += OL_SEC(40);
	assert_int_equal(tick(&w), w.now + OL_SEC(60));
	assert_int_equal(state_of(&w, 'c'), OL_TASK_READY);
	world_close(&w);
}

static void
test_what_was_started_does_not_expire(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t", .expires = OL_SEC(1)));
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_RETRY);
	written(&w, 'a', true);
	ol_scheduler_pause(w.s, "t", true, w.now);
	w.now += OL_SEC(10);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_READY);
	w.now += OL_SEC(1000);
	tick(&w);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_READY);
	world_close(&w);
}

static void
test_batches_are_bounded(void **state)
{
	struct world w = { 0 };
	const struct ol_queue *q;
	uint32_t i;
	struct ol_task_type type =
	    TYPE("t", .max_waiting = 1000, .expires = OL_SEC(1));

	(void)state;
	world_open(&w, &type, 1, 100);
	ol_scheduler_pause(w.s, "t", true, w.now);
	for (i = 0; i < 1000; i++) {
		struct ol_submit submit = { .type = "t",
			.id = { { (uint8_t)(i >> 8), (uint8_t)i } } };
		struct ol_task *task;

		assert_int_equal(
		    ol_scheduler_submit(w.s, &submit, w.now, &task),
		    OL_SUBMITTED);
		ol_scheduler_written(w.s, task, true, w.now);
	}
	q = ol_scheduler_queue(w.s, "t");
	w.now += OL_SEC(2);
	assert_int_equal(ol_scheduler_tick(w.s, w.now), w.now);
	assert_int_equal(q->ready.n, 1000 - OL_SCHEDULER_BATCH);
	/* A full batch is no reason to start what has expired. */
	ol_scheduler_pause(w.s, "t", false, w.now);
	assert_int_equal(ol_scheduler_tick(w.s, w.now), w.now);
	assert_int_equal(q->ready.n, 1000 - 3 * OL_SCHEDULER_BATCH);
	tick(&w);
	assert_int_equal(q->ready.n, 0);
	assert_int_equal(q->busy, 0);
	world_close(&w);
}

/* --- runs --- */

static void
test_the_fence(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	assert_int_equal(ended(&w, 'a', 2, OL_OUTCOME_OK), -1);
	assert_int_equal(ended(&w, 'b', 1, OL_OUTCOME_OK), -1);
	assert_int_equal(ended(&w, 'a', 1, OL_OUTCOME_RETRY), 0);
	assert_int_equal(ended(&w, 'a', 1, OL_OUTCOME_OK), -1);
	written(&w, 'a', true);
	w.now += OL_SEC(10);
	tick(&w);
	assert_acts(&w, "write a RETRYING; write a STARTED; ");
	/* Between the start and its commit there is no run to end. */
	assert_int_equal(ended(&w, 'a', 2, OL_OUTCOME_OK), -1);
	written(&w, 'a', true);
	assert_int_equal(ended(&w, 'a', 1, OL_OUTCOME_OK), -1);
	assert_int_equal(ended(&w, 'a', 2, OL_OUTCOME_OK), 0);
	world_close(&w);
}

static void
test_retries_by_the_rule_until_it_gives_up(void **state)
{
	struct world w;
	uint32_t attempt;

	(void)state;
	open_running(&w);
	for (attempt = 1; attempt <= 2; attempt++) {
		int64_t delay = OL_SEC(10) * attempt;

		ended(&w, 'a', attempt, OL_OUTCOME_RETRY);
		assert_int_equal(state_of(&w, 'a'), OL_TASK_RETURNING);
		written(&w, 'a', true);
		assert_int_equal(state_of(&w, 'a'), OL_TASK_RETRYING);
		assert_in_range(tick(&w), w.now + delay - 9, w.now + delay + 9);
		w.now += delay + 9;
		tick(&w);
		written(&w, 'a', true);
	}
	assert_acts(&w, "write a RETRYING; write a STARTED; spawn a2; "
			"write a RETRYING; write a STARTED; spawn a3; ");
	ended(&w, 'a', 3, OL_OUTCOME_RETRY);
	written(&w, 'a', true);
	assert_acts(&w, "write a GAVE_UP; failed a; ");
	world_close(&w);
}

static void
test_retry_after_what_was_asked(void **state)
{
	struct ol_ending ending = { .outcome = OL_OUTCOME_RETRY,
		.delay = OL_SEC(100) };
	struct ol_id id = id_named('a');
	struct world w;

	(void)state;
	open_running(&w);
	ol_scheduler_ended(w.s, &id, 1, &ending, w.now);
	written(&w, 'a', true);
	assert_in_range(tick(&w), w.now + OL_SEC(109), w.now + OL_SEC(111));
	world_close(&w);
}

static void
test_poison(void **state)
{
	struct ol_ending ending = { .outcome = OL_OUTCOME_LOST,
		.crashed = true };
	struct ol_id id = id_named('a');
	struct world w;

	(void)state;
	open_running(&w);
	ol_scheduler_ended(w.s, &id, 1, &ending, w.now);
	written(&w, 'a', true);
	w.now += OL_SEC(11);
	tick(&w);
	written(&w, 'a', true);
	assert_int_equal(task_named(&w, 'a')->crashes, 1);
	w.acts[0] = '\0';
	ol_scheduler_ended(w.s, &id, 2, &ending, w.now);
	written(&w, 'a', true);
	assert_acts(&w, "write a POISONED; poisoned a; ");
	world_close(&w);
}

static void
test_interrupted_goes_first_and_is_refunded(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 100);
	w.now += OL_SEC(7);
	ended(&w, 'a', 1, OL_OUTCOME_INTERRUPTED);
	written(&w, 'a', true);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_READY);
	assert_int_equal(task_named(&w, 'a')->due, w.now);
	tick(&w);
	assert_acts(&w, "write a REQUEUED; write a STARTED; ");
	assert_int_equal(task_named(&w, 'a')->attempt, 2);
	assert_int_equal(ol_task_charged(task_named(&w, 'a')), 1);
	world_close(&w);
}

static void
test_unreachable_backs_the_type_off(void **state)
{
	struct ol_ending ending = { .outcome = OL_OUTCOME_INTERRUPTED,
		.unreachable = true };
	struct ol_id id = id_named('a');
	struct world w;
	int64_t wait = OL_SEC(1);
	uint32_t attempt;

	(void)state;
	OPEN(&w, TYPE("t"), TYPE("u"));
	submitted(&w, "t", 0);
	assert_acts(&w, "spawn a1; ");
	for (attempt = 1; attempt < 10; attempt++) {
		ol_scheduler_ended(w.s, &id, attempt, &ending, w.now);
		written(&w, 'a', true);
		assert_int_equal(state_of(&w, 'a'), OL_TASK_READY);
		assert_int_equal(tick(&w), w.now + wait);
		assert_acts(&w, "write a REQUEUED; ");
		w.now += wait;
		wait = wait < OL_SEC(30) ? wait * 2 : OL_SEC(60);
		tick(&w);
		written(&w, 'a', true);
		w.acts[0] = '\0';
	}
	/* Another type is not concerned; a run that began ends it. */
	ol_scheduler_ended(w.s, &id, attempt, &ending, w.now);
	submitted(&w, "u", 0);
	assert_acts(&w, "write a REQUEUED; spawn b1; ");
	written(&w, 'a', true);
	w.now += OL_SEC(60);
	tick(&w);
	written(&w, 'a', true);
	ended(&w, 'a', attempt + 1, OL_OUTCOME_RETRY);
	assert_int_equal(ol_scheduler_queue(w.s, "t")->backoff, 0);
	world_close(&w);
}

/* --- the store fails --- */

static void
test_a_failed_start_is_refunded_and_paced(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	written(&w, 'a', true);
	tick(&w);
	assert_acts(&w, "write a SUCCEEDED; succeeded a; write b STARTED; ");
	written(&w, 'b', false);
	assert_int_equal(state_of(&w, 'b'), OL_TASK_READY);
	assert_int_equal(task_named(&w, 'b')->attempt, 1);
	assert_int_equal(ol_task_charged(task_named(&w, 'b')), 0);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	assert_acts(&w, "");
	w.now += OL_MSEC(50);
	tick(&w);
	assert_acts(&w, "write b STARTED; ");
	written(&w, 'b', false);
	assert_int_equal(tick(&w), w.now + OL_MSEC(100));
	w.now += OL_MSEC(100);
	tick(&w);
	written(&w, 'b', true);
	assert_acts(&w, "write b STARTED; spawn b3; ");
	/* A success ends the doubling. */
	ended(&w, 'b', 3, OL_OUTCOME_OK);
	written(&w, 'b', false);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	world_close(&w);
}

static void
test_an_end_is_written_until_it_is(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	assert_acts(&w, "write a SUCCEEDED; ");
	written(&w, 'a', false);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_FINISHING);
	assert_int_equal(ol_scheduler_running(w.s), 1);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	w.now += OL_MSEC(50);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a SUCCEEDED; ");
	written(&w, 'a', true);
	assert_acts(&w, "succeeded a; ");
	world_close(&w);
}

static void
test_failures_of_one_moment_are_one(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	cancel(&w, 'b');
	written(&w, 'a', false);
	written(&w, 'b', false);
	assert_int_equal(tick(&w), w.now + OL_MSEC(50));
	world_close(&w);
}

static void
test_a_write_that_nobody_asked_for_is_refused(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	written(&w, 'a', true);
	assert_int_equal(w.refused, 1);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_RUNNING);
	w.refused = 0;
	world_close(&w);
}

/* --- cancel --- */

static void
test_cancel_what_waits(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	assert_int_equal(cancel(&w, 'b'), OL_CANCEL_UNSTARTED);
	assert_int_equal(cancel(&w, 'b'), OL_CANCEL_UNSTARTED);
	assert_acts(&w, "write b CANCELLED; ");
	written(&w, 'b', false);
	tick(&w);
	w.now += OL_MSEC(50);
	tick(&w);
	written(&w, 'b', true);
	assert_acts(&w, "write b CANCELLED; cancelled b; ");
	assert_int_equal(cancel(&w, 'b'), OL_CANCEL_UNKNOWN);
	world_close(&w);
}

static void
cancel_while_starting(bool on_disk)
{
	struct world w;

	OPEN(&w, TYPE("t"));
	ol_scheduler_pause(w.s, "t", true, w.now);
	submitted(&w, "t", 0);
	ol_scheduler_pause(w.s, "t", false, w.now);
	tick(&w);
	assert_acts(&w, "write a STARTED; ");
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_UNSTARTED);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_REVOKED);
	assert_acts(&w, "");
	written(&w, 'a', on_disk);
	w.now += OL_MSEC(50);
	tick(&w);
	assert_acts(&w, "write a CANCELLED; ");
	assert_int_equal(ol_scheduler_running(w.s), 0);
	written(&w, 'a', true);
	assert_acts(&w, "cancelled a; ");
	world_close(&w);
}

static void
test_cancel_while_starting_spawns_nothing(void **state)
{
	(void)state;
	cancel_while_starting(true);
	cancel_while_starting(false);
}

static void
test_cancel_what_runs(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_RUNNING);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_RUNNING);
	assert_acts(&w, "cancel a1; ");
	ended(&w, 'a', 1, OL_OUTCOME_LOST);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_ENDED);
	written(&w, 'a', true);
	assert_acts(&w, "write a CANCELLED; cancelled a; ");
	world_close(&w);
}

static void
test_cancel_what_returns(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ended(&w, 'a', 1, OL_OUTCOME_RETRY);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_UNSTARTED);
	written(&w, 'a', true);
	assert_acts(&w, "write a RETRYING; write a CANCELLED; ");
	written(&w, 'a', true);
	assert_acts(&w, "cancelled a; ");
	world_close(&w);
}

static void
test_cancel_what_returns_and_could_not_be_written(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ended(&w, 'a', 1, OL_OUTCOME_RETRY);
	written(&w, 'a', false);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_UNSTARTED);
	w.now += OL_MSEC(50);
	tick(&w);
	assert_acts(&w, "write a RETRYING; write a CANCELLED; ");
	assert_int_equal(ol_scheduler_running(w.s), 0);
	written(&w, 'a', true);
	assert_acts(&w, "cancelled a; ");
	world_close(&w);
}

static void
test_cancel_what_has_ended(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_ENDED);
	written(&w, 'a', true);
	assert_acts(&w, "write a SUCCEEDED; succeeded a; ");
	world_close(&w);
}

/* --- reload --- */

static void
test_a_run_keeps_its_rules(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	CONFIGURE(&w, TYPE("t", .retries = 0));
	ended(&w, 'a', 1, OL_OUTCOME_RETRY);
	written(&w, 'a', true);
	tick(&w);
	written(&w, 'b', true);
	ended(&w, 'b', 1, OL_OUTCOME_RETRY);
	assert_acts(&w,
	    "write a RETRYING; write b STARTED; spawn b1; write b GAVE_UP; ");
	written(&w, 'b', true);
	/* What waits takes the new ones: a has no run left. */
	w.now += OL_SEC(11);
	tick(&w);
	assert_acts(&w, "failed b; write a GAVE_UP; ");
	world_close(&w);
}

static void
test_a_removed_type_parks_its_tasks(void **state)
{
	struct world w;
	struct ol_task *task;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	submit_at(&w, "t", 0, w.now + OL_SEC(100), &task);
	ol_scheduler_written(w.s, task, true, w.now);
	CONFIGURE(&w, TYPE("u"));
	assert_int_equal(
	    submit_at(&w, "t", 0, 0, &task), OL_SUBMIT_UNKNOWN_TYPE);
	ended(&w, 'a', 1, OL_OUTCOME_RETRY);
	written(&w, 'a', true);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "write a RETRYING; ");
	assert_int_equal(state_of(&w, 'a'), OL_TASK_PARKED);
	assert_int_equal(state_of(&w, 'b'), OL_TASK_PARKED);
	assert_int_equal(state_of(&w, 'c'), OL_TASK_PARKED);
	assert_int_equal(cancel(&w, 'b'), OL_CANCEL_UNSTARTED);
	written(&w, 'b', true);
	assert_acts(&w, "write b CANCELLED; cancelled b; ");
	CONFIGURE(&w, TYPE("t"));
	tick(&w);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_RETRYING);
	assert_int_equal(state_of(&w, 'c'), OL_TASK_SCHEDULED);
	w.now += OL_SEC(20);
	tick(&w);
	assert_acts(&w, "write a STARTED; ");
	world_close(&w);
}

static void
test_a_removed_type_without_tasks_is_gone(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	CONFIGURE(&w, TYPE("u"));
	assert_non_null(ol_scheduler_queue(w.s, "t"));
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	written(&w, 'a', true);
	assert_null(ol_scheduler_queue(w.s, "t"));
	assert_ptr_equal(
	    ol_scheduler_queue_after(w.s, NULL), ol_scheduler_queue(w.s, "u"));
	world_close(&w);
}

/* --- drain --- */

static void
test_drain_starts_nothing(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	submitted(&w, "t", 0);
	ended(&w, 'a', 1, OL_OUTCOME_OK);
	written(&w, 'a', true);
	tick(&w);
	assert_acts(&w, "write a SUCCEEDED; succeeded a; write b STARTED; ");
	ol_scheduler_drain(w.s, OL_NEVER, 0, w.now);
	/* On disk as started, but not begun: given back. */
	written(&w, 'b', true);
	assert_acts(&w, "write b REQUEUED; ");
	written(&w, 'b', true);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "");
	assert_int_equal(ol_scheduler_running(w.s), 0);
	assert_int_equal(ol_task_charged(task_named(&w, 'b')), 0);
	world_close(&w);
}

static void
test_a_drain_waits_for_every_write(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t"));
	ol_scheduler_pause(w.s, "t", true, w.now);
	submitted(&w, "t", 0);
	ol_scheduler_drain(w.s, OL_NEVER, 0, w.now);
	assert_true(ol_scheduler_is_settled(w.s));
	cancel(&w, 'a');
	assert_false(ol_scheduler_is_settled(w.s));
	written(&w, 'a', false);
	assert_false(ol_scheduler_is_settled(w.s));
	w.now = tick(&w);
	tick(&w);
	written(&w, 'a', true);
	assert_true(ol_scheduler_is_settled(w.s));
	assert_acts(&w, "write a CANCELLED; write a CANCELLED; cancelled a; ");
	world_close(&w);
}

static void
test_the_budget_of_a_drain(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ol_scheduler_drain(w.s, w.now + OL_SEC(90), OL_SEC(10), w.now);
	assert_int_equal(tick(&w), w.now + OL_SEC(80));
	w.now += OL_SEC(80);
	assert_int_equal(tick(&w), w.now + OL_SEC(10));
	assert_acts(&w, "interrupt a1; ");
	w.now += OL_SEC(10);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "kill a1; ");
	/* Killed by us: not lost, whatever its host looks like. */
	ended(&w, 'a', 1, OL_OUTCOME_LOST);
	assert_acts(&w, "write a REQUEUED; ");
	assert_int_equal(task_named(&w, 'a')->refunds, 1);
	assert_true(task_named(&w, 'a')->first);
	world_close(&w);
}

static void
test_a_second_drain_means_now(void **state)
{
	struct world w;

	(void)state;
	open_running(&w);
	ol_scheduler_drain(w.s, w.now + OL_SEC(90), OL_SEC(10), w.now);
	tick(&w);
	w.now += OL_SEC(1);
	ol_scheduler_drain(w.s, w.now, OL_SEC(10), w.now);
	assert_int_equal(tick(&w), OL_NEVER);
	assert_acts(&w, "interrupt a1; kill a1; ");
	world_close(&w);
}

static void
test_drain_tells_one_before_the_others(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t", .concurrency = 2, .retries = 0));
	submitted(&w, "t", 0);
	submitted(&w, "t", 0);
	assert_acts(&w, "spawn a1; spawn b1; ");
	ol_scheduler_drain(w.s, OL_NEVER, 0, w.now);
	ol_scheduler_stop(w.s, task_named(&w, 'a'), OL_STOP_INTERRUPT);
	ol_scheduler_stop(w.s, task_named(&w, 'a'), OL_STOP_KILL);
	assert_acts(&w, "interrupt a1; kill a1; ");
	/* It is refunded; the other one is not. */
	assert_int_equal(ended(&w, 'a', 1, OL_OUTCOME_LOST), 0);
	assert_int_equal(ended(&w, 'b', 1, OL_OUTCOME_LOST), 0);
	assert_acts(&w, "write a REQUEUED; write b GAVE_UP; ");
	/* It runs no more. */
	ol_scheduler_stop(w.s, task_named(&w, 'a'), OL_STOP_KILL);
	assert_acts(&w, "");
	written(&w, 'a', true);
	written(&w, 'b', true);
	assert_acts(&w, "failed b; ");
	world_close(&w);
}

/* --- load --- */

static void
load(struct world *w, char name, enum ol_task_state state, uint32_t attempt)
{
	struct ol_loaded loaded = {
		.id = id_named(name),
		.type = "t",
		.state = state,
		.due = w->now,
		.attempt = attempt,
		.interrupted = state == OL_TASK_READY && attempt > 0,
	};

	assert_int_equal(ol_scheduler_load(w->s, &loaded, w->now), 0);
}

static void
test_load(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t"));
	load(&w, 'a', OL_TASK_READY, 0);
	load(&w, 'b', OL_TASK_READY, 1);
	load(&w, 'c', OL_TASK_SCHEDULED, 0);
	load(&w, 'd', OL_TASK_RETRYING, 1);
	load(&w, 'e', OL_TASK_RUNNING, 1);
	load(&w, 'f', OL_TASK_RUNNING, 3);
	assert_acts(&w, "write f GAVE_UP; ");
	assert_int_equal(tick(&w), OL_NEVER);
	assert_int_equal(state_of(&w, 'e'), OL_TASK_READY); /* at once */
	assert_int_equal(state_of(&w, 'c'), OL_TASK_READY);
	assert_int_equal(state_of(&w, 'd'), OL_TASK_READY);
	assert_acts(&w, "write b STARTED; "); /* interrupted: first */
	assert_int_equal(task_named(&w, 'b')->attempt, 2);
	assert_int_equal(task_named(&w, 'e')->crashes, 0);
	world_close(&w);
}

static void
test_load_of_an_unknown_type_is_parked(void **state)
{
	struct world w;

	(void)state;
	OPEN(&w, TYPE("u"));
	load(&w, 'a', OL_TASK_READY, 0);
	load(&w, 'b', OL_TASK_RUNNING, 1);
	tick(&w);
	assert_int_equal(state_of(&w, 'a'), OL_TASK_PARKED);
	assert_int_equal(state_of(&w, 'b'), OL_TASK_PARKED);
	assert_acts(&w, "");
	CONFIGURE(&w, TYPE("t"));
	tick(&w);
	assert_acts(&w, "write a STARTED; ");
	world_close(&w);
}

/* Whatever its rules allow, and whether its type is there or not. */
static void
test_load_of_what_was_cancelled(void **state)
{
	struct ol_loaded loaded = { .id = id_named('a'),
		.type = "t",
		.state = OL_TASK_RUNNING,
		.attempt = 1,
		.cancelled = true };
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t"));
	loaded.due = w.now;
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), 0);
	loaded.id = id_named('b');
	loaded.type = "gone";
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), 0);
	assert_acts(&w, "write a CANCELLED; write b CANCELLED; ");
	tick(&w);
	assert_acts(&w, "");
	assert_int_equal(cancel(&w, 'a'), OL_CANCEL_UNSTARTED);
	written(&w, 'b', true);
	written(&w, 'a', false);
	w.now += OL_SEC(1);
	tick(&w);
	written(&w, 'a', true);
	assert_acts(&w, "cancelled b; write a CANCELLED; cancelled a; ");
	world_close(&w);
}

static void
test_load_refuses_what_cannot_be(void **state)
{
	struct ol_loaded loaded = {
		.id = id_named('a'), .type = "t", .state = OL_TASK_SUCCEEDED
	};
	struct world w;

	(void)state;
	OPEN(&w, TYPE("t"));
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), -1);
	loaded.state = OL_TASK_READY;
	loaded.refunds = 1;
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), -1);
	loaded.refunds = 0;
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), 0);
	assert_int_equal(ol_scheduler_load(w.s, &loaded, w.now), -1);
	assert_int_equal(ol_scheduler_tasks(w.s), 1);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_write_when_it_can_start_at_once),
		cmocka_unit_test(test_invisible_until_committed),
		cmocka_unit_test(test_a_failed_commit_drops_it),
		cmocka_unit_test(test_a_withdrawn_submit_is_no_failure),
		cmocka_unit_test(test_full_counts_what_waits_and_not_what_runs),
		cmocka_unit_test(test_what_is_not_taken),
		cmocka_unit_test(test_priority_then_submit_order),
		cmocka_unit_test(test_no_submit_overtakes_a_ready_task),
		cmocka_unit_test(test_types_take_turns),
		cmocka_unit_test(test_limits_of_type_and_of_all),
		cmocka_unit_test(test_the_next_starts_while_an_end_is_written),
		cmocka_unit_test(
		    test_nothing_starts_beside_an_end_that_cannot_be_written),
		cmocka_unit_test(test_what_returns_keeps_its_place),
		cmocka_unit_test(test_pause_by_hand),
		cmocka_unit_test(test_delayed_until_due),
		cmocka_unit_test(test_expired_is_not_started),
		cmocka_unit_test(test_what_was_started_does_not_expire),
		cmocka_unit_test(test_batches_are_bounded),
		cmocka_unit_test(test_the_fence),
		cmocka_unit_test(test_retries_by_the_rule_until_it_gives_up),
		cmocka_unit_test(test_retry_after_what_was_asked),
		cmocka_unit_test(test_poison),
		cmocka_unit_test(test_interrupted_goes_first_and_is_refunded),
		cmocka_unit_test(test_unreachable_backs_the_type_off),
		cmocka_unit_test(test_a_failed_start_is_refunded_and_paced),
		cmocka_unit_test(test_an_end_is_written_until_it_is),
		cmocka_unit_test(test_failures_of_one_moment_are_one),
		cmocka_unit_test(test_a_write_that_nobody_asked_for_is_refused),
		cmocka_unit_test(test_cancel_what_waits),
		cmocka_unit_test(test_cancel_while_starting_spawns_nothing),
		cmocka_unit_test(test_cancel_what_runs),
		cmocka_unit_test(test_cancel_what_returns),
		cmocka_unit_test(
		    test_cancel_what_returns_and_could_not_be_written),
		cmocka_unit_test(test_cancel_what_has_ended),
		cmocka_unit_test(test_a_run_keeps_its_rules),
		cmocka_unit_test(test_a_removed_type_parks_its_tasks),
		cmocka_unit_test(test_a_removed_type_without_tasks_is_gone),
		cmocka_unit_test(test_drain_starts_nothing),
		cmocka_unit_test(test_a_drain_waits_for_every_write),
		cmocka_unit_test(test_the_budget_of_a_drain),
		cmocka_unit_test(test_a_second_drain_means_now),
		cmocka_unit_test(test_drain_tells_one_before_the_others),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_of_an_unknown_type_is_parked),
		cmocka_unit_test(test_load_of_what_was_cancelled),
		cmocka_unit_test(test_load_refuses_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
