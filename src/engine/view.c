#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/core.h"
#include "engine/view.h"
#include "engine/wall.h"

static const char *
row_state(enum ol_row_state state)
{
	switch (state) {
	case OL_ROW_SCHEDULED:
		return "scheduled";
	case OL_ROW_READY:
		return "ready";
	case OL_ROW_RUNNING:
		return "running";
	case OL_ROW_RETRYING:
		return "retrying";
	case OL_ROW_PARKED:
		return "parked";
	case OL_ROW_SUCCEEDED:
		return "succeeded";
	case OL_ROW_CANCELLED:
		return "cancelled";
	case OL_ROW_FAILED:
		return "failed";
	case OL_ROW_POISONED:
		return "poisoned";
	}
	return "unknown";
}

/* Attempts in all that the rules allow; never less than there were. */
static uint32_t
attempts_max(const struct ol_engine *e, const struct ol_row *row,
    const struct ol_task *task)
{
	const struct ol_conf_task *conf = ol_core_type(e, row->type);
	uint32_t attempt = task != NULL ? task->attempt : row->attempt;
	uint32_t refunds = task != NULL ? task->refunds : row->refunds;
	uint32_t retries = conf != NULL ? (uint32_t)conf->retries : 0;

	if (task != NULL && ol_state_has_slot((enum ol_task_state)task->state))
		retries = ol_scheduler_run(e->scheduler, task)->rules.retries;
	return 1 + retries + refunds > attempt ? 1 + retries + refunds
					       : attempt;
}

/* What memory knows better than the row of a task that has not ended. */
static void
add_memory(struct ol_object *o, const struct ol_engine *e,
    const struct ol_row *row, const struct ol_task *task)
{
	const struct ol_item *item = ol_item_find(&e->items, task);
	bool waits =
	    task->state == OL_TASK_SCHEDULED || task->state == OL_TASK_RETRYING;

	o->state = ol_state_name((enum ol_task_state)task->state);
	o->attempt = task->attempt;
	if (!waits)
		o->due = 0;
	else if (row->state != OL_ROW_SCHEDULED &&
		 row->state != OL_ROW_RETRYING)
		o->due = ol_wall_from_clock(task->due);
	if (item == NULL || !ol_state_has_slot((enum ol_task_state)task->state))
		return;
	o->progress = item->progress;
	if (item->progress_text != NULL)
		o->progress_text = item->progress_text;
	if (item->started != 0)
		o->started = item->started;
}

void
ol_view_init(
    struct ol_view *view, const struct ol_engine *e, const struct ol_row *row)
{
	struct ol_object *o = &view->object;
	const struct ol_task *task = NULL;

	*o = (struct ol_object){ .type = row->type,
		.state = row_state(row->state),
		.ended = row->state >= OL_ROW_SUCCEEDED,
		.succeeded = row->state == OL_ROW_SUCCEEDED,
		.cancelled = row->state == OL_ROW_CANCELLED,
		.progress = -1,
		.progress_text = "",
		.attempt = row->attempt,
		.created = row->created,
		.started = row->started,
		.ended_at = row->ended,
		.owner = row->owner != NULL ? row->owner : "",
		.has_session = row->has_session,
		.result_type = row->result_type != NULL ? row->result_type : "",
		.result_bytes = row->result_size,
		.reply = "" };
	view->reply = NULL;
	if (row->reply.size > 0)
		o->reply = view->reply =
		    ol_must(strndup(row->reply.data, row->reply.size));
	memcpy(o->id.bytes, row->id, sizeof(o->id.bytes));
	memcpy(o->session, row->session, sizeof(o->session));
	if (row->state == OL_ROW_SCHEDULED || row->state == OL_ROW_RETRYING)
		o->due = row->due;
	if (!o->ended)
		task = ol_scheduler_find(e->scheduler, &o->id);
	if (task != NULL)
		add_memory(o, e, row, task);
	o->attempts_max = attempts_max(e, row, task);
	ol_failure_read(&view->failure, row->error);
	o->error_kind = view->failure.kind;
	o->error_message = view->failure.message;
	o->error_exit = view->failure.exit;
	o->error_signal = view->failure.signal;
	o->error_text = view->failure.text;
}

void
ol_view_fini(struct ol_view *view)
{
	ol_failure_view_fini(&view->failure);
	free(view->reply);
}
