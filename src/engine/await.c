#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/core.h"

/*
 * Those who wait for a task: for its end, or for any change. They stand with
 * its item, and all together in one order, by when they have waited enough: one
 * timer is for thousands of them. Each holds a row of its task, so that nothing
 * is read for it; a write that begins brings that up to date. The end is told
 * when it is known, and does not wait for the disk.
 */

int
ol_await_compare(const struct ol_engine_call *a, const struct ol_engine_call *b)
{
	if (a->until != b->until)
		return a->until < b->until ? -1 : 1;
	return (uintptr_t)a < (uintptr_t)b ? -1 : (uintptr_t)a > (uintptr_t)b;
}

RB_GENERATE(ol_awaits, ol_engine_call, by_until, ol_await_compare)

static void on_row(void *, const struct ol_answer *);

/* --- Where it stands. --- */

static void
set_time(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;

	if (call->is_timed)
		return;
	call->is_timed = true;
	RB_INSERT(ol_awaits, &e->awaits, call);
	/* The timer goes off once too often, when its first one has left. */
	if (RB_MIN(ol_awaits, &e->awaits) == call)
		ol_timer_at(e->awaiter, call->until);
}

/* From the item, which is left as it is. */
static void
detach(struct ol_engine_call *call)
{
	if (call->awaited != NULL)
		ol_call_unlist(call);
	call->awaited = NULL;
	if (call->request != NULL)
		ol_store_cancel(call->request);
	call->request = NULL;
}

void
ol_await_forget(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;
	struct ol_item *item = call->awaited;

	if (call->is_timed)
		RB_REMOVE(ol_awaits, &e->awaits, call);
	call->is_timed = false;
	if (item == NULL)
		return;
	detach(call);
	if (!TAILQ_EMPTY(&item->awaits))
		return;
	/* Perhaps it was made for this one. */
	switch ((enum ol_task_state)item->task->state) {
	case OL_TASK_SCHEDULED:
	case OL_TASK_READY:
	case OL_TASK_RETRYING:
	case OL_TASK_PARKED:
		ol_item_rest(e, item);
		break;
	default:
		break;
	}
}

/* Answered with what it holds, from the loop. */
static void
answer_soon(struct ol_engine_call *call, enum ol_engine_answer answer)
{
	detach(call);
	if (call->is_timed)
		RB_REMOVE(ol_awaits, &call->engine->awaits, call);
	call->is_timed = false;
	call->answer = answer;
	ol_call_soon(call);
}

/* A copy of what a row says of its task, but for what only an attempt needs. */
static struct ol_row *
copy_row(const struct ol_row *row)
{
	struct ol_row slim = *row;

	slim.context = slim.secrets = (struct ol_bytes){ NULL, 0 };
	return ol_row_copy(&slim);
}

/* --- What becomes of it. --- */

/* The write in flight brings its row up to date; an end answers it. */
static void
foresee(struct ol_engine_call *call)
{
	struct ol_item *item = call->awaited;
	const struct ol_row *row = call->row != NULL ? call->row : item->row;
	struct ol_row *seen;
	struct ol_body *body;

	if (row == NULL)
		return;
	seen = ol_write_foresee(item, row, &body);
	ol_row_free(call->row);
	call->row = seen;
	if (call->kind != OL_CALL_AWAIT_RESULT ||
	    seen->state < OL_ROW_SUCCEEDED)
		return;
	call->body = ol_body_ref(body);
	answer_soon(call,
	    seen->state == OL_ROW_CANCELLED ? OL_ENGINE_GONE : OL_ENGINE_OK);
}

void
ol_await_written(struct ol_item *item)
{
	struct ol_engine_call *call, *next;

	TAILQ_FOREACH_SAFE (call, &item->awaits, link, next)
		foresee(call);
}

void
ol_await_changed(struct ol_item *item)
{
	struct ol_engine_call *call, *next;

	TAILQ_FOREACH_SAFE (call, &item->awaits, link, next)
		if (call->kind != OL_CALL_AWAIT_CHANGE)
			continue;
		else if (call->row != NULL)
			answer_soon(call, OL_ENGINE_OK);
		else
			call->is_due = true;
}

void
ol_await_ended(struct ol_item *item)
{
	struct ol_engine_call *call;

	while ((call = TAILQ_FIRST(&item->awaits)) != NULL)
		if (call->row != NULL && call->row->state >= OL_ROW_SUCCEEDED)
			answer_soon(call, OL_ENGINE_OK);
		else {
			/* What is read now is what was just written. */
			detach(call);
			ol_call_hurry(call);
			ol_call_look(call);
		}
}

/* It waits no longer, and its task goes on. */
static void
give_up(struct ol_engine_call *call)
{
	const struct ol_item *item = call->awaited;

	if (call->row == NULL && item != NULL && item->row != NULL)
		call->row = copy_row(item->row);
	if (item != NULL && call->row != NULL)
		call->answer = OL_ENGINE_UNFINISHED;
	else {
		/* The store was to tell. */
		call->answer = OL_ENGINE_NOT_TAKEN;
		call->why = "the store does not answer now";
		call->retry_after = 2;
	}
	ol_call_answer(call, call->row, NULL);
}

