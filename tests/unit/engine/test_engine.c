/* A task's life through a whole engine, one way at a time. */
#include <sys/resource.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/wall.h"
#include "loop/loop.h"
#include "world.h"

static struct ol_body *
body(const char *text)
{
	return ol_must(ol_body_new(text, strlen(text)));
}

/* --- The good ways. --- */

static void
test_a_task_succeeds(void **state)
{
	static const struct ol_object_variable context[] = {
		{ "REQUEST_ID", "r-17" },
		{ "EMPTY", "" },
	};
	struct ol_engine_submit submit = { .type = "cut",
		.owner = "alice",
		.content_type = "image/png",
		.payload = body("a picture"),
		.context = context,
		.ncontext = 2,
		.priority = INT_MIN };
	struct world *w = *state;
	struct attempt *attempt;
	struct said said;

	world_open(w);
	said = world_submit(w, &submit);
	ol_body_free(submit.payload);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_string_equal(said.type, "cut");
	assert_string_equal(said.state, "running");
	assert_string_equal(said.owner, "alice");
	assert_int_equal(said.object.attempt, 1);
	assert_int_equal(said.object.attempts_max, 4);
	assert_int_equal(said.object.progress, -1);
	assert_int_equal(said.object.result_bytes, -1);
	assert_true(said.object.created > 1700000000000);

	attempt = world_attempt(w, &said.object.id);
	assert_int_equal(attempt->number, 1);
	assert_string_equal(attempt->type, "cut");
	assert_string_equal(attempt->owner, "alice");
	assert_string_equal(attempt->content_type, "image/png");
	assert_string_equal(attempt->payload, "a picture");
	assert_string_equal(attempt->context, "REQUEST_ID=r-17;EMPTY=;");
	assert_int_equal(
	    world_result(w, &said.object.id).answer, OL_ENGINE_UNFINISHED);

	attempt->events->on_progress(attempt->arg, 45, "drawing page 3");
	attempt->events->on_progress(attempt->arg, -1, "drawing page 4");
	said = world_get(w, &said.object.id);
	assert_int_equal(said.object.progress, 45);
	assert_string_equal(said.progress, "drawing page 4");

	world_succeed(attempt, "a thumbnail");
	said = world_until_state(w, &said.object.id, "succeeded");
	assert_true(said.object.ended && said.object.succeeded);
	assert_string_equal(said.kind, "");
	assert_int_equal(said.object.result_bytes, 11);
	assert_true(said.object.ended_at >= said.object.started);
	assert_true(said.object.started >= said.object.created);
	said = world_result(w, &said.object.id);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_string_equal(said.body, "a thumbnail");
	assert_string_equal(said.result_type, "text/plain");
}

static void
test_what_waits_is_read_back(void **state)
{
	struct ol_engine_submit submit = { .type = "cut",
		.owner = "bob",
		.content_type = "text/x",
		.payload = body("second") };
	struct world *w = *state;
	struct attempt *attempt;
	struct ol_id first;
	struct said said;

	w->types[0].concurrency = 1;
	world_open(w);
	first = world_add(w, "cut");
	said = world_submit(w, &submit);
	ol_body_free(submit.payload);
	assert_string_equal(said.state, "ready");
	assert_int_equal(said.object.attempt, 0);
	assert_false(world_has_attempt(w, &said.object.id));
	world_succeed(world_attempt(w, &first), NULL);
	attempt = world_attempt(w, &said.object.id);
	assert_string_equal(attempt->payload, "second");
	assert_string_equal(attempt->owner, "bob");
	assert_string_equal(attempt->content_type, "text/x");
	world_succeed(attempt, NULL);
	world_until_state(w, &said.object.id, "succeeded");
	said = world_result(w, &first);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_int_equal(said.body_size, -1);
}

