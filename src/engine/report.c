#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/core.h"

/* So much of what a program said last stands in the log. */
enum { WORDS_MAX = 200 };

void
ol_report_about(
    const struct ol_engine *e, const struct ol_task *task, struct ol_log *log)
{
	char id[OL_ID_TEXT_SIZE];

	ol_id_format(&task->id, id);
	ol_log_about(log, "task %s %s", id,
	    ol_scheduler_queue_of(e->scheduler, task)->name);
}

/* The last line of its standard error that is not blank; *len 0: none. */
static const char *
last_words(const struct ol_failure *f, int *len)
{
	size_t end = f->size, start;

	while (end > 0 && isspace((unsigned char)f->text[end - 1]))
		end--;
	for (start = end; start > 0 && f->text[start - 1] != '\n'; start--)
		;
	*len = end - start < WORDS_MAX ? (int)(end - start) : WORDS_MAX;
	return f->text + start;
}

/* Why its attempt ended: ": exit 1, \"No such file\"", or "". */
static const char *
reason(const struct ol_item *item, char *buf, size_t size)
{
	const struct ol_failure *f = item != NULL ? &item->failure : NULL;
	const char *words;
	int n, len = 0;

	buf[0] = '\0';
	if (f == NULL || f->kind == NULL)
		return buf;
	n = snprintf(
	    buf, size, ": %s", f->message[0] != '\0' ? f->message : f->kind);
	words = f->text != NULL ? last_words(f, &len) : NULL;
	if (len > 0 && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, ", \"%.*s\"", len, words);
	return buf;
}

/* The same of a task that gives up, which may be without an attempt of this
 * life. */
static const char *
last_reason(const struct ol_item *item, const char *why)
{
	if (why[0] == '\0' && item != NULL && item->row != NULL &&
	    item->row->state == OL_ROW_RUNNING)
		return ": outlast itself ended meanwhile";
	return why;
}

static void
on_waiting(const struct ol_log *log, const struct ol_queue *q,
    const struct ol_task *task, const struct ol_item *item, const char *why,
    enum ol_task_event event)
{
	int64_t now = ol_clock_now();

	if (event == OL_EVENT_RETRYING)
		ol_log_notice(log, "attempt %u failed%s; again in %d s",
		    task->attempt, why,
		    ol_clock_seconds_left(
			ol_clock_after(task->due, OL_MSEC(500)), now));
	else if (item != NULL && item->ending.outcome == OL_OUTCOME_LOST)
		ol_log_notice(log, "attempt %u was lost%s; again at once",
		    task->attempt, why);
	else if (item != NULL && item->ending.unreachable)
		ol_log_warn(log,
		    "attempt %u did not begin%s; it does not count, the next "
		    "one of its type in %d s",
		    task->attempt, why,
		    ol_clock_seconds_left(
			ol_clock_after(q->backoff_until, OL_MSEC(500)), now));
	else
		ol_log_info(log, "attempt %u was stopped; it does not count",
		    task->attempt);
}

void
ol_report_moved(const struct ol_engine *e, const struct ol_task *task,
    const struct ol_item *item, enum ol_task_event event)
{
	char why[OL_RUN_MESSAGE_MAX + WORDS_MAX + 16];
	int64_t ms = 0;
	struct ol_log log;

	switch (event) {
	case OL_EVENT_STARTED:
	case OL_EVENT_SUCCEEDED:
	case OL_EVENT_FAILED:
	case OL_EVENT_GAVE_UP:
	case OL_EVENT_POISONED:
	case OL_EVENT_EXPIRED:
	case OL_EVENT_CANCELLED:
	case OL_EVENT_RETRYING:
	case OL_EVENT_REQUEUED:
		break;
	case OL_EVENT_CANCEL:
		if (task->state == OL_TASK_CANCELLING)
			break;
		return;
	default:
		return;
	}
	ol_report_about(e, task, &log);
	reason(item, why, sizeof(why));
	if (item != NULL && item->began != 0)
		ms = (ol_clock_now() - item->began) / OL_MSEC(1);
	switch (event) {
	case OL_EVENT_STARTED:
		ol_log_info(&log, "attempt %u starts", task->attempt);
		break;
	case OL_EVENT_SUCCEEDED:
		ol_log_info(&log, "attempt %u succeeded after %lld ms",
		    task->attempt, (long long)ms);
		break;
	case OL_EVENT_FAILED:
		ol_log_warn(&log, "attempt %u failed%s; not tried again",
		    task->attempt, why);
		break;
	case OL_EVENT_GAVE_UP:
		ol_log_warn(&log, "attempt %u failed%s; it was the last one",
		    task->attempt, last_reason(item, why));
		break;
	case OL_EVENT_POISONED:
		ol_log_warn(&log,
		    "attempt %u crashed%s; poisoned after %u crashes",
		    task->attempt, why, task->crashes);
		break;
	case OL_EVENT_EXPIRED:
		ol_log_warn(&log, "failed: it was not started in time");
		break;
	case OL_EVENT_CANCEL:
		ol_log_info(&log, "cancelled: attempt %u is told to stop",
		    task->attempt);
		break;
	case OL_EVENT_CANCELLED:
		ol_log_info(&log, "cancelled");
		break;
	default:
		on_waiting(&log, ol_scheduler_queue_of(e->scheduler, task),
		    task, item, why, event);
		break;
	}
}

void
ol_report_parked(const struct ol_engine *e)
{
	const struct ol_queue *q = NULL;

	/* Before the first of them is moved: once for each time. */
	while ((q = ol_scheduler_queue_after(e->scheduler, q)) != NULL)
		if (q->removed && q->parked.n == 0 && ol_queue_waiting(q) > 0)
			ol_log_warn(NULL,
			    "task %s is not configured any more: %u that wait "
			    "are parked until it is again",
			    q->name, ol_queue_waiting(q));
		else if (!q->removed && q->parked.n > 0)
			ol_log_notice(NULL,
			    "task %s is configured again: %u that were parked "
			    "go on",
			    q->name, q->parked.n);
}

void
ol_report_refused(const struct ol_engine *e, const struct ol_task *task,
    enum ol_task_event event)
{
	struct ol_log log;

	ol_report_about(e, task, &log);
	ol_log_error(&log, "a bug: %s in state %d", ol_state_event_name(event),
	    task->state);
}
