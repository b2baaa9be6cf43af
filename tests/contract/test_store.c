/*
 * What every store must do, whatever it is made of. A new backend adds itself
 * to backends[].
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop/loop.h"
#include "stored.h"

static const struct ol_store_ops *const backends[] = { &ol_store_sqlite,
	&ol_store_memory };

struct place {
	const struct ol_store_ops *ops;
	struct stored s;
	char folder[64];
};

static int
set_up(void **state)
{
	const struct ol_store_ops *const *ops = *state;
	struct place *p = calloc(1, sizeof(*p));

	p->ops = *ops;
	strcpy(p->folder, "/tmp/outlast-store.XXXXXX");
	if (mkdtemp(p->folder) == NULL ||
	    stored_open(&p->s, p->ops, p->folder) == -1)
		return -1;
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	stored_close(&p->s);
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	free(p);
	return system(command);
}

/* Close and open again: what was acknowledged is there. Of a store that is not
 * durable, it is there until it is closed: test_nothing_outlives_it(). */
static struct stored *
again(struct place *p)
{
	if (!p->ops->durable)
		return &p->s;
	stored_close(&p->s);
	assert_int_equal(stored_open(&p->s, p->ops, p->folder), 0);
	return &p->s;
}

static void
test_row_comes_back_as_given(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_row row = stored_row(7);
	struct ol_list list = { .limit = 10 };
	struct ol_row *got;

	row.state = OL_ROW_SCHEDULED;
	row.priority = -100;
	row.attempt = 3;
	row.refunds = 4000000000u;
	row.first = true;
	row.cancelled = true;
	row.has_session = true;
	memset(row.session, 0xcd, sizeof(row.session));
	row.crashes = 2;
	row.due = INT64_MAX;
	row.started = 5;
	row.owner = "ann \xc3\xa9";
	row.key_scope = "ann/work";
	row.key = "k-1";
	memset(row.key_hash, 0xab, sizeof(row.key_hash));
	row.context = (struct ol_bytes){ "a\0b", 3 };
	row.error = (struct ol_bytes){ "\0\xff", 2 };
	row.recorded = true;
	row.secrets = (struct ol_bytes){ "s\0t", 3 };
	row.reply = (struct ol_bytes){ "404\n\0", 5 };
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	assert_memory_equal(s->answer.id, row.id, OL_ROW_ID);
	s = again(p);
	assert_int_equal(stored_get(s, 7), OL_STORE_OK);
	assert_int_equal(s->answer.n, 1);
	got = s->rows[0];
	assert_memory_equal(got->id, row.id, OL_ROW_ID);
	assert_int_equal(got->state, OL_ROW_SCHEDULED);
	assert_int_equal(got->priority, -100);
	assert_int_equal(got->attempt, 3);
	assert_int_equal(got->refunds, 4000000000u);
	assert_true(got->first);
	assert_true(got->cancelled);
	assert_true(got->has_session);
	assert_memory_equal(got->session, row.session, OL_ROW_SESSION);
	assert_int_equal(got->crashes, 2);
	assert_int_equal(got->created, 1007);
	assert_true(got->due == INT64_MAX);
	assert_int_equal(got->started, 5);
	assert_string_equal(got->type, "work");
	assert_string_equal(got->owner, row.owner);
	assert_string_equal(got->content_type, "text/plain");
	assert_string_equal(got->key_scope, "ann/work");
	assert_string_equal(got->key, "k-1");
	assert_memory_equal(got->key_hash, row.key_hash, OL_ROW_HASH);
	assert_int_equal(got->context.size, 3);
	assert_memory_equal(got->context.data, "a\0b", 3);
	assert_int_equal(got->error.size, 2);
	assert_memory_equal(got->error.data, "\0\xff", 2);
	assert_true(got->recorded);
	assert_int_equal(got->secrets.size, 3);
	assert_memory_equal(got->secrets.data, "s\0t", 3);
	assert_int_equal(got->reply.size, 5);
	assert_memory_equal(got->reply.data, "404\n\0", 5);
	assert_int_equal(got->payload_size, 0);
	assert_int_equal(got->result_size, -1);
	/* In a list, without what may be large. */
	assert_int_equal(stored_list(s, &list), OL_STORE_OK);
	assert_int_equal(s->answer.n, 1);
	got = s->rows[0];
	assert_memory_equal(got->id, row.id, OL_ROW_ID);
	assert_string_equal(got->owner, row.owner);
	assert_int_equal(got->error.size, 2);
	assert_true(got->recorded);
	assert_int_equal(got->context.size, 0);
	assert_int_equal(got->secrets.size, 0);
	assert_int_equal(got->reply.size, 0);
}

