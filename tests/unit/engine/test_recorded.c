/* Recorded requests in a whole engine: their secrets, and their replies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/core.h"
#include "stored.h"
#include "world.h"

#define ALL \
	"REQUEST_METHOD=POST;HTTP_COOKIE=PHPSESSID=8f4e;SCRIPT_NAME=/r.php;" \
	"PHP_AUTH_PW=open;HTTP_COOKIE=x;LAST=;"

static const struct ol_object_variable recording[] = {
	{ "REQUEST_METHOD", "POST" },
	{ "HTTP_COOKIE", "PHPSESSID=8f4e" },
	{ "SCRIPT_NAME", "/r.php" },
	{ "PHP_AUTH_PW", "open" },
	{ "HTTP_COOKIE", "x" },
	{ "LAST", "" },
};

static struct ol_id
record(struct world *w)
{
	const struct ol_engine_submit submit = { .type = "cut",
		.context = recording,
		.ncontext = 6,
		.recorded = true,
		.priority = INT_MIN };
	struct said said = world_submit(w, &submit);

	assert_int_equal(said.answer, OL_ENGINE_OK);
	return said.object.id;
}

/* The row of a task, read by the store itself; the engine is closed. */
static struct ol_row *
row_of(struct world *w, const struct ol_id *id)
{
	struct stored s;
	struct ol_row *row;

	assert_int_equal(stored_open(&s, &ol_store_sqlite, w->folder), 0);
	s.waiting = 1;
	ol_store_get(s.store, id->bytes, stored_take, &s);
	stored_wait(&s);
	assert_int_equal(s.answer.n, 1);
	row = ol_row_copy(s.rows[0]);
	stored_close(&s);
	return row;
}

static void
expect_secrets(struct world *w, const struct ol_id *id, bool there)
{
	struct ol_row *row;

	world_close(w);
	row = row_of(w, id);
	assert_true(row->recorded);
	assert_null(memmem(row->context.data, row->context.size, "8f4e", 4));
	assert_non_null(
	    memmem(row->context.data, row->context.size, "/r.php", 6));
	if (there)
		assert_non_null(
		    memmem(row->secrets.data, row->secrets.size, "8f4e", 4));
	else
		assert_int_equal(row->secrets.size, 0);
	ol_row_free(row);
	world_open(w);
}

static void
expect_run(struct world *w, const struct ol_id *id, const char *context)
{
	struct attempt *attempt = world_attempt(w, id);

	assert_true(attempt->recorded);
	assert_string_equal(attempt->context, context);
}

/* End an attempt with a reply. */
static void
reply(struct world *w, const struct ol_id *id, enum ol_outcome outcome,
    const char *head, const char *body)
{
	struct ol_run_end end = { .ending = { .outcome = outcome, .delay = -1 },
		.exit = -1,
		.kind = outcome == OL_OUTCOME_OK ? NULL : "status",
		.result_type = "text/html",
		.reply = head };

	snprintf(end.message, sizeof(end.message), "the backend replied");
	if (body != NULL)
		end.result = ol_must(ol_body_new(body, strlen(body)));
	world_end(world_attempt(w, id), &end);
	ol_body_free(end.result);
}

/* --- Secrets. --- */

static void
test_a_recording_runs_as_it_came(void **state)
{
	struct world *w = *state;
	struct ol_id first, second;

	w->types[0].concurrency = 1;
	world_open(w);
	/* One that starts at once, and one that is read back. */
	first = record(w);
	second = record(w);
	expect_run(w, &first, ALL);
	world_succeed(world_attempt(w, &first), NULL);
	expect_run(w, &second, ALL);
	world_succeed(world_attempt(w, &second), NULL);
	world_until_state(w, &second, "succeeded");
	expect_secrets(w, &first, false);
	expect_secrets(w, &second, false);
}

static void
test_they_last_until_the_end(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	w->types[0].backoff = OL_SEC(3600);
	w->types[0].backoff_max = OL_SEC(3600);
	world_open(w);
	id = record(w);
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "status", "503");
	world_until_state(w, &id, "retrying");
	expect_secrets(w, &id, true);
	world_cancel(w, &id);
	world_until_state(w, &id, "cancelled");
	expect_secrets(w, &id, false);
}

static void
test_a_retry_has_them(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = record(w);
	world_fail(world_attempt(w, &id), OL_OUTCOME_RETRY, "status", "503");
	while (world_attempt(w, &id)->number < 2)
		world_run(w, 1);
	expect_run(w, &id, ALL);
	/* And one of the next life. */
	world_close(w);
	world_open(w);
	while (world_attempt(w, &id)->number < 3)
		world_run(w, 1);
	expect_run(w, &id, ALL);
	world_fail(world_attempt(w, &id), OL_OUTCOME_FAIL, "status", "404");
	world_until_state(w, &id, "failed");
	expect_secrets(w, &id, false);
}