static void
test_delayed(void **state)
{
	struct ol_engine_submit submit = { .type = "cut",
		.delay = OL_MSEC(150) };
	struct world *w = *state;
	int64_t begin = ol_wall_now();
	struct said delayed, at;

	world_open(w);
	delayed = world_submit(w, &submit);
	assert_string_equal(delayed.state, "scheduled");
	assert_in_range(delayed.object.due, begin + 150, begin + 1500);
	submit.delay = 0;
	submit.due = ol_wall_now() + 3600 * 1000;
	at = world_submit(w, &submit);
	assert_string_equal(at.state, "scheduled");
	assert_true(at.object.due == submit.due);
	world_run(w, 50);
	assert_int_equal(w->running, 0);
	world_attempt(w, &delayed.object.id);
	assert_true(ol_wall_now() >= begin + 150);
	assert_false(world_has_attempt(w, &at.object.id));
}

/* --- Ends that are not good. --- */

static void
test_retries_until_it_gives_up(void **state)
{
	static const char noise[] = "first line\nlast \xff line\n";
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_RETRY,
				      .delay = -1 },
		.kind = "exit",
		.message = "exit 1: last line",
		.exit = 1,
		.error_text = noise,
		.error_size = sizeof(noise) - 1 };
	struct world *w = *state;
	struct ol_id id;
	struct said said;
	uint32_t n;

	/* Long enough to be seen, however busy the machine is. */
	w->types[0].backoff = w->types[0].backoff_max = OL_MSEC(400);
	world_open(w);
	id = world_add(w, "cut");
	for (n = 1; n <= 4; n++) {
		assert_int_equal(world_attempt(w, &id)->number, n);
		world_end(world_attempt(w, &id), &end);
		if (n == 4)
			break;
		said = world_until_state(w, &id, "retrying");
		assert_string_equal(said.kind, "exit");
		assert_true(said.object.due > 0);
	}
	said = world_until_state(w, &id, "failed");
	assert_int_equal(said.object.attempt, 4);
	assert_int_equal(said.object.attempts_max, 4);
	assert_string_equal(said.kind, "exit");
	assert_string_equal(said.message, "exit 1: last line");
	assert_int_equal(said.object.error_exit, 1);
	assert_string_equal(said.text, "first line\nlast \xef\xbf\xbd line\n");
	said = world_result(w, &id);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_false(said.object.succeeded);
	assert_int_equal(said.body_size, -1);
}

static void
test_fail_is_not_tried_again(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	world_fail(world_attempt(w, &id), OL_OUTCOME_FAIL, "exit", "exit 65");
	assert_string_equal(world_until_state(w, &id, "failed").kind, "exit");
	assert_int_equal(w->started, 1);
}

static void
test_poison(void **state)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_LOST,
				      .crashed = true,
				      .delay = -1 },
		.kind = "signal",
		.message = "killed by SIGSEGV",
		.exit = -1,
		.signal = SIGSEGV };
	struct world *w = *state;
	struct ol_id id;
	struct said said;

	w->types[0].retries = 10;
	world_open(w);
	id = world_add(w, "cut");
	world_end(world_attempt(w, &id), &end);
	said = world_until_state(w, &id, "retrying");
	assert_string_equal(said.kind, "signal");
	assert_string_equal(said.signal, "SIGSEGV");
	world_end(world_attempt(w, &id), &end);
	world_until_state(w, &id, "retrying");
	world_end(world_attempt(w, &id), &end);
	said = world_until_state(w, &id, "poisoned");
	assert_string_equal(said.kind, "crashed");
	assert_string_equal(said.signal, "SIGSEGV");
}

static void
test_unreachable_is_no_attempt(void **state)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_INTERRUPTED,
				      .unreachable = true,
				      .delay = -1 },
		.kind = "unreachable",
		.message = "cannot execute /x: Permission denied",
		.exit = -1 };
	struct world *w = *state;
	struct ol_id id;
	struct said said;

	w->types[0].retries = 0;
	world_open(w);
	id = world_add(w, "cut");
	world_end(world_attempt(w, &id), &end);
	said = world_until_state(w, &id, "ready");
	assert_string_equal(said.kind, "unreachable");
	assert_int_equal(said.object.attempts_max, 2);
	/* The type backs off; a reload ends that. */
	world_run(w, 50);
	assert_int_equal(w->started, 1);
	ol_engine_configure(w->engine, &w->conf);
	assert_int_equal(world_attempt(w, &id)->number, 2);
	world_succeed(world_attempt(w, &id), NULL);
	world_until_state(w, &id, "succeeded");
}

