#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "task/queue.h"

static const int64_t backoff_first = OL_SEC(1);
static const int64_t backoff_most = OL_SEC(60);

static bool
goes_first(const struct ol_task *a, const struct ol_task *b)
{
	if (a->first != b->first)
		return a->first;
	if (a->priority != b->priority)
		return a->priority > b->priority;
	return ol_id_compare(&a->id, &b->id) < 0;
}

/* Only a task that was never started can expire. */
static bool
never_started(const struct ol_task *task)
{
	return !task->first && ol_task_charged(task) == 0;
}

static bool
waits_longer(const struct ol_task *a, const struct ol_task *b)
{
	if (never_started(a) != never_started(b))
		return never_started(a);
	return a->due < b->due;
}

static bool
is_due_before(const struct ol_task *a, const struct ol_task *b)
{
	return a->due < b->due;
}

static bool
was_submitted_before(const struct ol_task *a, const struct ol_task *b)
{
	return ol_id_compare(&a->id, &b->id) < 0;
}

static const struct ol_heap_order ready_order = { goes_first,
	offsetof(struct ol_task, place) };
static const struct ol_heap_order age_order = { waits_longer,
	offsetof(struct ol_task, age) };
static const struct ol_heap_order delayed_order = { is_due_before,
	offsetof(struct ol_task, place) };
static const struct ol_heap_order parked_order = { was_submitted_before,
	offsetof(struct ol_task, place) };

struct ol_queue *
ol_queue_new(const struct ol_table *table, const char *name, uint16_t number)
{
	struct ol_queue *q = ol_must(calloc(1, sizeof(*q)));

	q->name = ol_must(strdup(name));
	q->number = number;
	q->removed = true;
	q->wake = OL_NEVER;
	ol_heap_init(&q->ready, table, &ready_order);
	ol_heap_init(&q->age, table, &age_order);
	ol_heap_init(&q->delayed, table, &delayed_order);
	ol_heap_init(&q->parked, table, &parked_order);
	return q;
}

void
ol_queue_free(struct ol_queue *q)
{
	if (q == NULL)
		return;
	ol_heap_fini(&q->ready);
	ol_heap_fini(&q->age);
	ol_heap_fini(&q->delayed);
	ol_heap_fini(&q->parked);
	free(q->name);
	free(q);
}

int
ol_queue_reserve(struct ol_queue *q, uint32_t n)
{
	/* Pages that are never written cost nothing. */
	return ol_heap_reserve(&q->ready, n) == -1 ||
		       ol_heap_reserve(&q->age, n) == -1 ||
		       ol_heap_reserve(&q->delayed, n) == -1 ||
		       ol_heap_reserve(&q->parked, n) == -1
		   ? -1
		   : 0;
}

void
ol_queue_file(struct ol_queue *q, struct ol_task *task)
{
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_SUBMITTED:
		q->submitted++;
		break;
	case OL_TASK_SCHEDULED:
	case OL_TASK_RETRYING:
		ol_heap_add(&q->delayed, task);
		break;
	case OL_TASK_READY:
		ol_heap_add(&q->ready, task);
		ol_heap_add(&q->age, task);
		break;
	case OL_TASK_PARKED:
		ol_heap_add(&q->parked, task);
		break;
	case OL_TASK_FINISHING:
		q->ending++;
		break;
	default:
		q->busy += ol_state_is_busy((enum ol_task_state)task->state);
		break;
	}
}

void
ol_queue_unfile(struct ol_queue *q, struct ol_task *task)
{
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_SUBMITTED:
		q->submitted--;
		break;
	case OL_TASK_SCHEDULED:
	case OL_TASK_RETRYING:
		ol_heap_remove(&q->delayed, task);
		break;
	case OL_TASK_READY:
		ol_heap_remove(&q->ready, task);
		ol_heap_remove(&q->age, task);
		break;
	case OL_TASK_PARKED:
		ol_heap_remove(&q->parked, task);
		break;
	case OL_TASK_FINISHING:
		q->ending--;
		break;
	default:
		q->busy -= ol_state_is_busy((enum ol_task_state)task->state);
		break;
	}
}

uint32_t
ol_queue_waiting(const struct ol_queue *q)
{
	return q->submitted + q->delayed.n + q->ready.n;
}

bool
ol_queue_has_slot(const struct ol_queue *q, int64_t now)
{
	return !q->removed && !q->paused && q->backoff_until <= now &&
	       q->busy < q->rules.concurrency &&
	       (q->busy + q->ending) / 2 < q->rules.concurrency;
}

struct ol_task *
ol_queue_next(const struct ol_queue *q)
{
	return ol_heap_first(&q->ready);
}

int64_t
ol_queue_oldest(const struct ol_queue *q)
{
	const struct ol_task *task = ol_heap_first(&q->age);

	return task == NULL ? OL_NEVER : task->due;
}

struct ol_task *
ol_queue_due(const struct ol_queue *q, int64_t now)
{
	struct ol_task *task = ol_heap_first(&q->delayed);

	return task != NULL && task->due <= now ? task : NULL;
}

static int64_t
expiry(const struct ol_queue *q)
{
	const struct ol_task *task = ol_heap_first(&q->age);

	if (task == NULL || q->rules.expires == 0 || !never_started(task))
		return OL_NEVER;
	return ol_clock_after(task->due, q->rules.expires);
}

struct ol_task *
ol_queue_expired(const struct ol_queue *q, int64_t now)
{
	return expiry(q) <= now ? ol_heap_first(&q->age) : NULL;
}

struct ol_task *
ol_queue_to_park(const struct ol_queue *q)
{
	struct ol_task *task;

	if (!q->removed)
		return NULL;
	task = ol_heap_first(&q->ready);
	return task != NULL ? task : ol_heap_first(&q->delayed);
}

struct ol_task *
ol_queue_to_unpark(const struct ol_queue *q)
{
	return q->removed ? NULL : ol_heap_first(&q->parked);
}

int64_t
ol_queue_wake(const struct ol_queue *q, int64_t now)
{
	const struct ol_task *delayed = ol_heap_first(&q->delayed);
	int64_t wake;

	if (q->removed)
		return ol_queue_to_park(q) != NULL ? now : OL_NEVER;
	if (q->parked.n > 0)
		return now;
	wake = expiry(q);
	if (delayed != NULL && delayed->due < wake)
		wake = delayed->due;
	if (q->ready.n > 0 && q->backoff_until > now && q->backoff_until < wake)
		wake = q->backoff_until;
	return wake;
}

void
ol_queue_unreachable(struct ol_queue *q, int64_t now)
{
	if (q->backoff_until > now)
		return;
	if (q->backoff == 0)
		q->backoff = backoff_first;
	else if (q->backoff < backoff_most / 2)
		q->backoff *= 2;
	else
		q->backoff = backoff_most;
	q->backoff_until = ol_clock_after(now, q->backoff);
}

void
ol_queue_reached(struct ol_queue *q)
{
	q->backoff = 0;
	q->backoff_until = 0;
}