/* Ends of tasks that never ran, or whose attempt nobody waits for. */
static void
test_other_ends(void **state)
{
	struct world *w = *state;
	struct ol_id running, waiting, expired;

	w->types[0].concurrency = 1;
	world_open(w);
	running = record(w);
	waiting = record(w);
	world_cancel(w, &waiting);
	world_until_state(w, &waiting, "cancelled");
	w->types[0].expires = OL_MSEC(50);
	ol_engine_configure(w->engine, &w->conf);
	expired = record(w);
	world_until_state(w, &expired, "failed");
	world_cancel(w, &running);
	world_fail(
	    world_attempt(w, &running), OL_OUTCOME_INTERRUPTED, NULL, "");
	world_until_state(w, &running, "cancelled");
	w->types[0].expires = 0;
	expect_secrets(w, &running, false);
	expect_secrets(w, &waiting, false);
	expect_secrets(w, &expired, false);
}

static void
test_poisoned(void **state)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_LOST,
				      .crashed = true,
				      .delay = -1 },
		.kind = "crashed",
		.exit = -1 };
	struct world *w = *state;
	struct ol_id id;
	int i;

	world_open(w);
	id = record(w);
	for (i = 0; i < 3; i++) {
		while (world_attempt(w, &id)->number < (uint32_t)i + 1)
			world_run(w, 1);
		expect_run(w, &id, ALL);
		world_end(world_attempt(w, &id), &end);
	}
	world_until_state(w, &id, "poisoned");
	expect_secrets(w, &id, false);
}

/* The secrets that memory has of a task. */
static size_t
in_memory(struct world *w, const struct ol_id *id)
{
	const struct ol_task *task =
	    ol_scheduler_find(w->engine->scheduler, id);
	const struct ol_item *item = ol_item_find(&w->engine->items, task);

	assert_non_null(item->row);
	return item->row->secrets.size;
}

/* Before anybody knows whether the end can be written. */
static void
test_memory_forgets_them_first(void **state)
{
	struct world *w = *state;
	struct ol_id id;

	world_open(w);
	id = record(w);
	world_attempt(w, &id);
	assert_true(in_memory(w, &id) > 0);
	world_succeed(world_attempt(w, &id), NULL);
	assert_int_equal(in_memory(w, &id), 0);
	world_until_state(w, &id, "succeeded");
}

static void
test_durable_off(void **state)
{
	struct world *w = *state;
	struct ol_id first, second;

	w->types[0].durable = OL_DURABLE_OFF;
	w->types[0].concurrency = 1;
	world_open(w);
	first = record(w);
	second = record(w);
	expect_run(w, &first, ALL);
	reply(w, &first, OL_OUTCOME_FAIL, "404\nA: b\n", "no");
	expect_run(w, &second, ALL);
	assert_string_equal(
	    world_until_state(w, &first, "failed").reply, "404\nA: b\n");
	assert_string_equal(world_result(w, &first).body, "no");
	world_succeed(world_attempt(w, &second), NULL);
	world_until_state(w, &second, "succeeded");
}

/* --- Replies. --- */

static void
test_a_reply_is_kept(void **state)
{
	struct world *w = *state;
	struct ol_id good, bad, empty;
	struct said said;
	int life;

	world_open(w);
	good = record(w);
	reply(w, &good, OL_OUTCOME_OK, "201\nX-A: b\n", "<p>made");
	bad = record(w);
	reply(w, &bad, OL_OUTCOME_FAIL, "422\nX-A: c\n", "<p>wrong");
	empty = record(w);
	reply(w, &empty, OL_OUTCOME_FAIL, "404\n", NULL);
	world_until_state(w, &good, "succeeded");
	world_until_state(w, &bad, "failed");
	world_until_state(w, &empty, "failed");
	for (life = 0; life < 2; life++) {
		said = world_result(w, &good);
		assert_int_equal(said.answer, OL_ENGINE_OK);
		assert_string_equal(said.reply, "201\nX-A: b\n");
		assert_string_equal(said.body, "<p>made");
		said = world_result(w, &bad);
		assert_int_equal(said.answer, OL_ENGINE_OK);
		assert_string_equal(said.state, "failed");
		assert_string_equal(said.kind, "status");
		assert_string_equal(said.reply, "422\nX-A: c\n");
		assert_string_equal(said.result_type, "text/html");
		assert_string_equal(said.body, "<p>wrong");
		said = world_result(w, &empty);
		assert_int_equal(said.answer, OL_ENGINE_OK);
		assert_string_equal(said.reply, "404\n");
		assert_int_equal(said.body_size, -1);
		world_close(w);
		world_open(w);
	}
}

