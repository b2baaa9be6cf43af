#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "engine/context.h"
#include "engine/core.h"
#include "engine/wall.h"

enum {
	SCOPE_SIZE = OL_ROW_TYPE_MAX + OL_ROW_TEXT_MAX + 2,
};

RB_GENERATE(ol_keys, ol_item, by_key, ol_item_key_compare)

/* --- In the order of a submit, from its end. --- */

/* The store is done with it: it is not in flight any more. */
static struct ol_engine_call *
detach(struct ol_item *item)
{
	struct ol_engine_call *call = item->call;

	item->is_submit = false;
	item->call = NULL;
	if (item->is_keyed)
		RB_REMOVE(ol_keys, &item->engine->keys, item);
	item->is_keyed = false;
	if (call != NULL)
		call->item = NULL;
	return call;
}

static void
on_disk(struct ol_item *item)
{
	struct ol_engine *e = item->engine;
	struct ol_engine_call *call = detach(item);
	/* One that runs needs its row; else it is gone with the item. */
	bool runs = item->task->state == OL_TASK_ENTERING;
	struct ol_row *row = item->row;

	if (!runs)
		item->row = NULL;
	item->fence = item->task->attempt;
	OL_FAILPOINT("submit_written");
	ol_scheduler_written(e->scheduler, item->task, true, ol_clock_now());
	ol_core_soon(e);
	OL_FAILPOINT("submit_answer");
	if (call != NULL)
		ol_call_answer(call, row, NULL);
	if (!runs)
		ol_row_free(row);
}

static void
not_on_disk(struct ol_item *item, bool withdrawn)
{
	struct ol_engine *e = item->engine;

	detach(item);
	if (withdrawn)
		ol_scheduler_withdrawn(
		    e->scheduler, item->task, ol_clock_now());
	else
		ol_scheduler_written(
		    e->scheduler, item->task, false, ol_clock_now());
	ol_core_soon(e);
}

void
ol_submit_settled(struct ol_item *item, bool is_there)
{
	if (is_there)
		on_disk(item);
	else
		not_on_disk(item, false);
}

/* Its key has a task already, or its id. */
static void
on_taken(struct ol_item *item, const struct ol_answer *answer)
{
	struct ol_engine_call *call = item->call;

	not_on_disk(item, true);
	if (call == NULL)
		return;
	if (answer->status == OL_STORE_EXISTS) {
		ol_call_refuse(call, OL_ENGINE_NOT_TAKEN,
		    "its new id is taken already", 1);
		return;
	}
	memcpy(call->id.bytes, answer->id, sizeof(call->id.bytes));
	call->answer = answer->status == OL_STORE_DUPLICATE
			   ? OL_ENGINE_DUPLICATE
			   : OL_ENGINE_CONFLICT;
	ol_call_look(call);
}

static void
on_submitted(void *arg, const struct ol_answer *answer)
{
	struct ol_item *item = arg;
	struct ol_engine_call *call = item->call;

	item->request = NULL;
	switch (answer->failed) {
	case OL_STORE_DONE:
		if (answer->status == OL_STORE_OK)
			on_disk(item);
		else
			on_taken(item, answer);
		break;
	case OL_STORE_NOT_DONE:
		not_on_disk(item, false);
		if (call != NULL)
			ol_call_refuse(call, OL_ENGINE_NOT_TAKEN,
			    "the store cannot write now", 2);
		break;
	case OL_STORE_UNKNOWN:
		/* With its key: on_settled will tell. */
		item->call = NULL;
		ol_write_unsettled(item->engine, item);
		if (call != NULL) {
			call->item = NULL;
			ol_call_refuse(call, OL_ENGINE_UNSURE,
			    "the store failed in the middle", 2);
		}
		break;
	}
}

/* --- The beginning. --- */

/* NULL, or why a submit of the type is not taken now. */
static const char *
refusal(const struct ol_engine *e, const struct ol_conf_task *conf)
{
	if (e->closing)
		return "the daemon is stopping";
	if (e->loading)
		return "the tasks of an earlier life are being read";
	if (e->failing && conf->durable != OL_DURABLE_OFF)
		return "the store does not work";
	if (e->silent && conf->durable != OL_DURABLE_OFF)
		return "the store does not answer";
	return NULL;
}

static bool
is_in_flight(struct ol_engine *e, const char *scope, const char *key)
{
	struct ol_row row = { .key_scope = scope, .key = key };
	struct ol_item item = { .row = &row };

	return RB_FIND(ol_keys, &e->keys, &item) != NULL;
}

static bool
refused(struct ol_engine_call *call, enum ol_submitted submitted)
{
	switch (submitted) {
	case OL_SUBMITTED:
		return false;
	case OL_SUBMIT_FULL:
		ol_call_refuse_soon(
		    call, OL_ENGINE_FULL, "too many tasks are waiting", 5);
		break;
	case OL_SUBMIT_DRAINING:
		ol_call_refuse_soon(call, OL_ENGINE_NOT_TAKEN,
		    "the daemon is stopping, and such a task would be lost", 5);
		break;
	case OL_SUBMIT_UNKNOWN_TYPE:
		ol_call_refuse_soon(
		    call, OL_ENGINE_UNKNOWN, "there is no such type", 0);
		break;
	case OL_SUBMIT_EXISTS:
		ol_call_refuse_soon(call, OL_ENGINE_NOT_TAKEN,
		    "its new id is taken already", 1);
		break;
	}
	return true;
}

