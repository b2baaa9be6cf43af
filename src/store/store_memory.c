/*
 * The store of tasks with "durable off": all of it in memory, gone with the
 * process. What is asked for is done at once; the answers come from the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "loop/loop.h"
#include "store/memory_table.h"
#include "store/request.h"

enum {
	/* A larger body that comes as a file stays one. */
	COPY_MOST = 1024 * 1024,
};

struct memory {
	struct ol_store_options options;
	struct ol_wake *wake;
	struct ol_memory_table table;
	TAILQ_HEAD(, ol_memory_outcome) ended;
	size_t nended;
	struct ol_store_requests done; /* the answers to give */
	struct ol_store_counts counts;
	bool counted; /* the commit that these answers share */
	bool closing;
};

/* --- Ended tasks are kept for a while. --- */

static int64_t
now(const struct memory *m)
{
	return m->options.clock != NULL ? m->options.clock() : ol_clock_now();
}

static void
not_ended(struct memory *m, struct ol_memory_task *task)
{
	struct ol_memory_outcome *outcome = task->outcome;

	if (outcome == NULL || outcome->since == 0)
		return;
	outcome->since = 0;
	TAILQ_REMOVE(&m->ended, outcome, link);
	m->nended--;
}

static void
remove_task(struct memory *m, struct ol_memory_task *task)
{
	not_ended(m, task);
	ol_memory_table_remove(&m->table, task);
}

/* Remove what is not kept any more. */
static void
tidy(struct memory *m)
{
	struct ol_memory_outcome *oldest;
	int64_t gone = now(m) - OL_STORE_MEMORY_KEEP;

	while ((oldest = TAILQ_FIRST(&m->ended)) != NULL &&
	       (m->nended > OL_STORE_MEMORY_KEEP_MOST || oldest->since <= gone))
		remove_task(m, oldest->task);
}

static void
has_ended(struct memory *m, struct ol_memory_task *task)
{
	struct ol_memory_outcome *outcome = ol_memory_task_outcome(task);

	not_ended(m, task);
	outcome->since = now(m);
	TAILQ_INSERT_TAIL(&m->ended, outcome, link);
	m->nended++;
}

/* --- What is asked for. --- */

/*
 * The bytes of a body, read into memory where it came as a small file: a
 * descriptor for each waiting task would be too much. NULL with errno set.
 */
static struct ol_body *
in_memory(struct ol_body *body)
{
	struct ol_body *copy = NULL;
	int64_t at = 0;
	ssize_t n;
	char *data;

	if (body->fd == -1 || body->size > COPY_MOST)
		return ol_body_ref(body);
	if ((data = malloc((size_t)body->size + 1)) == NULL)
		return NULL;
	while (at < body->size) {
		n = pread(body->fd, data + at, (size_t)(body->size - at), at);
		if (n <= 0) {
			errno = n == 0 ? EIO : errno;
			goto out;
		}
		at += n;
	}
	copy = ol_body_new(data, (size_t)body->size);
out:
	free(data);
	return copy;
}

/* The request's body becomes one to keep. -1, logged: NOT_DONE. */
static int
keep_body(struct ol_store_request *request)
{
	struct ol_body *body;

	if (request->body == NULL)
		return 0;
	if ((body = in_memory(request->body)) == NULL) {
		ol_log_error(NULL,
		    "store: a body of %lld bytes cannot be kept in memory: %s",
		    (long long)request->body->size, strerror(errno));
		request->answer.failed = OL_STORE_NOT_DONE;
		return -1;
	}
	ol_body_free(request->body);
	request->body = body;
	return 0;
}

static void
submit(struct memory *m, struct ol_store_request *request)
{
	struct ol_answer *answer = &request->answer;
	const struct ol_row *row = request->row;
	struct ol_memory_task *task;
	bool same;

	memcpy(answer->id, request->id, OL_ROW_ID);
	if (ol_memory_table_find(&m->table, request->id) != NULL) {
		answer->status = OL_STORE_EXISTS;
		return;
	}
	task = row->key[0] == '\0'
		   ? NULL
		   : ol_memory_table_find_key(&m->table, row, &same);
	if (task != NULL) {
		memcpy(answer->id, task->id, OL_ROW_ID);
		answer->status = same ? OL_STORE_DUPLICATE : OL_STORE_CONFLICT;
		return;
	}
	if (keep_body(request) == -1)
		return;
	task = ol_memory_table_add(&m->table, row, request->body);
	if (row->state >= OL_ROW_SUCCEEDED)
		has_ended(m, task);
}

static void
keep_attempt(struct ol_memory_task *task, const struct ol_move *move)
{
	struct ol_memory_outcome *outcome = ol_memory_task_outcome(task);
	const struct ol_attempt attempt = { .number = move->fence,
		.state = move->state,
		.started = task->started,
		.ended = move->attempt_ended != 0 ? move->attempt_ended
						  : move->ended,
		.error = move->error,
		.log = move->log };

	/* The fence only rises: the newest is the first. */
	if (outcome->nattempts == OL_STORE_ATTEMPTS_MAX)
		free(outcome->attempts[--outcome->nattempts]);
	memmove(outcome->attempts + 1, outcome->attempts,
	    outcome->nattempts * sizeof(outcome->attempts[0]));
	outcome->attempts[0] = ol_attempt_copy(&attempt);
	outcome->nattempts++;
}

