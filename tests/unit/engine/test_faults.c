/*
 * The engine on a disk that fails: what clients are told, and that memory and
 * store agree afterwards. The last test is a seeded storm: SEED replays it,
 * TRIALS makes it longer.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
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
#include "base/must.h"
#include "faultfs.h"
#include "loop/loop.h"
#include "stored.h"
#include "world.h"

static int
set_up(void **state)
{
	faultfs_reset();
	world_set_up(state);
	alarm(300);
	return 0;
}

static const char *
why(struct world *w)
{
	const char *text;

	return ol_engine_health(w->engine, &text) == OL_ENGINE_READY ? NULL
								     : text;
}

static void
until_healthy(struct world *w)
{
	int64_t end = ol_clock_now() + OL_SEC(20);

	while (why(w) != NULL) {
		assert_true(ol_clock_now() < end);
		world_run(w, 5);
	}
}

/* No task is in the store that has not ended. */
static void
assert_all_ended(struct world *w)
{
	const struct ol_list list = { .states = OL_ROW_UNFINISHED, .limit = 1 };
	struct stored s;

	world_close(w);
	assert_int_equal(stored_open(&s, &ol_store_sqlite, w->folder), 0);
	assert_int_equal(stored_list(&s, &list), OL_STORE_OK);
	assert_int_equal(s.answer.n, 0);
	stored_close(&s);
}

static void
test_a_full_disk(void **state)
{
	const struct ol_engine_submit submit = { .type = "cut" };
	struct world *w = *state;
	struct ol_id id, after;
	struct said said;
	int64_t began;

	world_open(w);
	id = world_add(w, "cut");
	faultfs_fail(FAULTFS_WRITE, 1, 100000, SQLITE_FULL);
	began = ol_clock_now();
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_NOT_TAKEN);
	assert_true(said.retry_after > 0);
	assert_true(ol_clock_now() - began < OL_SEC(1));
	world_run(w, 20);
	/* Known now: not even tried. */
	assert_non_null(why(w));
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_NOT_TAKEN);
	/* What ended meanwhile waits for the disk, in memory. */
	world_succeed(world_attempt(w, &id), "x");
	world_run(w, 100);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_FULL);
	until_healthy(w);
	assert_string_equal(
	    world_until_state(w, &id, "succeeded").state, "succeeded");
	assert_string_equal(world_result(w, &id).body, "x");
	after = world_add(w, "cut");
	world_succeed(world_attempt(w, &after), NULL);
	world_until_state(w, &after, "succeeded");
	assert_int_equal(w->started, 2);
	assert_all_ended(w);
}

static void
test_an_unknown_submit_is_found_out(void **state)
{
	uint8_t hash[32] = { 7 };
	const struct ol_engine_submit submit = {
		.type = "cut", .key = "k", .key_hash = hash
	};
	struct world *w = *state;
	struct said said, again;

	world_open(w);
	faultfs_fail(FAULTFS_SYNC, 1, 1, SQLITE_IOERR_FSYNC);
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_UNSURE);
	/* Nothing runs of it before it is known; its key is taken. */
	assert_int_equal(w->started, 0);
	again = world_submit(w, &submit);
	assert_true(again.answer == OL_ENGINE_IN_FLIGHT ||
		    again.answer == OL_ENGINE_NOT_TAKEN ||
		    again.answer == OL_ENGINE_DUPLICATE);
	until_healthy(w);
	/* It was there: it runs, once. */
	world_until(w, &w->running, 1);
	again = world_submit(w, &submit);
	assert_int_equal(again.answer, OL_ENGINE_DUPLICATE);
	world_succeed(world_attempt(w, &again.object.id), NULL);
	world_until_state(w, &again.object.id, "succeeded");
	assert_int_equal(w->started, 1);
	assert_all_ended(w);
}

static void
test_an_unknown_end_is_found_out(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	faultfs_fail(FAULTFS_SYNC, 1, 1, SQLITE_IOERR_FSYNC);
	world_succeed(world_attempt(w, &id), "x");
	world_run(w, 30);
	until_healthy(w);
	world_until_state(w, &id, "succeeded");
	assert_string_equal(world_result(w, &id).body, "x");
	assert_int_equal(w->started, 1);
	assert_all_ended(w);
}

/* Of an end that was not written nothing is believed: it is written again. */
static void
test_an_end_that_did_not_arrive(void **state)
{
	struct world *w = *state;
	struct ol_id id;
	int when;

	world_open(w);
	for (when = 1; when <= 3; when++) {
		id = world_add(w, "cut");
		faultfs_fail(FAULTFS_WRITE, when, 1, SQLITE_IOERR_WRITE);
		world_succeed(world_attempt(w, &id), "x");
		world_run(w, 30);
		until_healthy(w);
		world_until_state(w, &id, "succeeded");
		assert_string_equal(world_result(w, &id).body, "x");
		assert_int_equal(w->started, when);
	}
	assert_all_ended(w);
}