static struct ol_row
new_row(const struct ol_task *task, const struct ol_engine_submit *s,
    const char *scope, const struct ol_context *context)
{
	int64_t now = ol_wall_now();
	struct ol_row row = {
		.state = task->state == OL_TASK_ENTERING ? OL_ROW_RUNNING
			 : task->verdict == OL_EVENT_ADMITTED_LATER
			     ? OL_ROW_SCHEDULED
			     : OL_ROW_READY,
		.priority = task->priority,
		.attempt = task->attempt,
		.has_session = s->session != NULL,
		.created = now,
		.due = now,
		.started = task->state == OL_TASK_ENTERING ? now : 0,
		.type = s->type,
		.owner = s->owner,
		.content_type = s->content_type,
		.key_scope = "",
		.key = "",
		.context = { context->variables, context->variables_size },
		.secrets = { context->secrets, context->secrets_size },
		.recorded = s->recorded,
		.payload_size = s->payload != NULL ? s->payload->size : 0,
		.result_size = -1,
	};

	memcpy(row.id, task->id.bytes, sizeof(row.id));
	if (s->session != NULL)
		memcpy(row.session, s->session, sizeof(row.session));
	if (row.state == OL_ROW_SCHEDULED)
		row.due =
		    s->delay == 0 ? s->due : ol_wall_from_clock(task->due);
	if (s->key != NULL && s->key[0] != '\0') {
		row.key_scope = scope;
		row.key = s->key;
		memcpy(row.key_hash, s->key_hash, sizeof(row.key_hash));
	}
	return row;
}

/* The task is the scheduler's: write it. */
static void
write_task(struct ol_engine_call *call, struct ol_task *task,
    const struct ol_engine_submit *s, const struct ol_conf_task *conf,
    const char *scope)
{
	struct ol_engine *e = call->engine;
	bool off = conf->durable == OL_DURABLE_OFF;
	struct ol_context context;
	struct ol_item *item;
	struct ol_row row;

	ol_item_set_off(&e->items, task, off);
	e->has_memory = e->has_memory || off;
	ol_context_pack(&context, s->context, s->ncontext);
	item = ol_item_of(e, task);
	item->is_submit = true;
	row = new_row(task, s, scope, &context);
	item->started = row.started;
	call->id = task->id;
	OL_FAILPOINT("submit_write");
	item->request = ol_store_submit(ol_core_store(e, task), &row,
	    s->payload, conf->durable == OL_DURABLE_LAZY, on_submitted, item);
	if (item->request == NULL) {
		not_on_disk(item, true);
		ol_call_refuse_soon(
		    call, OL_ENGINE_NOT_TAKEN, "a field of it is too long", 0);
		ol_context_fini(&context);
		return;
	}
	item->row = ol_row_copy(&row);
	ol_context_fini(&context);
	item->call = call;
	call->item = item;
	if (task->state == OL_TASK_ENTERING) {
		item->payload = ol_body_ref(s->payload);
		item->has_payload = true;
	}
	if (row.key[0] != '\0')
		item->is_keyed = RB_INSERT(ol_keys, &e->keys, item) == NULL;
}

struct ol_engine_call *
ol_engine_submit(struct ol_engine *e, const struct ol_engine_submit *s,
    ol_engine_fn *fn, void *arg)
{
	struct ol_engine_call *call =
	    ol_call_new(e, OL_CALL_SUBMIT, NULL, fn, arg);
	const struct ol_conf_task *conf = ol_core_type(e, s->type);
	struct ol_submit submit = { .type = s->type };
	int64_t now = ol_clock_now();
	char scope[SCOPE_SIZE];
	struct ol_task *task;
	const char *why;

	if (conf == NULL) {
		refused(call, OL_SUBMIT_UNKNOWN_TYPE);
		return call;
	}
	snprintf(scope, sizeof(scope), "%s %s", s->type,
	    s->owner != NULL ? s->owner : "");
	/* Before the refusals: "known not to be stored" would not be true. */
	if (s->key != NULL && s->key[0] != '\0' &&
	    is_in_flight(e, scope, s->key)) {
		ol_call_refuse_soon(call, OL_ENGINE_IN_FLIGHT,
		    "the first request with that key is not answered yet", 1);
		return call;
	}
	if ((why = refusal(e, conf)) != NULL) {
		ol_call_refuse_soon(call, OL_ENGINE_NOT_TAKEN, why, 2);
		return call;
	}
	if (ol_id_new(&e->ids, (uint64_t)ol_wall_now(), &submit.id) == -1) {
		ol_call_refuse_soon(call, OL_ENGINE_NOT_TAKEN,
		    "the kernel gives no random numbers", 2);
		return call;
	}
	submit.priority = s->priority == INT_MIN ? conf->priority : s->priority;
	submit.priority = submit.priority < -100  ? -100
			  : submit.priority > 100 ? 100
						  : submit.priority;
	submit.due = s->delay > 0 ? ol_clock_after(now, s->delay)
		     : s->due > 0 ? ol_wall_to_clock(s->due)
				  : now;
	if (!refused(
		call, ol_scheduler_submit(e->scheduler, &submit, now, &task)))
		write_task(call, task, s, conf, scope);
	ol_core_soon(e);
	return call;
}