static void
test_out_of_bounds_is_not_asked(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_row row = stored_row(1);
	struct ol_move move = stored_start(1, 0);
	char *big = calloc(1, OL_ROW_CONTEXT_MAX + 1);

	row.context = (struct ol_bytes){ big, OL_ROW_CONTEXT_MAX + 1 };
	assert_null(
	    ol_store_submit(s->store, &row, NULL, false, stored_take, s));
	row.context.size = OL_ROW_CONTEXT_MAX;
	row.secrets = row.reply = row.context;
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	row = stored_row(2);
	row.secrets = (struct ol_bytes){ big, OL_ROW_CONTEXT_MAX + 1 };
	assert_int_equal(stored_submit(s, &row, NULL), -100);
	row.secrets.size = 0;
	row.reply = (struct ol_bytes){ big, OL_ROW_CONTEXT_MAX + 1 };
	assert_int_equal(stored_submit(s, &row, NULL), -100);
	row.reply.size = 0;
	memset(big, 'x', OL_ROW_TEXT_MAX + 1);
	row.owner = big;
	assert_int_equal(stored_submit(s, &row, NULL), -100);
	row.owner = NULL;
	row.type = "";
	assert_int_equal(stored_submit(s, &row, NULL), -100);
	row.type = "work";
	row.state = 6;
	assert_int_equal(stored_submit(s, &row, NULL), -100);
	move.error = (struct ol_bytes){ big, OL_ROW_ERROR_MAX + 1 };
	assert_int_equal(stored_move(s, &move), -100);
	move.error.size = 0;
	move.log = (struct ol_bytes){ big, OL_ROW_LOG_MAX + 1 };
	assert_int_equal(stored_move(s, &move), -100);
	move.log.size = 0;
	move.reply = (struct ol_bytes){ big, OL_ROW_CONTEXT_MAX + 1 };
	assert_int_equal(stored_move(s, &move), -100);
	assert_int_equal(stored_get(s, 2), OL_STORE_ABSENT);
	free(big);
}

static void
test_payloads_of_each_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 32767, 32768, 32769, 65535,
		65536, 1000000, 10000000 };
	struct place *p = *state;
	struct stored *s = &p->s;
	unsigned i, n = sizeof(sizes) / sizeof(sizes[0]);

	for (i = 0; i < n; i++)
		assert_int_equal(stored_add(s, i, sizes[i]), OL_STORE_OK);
	s = again(p);
	for (i = 0; i < n; i++) {
		assert_int_equal(stored_payload(s, i), OL_STORE_OK);
		assert_true(stored_body_is(s, (int64_t)sizes[i], (int)i));
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_int_equal(s->rows[0]->payload_size, sizes[i]);
	}
	assert_int_equal(stored_payload(s, n), OL_STORE_ABSENT);
}

/* A spooled body: a nameless file in the store's folder, or one from
 * elsewhere. */
static void
test_payload_that_comes_as_a_file(void **state)
{
	struct place *p = *state;
	const char *const folders[] = { p->folder, "/dev/shm" };
	struct stored *s = &p->s;
	struct ol_body *body;
	struct ol_row row;
	char data[5000];
	unsigned i;
	int fd;

	memset(data, 0, sizeof(data));
	for (i = 0; i < 2; i++) {
		fd = open(folders[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		assert_true(fd != -1);
		assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
		body = ol_body_file(fd, sizeof(data));
		row = stored_row(i);
		assert_int_equal(stored_submit(s, &row, body), OL_STORE_OK);
		ol_body_free(body);
	}
	s = again(p);
	for (i = 0; i < 2; i++) {
		assert_int_equal(stored_payload(s, i), OL_STORE_OK);
		assert_true(stored_body_is(s, sizeof(data), 0));
	}
}

static void
test_same_id_exists(void **state)
{
	struct stored *s = &((struct place *)*state)->s;

	assert_int_equal(stored_add(s, 1, 100), OL_STORE_OK);
	assert_int_equal(stored_add(s, 1, 40000), OL_STORE_EXISTS);
	assert_int_equal(stored_payload(s, 1), OL_STORE_OK);
	assert_true(stored_body_is(s, 100, 1));
}

static void
test_idempotency_key(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_row row = stored_row(1);
	uint8_t first[OL_ROW_ID];

	memcpy(first, row.id, sizeof(first));
	row.key_scope = "ann/work";
	row.key = "k";
	memset(row.key_hash, 1, sizeof(row.key_hash));
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	s = again(p);
	stored_id(row.id, 2);
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_DUPLICATE);
	assert_memory_equal(s->answer.id, first, OL_ROW_ID);
	row.key_hash[31] = 2;
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_CONFLICT);
	assert_memory_equal(s->answer.id, first, OL_ROW_ID);
	assert_int_equal(stored_get(s, 2), OL_STORE_ABSENT);
	/* Another scope, another key. */
	row.key_scope = "bob/work";
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	/* It lives as long as its task. */
	assert_int_equal(stored_erase(s, 1), OL_STORE_OK);
	stored_id(row.id, 3);
	row.key_scope = "ann/work";
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	/* No key: any number of times. */
	row.key = "";
	stored_id(row.id, 4);
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	stored_id(row.id, 5);
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
}

