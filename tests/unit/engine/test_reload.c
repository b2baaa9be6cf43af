/* Reloads, drains and the end, at moments that do not suit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "loop/loop.h"
#include "world.h"

enum { MANY = 2500 };

static void
end_well(struct world *w, const struct ol_id *id)
{
	world_succeed(world_attempt(w, id), "done");
	world_until_state(w, id, "succeeded");
	assert_string_equal(world_result(w, id).body, "done");
}

/* --- A type changes its store. --- */

static void
switch_to(struct world *w, enum ol_durable durable)
{
	w->types[0].durable = durable;
	ol_engine_configure(w->engine, &w->conf);
}

/* Running, waiting and ended ones on both sides: each stays where it is. */
static void
test_durable_is_switched(void **state)
{
	struct world *w = *state;
	struct ol_id full[3], off[3];
	struct said said;
	int i;

	w->types[0].concurrency = 1;
	world_open(w);
	full[0] = world_add(w, "cut");
	full[1] = world_add(w, "cut");
	full[2] = world_add(w, "cut");
	switch_to(w, OL_DURABLE_OFF);
	for (i = 0; i < 3; i++)
		off[i] = world_add(w, "cut");
	assert_string_equal(world_cancel(w, &full[2]).state, "cancelled");
	end_well(w, &full[0]);
	end_well(w, &full[1]);
	world_attempt(w, &off[0]);
	switch_to(w, OL_DURABLE_FULL);
	end_well(w, &off[0]);
	world_attempt(w, &off[1]);
	assert_string_equal(world_cancel(w, &off[2]).state, "cancelled");
	assert_string_equal(world_cancel(w, &off[1]).state, "running");
	assert_string_equal(world_attempt(w, &off[1])->stops, "cancel ");
	world_fail(world_attempt(w, &off[1]), OL_OUTCOME_INTERRUPTED, NULL, "");
	world_until_state(w, &off[1], "cancelled");
	/* What was in memory alone is gone with it, and nothing else. */
	full[1] = world_add(w, "cut");
	world_attempt(w, &full[1]);
	world_close(w);
	world_open(w);
	for (i = 0; i < 3; i++)
		assert_int_equal(
		    world_get(w, &off[i]).answer, OL_ENGINE_UNKNOWN);
	said = world_get(w, &full[0]);
	assert_string_equal(said.state, "succeeded");
	assert_string_equal(world_get(w, &full[2]).state, "cancelled");
	assert_int_equal(world_attempt(w, &full[1])->number, 2);
}

/* --- A type changes its executor. --- */

static void
test_executor_is_switched(void **state)
{
	struct ol_conf_backend backend = { 0 };
	struct world *w = *state;
	struct ol_conf_task *type = world_type(w, "page");
	struct ol_id id, other;

	world_open(w);
	id = world_add(w, "page");
	assert_false(world_attempt(w, &id)->by_backend);
	type->backend = &backend;
	ol_engine_configure(w->engine, &w->conf);
	end_well(w, &id);
	other = world_add(w, "page");
	assert_true(world_attempt(w, &other)->by_backend);
	end_well(w, &other);
	type->backend = NULL;
	ol_engine_configure(w->engine, &w->conf);
	id = world_add(w, "page");
	assert_false(world_attempt(w, &id)->by_backend);
	end_well(w, &id);
}

/* Only programs need the spawner. */
static void
test_without_spawner(void **state)
{
	struct ol_conf_backend backend = { 0 };
	struct world *w = *state;
	struct ol_id program, page;

	world_type(w, "page")->backend = &backend;
	world_open(w);
	world_spawner(w, false);
	program = world_add(w, "cut");
	page = world_add(w, "page");
	end_well(w, &page);
	world_run(w, 20);
	assert_false(world_has_attempt(w, &program));
	assert_string_equal(world_get(w, &program).state, "ready");
	world_spawner(w, true);
	end_well(w, &program);
	assert_int_equal(w->started, 2);
}

/* --- While the tasks of an earlier life are read. --- */

static void
leave_many(struct world *w)
{
	const struct ol_engine_submit submit = { .type = "cut" };
	static struct said said[MANY];
	int i;

	memset(said, 0, sizeof(said));
	world_open(w);
	for (i = 0; i < MANY; i++)
		ol_engine_submit(w->engine, &submit, world_take, &said[i]);
	for (i = 0; i < MANY; i++) {
		world_wait(w, &said[i]);
		assert_int_equal(said[i].answer, OL_ENGINE_OK);
	}
	world_close(w);
}

static bool
is_loading(struct world *w)
{
	const char *why;

	return ol_engine_health(w->engine, &why) == OL_ENGINE_LOADING;
}

