/*
 * The wall clock is set, by an hour or a day or to nonsense, while tasks wait:
 * nobody starts too early or twice, and nothing is lost. Whoever asks for
 * CLOCK_REALTIME in this program is answered here.
 */
#include <sys/syscall.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/wall.h"
#include "loop/loop.h"
#include "world.h"

static const int64_t hour = 3600, day = 24 * 3600;

static _Atomic int64_t set_by; /* seconds */

int
clock_gettime(clockid_t clock, struct timespec *ts)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, ts);

	if (rc == 0 && clock == CLOCK_REALTIME)
		ts->tv_sec += set_by;
	return rc;
}

static int
set_up(void **state)
{
	set_by = 0;
	return world_set_up(state);
}

static int
tear_down(void **state)
{
	set_by = 0;
	return world_tear_down(state);
}

static void
test_ids_rise_over_a_restart(void **state)
{
	struct world *w = *state;
	struct ol_id waiting, ended, next;

	w->types[0].concurrency = 1;
	world_open(w);
	ended = world_add(w, "cut");
	waiting = world_add(w, "cut");
	assert_true(ol_id_compare(&waiting, &ended) > 0);
	world_close(w);
	set_by = -day;
	world_open(w);
	next = world_add(w, "cut");
	assert_true(ol_id_compare(&next, &waiting) > 0);
	/* In the middle of a life, too. */
	set_by = -2 * day;
	waiting = world_add(w, "cut");
	assert_true(ol_id_compare(&waiting, &next) > 0);
}

/* All ways to wait, with the clock set in the middle. */
static void
one_jump(struct world *w, int64_t by)
{
	struct ol_engine_submit submit = { .type = "cut",
		.delay = OL_MSEC(200) };
	int64_t began = ol_clock_now();
	struct ol_id delayed, retrying, waiting, first;
	int started;

	world_open(w);
	delayed = world_submit(w, &submit).object.id;
	retrying = world_add(w, "cut");
	world_fail(world_attempt(w, &retrying), OL_OUTCOME_RETRY, "exit", "1");
	world_until_state(w, &retrying, "retrying");
	first = world_add(w, "one");
	waiting = world_add(w, "one");
	started = w->started;
	set_by = by;
	ol_engine_configure(w->engine, &w->conf);
	world_run(w, 50);
	assert_int_equal(w->started, started);
	assert_string_equal(world_get(w, &delayed).state, "scheduled");
	assert_string_equal(world_get(w, &retrying).state, "retrying");
	assert_string_equal(world_get(w, &waiting).state, "ready");
	world_attempt(w, &delayed);
	assert_true(ol_clock_now() >= began + OL_MSEC(200));
	assert_true(ol_clock_now() < began + OL_SEC(5));
	assert_int_equal(world_attempt(w, &retrying)->number, 2);
	assert_int_equal(w->started, started + 2);
	world_succeed(world_attempt(w, &delayed), NULL);
	world_succeed(world_attempt(w, &retrying), NULL);
	world_succeed(world_attempt(w, &first), NULL);
	world_succeed(world_attempt(w, &waiting), NULL);
	world_until_state(w, &waiting, "succeeded");
	world_until_state(w, &delayed, "succeeded");
	world_until_state(w, &retrying, "succeeded");
	world_close(w);
	set_by = 0;
}

static void
test_the_clock_is_set_while_tasks_wait(void **state)
{
	const int64_t jumps[] = { hour, -hour, day, -day, 40 * 365 * day };
	struct world *w = *state;
	size_t i;

	w->types[0].backoff = w->types[0].backoff_max = OL_MSEC(300);
	world_type(w, "one")->concurrency = 1;
	w->types[1].expires = OL_SEC(60);
	for (i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++)
		one_jump(w, jumps[i]);
}

/* What was set while nobody ran can only be believed; but nothing waits for
 * ever, and a retry no longer than the longest. */
static void
test_the_clock_is_set_between_two_lives(void **state)
{
	struct world *w = *state;
	struct ol_id retrying, ready, running;
	struct said said;

	w->types[0].concurrency = 1;
	world_open(w);
	running = world_add(w, "cut");
	ready = world_add(w, "cut");
	world_fail(world_attempt(w, &running), OL_OUTCOME_RETRY, "exit", "1");
	retrying = running;
	running = world_attempt(w, &ready)->id;
	world_close(w);
	set_by = -10 * 365 * day;
	world_open(w);
	assert_int_equal(world_attempt(w, &running)->number, 2);
	said = world_get(w, &retrying);
	assert_string_equal(said.state, "retrying");
	set_by = 0;
	world_succeed(world_attempt(w, &running), NULL);
	world_close(w);
	world_open(w);
	assert_int_equal(world_attempt(w, &retrying)->number, 2);
}