struct pair {
	struct stored *s;
	enum ol_store_status status[2];
	uint8_t id[2][OL_ROW_ID];
	int n;
};

static void
on_pair(void *arg, const struct ol_answer *answer)
{
	struct pair *pair = arg;

	assert_int_equal(answer->failed, OL_STORE_DONE);
	pair->status[pair->n] = answer->status;
	memcpy(pair->id[pair->n++], answer->id, OL_ROW_ID);
	pair->s->waiting--;
	ol_loop_stop(pair->s->loop);
}

static void
test_same_key_at_the_same_time(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct pair pair = { .s = s, .n = 0 };
	struct ol_row row = stored_row(1);

	row.key = row.key_scope = "k";
	ol_store_submit(s->store, &row, NULL, false, on_pair, &pair);
	stored_id(row.id, 2);
	ol_store_submit(s->store, &row, NULL, false, on_pair, &pair);
	s->waiting = 2;
	stored_wait(s);
	assert_int_equal(pair.status[0], OL_STORE_OK);
	assert_int_equal(pair.status[1], OL_STORE_DUPLICATE);
	assert_memory_equal(pair.id[0], pair.id[1], OL_ROW_ID);
}

static void
test_the_fence(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_move move;

	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	move = stored_start(1, 1);
	assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
	move = stored_start(1, 0);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	/* The same again, as after UNKNOWN. */
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	/* Lost; the second attempt runs; now the first one comes back. */
	move = stored_start(1, 1);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_end(1, 1, OL_ROW_SUCCEEDED);
	assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(s->rows[0]->state, OL_ROW_RUNNING);
	assert_int_equal(s->rows[0]->attempt, 2);
	move = stored_end(1, 2, OL_ROW_SUCCEEDED);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	/* What has ended stays so, but for whoever knows that it has. */
	move = stored_end(1, 2, OL_ROW_CANCELLED);
	assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
	move = stored_start(1, 2);
	assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
	move.was_ended = true;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_start(9, 0);
	assert_int_equal(stored_move(s, &move), OL_STORE_ABSENT);
}

static void
test_move_writes_what_it_says(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;

	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	move = stored_start(1, 0);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_end(1, 1, OL_ROW_RETRYING);
	move.refunds = 9;
	move.first = true;
	move.crashes = 3;
	move.due = 77;
	move.ended = 0;
	move.error = (struct ol_bytes){ "exit 75", 7 };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	s = again(p);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(s->rows[0]->state, OL_ROW_RETRYING);
	assert_int_equal(s->rows[0]->attempt, 1);
	assert_int_equal(s->rows[0]->refunds, 9);
	assert_true(s->rows[0]->first);
	assert_false(s->rows[0]->has_session);
	assert_int_equal(s->rows[0]->crashes, 3);
	assert_int_equal(s->rows[0]->due, 77);
	assert_int_equal(s->rows[0]->started, 2000);
	assert_int_equal(s->rows[0]->ended, 0);
	assert_int_equal(s->rows[0]->error.size, 7);
	assert_int_equal(s->rows[0]->created, 1001);
}

/* A mark of a running task: it is no end, and goes with the next move. */
static void
test_a_running_task_is_cancelled(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;

	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	move = stored_start(1, 0);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_end(1, 1, OL_ROW_RUNNING);
	move.ended = 0;
	move.cancelled = true;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	s = again(p);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(s->rows[0]->state, OL_ROW_RUNNING);
	assert_int_equal(s->rows[0]->attempt, 1);
	assert_int_equal(s->rows[0]->started, 2000);
	assert_true(s->rows[0]->cancelled);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 0);
	move = stored_end(1, 1, OL_ROW_CANCELLED);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_false(s->rows[0]->cancelled);
	/* A mark that comes after the end changes nothing. */
	move = stored_end(1, 1, OL_ROW_RUNNING);
	move.cancelled = true;
	assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
}

