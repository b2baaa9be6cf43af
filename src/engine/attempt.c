#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/must.h"
#include "engine/context.h"
#include "engine/core.h"
#include "engine/wall.h"

static void on_row(void *, const struct ol_answer *);
static void on_payload(void *, const struct ol_answer *);
static void on_progress(void *, int percent, const char *text);
static void on_extend(void *, int64_t nsec);
static void on_end(void *, const struct ol_run_end *);

static const struct ol_run_events events = {
	.on_progress = on_progress,
	.on_extend = on_extend,
	.on_end = on_end,
};

/* --- An attempt that does not begin. --- */

/* Its end is told from the loop: a hand must not call the scheduler. */
static void
end_unbegun(struct ol_item *item, enum ol_outcome outcome, bool unreachable)
{
	struct ol_engine *e = item->engine;

	item->ending = (struct ol_ending){
		.outcome = outcome, .unreachable = unreachable, .delay = -1
	};
	item->is_unbegun = true;
	TAILQ_INSERT_TAIL(&e->unbegun, item, link);
	ol_core_soon(e);
}

void
ol_attempt_reap(struct ol_engine *e)
{
	struct ol_item *item;

	while ((item = TAILQ_FIRST(&e->unbegun)) != NULL) {
		TAILQ_REMOVE(&e->unbegun, item, link);
		item->is_unbegun = false;
		ol_scheduler_ended(e->scheduler, &item->task->id,
		    item->task->attempt, &item->ending, ol_clock_now());
	}
}

void
ol_attempt_forget(struct ol_item *item)
{
	if (item->row_request != NULL)
		ol_store_cancel(item->row_request);
	if (item->payload_request != NULL)
		ol_store_cancel(item->payload_request);
	item->row_request = item->payload_request = NULL;
	if (item->running != NULL)
		ol_run_forget(item->running);
	item->running = NULL;
	if (item->is_unbegun)
		TAILQ_REMOVE(&item->engine->unbegun, item, link);
	item->is_unbegun = false;
}

/* --- One that does, in the order of its life. --- */

static void
launch(struct ol_item *item)
{
	struct ol_engine *e = item->engine;
	const struct ol_row *row = item->row;
	struct ol_run_job job = { .conf = ol_core_type(e, row->type),
		.id = item->task->id,
		.attempt = item->task->attempt,
		.owner = row->owner != NULL ? row->owner : "",
		.content_type =
		    row->content_type != NULL ? row->content_type : "",
		.payload = item->payload,
		.recorded = row->recorded };
	struct ol_run_variable *variables;

	/* Its type went in this moment, or it was stopped. */
	if (job.conf == NULL || item->is_stopped || e->closing) {
		end_unbegun(item, OL_OUTCOME_INTERRUPTED, false);
		return;
	}
	variables =
	    ol_context_unpack(row->context, row->secrets, &job.ncontext);
	job.context = variables;
	item->began = ol_clock_now();
	OL_FAILPOINT("launch");
	if (job.conf->backend != NULL)
		item->running =
		    ol_backends_start(e->backends, &job, &events, item);
	else
		item->running =
		    ol_programs_start(e->programs, &job, &events, item);
	OL_FAILPOINT("launched");
	free(variables);
	ol_body_free(item->payload);
	item->payload = NULL;
	item->has_payload = false;
}

static void
launch_when_read(struct ol_item *item)
{
	if (item->is_due && item->row != NULL && item->has_payload &&
	    !item->is_unbegun)
		launch(item);
}

/* One of the two could not be read. */
static void
on_unread(struct ol_item *item, const struct ol_answer *answer)
{
	/* It was read ahead: there is another time for it. */
	if (!item->is_due)
		return;
	ol_attempt_forget(item);
	if (answer->failed != OL_STORE_DONE) {
		end_unbegun(item, OL_OUTCOME_INTERRUPTED, true);
		return;
	}
	ol_failure_set(&item->failure, "refused",
	    "its payload is not in the store any more");
	end_unbegun(item, OL_OUTCOME_FAIL, false);
}

static void
on_row(void *arg, const struct ol_answer *answer)
{
	struct ol_item *item = arg;

	item->row_request = NULL;
	if (answer->failed != OL_STORE_DONE || answer->status != OL_STORE_OK) {
		on_unread(item, answer);
		return;
	}
	ol_row_free(item->row);
	item->row = ol_row_copy(answer->rows[0]);
	launch_when_read(item);
}

static void
on_payload(void *arg, const struct ol_answer *answer)
{
	struct ol_item *item = arg;

	item->payload_request = NULL;
	if (answer->failed != OL_STORE_DONE || answer->status != OL_STORE_OK) {
		on_unread(item, answer);
		return;
	}
	OL_FAILPOINT("payload_read");
	item->payload = ol_body_ref(answer->body);
	item->has_payload = true;
	launch_when_read(item);
}

