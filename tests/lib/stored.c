#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "loop/loop.h"
#include "stored.h"

static void
on_settled(void *arg, const uint8_t *id, const struct ol_row *row)
{
	struct stored *s = arg;

	s->settled++;
	if (row != NULL) {
		s->settled_rows++;
		s->settled_last = stored_number(id);
	}
	ol_loop_stop(s->loop);
}

static void
on_health(void *arg, bool working, const char *why)
{
	struct stored *s = arg;

	(void)why;
	if (working)
		s->healthy++;
	else
		s->failing++;
	ol_loop_stop(s->loop);
}

int
stored_open(
    struct stored *s, const struct ol_store_ops *ops, const char *folder)
{
	return stored_open_with(s, ops, folder, (struct ol_store_options){ 0 });
}

int
stored_open_with(struct stored *s, const struct ol_store_ops *ops,
    const char *folder, struct ol_store_options options)
{
	options.folder = folder;
	options.on_settled = on_settled;
	options.on_health = on_health;
	options.arg = s;
	*s = (struct stored){ 0 };
	options.loop = s->loop = ol_must(ol_loop_new());
	if ((s->store = ol_store_open(ops, &options)) != NULL)
		return 0;
	ol_loop_free(s->loop);
	return -1;
}

static void
forget(struct stored *s)
{
	size_t i;

	for (i = 0; i < OL_STORE_LIST_MAX; i++) {
		ol_row_free(s->rows[i]);
		s->rows[i] = NULL;
	}
	for (i = 0; i < OL_STORE_ATTEMPTS_MAX; i++) {
		free(s->attempts[i]);
		s->attempts[i] = NULL;
	}
	ol_body_free(s->body);
	s->body = NULL;
}

void
stored_close(struct stored *s)
{
	ol_store_close(s->store);
	ol_loop_free(s->loop);
	forget(s);
}

void
stored_id(uint8_t *id, unsigned number)
{
	const uint32_t sorted = htobe32(number);
	const uint64_t mixed =
	    (number + UINT64_C(1)) * UINT64_C(0x9e3779b97f4a7c15);

	/* A UUID of version 7 of the year 2024; they sort by number, and their
	 * random bytes look random. */
	memset(id, 0, OL_ROW_ID);
	id[0] = 0x01;
	id[1] = 0x90;
	memcpy(id + 2, &sorted, sizeof(sorted));
	id[6] = 0x70;
	memcpy(id + 8, &mixed, sizeof(mixed));
	id[8] = 0x80;
}

unsigned
stored_number(const uint8_t *id)
{
	uint32_t sorted;

	memcpy(&sorted, id + 2, sizeof(sorted));
	return be32toh(sorted);
}

struct ol_row
stored_row(unsigned number)
{
	struct ol_row row = { .state = OL_ROW_READY,
		.created = 1000 + number,
		.type = "work",
		.content_type = "text/plain" };

	stored_id(row.id, number);
	return row;
}

struct ol_move
stored_start(unsigned number, unsigned attempt)
{
	struct ol_move move = { .fence = attempt,
		.state = OL_ROW_RUNNING,
		.attempt = attempt + 1,
		.started = 2000 };

	stored_id(move.id, number);
	return move;
}

struct ol_move
stored_end(unsigned number, unsigned attempt, enum ol_row_state state)
{
	struct ol_move move = { .fence = attempt,
		.state = state,
		.attempt = attempt,
		.started = 2000,
		.ended = 3000 };

	stored_id(move.id, number);
	return move;
}

void
stored_take(void *arg, const struct ol_answer *answer)
{
	struct stored *s = arg;
	size_t i;

	forget(s);
	s->answer = *answer;
	for (i = 0; answer->rows != NULL && i < answer->n; i++)
		s->rows[i] = ol_row_copy(answer->rows[i]);
	for (i = 0; answer->attempts != NULL && i < answer->n; i++)
		s->attempts[i] = ol_attempt_copy(answer->attempts[i]);
	s->body = ol_body_ref(answer->body);
	s->waiting--;
	ol_loop_stop(s->loop);
}