/* Its error, result and reply become the move's; it takes the bytes. */
static void
set_outcome(struct ol_memory_task *task, struct ol_store_request *request)
{
	struct ol_move *move = &request->move;
	struct ol_memory_outcome *outcome = task->outcome;

	if (outcome == NULL && request->body == NULL && move->error.size == 0 &&
	    move->reply.size == 0 && move->result_type[0] == '\0')
		return;
	outcome = ol_memory_task_outcome(task);
	free(outcome->error);
	outcome->error = (void *)(uintptr_t)move->error.data;
	outcome->error_size = move->error.size;
	move->error = (struct ol_bytes){ 0 };
	free(outcome->reply);
	outcome->reply = (void *)(uintptr_t)move->reply.data;
	outcome->reply_size = move->reply.size;
	move->reply = (struct ol_bytes){ 0 };
	ol_body_free(outcome->result);
	outcome->result = ol_body_ref(request->body);
	free(outcome->result_type);
	outcome->result_type = ol_must(strdup(move->result_type));
}

static void
erase_payload(struct ol_memory_task *task)
{
	ol_body_free(task->payload);
	task->payload = NULL;
	task->erased = true;
	if (task->context != NULL)
		explicit_bzero(task->context, task->context_size);
	free(task->context);
	task->context = NULL;
	task->context_size = 0;
	ol_memory_task_forget_secrets(task);
}

static bool
is_ended(const struct ol_memory_task *task)
{
	return task->state >= OL_ROW_SUCCEEDED;
}

/* Whether the task is already what the move would make of it. */
static bool
has_moved(
    const struct ol_memory_task *task, const struct ol_store_request *request)
{
	const struct ol_body *result =
	    task->outcome != NULL ? task->outcome->result : NULL;
	const struct ol_body *body = request->body;

	return task->state == request->move.state &&
	       task->attempt == request->move.attempt &&
	       (result != NULL ? result->size : -1) ==
		   (body != NULL ? body->size : -1);
}

static void
move(struct memory *m, struct ol_store_request *request)
{
	struct ol_move *move = &request->move;
	struct ol_memory_task *task;

	if ((task = ol_memory_table_find(&m->table, request->id)) == NULL) {
		request->answer.status = OL_STORE_ABSENT;
		return;
	}
	if (task->attempt != move->fence || is_ended(task) != move->was_ended) {
		if (!has_moved(task, request))
			request->answer.status = OL_STORE_STALE;
		return;
	}
	if (keep_body(request) == -1)
		return;
	if (ol_move_ends_attempt((enum ol_row_state)task->state, move) &&
	    (move->error.size > 0 || move->log.size > 0))
		keep_attempt(task, move);
	task->state = (uint8_t)move->state;
	task->attempt = move->attempt;
	task->refunds = move->refunds;
	task->crashes = move->crashes;
	task->first = move->first;
	task->cancelled = move->cancelled;
	task->due = move->due;
	task->started = move->started;
	task->ended = move->ended;
	set_outcome(task, request);
	if (move->erase_payload)
		erase_payload(task);
	if (is_ended(task)) {
		ol_memory_task_forget_secrets(task);
		has_ended(m, task);
	} else
		not_ended(m, task);
}

static void
erase(struct memory *m, struct ol_store_request *request)
{
	struct ol_memory_task *task;

	if ((task = ol_memory_table_find(&m->table, request->id)) == NULL)
		request->answer.status = OL_STORE_ABSENT;
	else
		remove_task(m, task);
}

static void
expire(struct memory *m, struct ol_store_request *request)
{
	struct ol_memory_outcome *outcome, *next;
	struct ol_answer *answer = &request->answer;
	int64_t before[] = {
		[OL_ROW_SUCCEEDED] = request->expire.succeeded,
		[OL_ROW_CANCELLED] = request->expire.cancelled,
		[OL_ROW_FAILED] = request->expire.failed,
		[OL_ROW_POISONED] = request->expire.poisoned,
	};

	TAILQ_FOREACH_SAFE (outcome, &m->ended, link, next) {
		if (outcome->task->ended >= before[outcome->task->state])
			continue;
		remove_task(m, outcome->task);
		if (++answer->n == OL_STORE_EXPIRE_MAX)
			break;
	}
	answer->more = answer->n == OL_STORE_EXPIRE_MAX;
}

static void
get(struct memory *m, struct ol_store_request *request)
{
	struct ol_memory_task *task;
	struct ol_row row;

	if ((task = ol_memory_table_find(&m->table, request->id)) == NULL) {
		request->answer.status = OL_STORE_ABSENT;
		return;
	}
	row = ol_memory_task_row(task);
	ol_store_request_add_row(request, ol_row_copy(&row));
}

