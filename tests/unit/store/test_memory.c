/*
 * What is the memory store's alone: how long it keeps what has ended; and that
 * it answers as the SQLite store does, whatever it is asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "stored.h"

static int64_t the_time;

static int64_t
test_clock(void)
{
	return the_time;
}

static int
set_up(void **state)
{
	struct stored *s = calloc(1, sizeof(*s));

	the_time = OL_SEC(1000);
	*state = s;
	return stored_open_with(s, &ol_store_memory, "",
	    (struct ol_store_options){ .clock = test_clock });
}

static int
tear_down(void **state)
{
	stored_close(*state);
	free(*state);
	return 0;
}

/* Submitted and ended. */
static void
end(struct stored *s, unsigned number)
{
	struct ol_move move = stored_end(number, 0, OL_ROW_SUCCEEDED);

	assert_int_equal(stored_add(s, number, 10), OL_STORE_OK);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
}

static void
test_ten_minutes(void **state)
{
	struct stored *s = *state;

	assert_int_equal(stored_add(s, 9, 10), OL_STORE_OK);
	end(s, 1);
	the_time += OL_SEC(60);
	end(s, 2);
	the_time += OL_SEC(9 * 60) - 1;
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(stored_payload(s, 1), OL_STORE_OK);
	the_time += 1;
	assert_int_equal(stored_get(s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_get(s, 2), OL_STORE_OK);
	the_time += OL_SEC(60);
	assert_int_equal(stored_get(s, 2), OL_STORE_ABSENT);
	/* What waits, waits. */
	the_time += OL_SEC(1000000);
	assert_int_equal(stored_get(s, 9), OL_STORE_OK);
}

static void
test_ten_thousand(void **state)
{
	struct stored *s = *state;
	unsigned i;

	for (i = 0; i < 10000; i++)
		end(s, i);
	assert_int_equal(stored_get(s, 0), OL_STORE_OK);
	end(s, 10000);
	assert_int_equal(stored_get(s, 0), OL_STORE_ABSENT);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(stored_get(s, 10000), OL_STORE_OK);
	/* One that is erased makes room for another. */
	assert_int_equal(stored_erase(s, 5000), OL_STORE_OK);
	end(s, 10001);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
}

static void
test_run_again_it_waits(void **state)
{
	struct stored *s = *state;
	struct ol_move move = stored_end(1, 0, OL_ROW_READY);

	end(s, 1);
	end(s, 2);
	move.was_ended = true;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	the_time += OL_SEC(600);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(stored_get(s, 2), OL_STORE_ABSENT);
	/* The time begins anew. */
	move = stored_end(1, 0, OL_ROW_CANCELLED);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	the_time += OL_SEC(599);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	the_time += OL_SEC(1);
	assert_int_equal(stored_get(s, 1), OL_STORE_ABSENT);
}

static int
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Bodies that come as small files do not take a descriptor each. */
static void
test_small_files_are_closed(void **state)
{
	struct stored *s = *state;
	int before = descriptors(), fd;
	char data[100000];
	struct ol_body *body;
	struct ol_row row;
	unsigned i;

	for (i = 0; i < 50; i++) {
		memset(data, (int)i, sizeof(data));
		fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
		body = ol_body_file(fd, sizeof(data));
		row = stored_row(i);
		assert_int_equal(stored_submit(s, &row, body), OL_STORE_OK);
		ol_body_free(body);
	}
	assert_int_equal(descriptors(), before);
	assert_int_equal(stored_payload(s, 7), OL_STORE_OK);
	assert_true(stored_body_is(s, sizeof(data), 7));
}

/* A file that is shorter than it says: not stored, and not half stored. */
static void
test_unreadable_body_is_not_done(void **state)
{
	struct stored *s = *state;
	struct ol_row row = stored_row(1);
	struct ol_body *body;

	body = ol_body_file(
	    open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), 100);
	assert_int_equal(stored_submit(s, &row, body), -1 - OL_STORE_NOT_DONE);
	ol_body_free(body);
	assert_int_equal(stored_get(s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
}

/* --- The same questions to both. --- */

struct both {
	struct stored a, b;
	unsigned seed;
	char folder[64];
};

static unsigned
below(struct both *both, unsigned n)
{
	return (unsigned)rand_r(&both->seed) % n;
}

static bool
same_bytes(struct ol_bytes a, struct ol_bytes b)
{
	return a.size == b.size &&
	       (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static void
assert_same_row(const struct ol_row *a, const struct ol_row *b)
{
	assert_memory_equal(a->id, b->id, OL_ROW_ID);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->priority, b->priority);
	assert_int_equal(a->attempt, b->attempt);
	assert_int_equal(a->refunds, b->refunds);
	assert_int_equal(a->crashes, b->crashes);
	assert_int_equal(a->first, b->first);
	assert_int_equal(a->cancelled, b->cancelled);
	assert_int_equal(a->has_session, b->has_session);
	assert_memory_equal(a->session, b->session, OL_ROW_SESSION);
	assert_int_equal(a->created, b->created);
	assert_int_equal(a->due, b->due);
	assert_int_equal(a->started, b->started);
	assert_int_equal(a->ended, b->ended);
	assert_string_equal(a->type, b->type);
	assert_string_equal(a->owner, b->owner);
	assert_string_equal(a->content_type, b->content_type);
	assert_string_equal(a->result_type, b->result_type);
	assert_string_equal(a->key_scope, b->key_scope);
	assert_string_equal(a->key, b->key);
	assert_memory_equal(a->key_hash, b->key_hash, OL_ROW_HASH);
	assert_true(same_bytes(a->context, b->context));
	assert_true(same_bytes(a->error, b->error));
	assert_int_equal(a->payload_size, b->payload_size);
	assert_int_equal(a->result_size, b->result_size);
}

static void
assert_same_answer(struct both *both, int a, int b)
{
	const struct stored *x = &both->a, *y = &both->b;
	size_t i;

	assert_int_equal(a, b);
	assert_int_equal(x->answer.n, y->answer.n);
	assert_int_equal(x->answer.more, y->answer.more);
	assert_memory_equal(x->answer.id, y->answer.id, OL_ROW_ID);
	for (i = 0; x->answer.rows != NULL && i < x->answer.n; i++)
		assert_same_row(x->rows[i], y->rows[i]);
	for (i = 0; x->answer.attempts != NULL && i < x->answer.n; i++) {
		assert_int_equal(
		    x->attempts[i]->number, y->attempts[i]->number);
		assert_int_equal(x->attempts[i]->state, y->attempts[i]->state);
		assert_int_equal(
		    x->attempts[i]->started, y->attempts[i]->started);
		assert_int_equal(x->attempts[i]->ended, y->attempts[i]->ended);
		assert_true(
		    same_bytes(x->attempts[i]->error, y->attempts[i]->error));
		assert_true(
		    same_bytes(x->attempts[i]->log, y->attempts[i]->log));
	}
	assert_int_equal(x->body == NULL, y->body == NULL);
	if (x->body == NULL)
		return;
	assert_int_equal(x->body->size, y->body->size);
	assert_true(x->body->size == 0 || memcmp(x->body->data, y->body->data,
					      (size_t)x->body->size) == 0);
}

static void
submit_both(struct both *both, unsigned number)
{
	static const char *const keys[] = { "", "", "k1", "k2" };
	struct ol_row row = stored_row(number);
	struct ol_body *body = NULL;

	row.priority = (int)below(both, 201) - 100;
	row.owner = below(both, 2) == 0 ? "ann" : NULL;
	row.type = below(both, 2) == 0 ? "work" : "play";
	row.key = keys[below(both, 4)];
	row.key_scope = below(both, 2) == 0 ? "s" : "ss";
	memset(row.key_hash, row.key[0] == '\0' ? 0 : (int)below(both, 2),
	    OL_ROW_HASH);
	if (row.key[0] == '\0')
		row.key_scope = "";
	row.has_session = below(both, 2) == 0;
	memset(row.session, row.has_session ? 7 : 0, OL_ROW_SESSION);
	row.context = (struct ol_bytes){ "context", below(both, 8) };
	if (below(both, 2) == 0)
		body = ol_body_new("payload", below(both, 8));
	assert_same_answer(both, stored_submit(&both->a, &row, body),
	    stored_submit(&both->b, &row, body));
	ol_body_free(body);
}

static void
move_both(struct both *both, unsigned number)
{
	static const enum ol_row_state states[] = { OL_ROW_READY,
		OL_ROW_RUNNING, OL_ROW_RUNNING, OL_ROW_RETRYING,
		OL_ROW_SUCCEEDED, OL_ROW_CANCELLED, OL_ROW_FAILED,
		OL_ROW_POISONED };
	struct ol_move move;
	int known = stored_get(&both->a, number);

	move = stored_end(number,
	    known == OL_STORE_OK ? both->a.rows[0]->attempt : 0,
	    states[below(both, 8)]);
	move.was_ended =
	    known == OL_STORE_OK && both->a.rows[0]->state >= OL_ROW_SUCCEEDED;
	/* Now and then it is late. */
	if (below(both, 8) == 0)
		move.fence++;
	if (below(both, 8) == 0)
		move.was_ended = !move.was_ended;
	move.attempt += move.state == OL_ROW_RUNNING;
	move.refunds = below(both, 3);
	move.crashes = below(both, 3);
	move.first = below(both, 2) == 0;
	move.cancelled = below(both, 2) == 0;
	move.due = below(both, 1000);
	move.started = below(both, 1000);
	move.ended = below(both, 1000);
	move.attempt_ended = below(both, 2) * 500;
	move.error = (struct ol_bytes){ "error", below(both, 6) };
	move.log = (struct ol_bytes){ "log", below(both, 4) };
	move.erase_payload = below(both, 4) == 0;
	if (below(both, 2) == 0) {
		move.result = ol_body_new("result", below(both, 7));
		move.result_type = "text/html";
	}
	assert_same_answer(
	    both, stored_move(&both->a, &move), stored_move(&both->b, &move));
	/* Again, as after UNKNOWN. */
	if (below(both, 4) == 0)
		assert_same_answer(both, stored_move(&both->a, &move),
		    stored_move(&both->b, &move));
	ol_body_free(move.result);
}

static void
list_both(struct both *both)
{
	struct ol_list list = { .limit = 1 + below(both, 20) };

	list.states = below(both, 2) == 0 ? 0 : below(both, 0x4000);
	list.type = below(both, 2) == 0 ? "work" : NULL;
	list.owner = below(both, 2) == 0 ? "ann" : NULL;
	list.created_before = below(both, 2) * 1020;
	list.newest_first = below(both, 2) == 0;
	do {
		assert_same_answer(both, stored_list(&both->a, &list),
		    stored_list(&both->b, &list));
		/* Pages of both are counted by the same numbers. */
		list.after = both->a.answer.next;
		assert_true(!both->a.answer.more ||
			    both->a.answer.next == both->b.answer.next);
	} while (both->a.answer.more);
}

static void
test_same_as_sqlite(void **state)
{
	const char *seed = getenv("SEED"), *trials = getenv("TRIALS");
	struct both both = { .folder = "/tmp/outlast-store.XXXXXX" };
	int i, n = 3000 * (trials != NULL ? atoi(trials) : 1);
	struct ol_expire expire = { 0 };
	char command[128];
	unsigned number;

	(void)state;
	both.seed = seed != NULL ? (unsigned)atoi(seed) : 1;
	assert_non_null(mkdtemp(both.folder));
	assert_int_equal(
	    stored_open(&both.a, &ol_store_sqlite, both.folder), 0);
	assert_int_equal(stored_open(&both.b, &ol_store_memory, ""), 0);
	for (i = 0; i < n; i++) {
		number = below(&both, 40);
		switch (below(&both, 12)) {
		case 0:
		case 1:
			submit_both(&both, number);
			break;
		case 2:
			if (below(&both, 3) == 0)
				assert_same_answer(&both,
				    stored_erase(&both.a, number),
				    stored_erase(&both.b, number));
			break;
		case 3:
			expire.succeeded = below(&both, 300);
			expire.failed = below(&both, 300);
			assert_same_answer(&both,
			    stored_expire(&both.a, &expire),
			    stored_expire(&both.b, &expire));
			break;
		case 4:
			assert_same_answer(&both,
			    stored_payload(&both.a, number),
			    stored_payload(&both.b, number));
			assert_same_answer(&both,
			    stored_result(&both.a, number),
			    stored_result(&both.b, number));
			break;
		case 5:
			assert_same_answer(&both,
			    stored_attempts(&both.a, number),
			    stored_attempts(&both.b, number));
			break;
		case 6:
			list_both(&both);
			break;
		default:
			move_both(&both, number);
			break;
		}
	}
	stored_close(&both.a);
	stored_close(&both.b);
	snprintf(command, sizeof(command), "rm -rf %s", both.folder);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ten_minutes),
		TEST(test_ten_thousand),
		TEST(test_run_again_it_waits),
		TEST(test_small_files_are_closed),
		TEST(test_unreadable_body_is_not_done),
		cmocka_unit_test(test_same_as_sqlite),
	};

	alarm(280);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
