#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/must.h"
#include "engine/core.h"
#include "engine/view.h"

/* Of any call: a client of a store that hangs is told within a second. */
static const int64_t patience = OL_MSEC(900);

static bool
is_await(const struct ol_engine_call *call)
{
	return call->kind == OL_CALL_AWAIT_RESULT ||
	       call->kind == OL_CALL_AWAIT_CHANGE;
}

static void on_row(void *, const struct ol_answer *);
static void on_result(void *, const struct ol_answer *);
static void on_erased(void *, const struct ol_answer *);
static void on_marked(void *, const struct ol_answer *);

/* --- Its life. --- */

struct ol_engine_call *
ol_call_new(struct ol_engine *e, enum ol_call_kind kind, const struct ol_id *id,
    ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call = ol_must(calloc(1, sizeof(*call)));

	call->engine = e;
	call->kind = kind;
	call->fn = fn;
	call->arg = arg;
	if (id != NULL)
		call->id = *id;
	ol_call_hurry(call);
	return call;
}

void
ol_call_hurry(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;

	if (call->is_patient)
		return;
	call->is_patient = true;
	call->deadline = ol_clock_after(ol_clock_now(), patience);
	/* The timer goes off once too often rather than being set each time. */
	if (TAILQ_EMPTY(&e->calls))
		ol_timer_at(e->late, call->deadline);
	TAILQ_INSERT_TAIL(&e->calls, call, all);
}

void
ol_call_take_time(struct ol_engine_call *call)
{
	if (call->is_patient)
		TAILQ_REMOVE(&call->engine->calls, call, all);
	call->is_patient = false;
}

void
ol_call_unlist(struct ol_engine_call *call)
{
	if (call->list != NULL)
		TAILQ_REMOVE(call->list, call, link);
	call->list = NULL;
}

void
ol_call_list(struct ol_engine_call *call, struct ol_calls *calls)
{
	call->list = calls;
	TAILQ_INSERT_TAIL(calls, call, link);
}

/* Off every list: what is under way goes on without it. */
static void
take_out(struct ol_engine_call *call)
{
	ol_call_take_time(call);
	ol_await_forget(call);
	ol_call_unlist(call);
	if (call->item != NULL)
		call->item->call = NULL;
	call->item = NULL;
	if (call->request != NULL)
		ol_store_cancel(call->request);
	call->request = NULL;
}

static void
free_call(struct ol_engine_call *call)
{
	ol_row_free(call->row);
	ol_body_free(call->body);
	free(call);
}

void
ol_engine_cancel_call(struct ol_engine_call *call)
{
	take_out(call);
	free_call(call);
}

void
ol_call_answer(
    struct ol_engine_call *call, const struct ol_row *row, struct ol_body *body)
{
	struct ol_engine_result result = { .answer = call->answer,
		.body = body,
		.retry_after = call->retry_after,
		.why = call->why };
	struct ol_engine *e = call->engine;
	const struct ol_row *before = e->at_hand;
	struct ol_view view;

	take_out(call);
	if (row != NULL) {
		ol_view_init(&view, e, row);
		result.object = &view.object;
	}
	e->at_hand = row;
	call->fn(call->arg, &result);
	e->at_hand = before;
	if (row != NULL)
		ol_view_fini(&view);
	free_call(call);
}

static void
set_refusal(struct ol_engine_call *call, enum ol_engine_answer answer,
    const char *why, int retry_after)
{
	call->answer = answer;
	call->why = why;
	call->retry_after = retry_after;
}

void
ol_call_refuse(struct ol_engine_call *call, enum ol_engine_answer answer,
    const char *why, int retry_after)
{
	set_refusal(call, answer, why, retry_after);
	ol_call_answer(call, NULL, NULL);
}

void
ol_call_refuse_soon(struct ol_engine_call *call, enum ol_engine_answer answer,
    const char *why, int retry_after)
{
	set_refusal(call, answer, why, retry_after);
	ol_call_soon(call);
}

void
ol_call_soon(struct ol_engine_call *call)
{
	ol_call_hurry(call);
	ol_call_list(call, &call->engine->soon);
	ol_core_soon(call->engine);
}

/* The store did not answer. */
static void
fail(struct ol_engine_call *call)
{
	/* What was cancelled stays so, whether it can be told or not. */
	set_refusal(call,
	    call->kind == OL_CALL_CANCEL ? OL_ENGINE_UNSURE
					 : OL_ENGINE_NOT_TAKEN,
	    "the store does not answer now", 2);
	/* Who waits for a task knows that there is one. */
	ol_call_answer(call, is_await(call) ? call->row : NULL, NULL);
}