static void
test_results(void **state)
{
	static const size_t sizes[] = { 0, 1, 32768, 32769, 3000000 };
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;
	char *data = calloc(1, 3000000);
	unsigned i;

	for (i = 0; i < 5; i++) {
		assert_int_equal(stored_add(s, i, 10), OL_STORE_OK);
		assert_int_equal(stored_result(s, i), OL_STORE_ABSENT);
		move = stored_start(i, 0);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		move = stored_end(i, 1, OL_ROW_FAILED);
		move.result = ol_body_new(data, sizes[i]);
		move.result_type = "image/jpeg";
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		/* Another end of the same attempt changes nothing. */
		move.state = OL_ROW_SUCCEEDED;
		assert_int_equal(stored_move(s, &move), OL_STORE_STALE);
		ol_body_free(move.result);
	}
	s = again(p);
	for (i = 0; i < 5; i++) {
		assert_int_equal(stored_result(s, i), OL_STORE_OK);
		assert_true(stored_body_is(s, (int64_t)sizes[i], 0));
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_string_equal(s->rows[0]->result_type, "image/jpeg");
		assert_int_equal(s->rows[0]->result_size, sizes[i]);
		/* Run again by hand: the old result goes. */
		move = stored_end(i, 1, OL_ROW_READY);
		move.was_ended = true;
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(stored_result(s, i), OL_STORE_ABSENT);
	}
	free(data);
}

static void
test_payload_is_erased(void **state)
{
	static const size_t sizes[] = { 10, 50000 };
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;
	unsigned i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(stored_add(s, i, sizes[i]), OL_STORE_OK);
		move = stored_end(i, 0, OL_ROW_CANCELLED);
		move.erase_payload = true;
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	}
	s = again(p);
	for (i = 0; i < 2; i++) {
		assert_int_equal(stored_payload(s, i), OL_STORE_ABSENT);
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_int_equal(s->rows[0]->payload_size, -1);
		assert_int_equal(s->rows[0]->context.size, 0);
	}
}

/* A task with secrets that runs its first attempt. */
static void
start_secret(struct stored *s, unsigned number, const void *data, size_t size)
{
	struct ol_row row = stored_row(number);
	struct ol_move move = stored_start(number, 0);

	row.recorded = true;
	row.context = (struct ol_bytes){ "context", 7 };
	row.secrets = (struct ol_bytes){ data, size };
	assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
}

/* What the row has of its secrets. */
static size_t
secrets_of(struct stored *s, unsigned number)
{
	assert_int_equal(stored_get(s, number), OL_STORE_OK);
	assert_true(s->rows[0]->recorded);
	assert_int_equal(s->rows[0]->context.size, 7);
	return s->rows[0]->secrets.size;
}

static void
test_secrets_end_with_their_task(void **state)
{
	static const enum ol_row_state ends[] = { OL_ROW_SUCCEEDED,
		OL_ROW_CANCELLED, OL_ROW_FAILED, OL_ROW_POISONED };
	static const enum ol_row_state goes_on[] = { OL_ROW_RETRYING,
		OL_ROW_READY, OL_ROW_PARKED, OL_ROW_SCHEDULED, OL_ROW_RUNNING };
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;
	char data[OL_ROW_CONTEXT_MAX];
	unsigned i;

	memset(data, 's', sizeof(data));
	for (i = 0; i < 5; i++) {
		start_secret(s, 100 + i, data, 6);
		move = stored_end(100 + i, 1, goes_on[i]);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(secrets_of(s, 100 + i), 6);
	}
	for (i = 0; i < 4; i++) {
		start_secret(s, i, data, i % 2 == 0 ? 6 : sizeof(data));
		move = stored_end(i, 1, ends[i]);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(secrets_of(s, i), 0);
		/* One that ends without an attempt. */
		move = stored_end(100 + i, 1, ends[i]);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(secrets_of(s, 100 + i), 0);
	}
	s = again(p);
	assert_int_equal(secrets_of(s, 104), 6);
	assert_memory_equal(s->rows[0]->secrets.data, "ssssss", 6);
	for (i = 0; i < 4; i++) {
		assert_int_equal(secrets_of(s, i), 0);
		assert_int_equal(secrets_of(s, 100 + i), 0);
	}
	/* Run again by hand: they do not come back. */
	move = stored_end(2, 1, OL_ROW_READY);
	move.was_ended = true;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(secrets_of(s, 2), 0);
}