static void
test_a_row_that_somebody_changed(void **state)
{
	struct world *w = *state;
	struct ol_id id, next;
	sqlite3 *db;
	char path[WORLD_TEXT + 32];

	world_open(w);
	id = world_add(w, "cut");
	world_attempt(w, &id);
	world_close(w);
	/* A row that says what cannot be is left alone, and nobody crashes. */
	snprintf(path, sizeof(path), "%s/tasks.db", w->folder);
	assert_int_equal(
	    sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"),
	    SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE task SET refunds = 9", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);
	world_open(w);
	world_run(w, 50);
	assert_int_equal(w->running, 0);
	assert_int_equal(world_get(w, &id).answer, OL_ENGINE_OK);
	next = world_add(w, "cut");
	world_succeed(world_attempt(w, &next), NULL);
	world_until_state(w, &next, "succeeded");
}

/*
 * A disk that hangs: nobody waits for more than a second, what needs no disk
 * goes on, and afterwards memory and disk agree.
 */
static void
test_a_disk_that_hangs(void **state)
{
	const struct ol_engine_submit submit = { .type = "cut" },
				      off = { .type = "mail" };
	struct world *w = *state;
	struct said said, mail;
	struct ol_id running;
	int64_t began, asked;

	world_type(w, "mail")->durable = OL_DURABLE_OFF;
	w->types[0].concurrency = 10;
	world_open(w);
	running = world_add(w, "cut");
	world_attempt(w, &running);
	faultfs_hang(FAULTFS_WRITE, 4000);
	began = ol_clock_now();
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_UNSURE);
	assert_true(said.retry_after > 0);
	assert_true(ol_clock_now() - began < OL_SEC(1));
	/* Known now: told at once, and not stored. */
	assert_non_null(why(w));
	asked = ol_clock_now();
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_NOT_TAKEN);
	assert_true(ol_clock_now() - asked < OL_MSEC(500));
	mail = world_submit(w, &off);
	assert_int_equal(mail.answer, OL_ENGINE_OK);
	world_succeed(world_attempt(w, &mail.object.id), "sent");
	world_until_state(w, &mail.object.id, "succeeded");
	assert_string_equal(world_result(w, &mail.object.id).body, "sent");
	/* What is on that disk cannot be told, in time. */
	asked = ol_clock_now();
	assert_int_equal(world_get(w, &running).answer, OL_ENGINE_NOT_TAKEN);
	assert_int_equal(world_cancel(w, &running).answer, OL_ENGINE_UNSURE);
	assert_true(ol_clock_now() - asked < OL_SEC(2));
	assert_string_equal(world_attempt(w, &running)->stops, "cancel ");
	assert_true(ol_clock_now() - began < OL_SEC(4));
	until_healthy(w);
	assert_true(ol_clock_now() - began >= OL_SEC(4));
	/* The one that nobody knew of was stored: it runs, once. */
	world_until(w, &w->running, 2);
	assert_int_equal(w->started, 3);
	world_fail(
	    world_attempt(w, &running), OL_OUTCOME_INTERRUPTED, NULL, "");
	world_until_state(w, &running, "cancelled");
	running = TAILQ_FIRST(&w->attempts)->id;
	world_succeed(TAILQ_FIRST(&w->attempts), NULL);
	world_until_state(w, &running, "succeeded");
	running = world_add(w, "cut");
	world_succeed(world_attempt(w, &running), NULL);
	world_until_state(w, &running, "succeeded");
	assert_int_equal(w->started, 4);
	assert_all_ended(w);
}

/* What ended cannot be written: the drain is not done, and the stop ends. */
static void
test_a_drain_on_a_full_disk(void **state)
{
	struct world *w = *state;
	struct ol_id id, other;
	int64_t began;

	world_open(w);
	id = world_add(w, "cut");
	other = world_add(w, "cut");
	world_attempt(w, &other);
	world_attempt(w, &id);
	faultfs_fail(FAULTFS_WRITE, 1, 100000, SQLITE_FULL);
	ol_engine_drain(w->engine, ol_clock_now() + OL_MSEC(100), 0);
	world_run(w, 150);
	assert_string_equal(world_attempt(w, &id)->stops, "interrupt kill ");
	world_fail(world_attempt(w, &id), OL_OUTCOME_LOST, "signal", "");
	world_run(w, 200);
	assert_int_equal(w->drained, 0);
	/* The other one was told, and has not ended. */
	began = ol_clock_now();
	world_close(w);
	assert_true(ol_clock_now() - began < OL_SEC(2));
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_OK);
	world_open(w);
	assert_int_equal(world_attempt(w, &id)->number, 2);
	assert_int_equal(world_attempt(w, &other)->number, 2);
	/* With a disk that works again, it is done by itself. */
	faultfs_fail(FAULTFS_WRITE, 1, 100000, SQLITE_FULL);
	ol_engine_drain(w->engine, OL_NEVER, 0);
	world_succeed(world_attempt(w, &id), NULL);
	world_succeed(world_attempt(w, &other), NULL);
	world_run(w, 200);
	assert_int_equal(w->drained, 0);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_OK);
	world_until(w, &w->drained, 1);
	assert_all_ended(w);
}

