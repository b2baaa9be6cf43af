#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "task/queues.h"

static int
compare_names(struct ol_queue *a, struct ol_queue *b)
{
	return strcmp(a->name, b->name);
}

static int
compare_wakes(struct ol_queue *a, struct ol_queue *b)
{
	if (a->wake != b->wake)
		return a->wake < b->wake ? -1 : 1;
	return a->number - b->number;
}

RB_GENERATE_INTERNAL(ol_queue_names, ol_queue, by_name, compare_names,
    __attribute__((unused)) static)
RB_GENERATE_INTERNAL(ol_queue_wakes, ol_queue, by_wake, compare_wakes,
    __attribute__((unused)) static)

void
ol_queues_init(struct ol_queues *queues)
{
	memset(queues, 0, sizeof(*queues));
	RB_INIT(&queues->names);
	RB_INIT(&queues->wakes);
	TAILQ_INIT(&queues->startable);
}

void
ol_queues_fini(struct ol_queues *queues)
{
	size_t i;

	for (i = 0; i < queues->n; i++)
		ol_queue_free(queues->numbers[i]);
	free(queues->numbers);
	ol_queues_init(queues);
}

struct ol_queue *
ol_queues_find(struct ol_queues *queues, const char *name)
{
	union {
		const char *given;
		char *name;
	} u = { .given = name };
	struct ol_queue key = { .name = u.name };

	return RB_FIND(ol_queue_names, &queues->names, &key);
}

struct ol_queue *
ol_queues_add(
    struct ol_queues *queues, const struct ol_table *table, const char *name)
{
	struct ol_queue *q;
	size_t number = 0;

	while (number < queues->n && queues->numbers[number] != NULL)
		number++;
	ol_must(number <= UINT16_MAX ? queues : NULL);
	if (number == queues->n) {
		queues->numbers = ol_must(reallocarray(
		    queues->numbers, number + 1, sizeof(struct ol_queue *)));
		queues->n++;
	}
	q = ol_queue_new(table, name, (uint16_t)number);
	queues->numbers[number] = q;
	RB_INSERT(ol_queue_names, &queues->names, q);
	RB_INSERT(ol_queue_wakes, &queues->wakes, q);
	return q;
}

void
ol_queues_drop(struct ol_queues *queues, struct ol_queue *q)
{
	ol_queues_end_turn(queues, q);
	RB_REMOVE(ol_queue_wakes, &queues->wakes, q);
	RB_REMOVE(ol_queue_names, &queues->names, q);
	queues->numbers[q->number] = NULL;
	ol_queue_free(q);
}

void
ol_queues_refresh(struct ol_queues *queues, struct ol_queue *q, int64_t now)
{
	bool startable = q->ready.n > 0 && ol_queue_has_slot(q, now);
	int64_t wake = ol_queue_wake(q, now);

	if (!startable)
		ol_queues_end_turn(queues, q);
	else if (!q->is_startable)
		TAILQ_INSERT_TAIL(&queues->startable, q, startable);
	q->is_startable = startable;
	if (wake != q->wake) {
		RB_REMOVE(ol_queue_wakes, &queues->wakes, q);
		q->wake = wake;
		RB_INSERT(ol_queue_wakes, &queues->wakes, q);
	}
}

struct ol_queue *
ol_queues_first_due(struct ol_queues *queues)
{
	return RB_MIN(ol_queue_wakes, &queues->wakes);
}

struct ol_queue *
ol_queues_turn(const struct ol_queues *queues)
{
	return TAILQ_FIRST(&queues->startable);
}

void
ol_queues_end_turn(struct ol_queues *queues, struct ol_queue *q)
{
	if (q->is_startable)
		TAILQ_REMOVE(&queues->startable, q, startable);
	q->is_startable = false;
}

struct ol_queue *
ol_queues_after(struct ol_queues *queues, const struct ol_queue *q)
{
	if (q == NULL)
		return RB_MIN(ol_queue_names, &queues->names);
	return RB_NEXT(
	    ol_queue_names, &queues->names, queues->numbers[q->number]);
}