static void
get_body(struct memory *m, struct ol_store_request *request)
{
	struct ol_memory_task *task;
	struct ol_body *body = NULL;

	task = ol_memory_table_find(&m->table, request->id);
	if (task != NULL && request->kind == OL_ASK_RESULT)
		body = task->outcome != NULL
			   ? ol_body_ref(task->outcome->result)
			   : NULL;
	else if (task != NULL && !task->erased)
		body = task->payload != NULL ? ol_body_ref(task->payload)
					     : ol_must(ol_body_new("", 0));
	request->answer.body = body;
	request->answer.status = body != NULL ? OL_STORE_OK : OL_STORE_ABSENT;
}

static void
attempts(struct memory *m, struct ol_store_request *request)
{
	const struct ol_memory_outcome *outcome;
	struct ol_memory_task *task;
	size_t i;

	if ((task = ol_memory_table_find(&m->table, request->id)) == NULL) {
		request->answer.status = OL_STORE_ABSENT;
		return;
	}
	outcome = task->outcome;
	for (i = 0; outcome != NULL && i < outcome->nattempts; i++)
		ol_store_request_add_attempt(
		    request, ol_attempt_copy(outcome->attempts[i]));
}

static void
list(struct memory *m, struct ol_store_request *request)
{
	const struct ol_list *list = &request->list;
	struct ol_answer *answer = &request->answer;
	struct ol_memory_task *task;
	struct ol_row row;
	size_t looked = 0;

	answer->next = list->after;
	if (list->newest_first && list->after == 0)
		answer->next = INT64_MAX;
	while (answer->n < list->limit && looked < OL_STORE_LOOK_MAX &&
	       (task = ol_memory_table_after(
		    &m->table, answer->next, list->newest_first)) != NULL) {
		looked++;
		answer->next = task->seq;
		row = ol_memory_task_row(task);
		row.context = row.secrets = row.reply =
		    (struct ol_bytes){ NULL, 0 };
		if (ol_list_matches(list, &row))
			ol_store_request_add_row(request, ol_row_copy(&row));
	}
	answer->more = answer->n == list->limit || looked == OL_STORE_LOOK_MAX;
}

static void
carry_out(struct memory *m, struct ol_store_request *request)
{
	switch (request->kind) {
	case OL_ASK_SUBMIT:
		submit(m, request);
		break;
	case OL_ASK_MOVE:
		move(m, request);
		break;
	case OL_ASK_ERASE:
		erase(m, request);
		break;
	case OL_ASK_EXPIRE:
		expire(m, request);
		break;
	case OL_ASK_GET:
		get(m, request);
		break;
	case OL_ASK_PAYLOAD:
	case OL_ASK_RESULT:
		get_body(m, request);
		break;
	case OL_ASK_ATTEMPTS:
		attempts(m, request);
		break;
	case OL_ASK_LIST:
		list(m, request);
		break;
	case OL_ASK_SETTLED:
	case OL_ASK_HEALTH:
		abort(); /* nothing to tell of */
	}
}

/* --- The backend. --- */

static void
on_wake(void *arg)
{
	struct memory *m = arg;
	struct ol_store_requests done = STAILQ_HEAD_INITIALIZER(done);
	struct ol_store_request *request;

	STAILQ_CONCAT(&done, &m->done);
	m->counted = false;
	while ((request = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		ol_store_request_deliver(request, &m->options);
	}
}

static void
count(struct memory *m, const struct ol_store_request *request)
{
	if (!ol_store_request_writes(request))
		return;
	if (request->answer.failed != OL_STORE_DONE) {
		m->counts.failed++;
		return;
	}
	m->counts.writings++;
	m->counts.commits += !m->counted;
	m->counted = true;
}

static void
memory_ask(void *backend, struct ol_store_request *request)
{
	struct memory *m = backend;

	if (m->closing)
		request->answer.failed = OL_STORE_NOT_DONE;
	else {
		tidy(m);
		carry_out(m, request);
	}
	count(m, request);
	if (STAILQ_EMPTY(&m->done) && !m->closing)
		ol_wake_up(m->wake);
	STAILQ_INSERT_TAIL(&m->done, request, link);
}

static void
memory_counts(void *backend, struct ol_store_counts *counts)
{
	const struct memory *m = backend;

	*counts = m->counts;
}

static void *
memory_open(const struct ol_store_options *options)
{
	struct memory *m = ol_must(calloc(1, sizeof(*m)));

	m->options = *options;
	m->options.folder = NULL;
	TAILQ_INIT(&m->ended);
	STAILQ_INIT(&m->done);
	if ((m->wake = ol_wake_new(options->loop, on_wake, m)) == NULL) {
		ol_log_error(NULL, "store: in memory: %s", strerror(errno));
		free(m);
		return NULL;
	}
	ol_memory_table_init(&m->table);
	return m;
}

static void
memory_close(void *backend)
{
	struct memory *m = backend;

	m->closing = true;
	/* A callback may ask for more: it is told that it is late. */
	while (!STAILQ_EMPTY(&m->done))
		on_wake(m);
	ol_wake_free(m->wake);
	ol_memory_table_fini(&m->table);
	free(m);
}

const struct ol_store_ops ol_store_memory = {
	.name = "memory",
	.open = memory_open,
	.ask = memory_ask,
	.counts = memory_counts,
	.close = memory_close,
};
