/* Those who wait for a task: every moment at which they can begin, be answered,
 * or leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "faultfs.h"
#include "loop/loop.h"
#include "world.h"

static int
set_up(void **state)
{
	faultfs_reset();
	return world_set_up(state);
}

static int64_t
in(int ms)
{
	return ol_clock_now() + OL_MSEC(ms);
}

/* One who waits. */
struct waiter {
	struct world *w;
	struct said said;
	struct said first; /* what it was told before it began to wait */
	int ms;		   /* from when it is told that */
	bool changes;	   /* it waits for any change */
	struct ol_engine_call *call;
};

static void
on_answer(void *arg, const struct ol_engine_result *r)
{
	struct waiter *it = arg;

	it->call = NULL;
	world_take(&it->said, r);
}

static void
begin(struct waiter *it, const struct ol_id *id)
{
	struct ol_engine *e = it->w->engine;

	it->call =
	    it->changes
		? ol_engine_await_change(e, id, in(it->ms), on_answer, it)
		: ol_engine_await_result(e, id, in(it->ms), on_answer, it);
	assert_non_null(it->call);
	assert_false(it->said.there);
}

static void
on_first(void *arg, const struct ol_engine_result *r)
{
	struct waiter *it = arg;

	world_take(&it->first, r);
	if (r->object != NULL)
		begin(it, &r->object->id);
}

/* As the API does it: from the callback of the submit. */
static void
submit(struct waiter *it, const struct ol_engine_submit *s)
{
	ol_engine_submit(it->w->engine, s, on_first, it);
	world_wait(it->w, &it->first);
	assert_true(it->first.has_object);
}

static const struct ol_engine_submit plain = { .type = "cut" };

/* --- the end --- */

static void
test_the_end_of_a_submit(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 };
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	submit(&it, &plain);
	id = it.first.object.id;
	world_run(w, 20);
	assert_false(it.said.there);
	world_succeed(world_attempt(w, &id), "a thumbnail");
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_OK);
	assert_string_equal(it.said.state, "succeeded");
	assert_true(it.said.object.ended && it.said.object.succeeded);
	assert_string_equal(it.said.body, "a thumbnail");
	assert_string_equal(it.said.result_type, "text/plain");
	assert_int_equal(it.said.object.result_bytes, 11);
	assert_int_equal(it.said.object.attempt, 1);
	assert_true(it.said.object.ended_at >= it.said.object.started);
	assert_true(it.said.object.started >= it.said.object.created);
	/* The same as is read later. */
	world_until_state(w, &id, "succeeded");
	assert_string_equal(world_result(w, &id).body, "a thumbnail");
}

/* One that stands behind others, and has no item but for those who wait. */
static void
test_the_end_of_what_waits(void **state)
{
	struct waiter it[3] = { { .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000 }, { .w = *state, .ms = 60000 } };
	struct world *w = *state;
	struct ol_id first, id;

	w->types[0].concurrency = 1;
	world_open(w);
	first = world_add(w, "cut");
	submit(&it[0], &plain);
	id = it[0].first.object.id;
	assert_string_equal(it[0].first.state, "ready");
	/* And two who were told nothing of it: its row is to be read. */
	begin(&it[1], &id);
	world_run(w, 20);
	begin(&it[2], &id);
	world_succeed(world_attempt(w, &first), NULL);
	world_succeed(world_attempt(w, &id), "b");
	for (int i = 0; i < 3; i++) {
		world_wait(w, &it[i].said);
		assert_int_equal(it[i].said.answer, OL_ENGINE_OK);
		assert_string_equal(it[i].said.state, "succeeded");
		assert_string_equal(it[i].said.body, "b");
	}
}