/* --- The storm. --- */

enum { BOOK = 200000 };

struct entry {
	struct ol_id id;
	uint32_t attempt; /* the last that started */
	bool acked, runs, off, cancelled;
};

struct storm {
	struct world *w;
	uint64_t random;
	struct entry *book;
	size_t n;
	int pending; /* calls */
	int acked, unsure, refused, restarts, faults, cancels;
};

struct asked {
	struct storm *storm;
	bool off;
};

/* splitmix64 */
static uint32_t
below(struct storm *s, uint32_t n)
{
	uint64_t z = s->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (uint32_t)(((z >> 32) * n) >> 32);
}

static struct entry *
entry_of(struct storm *s, const struct ol_id *id)
{
	size_t i;

	for (i = s->n; i-- > 0;)
		if (ol_id_compare(&s->book[i].id, id) == 0)
			return &s->book[i];
	assert_true(s->n < BOOK);
	s->book[s->n] = (struct entry){ .id = *id };
	return &s->book[s->n++];
}

static void
on_start(struct world *w, struct attempt *attempt)
{
	struct storm *s = w->user;
	struct entry *entry = entry_of(s, &attempt->id);

	assert_false(entry->runs);
	assert_true(attempt->number > entry->attempt);
	entry->attempt = attempt->number;
	entry->runs = true;
}

static void
on_submitted(void *arg, const struct ol_engine_result *r)
{
	struct asked *asked = arg;
	struct storm *s = asked->storm;
	struct entry *entry;

	s->pending--;
	if (r->answer == OL_ENGINE_OK) {
		entry = entry_of(s, &r->object->id);
		entry->acked = true;
		entry->off = asked->off;
		s->acked++;
	} else if (r->answer == OL_ENGINE_UNSURE)
		s->unsure++;
	else
		s->refused++;
	free(asked);
}

static void
on_cancelled(void *arg, const struct ol_engine_result *r)
{
	struct storm *s = arg;

	s->pending--;
	if (r->answer == OL_ENGINE_OK)
		s->cancels++;
	/* What was acknowledged is never unknown. */
	assert_int_not_equal(r->answer, OL_ENGINE_UNKNOWN);
}

static void
submit(struct storm *s)
{
	static const char *const types[] = { "cut", "draw", "mail" };
	static const char bytes[40000] = "payload";
	static const size_t sizes[] = { 0, 100, 40000 };
	struct asked *asked = ol_must(calloc(1, sizeof(*asked)));
	uint32_t type = below(s, 3);
	struct ol_engine_submit submit = { .type = types[type] };

	asked->storm = s;
	asked->off = type == 2;
	if (below(s, 2) == 0)
		submit.payload = ol_body_new(bytes, sizes[below(s, 3)]);
	if (below(s, 4) == 0)
		submit.delay = OL_MSEC(1 + below(s, 30));
	s->pending++;
	ol_engine_submit(s->w->engine, &submit, on_submitted, asked);
	ol_body_free(submit.payload);
}

static void
end_one(struct storm *s, bool calm)
{
	struct attempt *attempt = TAILQ_FIRST(&s->w->attempts);
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_RETRY,
				      .delay = -1 },
		.kind = "exit",
		.message = "exit 1",
		.exit = 1,
		.error_text = "words",
		.error_size = 5 };

	if (attempt == NULL)
		return;
	if (below(s, 2) == 0 && TAILQ_NEXT(attempt, link) != NULL)
		attempt = TAILQ_NEXT(attempt, link);
	entry_of(s, &attempt->id)->runs = false;
	switch (calm ? 9 : below(s, 10)) {
	case 0:
	case 1:
		break;
	case 2:
		end.ending.outcome = OL_OUTCOME_FAIL;
		break;
	case 3:
		end.ending.outcome = OL_OUTCOME_LOST;
		end.ending.crashed = true;
		break;
	case 4:
		end.ending.outcome = OL_OUTCOME_INTERRUPTED;
		break;
	default:
		world_succeed(attempt, "result");
		return;
	}
	world_end(attempt, &end);
}