void
ol_call_answer_soon(struct ol_engine *e)
{
	struct ol_calls now = TAILQ_HEAD_INITIALIZER(now);
	struct ol_engine_call *call;

	/* What its callbacks ask for comes the next time. */
	TAILQ_CONCAT(&now, &e->soon, link);
	TAILQ_FOREACH (call, &now, link)
		call->list = &now;
	while ((call = TAILQ_FIRST(&now)) != NULL)
		ol_call_answer(call, call->row, call->body);
}

/* Whether it waits for the durable store itself. */
static bool
awaits_disk(const struct ol_engine_call *call)
{
	const struct ol_engine *e = call->engine;

	if (call->item != NULL)
		return call->item->request != NULL &&
		       ol_core_store(e, call->item->task) == e->durable;
	return call->request != NULL && call->store == e->durable;
}

static void
answer_late(struct ol_engine_call *call)
{
	bool writes = call->item != NULL || call->is_erasing ||
		      (call->kind == OL_CALL_CANCEL && call->request == NULL);

	if (call->list == &call->engine->soon)
		ol_call_answer(call, call->row, call->body);
	else if (writes)
		ol_call_refuse(call, OL_ENGINE_UNSURE,
		    "the store did not answer in time", 2);
	else
		fail(call);
}

void
ol_call_late(void *engine)
{
	struct ol_engine *e = engine;
	int64_t now = ol_clock_now();
	struct ol_engine_call *call;

	while (
	    (call = TAILQ_FIRST(&e->calls)) != NULL && call->deadline <= now) {
		if (awaits_disk(call))
			ol_silence_begin(e, call->deadline - patience);
		answer_late(call);
	}
	if (call != NULL)
		ol_timer_at(e->late, call->deadline);
}

void
ol_call_end_all(struct ol_engine *e)
{
	struct ol_engine_call *call;

	while ((call = TAILQ_FIRST(&e->calls)) != NULL)
		answer_late(call);
	ol_await_end_all(e);
}

/* --- Reading the row, in one store after the other. --- */

static void
ask(struct ol_engine_call *call, struct ol_store *store)
{
	call->store = store;
	if (store == NULL || call->engine->closing)
		fail(call);
	else
		call->request =
		    ol_store_get(store, call->id.bytes, on_row, call);
}

void
ol_call_look(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;
	const struct ol_task *task = ol_scheduler_find(e->scheduler, &call->id);

	ol_call_unlist(call);
	if (task != NULL)
		ask(call, ol_core_store(e, task));
	else
		ask(call, e->has_memory ? e->memory : e->durable);
}

void
ol_call_ended(struct ol_engine_call *call)
{
	ol_call_look(call);
}

void
ol_call_look_first(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;

	if (e->closing || e->durable == NULL)
		ol_call_refuse_soon(
		    call, OL_ENGINE_NOT_TAKEN, "the daemon is stopping", 2);
	else
		ol_call_look(call);
}

static void
on_absent(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;

	if (call->store == e->memory)
		ask(call, e->durable);
	else if (call->kind == OL_CALL_SUBMIT)
		/* The first one with that key went in this moment. */
		ol_call_refuse(call, OL_ENGINE_NOT_TAKEN,
		    "the task with that key was just removed", 1);
	else
		ol_call_refuse(call, OL_ENGINE_UNKNOWN, NULL, 0);
}

static void
answer_result(struct ol_engine_call *call, const struct ol_row *row)
{
	if (row->state < OL_ROW_SUCCEEDED)
		call->answer = OL_ENGINE_UNFINISHED;
	else if (row->state == OL_ROW_CANCELLED)
		call->answer = OL_ENGINE_GONE;
	else if (row->result_size >= 0) {
		ol_row_free(call->row);
		call->row = ol_row_copy(row);
		call->request = ol_store_result(
		    call->store, call->id.bytes, on_result, call);
		return;
	}
	ol_call_answer(call, row, NULL);
}

static void
erase(struct ol_engine_call *call, const struct ol_row *row)
{
	if (row->state < OL_ROW_SUCCEEDED) {
		call->answer = OL_ENGINE_UNFINISHED;
		ol_call_answer(call, row, NULL);
		return;
	}
	call->row = ol_row_copy(row);
	call->is_erasing = true;
	call->request =
	    ol_store_erase(call->store, call->id.bytes, on_erased, call);
}