static void
test_expired(void **state)
{
	struct world *w = *state;
	struct ol_id first, second;
	struct said said;

	w->types[0].concurrency = 1;
	w->types[0].expires = OL_MSEC(60);
	world_open(w);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	said = world_until_state(w, &second, "failed");
	assert_string_equal(said.kind, "expired");
	assert_int_equal(said.object.attempt, 0);
	assert_true(world_has_attempt(w, &first));
}

/* --- What is not taken. --- */

static void
test_what_is_not_taken(void **state)
{
	struct ol_engine_submit submit = { .type = "paint" };
	struct world *w = *state;
	char name[2000];

	w->types[0].concurrency = 1;
	w->types[0].max_waiting = 1;
	world_open(w);
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_UNKNOWN);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	submit.type = "cut";
	submit.owner = name;
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_NOT_TAKEN);
	assert_int_equal(w->started, 0);
	world_add(w, "cut");
	world_add(w, "cut");
	submit.owner = "";
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_FULL);
}

/* --- Keys. --- */

static void
test_keys(void **state)
{
	uint8_t hash[32] = { 1 }, other[32] = { 2 };
	struct ol_engine_submit submit = {
		.type = "cut", .owner = "alice", .key = "k1", .key_hash = hash
	};
	struct said first = { 0 }, second = { 0 }, said;
	struct world *w = *state;

	world_type(w, "draw");
	world_open(w);
	ol_engine_submit(w->engine, &submit, world_take, &first);
	ol_engine_submit(w->engine, &submit, world_take, &second);
	world_wait(w, &first);
	world_wait(w, &second);
	assert_int_equal(first.answer, OL_ENGINE_OK);
	assert_int_equal(second.answer, OL_ENGINE_IN_FLIGHT);

	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_DUPLICATE);
	assert_int_equal(ol_id_compare(&said.object.id, &first.object.id), 0);
	submit.key_hash = other;
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_CONFLICT);
	/* Another owner's, another type's. */
	submit.owner = "bob";
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_OK);
	submit.type = "draw";
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_OK);
	/* What was withdrawn left nothing: nothing stalls, no slot is lost. */
	world_run(w, 20);
	assert_int_equal(w->started, 3);

	/* With a result, and after a restart. */
	world_succeed(world_attempt(w, &first.object.id), "x");
	world_until_state(w, &first.object.id, "succeeded");
	world_close(w);
	world_open(w);
	submit = (struct ol_engine_submit){
		.type = "cut", .owner = "alice", .key = "k1", .key_hash = hash
	};
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_DUPLICATE);
	assert_string_equal(said.state, "succeeded");
}

/* --- Cancel and purge. --- */

static void
test_cancel(void **state)
{
	struct world *w = *state;
	struct ol_id running, waiting, none = { { 1 } };
	struct said said;

	w->types[0].concurrency = 1;
	world_open(w);
	running = world_add(w, "cut");
	waiting = world_add(w, "cut");
	said = world_cancel(w, &waiting);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_true(said.object.cancelled);
	assert_string_equal(said.state, "cancelled");
	assert_int_equal(world_cancel(w, &none).answer, OL_ENGINE_UNKNOWN);

	said = world_cancel(w, &running);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_false(said.object.ended);
	assert_string_equal(said.state, "running");
	assert_string_equal(world_attempt(w, &running)->stops, "cancel ");
	world_fail(
	    world_attempt(w, &running), OL_OUTCOME_INTERRUPTED, NULL, "");
	said = world_until_state(w, &running, "cancelled");
	assert_string_equal(said.kind, "");
	assert_true(said.object.started > 0);
	/* Again: it has ended before. */
	assert_string_equal(world_cancel(w, &running).state, "cancelled");
	assert_int_equal(world_result(w, &running).answer, OL_ENGINE_GONE);
	assert_int_equal(w->started, 1);
}