static void
cancel(struct storm *s)
{
	struct entry *entry;

	if (s->n == 0)
		return;
	entry = &s->book[s->n - 1 - below(s, s->n < 30 ? (uint32_t)s->n : 30)];
	if (!entry->acked)
		return;
	s->pending++;
	ol_engine_cancel(s->w->engine, &entry->id, on_cancelled, s);
}

static void
restart(struct storm *s)
{
	struct world *w = s->w;
	size_t i;

	/* Its last writes work: a close may take them. */
	faultfs_fail(FAULTFS_SYNC, 1, 0, SQLITE_OK);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_OK);
	world_close(w);
	assert_int_equal(s->pending, 0);
	for (i = 0; i < s->n; i++) {
		s->book[i].runs = false;
		if (s->book[i].off)
			s->book[i].acked = false;
	}
	s->restarts++;
	world_open(w);
}

static void
fault(struct storm *s)
{
	static const int results[] = { SQLITE_FULL, SQLITE_IOERR_WRITE };

	s->faults++;
	if (below(s, 2) == 0)
		faultfs_fail(FAULTFS_SYNC, 1 + (int)below(s, 4),
		    1 + (int)below(s, 3), SQLITE_IOERR_FSYNC);
	else
		faultfs_fail(FAULTFS_WRITE, 1 + (int)below(s, 8),
		    1 + (int)below(s, 6), results[below(s, 2)]);
}

static void
one_step(struct storm *s)
{
	uint32_t what = below(s, 1000);

	if (what < 350)
		submit(s);
	else if (what < 750)
		end_one(s, false);
	else if (what < 800)
		cancel(s);
	else if (what < 803)
		fault(s);
	else if (what < 810) {
		s->w->types[0].concurrency = 1 + (int)below(s, 4);
		ol_engine_configure(s->w->engine, &s->w->conf);
	} else if (what < 812)
		restart(s);
	else
		world_run(s->w, 1);
}

/* Everything that was acknowledged ends, and nothing else is left. */
static void
settle(struct storm *s)
{
	int64_t end = ol_clock_now() + OL_SEC(60);
	struct said said;
	size_t i;

	faultfs_fail(FAULTFS_SYNC, 1, 0, SQLITE_OK);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_OK);
	until_healthy(s->w);
	for (i = 0; i < s->n;) {
		end_one(s, true);
		world_run(s->w, 0);
		if (!s->book[i].acked) {
			i++;
			continue;
		}
		said = world_get(s->w, &s->book[i].id);
		assert_int_equal(said.answer, OL_ENGINE_OK);
		if (said.object.ended)
			i++;
		assert_true(ol_clock_now() < end);
	}
	/* The unsure ones, which nobody knows by their ids. */
	for (i = 0; i < 300; i++) {
		while (s->w->running > 0)
			end_one(s, true);
		world_run(s->w, 2);
	}
	assert_int_equal(s->pending, 0);
	assert_all_ended(s->w);
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ? otherwise
					     : strtoull(text, NULL, 10);
}

static void
test_storm(void **state)
{
	struct storm s = { .w = *state,
		.random = number("SEED", (uint64_t)time(NULL)) };
	uint64_t trials = number("TRIALS", 1), steps = 4000 * trials, i;

	print_message("SEED=%" PRIu64 "\n", s.random);
	s.book = ol_must(calloc(BOOK, sizeof(*s.book)));
	s.w->user = &s;
	s.w->on_start = on_start;
	s.w->types[0].backoff = OL_MSEC(2);
	world_type(s.w, "draw")->durable = OL_DURABLE_LAZY;
	world_type(s.w, "mail")->durable = OL_DURABLE_OFF;
	world_open(s.w);
	for (i = 0; i < steps; i++)
		one_step(&s);
	settle(&s);
	print_message("%d acked, %d unsure, %d refused, %d cancelled; %d "
		      "attempts; %d restarts, %d faults\n",
	    s.acked, s.unsure, s.refused, s.cancels, s.w->started, s.restarts,
	    s.faults);
	assert_true(s.acked > 0 && s.restarts > 0 && s.faults > 0);
	free(s.book);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_full_disk),
		TEST(test_an_unknown_submit_is_found_out),
		TEST(test_an_unknown_end_is_found_out),
		TEST(test_an_end_that_did_not_arrive),
		TEST(test_a_row_that_somebody_changed),
		TEST(test_a_disk_that_hangs),
		TEST(test_a_drain_on_a_full_disk),
		TEST(test_storm),
	};
	static const struct ol_log_sink quiet = { .target = OL_LOG_FILE,
		.path = "/dev/null" };

	if (getenv("LOUD") == NULL)
		ol_log_open(&quiet, 1, NULL);
	faultfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