static void
test_a_reload_while_loading(void **state)
{
	struct world *w = *state;
	struct ol_conf other = w->conf;
	const struct ol_engine_submit submit = { .type = "cut" };
	int before;

	leave_many(w);
	world_type(w, "draw");
	other.tasks.tqh_first = &w->types[1];
	before = w->loaded;
	world_begin(w);
	assert_true(is_loading(w));
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_NOT_TAKEN);
	/* Its type is gone, and comes back, with another limit. */
	ol_engine_configure(w->engine, &other);
	world_run(w, 1);
	w->types[0].concurrency = 7;
	ol_engine_configure(w->engine, &w->conf);
	world_until(w, &w->loaded, before + 1);
	world_until(w, &w->running, 7);
	world_run(w, 20);
	assert_int_equal(w->running, 7);
	world_close(w);
	/* Gone for good: parked, all of them. */
	world_begin(w);
	ol_engine_configure(w->engine, &other);
	before = w->loaded;
	world_until(w, &w->loaded, before + 1);
	world_run(w, 50);
	assert_int_equal(w->running, 0);
	ol_engine_configure(w->engine, &w->conf);
	world_until(w, &w->running, 7);
}

static void
test_a_drain_while_loading(void **state)
{
	struct world *w = *state;
	int64_t began = ol_clock_now();
	int before;

	leave_many(w);
	before = w->started;
	world_begin(w);
	ol_engine_drain(w->engine, ol_clock_now() + OL_SEC(5), OL_SEC(1));
	assert_int_equal(w->drained, 0);
	world_until(w, &w->drained, 1);
	assert_int_equal(w->started, before);
	assert_true(ol_clock_now() - began < OL_SEC(15));
	world_close(w);
	/* And none at all: closed in the middle of it. */
	world_begin(w);
	assert_true(is_loading(w));
	world_close(w);
	world_open(w);
	world_until(w, &w->running, 2);
}

/* --- The end, with everything under way. --- */

static void
count(void *arg, const struct ol_engine_result *result)
{
	assert_non_null(result);
	(*(int *)arg)++;
}

static void
test_freed_with_everything_in_flight(void **state)
{
	uint8_t hash[32] = { 1 };
	const struct ol_engine_submit keyed = {
		.type = "cut", .key = "k", .key_hash = hash
	};
	const struct ol_engine_submit submits[] = { { .type = "cut" },
		{ .type = "mail" }, { .type = "lazy" },
		{ .type = "cut", .delay = OL_SEC(60) }, keyed, keyed,
		{ .type = "nobody's" } };
	struct world *w = *state;
	struct ol_id id, ended, waits, retries;
	int round, answers, asked;
	size_t i;

	world_type(w, "mail")->durable = OL_DURABLE_OFF;
	world_type(w, "lazy")->durable = OL_DURABLE_LAZY;
	w->types[0].concurrency = 3;
	w->types[0].retries = 1000;
	for (round = 0; round < 20; round++) {
		world_open(w);
		answers = asked = 0;
		id = world_add(w, "cut");
		ended = world_add(w, "mail");
		waits = world_add(w, "cut");
		retries = world_add(w, "cut");
		for (i = 0; i < sizeof(submits) / sizeof(submits[0]); i++) {
			ol_engine_submit(
			    w->engine, &submits[i], count, &answers);
			asked++;
		}
		if (world_has_attempt(w, &ended))
			world_succeed(world_attempt(w, &ended), "x");
		if (world_has_attempt(w, &retries))
			world_fail(world_attempt(w, &retries), OL_OUTCOME_RETRY,
			    "exit", "1");
		ol_engine_cancel(w->engine, &id, count, &answers);
		ol_engine_cancel(w->engine, &waits, count, &answers);
		ol_engine_get(w->engine, &id, count, &answers);
		ol_engine_get_result(w->engine, &ended, count, &answers);
		ol_engine_purge(w->engine, &ended, count, &answers);
		asked += 5;
		if (round % 2 == 1)
			ol_engine_drain(w->engine, ol_clock_now(), 0);
		if (round % 3 == 2)
			world_run(w, 0);
		world_close(w);
		/* Each has its answer, exactly one. */
		assert_int_equal(answers, asked);
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_durable_is_switched),
		TEST(test_executor_is_switched),
		TEST(test_without_spawner),
		TEST(test_a_reload_while_loading),
		TEST(test_a_drain_while_loading),
		TEST(test_freed_with_everything_in_flight),
	};
	static const struct ol_log_sink quiet = { .target = OL_LOG_FILE,
		.path = "/dev/null" };

	if (getenv("LOUD") == NULL)
		ol_log_open(&quiet, 1, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