/* The next one that waits no longer: in a drain, none does. */
static struct ol_engine_call *
first_due(struct ol_engine *e, int64_t now)
{
	struct ol_engine_call *call;

	RB_FOREACH (call, ol_awaits, &e->awaits)
		if (call->until <= now)
			return call;
		else if (!e->draining)
			return NULL;
		else if (call->awaited != NULL &&
			 (call->row != NULL || call->awaited->row != NULL))
			return call;
	return NULL;
}

void
ol_await_late(void *engine)
{
	struct ol_engine *e = engine;
	struct ol_engine_call *call;

	while ((call = first_due(e, ol_clock_now())) != NULL)
		give_up(call);
	call = RB_MIN(ol_awaits, &e->awaits);
	ol_timer_at(e->awaiter, call != NULL ? call->until : OL_NEVER);
}

void
ol_await_drain(struct ol_engine *e)
{
	ol_timer_at(e->awaiter, ol_clock_now());
}

void
ol_await_end_all(struct ol_engine *e)
{
	struct ol_engine_call *call;

	while ((call = RB_MIN(ol_awaits, &e->awaits)) != NULL)
		give_up(call);
}

/* --- Its beginning. --- */

/* What is known here of a task that somebody else waits for, or runs. */
static const struct ol_row *
row_of(const struct ol_item *item)
{
	const struct ol_engine_call *other = TAILQ_FIRST(&item->awaits);

	return other != NULL && other->row != NULL ? other->row : item->row;
}

/* Stand with the item of the task; row: NULL, or what is known of it. */
static void
attach(
    struct ol_engine_call *call, struct ol_task *task, const struct ol_row *row)
{
	struct ol_engine *e = call->engine;
	struct ol_item *item = ol_item_of(e, task);

	if (row == NULL)
		row = row_of(item);
	ol_call_take_time(call);
	call->awaited = item;
	ol_call_list(call, &item->awaits);
	set_time(call);
	if (row == NULL) {
		call->request = ol_store_get(
		    ol_core_store(e, task), call->id.bytes, on_row, call);
		return;
	}
	call->row = copy_row(row);
	if (e->draining)
		ol_timer_at(e->awaiter, ol_clock_now());
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_FINISHING:
	case OL_TASK_RETURNING:
	case OL_TASK_ENDING:
		/* Its write is on its way already. */
		foresee(call);
		break;
	default:
		break;
	}
}

/* Nobody had a row of it. */
static void
on_row(void *arg, const struct ol_answer *answer)
{
	struct ol_engine_call *call = arg;
	struct ol_task *task = call->awaited->task;

	call->request = NULL;
	if (answer->failed != OL_STORE_DONE || answer->status != OL_STORE_OK)
		return; /* it is told when it ends, or in time */
	if (call->row == NULL)
		call->row = copy_row(answer->rows[0]);
	if (task->state == OL_TASK_FINISHING || task->state == OL_TASK_ENDING)
		foresee(call);
	if (call->awaited == NULL)
		return;
	if (call->is_due)
		answer_soon(call, OL_ENGINE_OK);
	else if (call->engine->draining)
		ol_timer_at(call->engine->awaiter, ol_clock_now());
}

bool
ol_await_resume(struct ol_engine_call *call, const struct ol_row *row)
{
	struct ol_task *task =
	    ol_scheduler_find(call->engine->scheduler, &call->id);

	if (task == NULL)
		return false;
	attach(call, task, row);
	return true;
}

static struct ol_engine_call *
await(struct ol_engine *e, enum ol_call_kind kind, const struct ol_id *id,
    int64_t until, ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call = ol_call_new(e, kind, id, fn, arg);
	struct ol_task *task = ol_scheduler_find(e->scheduler, id);
	const struct ol_row *row = e->at_hand;

	call->until = until;
	/* Most ask when they were just told of the task. */
	if (row != NULL && memcmp(row->id, id->bytes, OL_ROW_ID) != 0)
		row = NULL;
	if (task != NULL && !e->closing) {
		attach(call, task, row);
		return call;
	}
	/* It has ended, or there is none. */
	set_time(call);
	ol_call_look_first(call);
	return call;
}

struct ol_engine_call *
ol_engine_await_result(struct ol_engine *e, const struct ol_id *id,
    int64_t until, ol_engine_fn *fn, void *arg)
{
	return await(e, OL_CALL_AWAIT_RESULT, id, until, fn, arg);
}

struct ol_engine_call *
ol_engine_await_change(struct ol_engine *e, const struct ol_id *id,
    int64_t until, ol_engine_fn *fn, void *arg)
{
	return await(e, OL_CALL_AWAIT_CHANGE, id, until, fn, arg);
}
