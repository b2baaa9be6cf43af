#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "engine/core.h"
#include "engine/wall.h"

static bool ends_attempt(const struct ol_task *);
static void on_row(void *, const struct ol_answer *);
static void on_moved(void *, const struct ol_answer *);

/* The write ended. May free the item. */
static void
finish(struct ol_item *item, bool on_disk)
{
	struct ol_engine *e = item->engine;

	if (on_disk)
		item->fence = item->task->attempt;
	if (item->task->verdict == OL_EVENT_STARTED)
		OL_FAILPOINT("start_written");
	else if (ends_attempt(item->task))
		OL_FAILPOINT("end_written");
	else
		OL_FAILPOINT("idle_written");
	ol_scheduler_written(e->scheduler, item->task, on_disk, ol_clock_now());
	ol_core_soon(e);
}

void
ol_write_unsettled(struct ol_engine *e, struct ol_item *item)
{
	item->is_unsettled = true;
	TAILQ_INSERT_TAIL(&e->unsettled, item, link);
}

/* --- What is written. --- */

static enum ol_row_state
row_state(enum ol_task_event verdict)
{
	switch (ol_state_written(verdict)) {
	case OL_TASK_SCHEDULED:
		return OL_ROW_SCHEDULED;
	case OL_TASK_RUNNING:
		return OL_ROW_RUNNING;
	case OL_TASK_RETRYING:
		return OL_ROW_RETRYING;
	case OL_TASK_SUCCEEDED:
		return OL_ROW_SUCCEEDED;
	case OL_TASK_FAILED:
		return OL_ROW_FAILED;
	case OL_TASK_POISONED:
		return OL_ROW_POISONED;
	case OL_TASK_CANCELLED:
		return OL_ROW_CANCELLED;
	default:
		return OL_ROW_READY;
	}
}

/* Whether the write is the end of an attempt of this life. */
static bool
ends_attempt(const struct ol_task *task)
{
	return task->state == OL_TASK_FINISHING ||
	       task->state == OL_TASK_RETURNING;
}

/*
 * What is kept as the error: of the attempt, unless it says nothing; of one
 * that ends without an attempt what the row has, or why.
 */
static char *
error_of(const struct ol_item *item, const struct ol_row *row,
    struct ol_bytes *error)
{
	enum ol_task_event verdict = (enum ol_task_event)item->task->verdict;
	struct ol_failure failure = item->failure;
	char *json;

	*error = (struct ol_bytes){ NULL, 0 };
	if (ends_attempt(item->task)) {
		if (verdict == OL_EVENT_CANCELLED)
			return NULL;
		if (verdict == OL_EVENT_POISONED)
			failure.kind = "crashed";
	} else if (failure.kind != NULL) {
		/* Of an attempt whose end could not be written in its time. */
	} else if (verdict == OL_EVENT_EXPIRED) {
		failure = (struct ol_failure){ .kind = "expired",
			.message = "it was not started in time",
			.exit = -1 };
	} else if (verdict == OL_EVENT_GAVE_UP && row != NULL &&
		   row->state == OL_ROW_RUNNING) {
		failure = (struct ol_failure){ .kind = "crashed",
			.message = "outlast itself ended meanwhile",
			.exit = -1 };
	} else if (verdict != OL_EVENT_STARTED && row != NULL) {
		*error = row->error;
		return NULL;
	}
	json = ol_failure_write(&failure, &error->size);
	error->data = json;
	return json;
}

static struct ol_move
move_to(const struct ol_item *item, enum ol_row_state state)
{
	const struct ol_task *task = item->task;
	struct ol_move move = {
		.fence = item->fence,
		.state = state,
		.attempt = task->attempt,
		.refunds = task->refunds,
		.crashes = task->crashes,
		.first = task->first,
		.due = ol_wall_from_clock(task->due),
		.started = item->started,
	};

	memcpy(move.id, task->id.bytes, sizeof(move.id));
	if (item->started == 0 && item->row != NULL)
		move.started = item->row->started;
	return move;
}

static bool
is_lazy(const struct ol_engine *e, const struct ol_task *task)
{
	const char *type = ol_scheduler_queue_of(e->scheduler, task)->name;
	const struct ol_conf_task *conf = ol_core_type(e, type);

	return conf != NULL && conf->durable == OL_DURABLE_LAZY;
}

/* What an attempt leaves behind that was the task's last. */
static void
add_result(struct ol_move *move, const struct ol_item *item)
{
	bool dead =
	    move->state == OL_ROW_FAILED || move->state == OL_ROW_POISONED;

	if (move->state != OL_ROW_SUCCEEDED && (!dead || item->reply == NULL))
		return;
	move->result = item->result;
	move->result_type = item->result_type;
	if (item->reply != NULL)
		move->reply =
		    (struct ol_bytes){ item->reply, strlen(item->reply) };
}

/* The write in flight; *error: for free(), what it points to. */
static struct ol_move
write_of(const struct ol_item *item, const struct ol_row *row, char **error)
{
	const struct ol_task *task = item->task;
	struct ol_move move =
	    move_to(item, row_state((enum ol_task_event)task->verdict));

	*error = NULL;
	if (move.state >= OL_ROW_SUCCEEDED)
		move.ended = ol_wall_now();
	if (task->verdict != OL_EVENT_STARTED)
		*error = error_of(item, row, &move.error);
	if (ends_attempt(task)) {
		move.attempt_ended = ol_wall_now();
		move.log =
		    (struct ol_bytes){ item->failure.text, item->failure.size };
		add_result(&move, item);
	}
	return move;
}