static void
test_ends_that_are_not_good(void **state)
{
	struct waiter failed = { .w = *state, .ms = 60000 }, gone = failed,
		      unrun = failed;
	struct world *w = *state;
	struct ol_id id;

	w->types[0].retries = 1;
	w->types[0].concurrency = 1;
	world_open(w);
	submit(&failed, &plain);
	id = failed.first.object.id;
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "exit", "one");
	/* That was not the end. */
	world_until_state(w, &id, "retrying");
	assert_false(failed.said.there);
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "exit", "two");
	world_wait(w, &failed.said);
	assert_int_equal(failed.said.answer, OL_ENGINE_OK);
	assert_string_equal(failed.said.state, "failed");
	assert_string_equal(failed.said.message, "two");
	assert_int_equal(failed.said.object.attempt, 2);
	assert_int_equal(failed.said.body_size, -1);

	submit(&gone, &plain);
	id = gone.first.object.id;
	submit(&unrun, &plain);
	world_cancel(w, &unrun.first.object.id);
	world_wait(w, &unrun.said);
	assert_int_equal(unrun.said.answer, OL_ENGINE_GONE);
	assert_true(unrun.said.object.cancelled);
	world_cancel(w, &id);
	assert_false(gone.said.there);
	world_fail(world_attempt(w, &id), OL_OUTCOME_INTERRUPTED, NULL, "");
	world_wait(w, &gone.said);
	assert_int_equal(gone.said.answer, OL_ENGINE_GONE);
	assert_string_equal(gone.said.state, "cancelled");
}

/* What ended before is read; what was erased is not there. */
static void
test_what_has_ended(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 }, change = it,
		      erased = it;
	struct world *w = *state;
	struct ol_id id;

	change.changes = true;
	world_open(w);
	id = world_add(w, "cut");
	world_succeed(world_attempt(w, &id), "x");
	world_until_state(w, &id, "succeeded");
	begin(&it, &id);
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_OK);
	assert_string_equal(it.said.body, "x");
	begin(&change, &id);
	world_wait(w, &change.said);
	assert_int_equal(change.said.answer, OL_ENGINE_OK);
	assert_string_equal(change.said.state, "succeeded");
	assert_int_equal(world_purge(w, &id).answer, OL_ENGINE_OK);
	begin(&erased, &id);
	world_wait(w, &erased.said);
	assert_int_equal(erased.said.answer, OL_ENGINE_UNKNOWN);
}

/* --- not yet --- */

static void
test_until(void **state)
{
	struct waiter it[4] = { { .w = *state, .ms = 120 },
		{ .w = *state, .ms = 30 }, { .w = *state, .ms = 90 },
		{ .w = *state, .ms = 60, .changes = true } };
	struct world *w = *state;
	int64_t began = ol_clock_now();
	struct ol_id id;
	int i;

	world_open(w);
	for (i = 0; i < 4; i++)
		submit(&it[i], &plain);
	for (i = 0; i < 4; i++) {
		world_wait(w, &it[i].said);
		assert_int_equal(it[i].said.answer, OL_ENGINE_UNFINISHED);
		assert_true(it[i].said.has_object);
		assert_false(it[i].said.object.ended);
	}
	assert_true(ol_clock_now() - began >= OL_MSEC(120));
	/* It went on. */
	id = it[0].first.object.id;
	world_succeed(world_attempt(w, &id), "x");
	world_until_state(w, &id, "succeeded");
}

static void
test_it_is_as_it_is_then(void **state)
{
	struct waiter it = { .w = *state, .ms = 400 };
	struct world *w = *state;
	struct ol_id id;

	w->types[0].backoff = w->types[0].backoff_max = OL_SEC(60);
	world_open(w);
	submit(&it, &plain);
	id = it.first.object.id;
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "exit", "one");
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_UNFINISHED);
	assert_string_equal(it.said.state, "retrying");
	assert_string_equal(it.said.message, "one");
	assert_true(it.said.object.due > it.said.object.created);
	assert_true(it.said.object.started > 0);
}

/* --- changes --- */

static struct said
next_change(struct world *w, const struct ol_id *id)
{
	struct waiter it = { .w = w, .ms = 60000, .changes = true };

	begin(&it, id);
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_OK);
	return it.said;
}