void
stored_wait(struct stored *s)
{
	while (s->waiting > 0)
		ol_loop_run(s->loop);
}

static void
on_late(void *arg)
{
	struct stored *s = arg;

	ol_loop_stop(s->loop);
}

bool
stored_wait_for(struct stored *s, const int *flag, int ms)
{
	struct ol_timer *timer = ol_must(ol_timer_new(s->loop, on_late, s));
	int64_t end = ol_clock_now() + OL_MSEC(ms);

	ol_timer_at(timer, end);
	while (*flag == 0 && ol_clock_now() < end)
		ol_loop_run(s->loop);
	ol_timer_free(timer);
	return *flag != 0;
}

static int
answered(struct stored *s, struct ol_store_request *request)
{
	if (request == NULL)
		return -100;
	s->waiting++;
	stored_wait(s);
	return s->answer.failed == OL_STORE_DONE ? (int)s->answer.status
						 : -1 - (int)s->answer.failed;
}

int
stored_submit(struct stored *s, const struct ol_row *row, struct ol_body *body)
{
	return answered(
	    s, ol_store_submit(s->store, row, body, false, stored_take, s));
}

int
stored_move(struct stored *s, const struct ol_move *move)
{
	return answered(
	    s, ol_store_move(s->store, move, false, stored_take, s));
}

int
stored_erase(struct stored *s, unsigned number)
{
	uint8_t id[OL_ROW_ID];

	stored_id(id, number);
	return answered(s, ol_store_erase(s->store, id, stored_take, s));
}

int
stored_expire(struct stored *s, const struct ol_expire *expire)
{
	return answered(s, ol_store_expire(s->store, expire, stored_take, s));
}

int
stored_get(struct stored *s, unsigned number)
{
	uint8_t id[OL_ROW_ID];

	stored_id(id, number);
	return answered(s, ol_store_get(s->store, id, stored_take, s));
}

int
stored_payload(struct stored *s, unsigned number)
{
	uint8_t id[OL_ROW_ID];

	stored_id(id, number);
	return answered(s, ol_store_payload(s->store, id, stored_take, s));
}

int
stored_result(struct stored *s, unsigned number)
{
	uint8_t id[OL_ROW_ID];

	stored_id(id, number);
	return answered(s, ol_store_result(s->store, id, stored_take, s));
}

int
stored_attempts(struct stored *s, unsigned number)
{
	uint8_t id[OL_ROW_ID];

	stored_id(id, number);
	return answered(s, ol_store_attempts(s->store, id, stored_take, s));
}

int
stored_list(struct stored *s, const struct ol_list *list)
{
	return answered(s, ol_store_list(s->store, list, stored_take, s));
}

int
stored_add(struct stored *s, unsigned number, size_t size)
{
	struct ol_row row = stored_row(number);
	char *data = ol_must(malloc(size + 1));
	struct ol_body *body;
	int rc;

	memset(data, (int)(number & 0xff), size);
	body = ol_must(ol_body_new(data, size));
	free(data);
	rc = stored_submit(s, &row, body);
	ol_body_free(body);
	return rc;
}

bool
stored_body_is(struct stored *s, int64_t size, int byte)
{
	char *data;
	int64_t i;
	bool same;

	if (s->body == NULL || s->body->size != size)
		return false;
	data = ol_must(malloc((size_t)size + 1));
	if (s->body->data != NULL)
		memcpy(data, s->body->data, (size_t)size);
	else if (pread(s->body->fd, data, (size_t)size + 1, 0) != size)
		size = -1;
	same = size >= 0;
	for (i = 0; same && i < size; i++)
		same = (unsigned char)data[i] == (unsigned char)byte;
	free(data);
	return same;
}