static void
test_only_the_last_reply_is_kept(void **state)
{
	struct world *w = *state;
	struct said said;
	struct ol_id id;

	w->types[0].retries = 1;
	world_open(w);
	id = record(w);
	reply(w, &id, OL_OUTCOME_RETRY, "503\nX-A: 1\n", "<p>busy");
	said = world_until_state(w, &id, "retrying");
	assert_string_equal(said.reply, "");
	assert_int_equal(said.object.result_bytes, -1);
	assert_int_equal(world_result(w, &id).answer, OL_ENGINE_UNFINISHED);
	/* Retries are used up: it is what the visitor gets. */
	while (world_attempt(w, &id)->number < 2)
		world_run(w, 1);
	reply(w, &id, OL_OUTCOME_RETRY, "503\nX-A: 2\n", "<p>still busy");
	said = world_until_state(w, &id, "failed");
	assert_string_equal(said.reply, "503\nX-A: 2\n");
	assert_string_equal(world_result(w, &id).body, "<p>still busy");
}

static void
test_no_reply_no_result(void **state)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_FAIL,
				      .delay = -1 },
		.kind = "exit",
		.exit = 1,
		.result_type = "text/plain" };
	struct world *w = *state;
	struct said said;
	struct ol_id id;

	world_open(w);
	id = world_add(w, "cut");
	end.result = ol_must(ol_body_new("half", 4));
	world_end(world_attempt(w, &id), &end);
	ol_body_free(end.result);
	said = world_until_state(w, &id, "failed");
	assert_int_equal(said.object.result_bytes, -1);
	assert_int_equal(world_result(w, &id).body_size, -1);
	/* What a cancelled one replied in its last moment is nobody's. */
	id = record(w);
	world_attempt(w, &id);
	world_cancel(w, &id);
	reply(w, &id, OL_OUTCOME_INTERRUPTED, "200\n", "late");
	said = world_until_state(w, &id, "cancelled");
	assert_string_equal(said.reply, "");
	assert_int_equal(world_result(w, &id).answer, OL_ENGINE_GONE);
}

/* Headers beyond what the store takes are left out, whole ones. */
static void
test_the_longest_reply(void **state)
{
	struct world *w = *state;
	struct ol_row *row;
	struct ol_id id;
	size_t len = 70000;
	char *head = malloc(len + 1);

	memset(head, 'x', len);
	memcpy(head, "200\nA: ", 7);
	head[60000] = '\n';
	head[len - 1] = '\n';
	head[len] = '\0';
	world_open(w);
	id = record(w);
	reply(w, &id, OL_OUTCOME_OK, head, "all");
	world_until_state(w, &id, "succeeded");
	assert_string_equal(world_result(w, &id).body, "all");
	world_close(w);
	row = row_of(w, &id);
	assert_int_equal(row->reply.size, 60001);
	ol_row_free(row);
	free(head);
}

static void
test_too_much_is_not_taken(void **state)
{
	static char value[OL_ENGINE_CONTEXT_MAX + 1];
	const struct ol_object_variable one[] = { { "A", value } };
	const struct ol_engine_submit submit = {
		.type = "cut", .context = one, .ncontext = 1, .recorded = true
	};
	struct world *w = *state;
	struct said said;

	memset(value, 'v', sizeof(value) - 1);
	world_open(w);
	assert_int_equal(world_submit(w, &submit).answer, OL_ENGINE_NOT_TAKEN);
	value[OL_ENGINE_CONTEXT_MAX - 3] = '\0';
	said = world_submit(w, &submit);
	assert_int_equal(said.answer, OL_ENGINE_OK);
	world_attempt(w, &said.object.id);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_recording_runs_as_it_came),
		TEST(test_they_last_until_the_end),
		TEST(test_a_retry_has_them),
		TEST(test_other_ends),
		TEST(test_poisoned),
		TEST(test_memory_forgets_them_first),
		TEST(test_durable_off),
		TEST(test_a_reply_is_kept),
		TEST(test_only_the_last_reply_is_kept),
		TEST(test_no_reply_no_result),
		TEST(test_the_longest_reply),
		TEST(test_too_much_is_not_taken),
	};

	alarm(180);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