static void
test_changes(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000, .changes = true },
		      again = it;
	struct world *w = *state;
	struct attempt *attempt;
	struct ol_id first, id;

	w->types[0].concurrency = 1;
	w->types[0].backoff = w->types[0].backoff_max = OL_MSEC(300);
	world_open(w);
	first = world_add(w, "cut");
	submit(&it, &plain);
	id = it.first.object.id;
	world_run(w, 20);
	assert_false(it.said.there);
	world_succeed(world_attempt(w, &first), NULL);
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_OK);
	assert_string_equal(it.said.state, "running");
	assert_int_equal(it.said.object.attempt, 1);

	attempt = world_attempt(w, &id);
	begin(&again, &id);
	world_run(w, 20);
	assert_false(again.said.there);
	attempt->events->on_progress(attempt->arg, 45, "page 3");
	world_wait(w, &again.said);
	assert_int_equal(again.said.object.progress, 45);
	assert_string_equal(again.said.progress, "page 3");

	world_fail(attempt, OL_OUTCOME_RETRY, "exit", "one");
	it.said = next_change(w, &id);
	assert_string_equal(it.said.state, "retrying");
	assert_string_equal(it.said.message, "one");
	assert_true(it.said.object.due > 0);
	it.said = next_change(w, &id);
	while (strcmp(it.said.state, "ready") == 0)
		it.said = next_change(w, &id);
	assert_string_equal(it.said.state, "running");
	assert_int_equal(it.said.object.attempt, 2);
	world_succeed(world_attempt(w, &id), "x");
	it.said = next_change(w, &id);
	assert_string_equal(it.said.state, "succeeded");
	/* On disk: whoever reads sees it, too. */
	assert_string_equal(world_get(w, &id).state, "succeeded");
}

/* --- leaving --- */

static void
test_who_leaves(void **state)
{
	struct waiter it[3] = { { .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000, .changes = true } };
	struct world *w = *state;
	struct ol_id first, id;
	int i;

	w->types[0].concurrency = 1;
	world_open(w);
	first = world_add(w, "cut");
	submit(&it[0], &plain);
	id = it[0].first.object.id;
	begin(&it[1], &id);
	begin(&it[2], &id);
	for (i = 0; i < 3; i++)
		ol_engine_cancel_call(it[i].call);
	/* Nothing of them is left, and the task does not care. */
	world_succeed(world_attempt(w, &first), NULL);
	begin(&it[0], &id);
	world_attempt(w, &id);
	ol_engine_cancel_call(it[0].call);
	world_succeed(world_attempt(w, &id), "x");
	world_until_state(w, &id, "succeeded");
	for (i = 0; i < 3; i++)
		assert_false(it[i].said.there);
}

/* In the turn in which it would be answered. */
static void
test_who_leaves_late(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 };
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	submit(&it, &plain);
	id = it.first.object.id;
	world_succeed(world_attempt(w, &id), "x");
	ol_engine_cancel_call(it.call);
	world_until_state(w, &id, "succeeded");
	assert_false(it.said.there);
}

/* --- a store that does not work --- */

/* The end is told, and until is kept, while no write ends. */
static void
test_a_disk_that_hangs(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 }, late = it, other = it,
		      change = it;
	struct world *w = *state;
	struct ol_id id;
	int64_t began;

	w->types[0].concurrency = 3;
	world_open(w);
	submit(&it, &plain);
	submit(&other, &plain);
	id = it.first.object.id;
	world_attempt(w, &id);
	world_attempt(w, &other.first.object.id);
	world_run(w, 20);
	faultfs_hang(FAULTFS_WRITE, 4000);
	began = ol_clock_now();
	world_succeed(world_attempt(w, &id), "in time");
	world_wait(w, &it.said);
	assert_string_equal(it.said.body, "in time");
	assert_string_equal(it.said.state, "succeeded");
	/* Who comes while the end is written is told at once, too. */
	begin(&late, &id);
	change.ms = 200;
	change.changes = true;
	begin(&change, &id);
	world_wait(w, &late.said);
	assert_string_equal(late.said.body, "in time");
	world_wait(w, &change.said);
	assert_true(ol_clock_now() - began < OL_SEC(3));
	world_succeed(world_attempt(w, &other.first.object.id), "in the end");
	world_wait(w, &other.said);
	assert_string_equal(other.said.body, "in the end");
	while (world_get(w, &id).answer != OL_ENGINE_OK)
		world_run(w, 20);
	world_until_state(w, &id, "succeeded");
	assert_string_equal(world_result(w, &id).body, "in time");
}

static void
test_a_full_disk(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 };
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	submit(&it, &plain);
	id = it.first.object.id;
	world_attempt(w, &id);
	faultfs_fail(FAULTFS_WRITE, 1, 100000, SQLITE_FULL);
	world_succeed(world_attempt(w, &id), "x");
	world_wait(w, &it.said);
	assert_string_equal(it.said.body, "x");
	world_run(w, 100);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_FULL);
	world_until_state(w, &id, "succeeded");
	assert_int_equal(w->started, 1);
}