/* Its DELETE was answered: it does not run again, however this life ends. */
static void
test_a_cancel_outlives_us(void **state)
{
	struct world *w = *state;
	struct ol_id id, other, lost;
	struct said said;

	world_open(w);
	id = world_add(w, "cut");
	other = world_add(w, "cut");
	world_attempt(w, &other);
	assert_string_equal(world_cancel(w, &id).state, "running");
	assert_string_equal(world_cancel(w, &id).state, "running");
	assert_string_equal(world_attempt(w, &id)->stops, "cancel ");
	/* Not drained, as when killed; its type is gone meanwhile. */
	world_close(w);
	world_open(w);
	said = world_until_state(w, &id, "cancelled");
	assert_true(said.object.cancelled);
	assert_int_equal(said.object.attempt, 1);
	assert_true(said.object.started > 0 && said.object.ended_at > 0);
	assert_int_equal(world_attempt(w, &other)->number, 2);
	world_succeed(world_attempt(w, &other), NULL);
	world_until_state(w, &other, "succeeded");
	/* With the spawner alone, the same. */
	lost = world_add(w, "cut");
	world_attempt(w, &lost);
	world_cancel(w, &lost);
	world_fail(world_attempt(w, &lost), OL_OUTCOME_LOST, "signal", "");
	world_until_state(w, &lost, "cancelled");
	assert_int_equal(w->started, 4);
}

/* One that succeeds all the same has its result. */
static void
test_a_cancel_comes_too_late(void **state)
{
	struct said cancelled = { 0 };
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	world_attempt(w, &id);
	/* Its end is written behind the mark, in one commit. */
	ol_engine_cancel(w->engine, &id, world_take, &cancelled);
	world_succeed(world_attempt(w, &id), "x");
	world_wait(w, &cancelled);
	assert_int_equal(cancelled.answer, OL_ENGINE_OK);
	world_until_state(w, &id, "succeeded");
	assert_string_equal(world_result(w, &id).body, "x");
	world_close(w);
	world_open(w);
	assert_string_equal(world_get(w, &id).state, "succeeded");
	assert_int_equal(w->started, 1);
}

static void
test_cancel_keeps_what_was(void **state)
{
	struct world *w = *state;
	struct ol_id id;
	struct said said;

	w->types[0].backoff = w->types[0].backoff_max = OL_SEC(60);
	world_open(w);
	id = world_add(w, "cut");
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "exit", "exit 1");
	said = world_until_state(w, &id, "retrying");
	assert_true(said.object.started > 0);
	said = world_cancel(w, &id);
	assert_string_equal(said.state, "cancelled");
	assert_string_equal(said.kind, "exit");
	assert_true(said.object.started > 0);
}