static void
test_replies(void **state)
{
	static const size_t sizes[] = { 0, 4, OL_ROW_CONTEXT_MAX };
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_move move;
	char *data = calloc(1, OL_ROW_CONTEXT_MAX);
	unsigned i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(stored_add(s, i, 10), OL_STORE_OK);
		move = stored_end(i, 0, OL_ROW_FAILED);
		move.reply = (struct ol_bytes){ data, sizes[i] };
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	}
	s = again(p);
	for (i = 0; i < 3; i++) {
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_int_equal(s->rows[0]->reply.size, sizes[i]);
		assert_memory_equal(s->rows[0]->reply.data, data, sizes[i]);
		/* Run again by hand: the old one goes. */
		move = stored_end(i, 0, OL_ROW_READY);
		move.was_ended = true;
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_int_equal(s->rows[0]->reply.size, 0);
	}
	free(data);
}

/* An attempt that ends in state with these words. */
static void
attempt(struct stored *s, unsigned number, unsigned n, enum ol_row_state state,
    const char *error, const char *log)
{
	struct ol_move move = stored_start(number, n - 1);

	move.started = 100 * n;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_end(number, n, state);
	move.ended = state >= OL_ROW_SUCCEEDED ? 100 * n + 5 : 0;
	move.attempt_ended = state >= OL_ROW_SUCCEEDED ? 0 : 100 * n + 7;
	move.error = (struct ol_bytes){ error, strlen(error) };
	move.log = (struct ol_bytes){ log, strlen(log) };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	/* As after UNKNOWN: it is there once. */
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
}

static void
test_attempts(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;

	assert_int_equal(stored_attempts(s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	assert_int_equal(stored_add(s, 2, 10), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 0);
	attempt(s, 2, 1, OL_ROW_FAILED, "of another", "");
	attempt(s, 1, 1, OL_ROW_RETRYING, "exit 1", "first\n");
	attempt(s, 1, 2, OL_ROW_RETRYING, "", "");
	attempt(s, 1, 3, OL_ROW_READY, "exit 3", "");
	attempt(s, 1, 4, OL_ROW_SUCCEEDED, "", "warning\n");
	s = again(p);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 3);
	assert_int_equal(s->attempts[0]->number, 4);
	assert_int_equal(s->attempts[0]->state, OL_ROW_SUCCEEDED);
	assert_int_equal(s->attempts[0]->started, 400);
	assert_int_equal(s->attempts[0]->ended, 405);
	assert_int_equal(s->attempts[0]->error.size, 0);
	assert_int_equal(s->attempts[0]->log.size, 8);
	assert_memory_equal(s->attempts[0]->log.data, "warning\n", 8);
	assert_int_equal(s->attempts[1]->number, 3);
	assert_int_equal(s->attempts[1]->state, OL_ROW_READY);
	assert_int_equal(s->attempts[1]->log.size, 0);
	assert_int_equal(s->attempts[2]->number, 1);
	assert_int_equal(s->attempts[2]->started, 100);
	assert_int_equal(s->attempts[2]->ended, 107);
	assert_memory_equal(s->attempts[2]->error.data, "exit 1", 6);
	assert_int_equal(stored_erase(s, 1), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_ABSENT);
	/* A new task of the same id has none of its own. */
	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 0);
	assert_int_equal(stored_attempts(s, 2), OL_STORE_OK);
	assert_int_equal(s->answer.n, 1);
}

static void
test_last_attempts_are_kept(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	char *log = calloc(1, OL_ROW_LOG_MAX);
	struct ol_move move;
	unsigned i;

	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	for (i = 1; i <= 3 * OL_STORE_ATTEMPTS_MAX; i += 2) {
		attempt(s, 1, i, OL_ROW_RETRYING, "exit 1", "");
		attempt(s, 1, i + 1, OL_ROW_RETRYING, "", "");
	}
	s = again(p);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, OL_STORE_ATTEMPTS_MAX);
	for (i = 0; i < OL_STORE_ATTEMPTS_MAX; i++)
		assert_int_equal(s->attempts[i]->number,
		    3 * OL_STORE_ATTEMPTS_MAX - 1 - 2 * i);
	/* The largest that there can be. */
	i = 3 * OL_STORE_ATTEMPTS_MAX;
	move = stored_start(1, i);
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_end(1, i + 1, OL_ROW_FAILED);
	move.log = (struct ol_bytes){ log, OL_ROW_LOG_MAX };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->attempts[0]->number, i + 1);
	assert_int_equal(s->attempts[0]->log.size, OL_ROW_LOG_MAX);
	free(log);
}