/* --- the drain, and the end --- */

static void
test_drain(void **state)
{
	struct waiter it[3] = { { .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000, .changes = true } };
	struct waiter late = { .w = *state, .ms = 60000 };
	struct world *w = *state;
	int i;

	w->types[0].concurrency = 1;
	world_open(w);
	for (i = 0; i < 3; i++)
		submit(&it[i], &plain);
	ol_engine_drain(w->engine, in(60000), 0);
	for (i = 0; i < 3; i++) {
		world_wait(w, &it[i].said);
		assert_int_equal(it[i].said.answer, OL_ENGINE_UNFINISHED);
		assert_true(it[i].said.has_object);
	}
	/* Submits are taken, and wait for nothing. */
	submit(&late, &plain);
	world_wait(w, &late.said);
	assert_int_equal(late.said.answer, OL_ENGINE_UNFINISHED);
	world_succeed(world_attempt(w, &it[0].first.object.id), NULL);
	world_until(w, &w->drained, 1);
}

static void
test_the_engine_ends(void **state)
{
	struct waiter it[3] = { { .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000 },
		{ .w = *state, .ms = 60000, .changes = true } };
	struct world *w = *state;
	struct ol_id id;
	int i;

	w->types[0].concurrency = 1;
	world_open(w);
	id = world_add(w, "cut");
	submit(&it[0], &plain);
	begin(&it[1], &it[0].first.object.id);
	begin(&it[2], &id);
	world_close(w);
	for (i = 0; i < 3; i++) {
		assert_true(it[i].said.there);
		assert_true(it[i].said.answer == OL_ENGINE_UNFINISHED ||
			    it[i].said.answer == OL_ENGINE_NOT_TAKEN);
	}
	assert_int_equal(it[0].said.answer, OL_ENGINE_UNFINISHED);
}

/* After a restart there is nothing of it in memory. */
static void
test_of_an_earlier_life(void **state)
{
	struct waiter it = { .w = *state, .ms = 60000 };
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	world_attempt(w, &id);
	world_close(w);
	world_open(w);
	begin(&it, &id);
	world_succeed(world_attempt(w, &id), "again");
	world_wait(w, &it.said);
	assert_int_equal(it.said.answer, OL_ENGINE_OK);
	assert_string_equal(it.said.body, "again");
	assert_int_equal(it.said.object.attempt, 2);
}

/* --- many --- */

static void
test_many(void **state)
{
	enum { MANY = 5000 };
	struct waiter *it = ol_must(calloc(MANY, sizeof(*it)));
	struct world *w = *state;
	struct ol_id first, id;
	int i;

	w->types[0].concurrency = 1;
	world_open(w);
	first = world_add(w, "cut");
	it[0] = (struct waiter){ .w = w, .ms = 60000 };
	submit(&it[0], &plain);
	id = it[0].first.object.id;
	/* One knows the task: nothing is read for the others. */
	for (i = 1; i < MANY; i++) {
		it[i].w = w;
		it[i].ms = i % 2 == 0 ? 60000 : 200 + i % 7;
		begin(&it[i], &id);
	}
	for (i = 1; i < MANY; i += 2) {
		world_wait(w, &it[i].said);
		assert_int_equal(it[i].said.answer, OL_ENGINE_UNFINISHED);
	}
	world_succeed(world_attempt(w, &first), NULL);
	world_succeed(world_attempt(w, &id), "x");
	for (i = 0; i < MANY; i += 2) {
		world_wait(w, &it[i].said);
		assert_string_equal(it[i].said.body, "x");
	}
	free(it);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_end_of_a_submit),
		TEST(test_the_end_of_what_waits),
		TEST(test_ends_that_are_not_good),
		TEST(test_what_has_ended),
		TEST(test_until),
		TEST(test_it_is_as_it_is_then),
		TEST(test_changes),
		TEST(test_who_leaves),
		TEST(test_who_leaves_late),
		TEST(test_a_disk_that_hangs),
		TEST(test_a_full_disk),
		TEST(test_drain),
		TEST(test_the_engine_ends),
		TEST(test_of_an_earlier_life),
		TEST(test_many),
	};

	faultfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