/* What was read ahead of a start that is revoked meanwhile launches nothing. */
static void
test_cancel_at_each_turn_of_a_start(void **state)
{
	struct world *w = *state;
	struct said cancelled;
	struct ol_id first, second;
	int turns, i, started, revoked = 0;

	w->types[0].concurrency = 1;
	world_open(w);
	for (turns = 0; turns < 30; turns++) {
		first = world_add(w, "cut");
		second = world_add(w, "cut");
		world_succeed(world_attempt(w, &first), NULL);
		started = w->started;
		for (i = 0; i < turns && w->started == started; i++)
			event_base_loop(ol_loop_base(w->loop),
			    EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
		cancelled = world_cancel(w, &second);
		world_run(w, 5);
		if (strcmp(cancelled.state, "cancelled") == 0) {
			assert_int_equal(w->started, started);
			revoked++;
		} else if (world_has_attempt(w, &second))
			world_fail(world_attempt(w, &second),
			    OL_OUTCOME_INTERRUPTED, NULL, "");
		world_until_state(w, &second, "cancelled");
	}
	assert_in_range(revoked, 1, 29);
}

static void
test_cancel_between_commit_and_spawn(void **state)
{
	struct said submitted = { 0 }, cancelled = { 0 };
	const struct ol_engine_submit submit = { .type = "cut" };
	struct world *w = *state;
	struct ol_id first, second;

	w->types[0].concurrency = 1;
	world_open(w);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	/* Its end is committed, and with it the start of the second begins. */
	world_succeed(world_attempt(w, &first), NULL);
	while (strcmp(world_get(w, &second).state, "ready") == 0)
		continue;
	ol_engine_cancel(w->engine, &second, world_take, &cancelled);
	world_wait(w, &cancelled);
	assert_int_equal(cancelled.answer, OL_ENGINE_OK);
	/* Wherever it was, it ends; if it began, it is told so. */
	while (!world_get(w, &second).object.ended)
		if (world_has_attempt(w, &second)) {
			assert_string_equal(
			    world_attempt(w, &second)->stops, "cancel ");
			world_succeed(world_attempt(w, &second), NULL);
		}
	ol_engine_submit(w->engine, &submit, world_take, &submitted);
	world_wait(w, &submitted);
	world_attempt(w, &submitted.object.id);
}

static void
test_purge(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	assert_int_equal(world_purge(w, &id).answer, OL_ENGINE_UNFINISHED);
	world_succeed(world_attempt(w, &id), "x");
	world_until_state(w, &id, "succeeded");
	assert_int_equal(world_purge(w, &id).answer, OL_ENGINE_OK);
	assert_int_equal(world_purge(w, &id).answer, OL_ENGINE_UNKNOWN);
	assert_int_equal(world_get(w, &id).answer, OL_ENGINE_UNKNOWN);
}

static void
test_a_call_that_nobody_waits_for(void **state)
{
	struct said said = { 0 };
	const struct ol_engine_submit submit = { .type = "cut" };
	struct ol_id id = { { 1 } };
	struct world *w = *state;

	world_open(w);
	ol_engine_cancel_call(
	    ol_engine_submit(w->engine, &submit, world_take, &said));
	ol_engine_cancel_call(ol_engine_get(w->engine, &id, world_take, &said));
	/* The submit goes on. */
	world_until(w, &w->running, 1);
	id = TAILQ_FIRST(&w->attempts)->id;
	ol_engine_cancel_call(
	    ol_engine_get_result(w->engine, &id, world_take, &said));
	world_run(w, 20);
	assert_false(said.there);
	assert_string_equal(world_get(w, &id).state, "running");
}

/* --- durable off. --- */

static void
test_durable_off(void **state)
{
	struct ol_engine_submit submit = { .type = "mail",
		.payload = body("letter") };
	struct world *w = *state;
	struct said said;
	struct ol_id first, second, third;

	world_type(w, "mail")->durable = OL_DURABLE_OFF;
	w->types[1].concurrency = 1;
	world_open(w);
	said = world_submit(w, &submit);
	first = said.object.id;
	assert_string_equal(said.state, "running");
	second = world_submit(w, &submit).object.id;
	third = world_submit(w, &submit).object.id;
	ol_body_free(submit.payload);
	assert_string_equal(world_attempt(w, &first)->payload, "letter");
	world_succeed(world_attempt(w, &first), "sent");
	world_until_state(w, &first, "succeeded");
	assert_string_equal(world_result(w, &first).body, "sent");
	assert_string_equal(world_attempt(w, &second)->payload, "letter");
	assert_string_equal(world_cancel(w, &third).state, "cancelled");
	assert_int_equal(world_purge(w, &third).answer, OL_ENGINE_OK);
	assert_int_equal(world_get(w, &third).answer, OL_ENGINE_UNKNOWN);
	world_close(w);
	world_open(w);
	assert_int_equal(world_get(w, &first).answer, OL_ENGINE_UNKNOWN);
	world_run(w, 30);
	assert_int_equal(w->running, 0);
}

/* --- Reload. --- */

static void
test_reload(void **state)
{
	struct world *w = *state;
	struct ol_id first, second, third;
	struct ol_conf conf = w->conf;

	w->types[0].concurrency = 1;
	world_type(w, "draw");
	world_open(w);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	third = world_add(w, "cut");
	w->types[0].concurrency = 3;
	ol_engine_configure(w->engine, &w->conf);
	world_attempt(w, &second);
	world_attempt(w, &third);
	/* A type that goes parks what waits; what runs, runs on. */
	world_fail(world_attempt(w, &third), OL_OUTCOME_RETRY, "exit", "1");
	world_until_state(w, &third, "retrying");
	conf.tasks.tqh_first = &w->types[1];
	ol_engine_configure(w->engine, &conf);
	world_until_state(w, &third, "parked");
	world_succeed(world_attempt(w, &first), NULL);
	world_until_state(w, &first, "succeeded");
	assert_int_equal(
	    world_submit(w, &(struct ol_engine_submit){ .type = "cut" }).answer,
	    OL_ENGINE_UNKNOWN);
	ol_engine_configure(w->engine, &w->conf);
	assert_int_equal(world_attempt(w, &third)->number, 2);
	world_succeed(world_attempt(w, &second), NULL);
	world_until_state(w, &second, "succeeded");
}

/* --- Restart. --- */

static void
test_a_restart_finds_everything(void **state)
{
	struct ol_engine_submit submit = {
		.type = "cut", .owner = "alice", .payload = body("bytes")
	};
	struct world *w = *state;
	struct ol_id running, waiting, delayed;
	struct attempt *attempt;
	struct said said;

	w->types[0].concurrency = 1;
	world_open(w);
	running = world_submit(w, &submit).object.id;
	waiting = world_submit(w, &submit).object.id;
	submit.delay = OL_SEC(60);
	delayed = world_submit(w, &submit).object.id;
	ol_body_free(submit.payload);
	/* Closed without a drain: its attempt is lost. */
	world_close(w);
	world_open(w);
	/* Not by its own doing: it runs again at once. */
	attempt = world_attempt(w, &running);
	assert_int_equal(attempt->number, 2);
	assert_string_equal(attempt->owner, "alice");
	assert_string_equal(world_get(w, &delayed).state, "scheduled");
	world_succeed(attempt, NULL);
	world_until_state(w, &running, "succeeded");
	attempt = world_attempt(w, &waiting);
	assert_string_equal(attempt->payload, "bytes");
	assert_int_equal(attempt->number, 1);
	world_succeed(attempt, NULL);
	/* Ids go on rising. */
	assert_true(ol_id_compare(&waiting, &running) > 0);
	said = world_submit(w, &(struct ol_engine_submit){ .type = "cut" });
	assert_true(ol_id_compare(&said.object.id, &delayed) > 0);
}

static void
test_a_lost_last_attempt_fails(void **state)
{
	struct world *w = *state;
	struct ol_id id;
	struct said said;

	w->types[0].retries = 0;
	world_open(w);
	id = world_add(w, "cut");
	world_attempt(w, &id);
	world_close(w);
	world_open(w);
	said = world_until_state(w, &id, "failed");
	assert_string_equal(said.kind, "crashed");
	assert_int_equal(said.object.attempt, 1);
	assert_true(said.object.started > 0);
	assert_int_equal(w->started, 1);
}

static void
test_a_restart_knows_the_crashes(void **state)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_LOST,
				      .crashed = true,
				      .delay = -1 },
		.kind = "signal",
		.exit = -1,
		.signal = SIGSEGV };
	struct world *w = *state;
	struct ol_id id;

	w->types[0].poison_after = 2;
	world_open(w);
	id = world_add(w, "cut");
	world_end(world_attempt(w, &id), &end);
	world_until_state(w, &id, "retrying");
	world_close(w);
	world_open(w);
	world_end(world_attempt(w, &id), &end);
	world_until_state(w, &id, "poisoned");
}

