#include "base/clock.h"
#include "engine/core.h"

/*
 * The scheduler tells all attempts to stop by the deadline of the whole stop.
 * Here are those that have less: their type's shutdown_delay, or the first
 * deadline when it was moved for the sake of another one.
 */
enum { TOLD_NOTHING, TOLD_TO_END, TOLD_TO_DIE };

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
deadline_of(const struct ol_engine *e, const struct ol_item *item)
{
	const char *type =
	    ol_scheduler_queue_of(e->scheduler, item->task)->name;
	const struct ol_conf_task *conf = ol_core_type(e, type);

	if (conf == NULL || e->deadline == OL_NEVER)
		return e->deadline;
	return sooner(
	    e->deadline, ol_clock_after(e->drain_since, conf->shutdown_delay));
}

static bool
is_running(const struct ol_item *item)
{
	return item->task->state == OL_TASK_RUNNING ||
	       item->task->state == OL_TASK_CANCELLING;
}

/* Tell it what is due; returns when there is more to tell. */
static int64_t
tell(struct ol_engine *e, struct ol_item *item, int64_t now)
{
	int64_t left = item->stop_at - now;

	if (item->stop_at >= e->deadline || item->told == TOLD_TO_DIE)
		return OL_NEVER;
	if (left <= 0) {
		item->told = TOLD_TO_DIE;
		ol_scheduler_stop(e->scheduler, item->task, OL_STOP_KILL);
		return OL_NEVER;
	}
	if (left > e->grace)
		return item->stop_at - e->grace;
	if (item->told == TOLD_NOTHING) {
		item->told = TOLD_TO_END;
		ol_scheduler_stop(e->scheduler, item->task, OL_STOP_INTERRUPT);
	}
	return item->stop_at;
}

void
ol_drain_tell(void *engine)
{
	struct ol_engine *e = engine;
	int64_t now = ol_clock_now(), next = OL_NEVER;
	uint32_t handle = 0;
	struct ol_item *item;

	while ((item = ol_items_next(&e->items, &handle)) != NULL)
		if (is_running(item))
			next = sooner(next, tell(e, item, now));
	ol_timer_at(e->drainer, next);
}

void
ol_drain_extend(struct ol_item *item, int64_t asked)
{
	struct ol_engine *e = item->engine;
	int64_t now = ol_clock_now(), until;

	if (!e->draining || e->deadline == OL_NEVER)
		return;
	until = sooner(ol_clock_after(now, asked),
	    ol_clock_after(e->drain_since, e->conf->shutdown_delay_max));
	/* What was given is not taken back. */
	if (until <= item->stop_at)
		return;
	item->stop_at = until;
	item->told = TOLD_NOTHING;
	if (until > e->deadline) {
		e->deadline = until;
		ol_scheduler_drain(e->scheduler, until, e->grace, now);
		ol_core_soon(e);
		if (e->options.on_deadline != NULL)
			e->options.on_deadline(e->options.arg, until);
	}
	ol_drain_tell(e);
}

void
ol_engine_drain(struct ol_engine *e, int64_t deadline, int64_t grace)
{
	uint32_t handle = 0;
	struct ol_item *item;

	/* A limit that follows none counts from now. */
	if (!e->draining || e->deadline == OL_NEVER)
		e->drain_since = ol_clock_now();
	e->draining = true;
	e->deadline = deadline;
	e->grace = grace;
	while ((item = ol_items_next(&e->items, &handle)) != NULL)
		if (is_running(item))
			item->stop_at = deadline_of(e, item);
	ol_scheduler_drain(e->scheduler, deadline, grace, ol_clock_now());
	ol_drain_tell(e);
	ol_await_drain(e);
	ol_core_soon(e);
}