static void
test_expires_over_a_restart(void **state)
{
	struct world *w = *state;
	struct ol_id first, second;
	int64_t began = ol_clock_now();
	struct said said;

	w->types[0].concurrency = 1;
	w->types[0].expires = OL_MSEC(600);
	world_open(w);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	world_run(w, 200);
	world_close(w);
	world_open(w);
	assert_string_equal(world_get(w, &second).state, "ready");
	world_attempt(w, &first);
	said = world_until_state(w, &second, "failed");
	assert_string_equal(said.kind, "expired");
	assert_true(ol_clock_now() >= began + OL_MSEC(600));
	assert_true(ol_clock_now() < began + OL_MSEC(5000));
}

/* Set back by a day meanwhile: its time begins anew, and not tomorrow. */
static void
test_expires_when_the_clock_was_set_back(void **state)
{
	struct world *w = *state;
	struct ol_id first, second;
	int64_t began;

	w->types[0].concurrency = 1;
	w->types[0].expires = OL_MSEC(400);
	world_open(w);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	world_close(w);
	set_by = -day;
	began = ol_clock_now();
	world_open(w);
	world_attempt(w, &first);
	assert_string_equal(
	    world_until_state(w, &second, "failed").kind, "expired");
	assert_true(ol_clock_now() < began + OL_SEC(5));
}

/* --- Retention. --- */

static void
test_retention_when_the_clock_is_set(void **state)
{
	struct world *w = *state;
	struct ol_id young, later;

	w->conf.store.retain = OL_SEC(4);
	w->conf.store.retain_failed = OL_SEC(4);
	world_open(w);
	young = world_add(w, "cut");
	world_succeed(world_attempt(w, &young), NULL);
	world_until_state(w, &young, "succeeded");
	set_by = 60 * day;
	later = world_add(w, "cut");
	world_succeed(world_attempt(w, &later), NULL);
	world_until_state(w, &later, "succeeded");
	/* Several looks of the janitor. */
	world_run(w, 2500);
	assert_int_equal(world_get(w, &young).answer, OL_ENGINE_OK);
	assert_int_equal(world_get(w, &later).answer, OL_ENGINE_OK);
	/* And they go, when it is time. */
	world_run(w, 4500);
	assert_int_equal(world_get(w, &young).answer, OL_ENGINE_UNKNOWN);
	assert_int_equal(world_get(w, &later).answer, OL_ENGINE_UNKNOWN);
}

/* --- Rows that say anything. --- */

static void
edit(struct world *w, const char *sql)
{
	char path[WORLD_TEXT + 32];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s/tasks.db", w->folder);
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void
test_times_of_a_row_may_be_anything(void **state)
{
	static const char *const times[] = { "9223372036854775807",
		"-9223372036854775808", "-1", "0" };
	struct world *w = *state;
	struct ol_engine_submit submit = { .type = "cut", .delay = OL_SEC(60) };
	struct ol_id ids[3];
	char sql[512];
	size_t i;

	w->types[0].concurrency = 1;
	w->types[0].expires = OL_SEC(60);
	w->types[0].backoff = w->types[0].backoff_max = OL_SEC(60);
	world_open(w);
	ids[0] = world_add(w, "cut");
	world_fail(world_attempt(w, &ids[0]), OL_OUTCOME_RETRY, "exit", "1");
	world_until_state(w, &ids[0], "retrying");
	ids[1] = world_submit(w, &submit).object.id;
	world_add(w, "cut");
	ids[2] = world_add(w, "cut");
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		world_close(w);
		snprintf(sql, sizeof(sql),
		    "UPDATE task SET due = %s, created = %s, started = %s, "
		    "ended = %s WHERE state < 10",
		    times[i], times[i], times[i], times[i]);
		edit(w, sql);
		world_open(w);
		world_run(w, 20);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(
			    world_get(w, &ids[k]).answer, OL_ENGINE_OK);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ids_rise_over_a_restart),
		TEST(test_the_clock_is_set_while_tasks_wait),
		TEST(test_the_clock_is_set_between_two_lives),
		TEST(test_expires_over_a_restart),
		TEST(test_expires_when_the_clock_was_set_back),
		TEST(test_retention_when_the_clock_is_set),
		TEST(test_times_of_a_row_may_be_anything),
	};
	static const struct ol_log_sink quiet = { .target = OL_LOG_FILE,
		.path = "/dev/null" };

	if (getenv("LOUD") == NULL)
		ol_log_open(&quiet, 1, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