/* --- The drain. --- */

static void
until_stops(struct world *w, const struct ol_id *id, const char *stops)
{
	int64_t end = ol_clock_now() + OL_SEC(10);

	while (strcmp(world_attempt(w, id)->stops, stops) != 0) {
		assert_true(ol_clock_now() < end);
		world_run(w, 2);
	}
}

/* What was interrupted goes ahead of what is more urgent, in the next life. */
static void
test_interrupted_goes_first_after_a_restart(void **state)
{
	struct ol_engine_submit urgent = { .type = "cut", .priority = 100 };
	struct world *w = *state;
	struct ol_id id, other;

	w->types[0].concurrency = 1;
	world_open(w);
	id = world_add(w, "cut");
	other = world_submit(w, &urgent).object.id;
	ol_engine_drain(w->engine, ol_clock_now(), 0);
	until_stops(w, &id, "interrupt kill ");
	world_fail(world_attempt(w, &id), OL_OUTCOME_LOST, "signal", "SIGKILL");
	world_until(w, &w->drained, 1);
	world_close(w);
	world_open(w);
	world_attempt(w, &id);
	assert_false(world_has_attempt(w, &other));
}

/* Of very many tasks, each that has an item is found. */
static void
test_drain_tells_all(void **state)
{
	enum { ALL = 1200 };
	struct world *w = *state;
	struct attempt *attempt;
	int i, told = 0;

	w->types[0].durable = OL_DURABLE_OFF;
	w->types[0].concurrency = ALL;
	w->types[0].max_waiting = ALL;
	w->types[0].shutdown_delay = OL_MSEC(10);
	world_open(w);
	for (i = 0; i < ALL; i++)
		world_add(w, "cut");
	world_until(w, &w->running, ALL);
	ol_engine_drain(w->engine, ol_clock_now() + OL_SEC(60), 0);
	world_run(w, 100);
	TAILQ_FOREACH (attempt, &w->attempts, link)
		told += strstr(attempt->stops, "kill ") != NULL;
	assert_int_equal(told, ALL);
}