/* What it takes to launch it, unless it is here or on its way. */
static void
read_ahead(struct ol_item *item)
{
	struct ol_store *store = ol_core_store(item->engine, item->task);
	const uint8_t *id = item->task->id.bytes;

	if (item->row == NULL && item->row_request == NULL)
		item->row_request = ol_store_get(store, id, on_row, item);
	if (!item->has_payload && item->payload_request == NULL)
		item->payload_request =
		    ol_store_payload(store, id, on_payload, item);
}

void
ol_attempt_prepare(struct ol_item *item)
{
	if (!item->stale && !item->engine->closing)
		read_ahead(item);
}

void
ol_attempt_spawn(void *engine, struct ol_task *task)
{
	struct ol_engine *e = engine;
	struct ol_item *item = ol_item_of(e, task);

	item->is_due = true;
	if (item->stale) {
		ol_failure_set(&item->failure, "refused",
		    "its row in the store was changed by somebody else");
		end_unbegun(item, OL_OUTCOME_FAIL, false);
	} else if (e->closing)
		end_unbegun(item, OL_OUTCOME_INTERRUPTED, false);
	else if (item->row != NULL && item->has_payload)
		launch(item);
	else
		read_ahead(item);
}

void
ol_attempt_stop(void *engine, struct ol_task *task, enum ol_stop how)
{
	static const enum ol_run_stop stops[] = {
		[OL_STOP_CANCEL] = OL_RUN_CANCEL,
		[OL_STOP_INTERRUPT] = OL_RUN_INTERRUPT,
		[OL_STOP_KILL] = OL_RUN_KILL,
	};
	struct ol_engine *e = engine;
	struct ol_item *item = ol_item_of(e, task);

	if (item->running != NULL)
		ol_run_stop(item->running, stops[how]);
	else
		item->is_stopped = true;
}

static void
on_progress(void *arg, int percent, const char *text)
{
	struct ol_item *item = arg;

	if (percent >= 0)
		item->progress = percent > 100 ? 100 : percent;
	if (text != NULL) {
		free(item->progress_text);
		item->progress_text = ol_must(strdup(text));
	}
	ol_await_changed(item);
}

static void
on_extend(void *arg, int64_t nsec)
{
	ol_drain_extend(arg, nsec);
}

/* Headers that the store does not take any more are left out. */
static char *
bounded_reply(const char *reply)
{
	size_t len = strnlen(reply, OL_ROW_CONTEXT_MAX + 1);

	if (len > OL_ROW_CONTEXT_MAX)
		for (len = OL_ROW_CONTEXT_MAX; len > 0; len--)
			if (reply[len - 1] == '\n')
				break;
	return ol_must(strndup(reply, len));
}

/* Keep what is to be written. */
static void
keep_end(struct ol_item *item, const struct ol_run_end *end)
{
	struct ol_failure *failure = &item->failure;
	size_t size = end->error_size;
	const char *text = end->error_text;

	ol_failure_fini(failure);
	failure->kind = end->kind;
	memcpy(failure->message, end->message, sizeof(failure->message));
	failure->message[sizeof(failure->message) - 1] = '\0';
	failure->exit = end->exit;
	failure->signal = end->signal;
	if (size > OL_ROW_LOG_MAX) {
		text += size - OL_ROW_LOG_MAX;
		size = OL_ROW_LOG_MAX;
	}
	if (size > 0 && (failure->text = malloc(size)) != NULL) {
		memcpy(failure->text, text, size);
		failure->size = size;
	}
	/* Stopping it was our own doing: that is no error. */
	if (item->ending.outcome == OL_OUTCOME_OK ||
	    (item->ending.outcome == OL_OUTCOME_INTERRUPTED &&
		!item->ending.unreachable))
		failure->kind = NULL;
	item->result = ol_body_ref(end->result);
	if (end->result_type != NULL &&
	    strlen(end->result_type) <= OL_ROW_TEXT_MAX)
		item->result_type = ol_must(strdup(end->result_type));
	if (end->reply != NULL)
		item->reply = bounded_reply(end->reply);
}

static void
on_end(void *arg, const struct ol_run_end *end)
{
	struct ol_item *item = arg;
	struct ol_engine *e = item->engine;

	OL_FAILPOINT("ended");
	item->running = NULL;
	item->ending = end->ending;
	keep_end(item, end);
	ol_scheduler_ended(e->scheduler, &item->task->id, item->task->attempt,
	    &item->ending, ol_clock_now());
	ol_core_soon(e);
}