struct ol_row *
ol_write_foresee(
    const struct ol_item *item, const struct ol_row *row, struct ol_body **body)
{
	struct ol_row seen = *row;
	struct ol_row *copy;
	struct ol_move move;
	char *error;

	move = write_of(item, row, &error);
	seen.state = move.state;
	seen.attempt = move.attempt;
	seen.refunds = move.refunds;
	seen.crashes = move.crashes;
	seen.due = move.due;
	if (move.started != 0)
		seen.started = move.started;
	seen.ended = move.ended;
	seen.error = move.error;
	seen.result_size = move.result != NULL ? move.result->size : -1;
	seen.result_type = move.result_type;
	seen.reply = move.reply;
	seen.context = seen.secrets = (struct ol_bytes){ NULL, 0 };
	copy = ol_row_copy(&seen);
	free(error);
	*body = move.result;
	return copy;
}

static void
ask_move(struct ol_item *item)
{
	struct ol_engine *e = item->engine;
	const struct ol_task *task = item->task;
	struct ol_move move;
	char *error;

	move = write_of(item, item->row, &error);
	/* It does not run any more, whenever that is written. */
	if (move.state >= OL_ROW_SUCCEEDED && item->row != NULL)
		ol_row_forget_secrets(item->row);
	if (task->verdict == OL_EVENT_STARTED)
		OL_FAILPOINT("start_write");
	else if (ends_attempt(task))
		OL_FAILPOINT("end_write");
	else
		OL_FAILPOINT("idle_write");
	item->request = ol_store_move(
	    ol_core_store(e, task), &move, is_lazy(e, task), on_moved, item);
	/* Its fields are bounded where they come from. */
	ol_must(item->request);
	free(error);
	ol_await_written(item);
}

/*
 * Beside the scheduler's writes: there is none while it runs, and the store
 * keeps the order of this one and of the end.
 */
struct ol_store_request *
ol_write_mark(
    struct ol_engine *e, const struct ol_task *task, ol_store_fn *fn, void *arg)
{
	const struct ol_item *item = ol_item_find(&e->items, task);
	struct ol_move move;

	if (item == NULL || task->state != OL_TASK_CANCELLING)
		return NULL;
	move = move_to(item, OL_ROW_RUNNING);
	move.cancelled = true;
	OL_FAILPOINT("mark_write");
	return ol_store_move(
	    ol_core_store(e, task), &move, is_lazy(e, task), fn, arg);
}

/* --- In the order of a write. --- */

void
ol_write_begin(void *engine, struct ol_task *task)
{
	struct ol_engine *e = engine;
	struct ol_item *item = ol_item_find(&e->items, task);

	if (item == NULL) {
		item = ol_item_of(e, task);
		/* The row does not know of the attempt that begins. */
		if (task->verdict == OL_EVENT_STARTED)
			item->fence--;
	}
	if (task->verdict == OL_EVENT_STARTED)
		item->started = ol_wall_now();
	/* What the row has and the move would take away is read before. */
	if (task->state == OL_TASK_ENDING && item->row == NULL)
		item->request = ol_store_get(
		    ol_core_store(e, task), task->id.bytes, on_row, item);
	else
		ask_move(item);
	if (task->verdict == OL_EVENT_STARTED)
		ol_attempt_prepare(item);
}

static void
on_row(void *arg, const struct ol_answer *answer)
{
	struct ol_item *item = arg;

	item->request = NULL;
	if (answer->failed != OL_STORE_DONE) {
		finish(item, false);
		return;
	}
	if (answer->status == OL_STORE_OK) {
		/* A start that was revoked may have read it, too. */
		ol_row_free(item->row);
		item->row = ol_row_copy(answer->rows[0]);
	}
	/* Without a row, the move will say so. */
	ask_move(item);
}

static void
on_moved(void *arg, const struct ol_answer *answer)
{
	struct ol_item *item = arg;
	struct ol_log log;

	item->request = NULL;
	switch (answer->failed) {
	case OL_STORE_NOT_DONE:
		finish(item, false);
		return;
	case OL_STORE_UNKNOWN:
		ol_write_unsettled(item->engine, item);
		return;
	case OL_STORE_DONE:
		break;
	}
	if (answer->status != OL_STORE_OK && !item->stale) {
		ol_report_about(item->engine, item->task, &log);
		ol_log_error(&log,
		    "its row in the store %s: the task is given up; did "
		    "somebody change the database?",
		    answer->status == OL_STORE_ABSENT
			? "is gone"
			: "is not as outlast left it");
		item->stale = true;
	}
	finish(item, true);
}

void
ol_write_settled(void *engine, const uint8_t *id, const struct ol_row *row)
{
	struct ol_engine *e = engine;
	struct ol_item *item;
	bool on_disk;

	TAILQ_FOREACH (item, &e->unsettled, link)
		if (memcmp(item->task->id.bytes, id, OL_ROW_ID) == 0)
			break;
	if (item == NULL)
		return; /* an erasure, or a mark */
	TAILQ_REMOVE(&e->unsettled, item, link);
	item->is_unsettled = false;
	if (item->is_submit) {
		ol_submit_settled(item, row != NULL);
		return;
	}
	on_disk =
	    row != NULL && row->attempt == item->task->attempt &&
	    row->state == row_state((enum ol_task_event)item->task->verdict);
	finish(item, on_disk);
}