/* An error that stays with the row is no attempt's, and a lost one that runs
 * again at once is. */
static void
test_what_ends_an_attempt(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_move move;

	assert_int_equal(stored_add(s, 1, 10), OL_STORE_OK);
	attempt(s, 1, 1, OL_ROW_RETRYING, "exit 1", "");
	move = stored_end(1, 1, OL_ROW_READY);
	move.error = (struct ol_bytes){ "kept", 4 };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	move = stored_start(1, 1);
	move.error = (struct ol_bytes){ "kept", 4 };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	/* Running, and running on: only its times are new. */
	move.fence = move.attempt;
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 1);
	assert_memory_equal(s->attempts[0]->error.data, "exit 1", 6);
	move = stored_start(1, 2);
	move.error = (struct ol_bytes){ "lost", 4 };
	assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	assert_int_equal(stored_attempts(s, 1), OL_STORE_OK);
	assert_int_equal(s->answer.n, 2);
	assert_int_equal(s->attempts[0]->number, 2);
	assert_int_equal(s->attempts[0]->state, OL_ROW_RUNNING);
}

static void
test_erase(void **state)
{
	struct stored *s = &((struct place *)*state)->s;

	assert_int_equal(stored_add(s, 1, 50000), OL_STORE_OK);
	assert_int_equal(stored_erase(s, 1), OL_STORE_OK);
	assert_int_equal(stored_erase(s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_get(s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_payload(s, 1), OL_STORE_ABSENT);
}

static void
test_expire(void **state)
{
	static const enum ol_row_state ends[] = { OL_ROW_SUCCEEDED,
		OL_ROW_CANCELLED, OL_ROW_FAILED, OL_ROW_POISONED };
	struct ol_expire expire = { .succeeded = 3001, .failed = 3000 };
	struct stored *s = &((struct place *)*state)->s;
	struct ol_move move;
	unsigned i;
	size_t n = 0;

	for (i = 0; i < 4; i++) {
		assert_int_equal(stored_add(s, i, 10), OL_STORE_OK);
		move = stored_end(i, 0, ends[i]);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	}
	for (i = 10; i < 10 + OL_STORE_EXPIRE_MAX + 5; i++) {
		assert_int_equal(
		    stored_add(s, i, i == 10 ? 40000 : 1), OL_STORE_OK);
		move = stored_end(i, 0, OL_ROW_SUCCEEDED);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	}
	assert_int_equal(stored_add(s, 9, 10), OL_STORE_OK);
	do {
		assert_int_equal(stored_expire(s, &expire), OL_STORE_OK);
		assert_true(s->answer.n <= OL_STORE_EXPIRE_MAX);
		n += s->answer.n;
	} while (s->answer.more);
	assert_int_equal(n, OL_STORE_EXPIRE_MAX + 6);
	assert_int_equal(stored_get(s, 0), OL_STORE_ABSENT);
	for (i = 1; i < 4; i++)
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
	assert_int_equal(stored_get(s, 9), OL_STORE_OK);
	assert_int_equal(stored_payload(s, 10), OL_STORE_ABSENT);
}

/* All pages of a list: the numbers in *numbers, their count is returned. */
static size_t
all(struct stored *s, struct ol_list list, unsigned *numbers, size_t most)
{
	size_t i, n = 0;

	do {
		assert_int_equal(stored_list(s, &list), OL_STORE_OK);
		assert_true(s->answer.n <= list.limit);
		for (i = 0; i < s->answer.n && n < most; i++)
			numbers[n++] = stored_number(s->rows[i]->id);
		list.after = s->answer.next;
	} while (s->answer.more);
	return n;
}

static void
test_list(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_list list = { .limit = 7 };
	struct ol_move move;
	unsigned got[100], i;

	for (i = 0; i < 40; i++) {
		struct ol_row row = stored_row(i);

		row.type = i % 2 == 0 ? "even" : "odd";
		row.owner = i < 5 ? "ann" : "";
		assert_int_equal(stored_submit(s, &row, NULL), OL_STORE_OK);
		if (i < 30)
			continue;
		move =
		    stored_end(i, 0, i < 35 ? OL_ROW_FAILED : OL_ROW_SUCCEEDED);
		assert_int_equal(stored_move(s, &move), OL_STORE_OK);
	}
	assert_int_equal(all(s, list, got, 100), 40);
	for (i = 0; i < 40; i++)
		assert_int_equal(got[i], i);
	list.newest_first = true;
	assert_int_equal(all(s, list, got, 100), 40);
	for (i = 0; i < 40; i++)
		assert_int_equal(got[i], 39 - i);
	list.type = "odd";
	assert_int_equal(all(s, list, got, 100), 20);
	assert_int_equal(got[0], 39);
	list.states = OL_ROW_UNFINISHED;
	assert_int_equal(all(s, list, got, 100), 15);
	assert_int_equal(got[0], 29);
	list.newest_first = false;
	assert_int_equal(all(s, list, got, 100), 15);
	assert_int_equal(got[0], 1);
	list.type = NULL;
	list.states = OL_ROW_DEAD;
	assert_int_equal(all(s, list, got, 100), 5);
	assert_int_equal(got[0], 30);
	list.newest_first = true;
	assert_int_equal(all(s, list, got, 100), 5);
	assert_int_equal(got[0], 34);
	list.states = OL_ROW_ENDED;
	assert_int_equal(all(s, list, got, 100), 10);
	list.states = 1u << OL_ROW_SUCCEEDED;
	assert_int_equal(all(s, list, got, 100), 5);
	list.states = 0;
	list.owner = "ann";
	assert_int_equal(all(s, list, got, 100), 5);
	list.owner = NULL;
	list.created_before = 1003;
	assert_int_equal(all(s, list, got, 100), 3);
	list.created_before = 0;
	list.limit = 100000;
	assert_int_equal(all(s, list, got, 100), 40);
}

/* Who reads page after page misses none that comes later. */
static void
test_new_ones_come_after_erased_ones(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_list list = { .limit = 10 };

	assert_int_equal(stored_add(s, 1, 1), OL_STORE_OK);
	assert_int_equal(stored_add(s, 2, 1), OL_STORE_OK);
	assert_int_equal(stored_list(s, &list), OL_STORE_OK);
	assert_int_equal(s->answer.n, 2);
	list.after = s->answer.next;
	assert_int_equal(stored_erase(s, 2), OL_STORE_OK);
	assert_int_equal(stored_add(s, 3, 1), OL_STORE_OK);
	assert_int_equal(stored_list(s, &list), OL_STORE_OK);
	assert_int_equal(s->answer.n, 1);
	assert_int_equal(stored_number(s->rows[0]->id), 3);
}

static void
test_cancelled_request_says_nothing(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_row row = stored_row(1);
	struct ol_store_request *request;

	request = ol_store_submit(s->store, &row, NULL, false, stored_take, s);
	ol_store_cancel(request);
	s->waiting = 0;
	assert_int_equal(stored_get(s, 1), OL_STORE_OK);
	assert_int_equal(s->waiting, 0);
	assert_int_equal(s->answer.n, 1);
}

static void
test_close_answers_what_was_asked(void **state)
{
	struct place *p = *state;
	struct stored *s = &p->s;
	struct ol_row row;
	unsigned i;

	for (i = 0; i < 3000; i++) {
		row = stored_row(i);
		assert_non_null(ol_store_submit(
		    s->store, &row, NULL, i % 2 == 0, stored_take, s));
	}
	s->waiting = 3000;
	ol_store_close(s->store);
	assert_int_equal(s->waiting, 0);
	ol_loop_free(s->loop);
	assert_int_equal(stored_open(s, p->ops, p->folder), 0);
	for (i = 0; i < 3000; i += 2999)
		assert_int_equal(stored_get(s, i),
		    p->ops->durable ? OL_STORE_OK : OL_STORE_ABSENT);
}

static void
test_writings_share_a_commit(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	struct ol_store_counts counts;
	struct ol_row row;
	unsigned i;

	for (i = 0; i < 500; i++) {
		row = stored_row(i);
		ol_store_submit(s->store, &row, NULL, false, stored_take, s);
	}
	s->waiting = 500;
	stored_wait(s);
	ol_store_get_counts(s->store, &counts);
	assert_int_equal(counts.writings, 500);
	assert_int_equal(counts.failed, 0);
	assert_true(counts.commits >= 1 && counts.commits < 250);
}

/* Asks once more from its callback, as a submitter does that never rests. */
struct late {
	struct stored *s;
	int answers, failed;
};

static void
on_late_answer(void *arg, const struct ol_answer *answer)
{
	struct late *late = arg;

	late->failed = (int)answer->failed;
	if (++late->answers < 3)
		ol_store_get(late->s->store, answer->id, on_late_answer, late);
}

static void
test_late_requests_are_not_done(void **state)
{
	struct place *p = *state;
	struct late late = { .s = &p->s };
	struct ol_row row = stored_row(1);

	ol_store_submit(p->s.store, &row, NULL, false, on_late_answer, &late);
	ol_store_close(p->s.store);
	assert_int_equal(late.answers, 3);
	assert_int_equal(late.failed, OL_STORE_NOT_DONE);
	ol_loop_free(p->s.loop);
	assert_int_equal(stored_open(&p->s, p->ops, p->folder), 0);
}

/* The answer never comes from within the call, also when it is known. */
static void
test_answers_come_from_the_loop(void **state)
{
	struct stored *s = &((struct place *)*state)->s;
	uint8_t id[OL_ROW_ID] = { 0 };

	s->waiting = 1;
	ol_store_get(s->store, id, stored_take, s);
	assert_int_equal(s->waiting, 1);
	stored_wait(s);
	assert_int_equal(s->answer.status, OL_STORE_ABSENT);
}

/* --- Of a store that is not durable. --- */

static void
test_nothing_outlives_it(void **state)
{
	struct place *p = *state;
	struct ol_list list = { .limit = 10 };
	struct ol_row row = stored_row(1);

	row.key = row.key_scope = "k";
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	assert_int_equal(stored_add(&p->s, 2, 50000), OL_STORE_OK);
	stored_close(&p->s);
	assert_int_equal(stored_open(&p->s, p->ops, p->folder), 0);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_list(&p->s, &list), OL_STORE_OK);
	assert_int_equal(p->s.answer.n, 0);
	/* Nor does the key. */
	stored_id(row.id, 3);
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	/* And nothing of it is in the folder. */
	assert_int_equal(rmdir(p->folder), 0);
	assert_int_equal(mkdir(p->folder, 0700), 0);
}

/* --- Of a durable one. --- */

static void
test_second_owner_is_refused(void **state)
{
	struct place *p = *state;
	struct stored other;

	assert_int_equal(stored_open(&other, p->ops, p->folder), -1);
	assert_int_equal(stored_add(&p->s, 1, 10), OL_STORE_OK);
}

#define TEST(name) \
	{ \
#name, name, set_up, tear_down, \
		    (void *)(uintptr_t)&backends[b] \
	}

int
main(void)
{
	int failed = 0;
	size_t b;

	alarm(280);
	for (b = 0; b < sizeof(backends) / sizeof(backends[0]); b++) {
		const struct CMUnitTest tests[] = {
			TEST(test_row_comes_back_as_given),
			TEST(test_out_of_bounds_is_not_asked),
			TEST(test_payloads_of_each_size),
			TEST(test_payload_that_comes_as_a_file),
			TEST(test_same_id_exists),
			TEST(test_idempotency_key),
			TEST(test_same_key_at_the_same_time),
			TEST(test_the_fence),
			TEST(test_move_writes_what_it_says),
			TEST(test_a_running_task_is_cancelled),
			TEST(test_results),
			TEST(test_payload_is_erased),
			TEST(test_secrets_end_with_their_task),
			TEST(test_replies),
			TEST(test_attempts),
			TEST(test_last_attempts_are_kept),
			TEST(test_what_ends_an_attempt),
			TEST(test_erase),
			TEST(test_expire),
			TEST(test_list),
			TEST(test_new_ones_come_after_erased_ones),
			TEST(test_cancelled_request_says_nothing),
			TEST(test_close_answers_what_was_asked),
			TEST(test_writings_share_a_commit),
			TEST(test_late_requests_are_not_done),
			TEST(test_answers_come_from_the_loop),
		};
		const struct CMUnitTest durable[] = {
			TEST(test_second_owner_is_refused),
		};
		const struct CMUnitTest not_durable[] = {
			TEST(test_nothing_outlives_it),
		};

		failed += cmocka_run_group_tests_name(
		    backends[b]->name, tests, NULL, NULL);
		if (backends[b]->durable)
			failed += cmocka_run_group_tests_name(
			    backends[b]->name, durable, NULL, NULL);
		else
			failed += cmocka_run_group_tests_name(
			    backends[b]->name, not_durable, NULL, NULL);
	}
	return failed != 0;
}