static void
test_drain(void **state)
{
	struct world *w = *state;
	struct ol_id first, second, late;
	struct said said;
	const char *why;

	world_type(w, "mail")->durable = OL_DURABLE_OFF;
	world_open(w);
	assert_int_equal(ol_engine_health(w->engine, &why), OL_ENGINE_READY);
	first = world_add(w, "cut");
	second = world_add(w, "cut");
	ol_engine_drain(w->engine, ol_clock_now() + OL_MSEC(300), OL_MSEC(150));
	assert_int_equal(ol_engine_health(w->engine, &why), OL_ENGINE_DRAINING);
	/* Durable ones are taken, and not started; others are refused. */
	late = world_add(w, "cut");
	said = world_submit(w, &(struct ol_engine_submit){ .type = "mail" });
	assert_int_equal(said.answer, OL_ENGINE_NOT_TAKEN);
	world_succeed(world_attempt(w, &first), NULL);
	world_until_state(w, &first, "succeeded");
	assert_int_equal(w->drained, 0);
	assert_string_equal(world_attempt(w, &second)->stops, "");
	world_run(w, 200);
	assert_string_equal(world_attempt(w, &second)->stops, "interrupt ");
	world_run(w, 150);
	assert_string_equal(
	    world_attempt(w, &second)->stops, "interrupt kill ");
	world_fail(
	    world_attempt(w, &second), OL_OUTCOME_LOST, "signal", "SIGTERM");
	world_until(w, &w->drained, 1);
	world_close(w);
	assert_int_equal(w->started, 2);

	/* Refunded, and first. */
	w->types[0].concurrency = 1;
	world_open(w);
	assert_int_equal(world_attempt(w, &second)->number, 2);
	said = world_get(w, &second);
	assert_int_equal(said.object.attempts_max, 5);
	assert_string_equal(world_get(w, &late).state, "ready");
}