static void
on_row(void *arg, const struct ol_answer *answer)
{
	struct ol_engine_call *call = arg;
	const struct ol_row *row;

	call->request = NULL;
	if (answer->failed != OL_STORE_DONE) {
		fail(call);
		return;
	}
	if (answer->status != OL_STORE_OK) {
		on_absent(call);
		return;
	}
	row = answer->rows[0];
	if (is_await(call) && row->state < OL_ROW_SUCCEEDED) {
		if (ol_await_resume(call, row))
			return;
		call->answer = OL_ENGINE_UNFINISHED;
	}
	if (call->kind == OL_CALL_RESULT || call->kind == OL_CALL_AWAIT_RESULT)
		answer_result(call, row);
	else if (call->kind == OL_CALL_PURGE)
		erase(call, row);
	else
		ol_call_answer(call, row, NULL);
}

static void
on_result(void *arg, const struct ol_answer *answer)
{
	struct ol_engine_call *call = arg;

	call->request = NULL;
	if (answer->failed != OL_STORE_DONE) {
		fail(call);
		return;
	}
	if (answer->status != OL_STORE_OK)
		call->answer = OL_ENGINE_GONE;
	ol_call_answer(call, call->row, answer->body);
}

static void
on_erased(void *arg, const struct ol_answer *answer)
{
	struct ol_engine_call *call = arg;

	call->request = NULL;
	if (answer->failed == OL_STORE_UNKNOWN)
		ol_call_refuse(call, OL_ENGINE_UNSURE,
		    "the store failed in the middle", 2);
	else if (answer->failed == OL_STORE_NOT_DONE)
		fail(call);
	else if (answer->status == OL_STORE_ABSENT)
		ol_call_refuse(call, OL_ENGINE_UNKNOWN, NULL, 0);
	else
		ol_call_answer(call, call->row, NULL);
}

/* It runs, and was told to stop: that is to outlive us. */
static void
mark(struct ol_engine_call *call)
{
	struct ol_engine *e = call->engine;
	const struct ol_task *task = ol_scheduler_find(e->scheduler, &call->id);

	call->store = ol_core_store(e, task);
	call->request = ol_write_mark(e, task, on_marked, call);
	if (call->request == NULL)
		ol_call_look_first(call);
}

static void
on_marked(void *arg, const struct ol_answer *answer)
{
	struct ol_engine_call *call = arg;

	call->request = NULL;
	OL_FAILPOINT("mark_written");
	if (answer->failed == OL_STORE_DONE)
		ol_call_look(call);
	else
		fail(call);
}

/* --- What is asked from outside. --- */

struct ol_engine_call *
ol_engine_get(
    struct ol_engine *e, const struct ol_id *id, ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call = ol_call_new(e, OL_CALL_GET, id, fn, arg);

	ol_call_look_first(call);
	return call;
}

struct ol_engine_call *
ol_engine_get_result(
    struct ol_engine *e, const struct ol_id *id, ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call =
	    ol_call_new(e, OL_CALL_RESULT, id, fn, arg);

	ol_call_look_first(call);
	return call;
}

struct ol_engine_call *
ol_engine_purge(
    struct ol_engine *e, const struct ol_id *id, ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call =
	    ol_call_new(e, OL_CALL_PURGE, id, fn, arg);

	ol_call_look_first(call);
	return call;
}

struct ol_engine_call *
ol_engine_cancel(
    struct ol_engine *e, const struct ol_id *id, ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call =
	    ol_call_new(e, OL_CALL_CANCEL, id, fn, arg);
	const struct ol_task *task;

	if (e->loading || e->closing) {
		ol_call_refuse_soon(call, OL_ENGINE_NOT_TAKEN,
		    e->closing ? "the daemon is stopping"
			       : "the tasks of an earlier life are being read",
		    2);
		return call;
	}
	switch (ol_scheduler_cancel(e->scheduler, id, ol_clock_now())) {
	case OL_CANCEL_UNKNOWN:
		ol_call_look_first(call);
		break;
	case OL_CANCEL_RUNNING:
		mark(call);
		break;
	case OL_CANCEL_UNSTARTED:
	case OL_CANCEL_ENDED:
		/* It is being written, so that it has an item. */
		task = ol_scheduler_find(e->scheduler, id);
		ol_call_list(call, &ol_item_find(&e->items, task)->waiters);
		break;
	}
	ol_core_soon(e);
	return call;
}