/* A type with less than the whole, and one that asks for more. */
static void
test_the_deadlines_of_a_drain(void **state)
{
	struct world *w = *state;
	struct ol_id hasty, plain, longer;
	int64_t began;

	world_type(w, "hasty")->shutdown_delay = OL_MSEC(200);
	w->types[1].retries = 0;
	w->conf.shutdown_delay_max = OL_MSEC(900);
	world_open(w);
	hasty = world_add(w, "hasty");
	plain = world_add(w, "cut");
	longer = world_add(w, "cut");
	began = ol_clock_now();
	ol_engine_drain(w->engine, began + OL_MSEC(500), OL_MSEC(100));
	world_run(w, 30);
	world_attempt(w, &longer)
	    ->events->on_extend(world_attempt(w, &longer)->arg, OL_SEC(60));
	assert_true(w->deadline <= began + OL_MSEC(910));
	assert_true(w->deadline >= began + OL_MSEC(900));
	assert_string_equal(world_attempt(w, &hasty)->stops, "");
	until_stops(w, &hasty, "interrupt ");
	assert_true(ol_clock_now() >= began + OL_MSEC(100));
	until_stops(w, &hasty, "interrupt kill ");
	assert_true(ol_clock_now() >= began + OL_MSEC(200));
	world_fail(
	    world_attempt(w, &hasty), OL_OUTCOME_LOST, "signal", "SIGKILL");
	/* Refunded, although it has no retries. */
	world_until_state(w, &hasty, "ready");
	until_stops(w, &plain, "interrupt kill ");
	assert_true(ol_clock_now() >= began + OL_MSEC(500));
	assert_string_equal(world_attempt(w, &longer)->stops, "");
	world_fail(
	    world_attempt(w, &plain), OL_OUTCOME_LOST, "signal", "SIGKILL");
	until_stops(w, &longer, "interrupt kill ");
	assert_true(ol_clock_now() >= began + OL_MSEC(900));
	world_succeed(world_attempt(w, &longer), NULL);
	world_until(w, &w->drained, 1);
	world_until_state(w, &longer, "succeeded");
	world_until_state(w, &plain, "ready");
}

static void
test_an_idle_engine_drains_at_once(void **state)
{
	struct world *w = *state;

	world_open(w);
	ol_engine_drain(w->engine, OL_NEVER, 0);
	world_until(w, &w->drained, 1);
}

/* --- Idle. --- */

static void
test_an_idle_engine_sleeps(void **state)
{
	struct world *w = *state;
	struct rusage before, after;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	world_succeed(world_attempt(w, &id), NULL);
	world_until_state(w, &id, "succeeded");
	/* The last call's patience, and the store's last flush. */
	world_run(w, 1300);
	getrusage(RUSAGE_SELF, &before);
	world_run(w, 1500);
	getrusage(RUSAGE_SELF, &after);
	/* The end of world_run() itself is one. */
	assert_in_range(after.ru_nvcsw - before.ru_nvcsw, 0, 2);
}

/* --- Retention. --- */

static void
test_retention(void **state)
{
	struct world *w = *state;
	struct ol_id kept, gone;

	w->conf.store.retain = OL_MSEC(300);
	world_open(w);
	gone = world_add(w, "cut");
	world_succeed(world_attempt(w, &gone), "x");
	world_until_state(w, &gone, "succeeded");
	kept = world_add(w, "cut");
	world_fail(world_attempt(w, &kept), OL_OUTCOME_FAIL, "exit", "x");
	world_until_state(w, &kept, "failed");
	world_run(w, 1600);
	assert_int_equal(world_get(w, &gone).answer, OL_ENGINE_UNKNOWN);
	assert_int_equal(world_get(w, &kept).answer, OL_ENGINE_OK);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_task_succeeds),
		TEST(test_what_waits_is_read_back),
		TEST(test_delayed),
		TEST(test_retries_until_it_gives_up),
		TEST(test_fail_is_not_tried_again),
		TEST(test_poison),
		TEST(test_unreachable_is_no_attempt),
		TEST(test_expired),
		TEST(test_what_is_not_taken),
		TEST(test_keys),
		TEST(test_cancel),
		TEST(test_a_cancel_outlives_us),
		TEST(test_a_cancel_comes_too_late),
		TEST(test_cancel_keeps_what_was),
		TEST(test_cancel_between_commit_and_spawn),
		TEST(test_cancel_at_each_turn_of_a_start),
		TEST(test_purge),
		TEST(test_a_call_that_nobody_waits_for),
		TEST(test_durable_off),
		TEST(test_reload),
		TEST(test_a_restart_finds_everything),
		TEST(test_a_lost_last_attempt_fails),
		TEST(test_a_restart_knows_the_crashes),
		TEST(test_interrupted_goes_first_after_a_restart),
		TEST(test_drain_tells_all),
		TEST(test_drain),
		TEST(test_the_deadlines_of_a_drain),
		TEST(test_an_idle_engine_drains_at_once),
		TEST(test_an_idle_engine_sleeps),
		TEST(test_retention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
