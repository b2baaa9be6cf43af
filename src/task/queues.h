/*
 * All queues of a scheduler: by name, by number, by when they have something to
 * do, and those that may start a task, taking turns.
 */
#ifndef OL_TASK_QUEUES_H
#define OL_TASK_QUEUES_H

#include <stddef.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "task/queue.h"

struct ol_queues {
	RB_HEAD(ol_queue_names, ol_queue) names;
	RB_HEAD(ol_queue_wakes, ol_queue) wakes;
	/* With a ready task and a free slot; whose turn is next comes first. */
	TAILQ_HEAD(, ol_queue) startable;
	struct ol_queue **numbers; /* by q->number; NULL: free */
	size_t n;
};

void ol_queues_init(struct ol_queues *);

/* Frees the queues, too. */
void ol_queues_fini(struct ol_queues *);

/* NULL: there is none of that name. */
struct ol_queue *ol_queues_find(struct ol_queues *, const char *name);

/* A new, removed queue. Aborts without memory, or beyond 65536 queues. */
struct ol_queue *ol_queues_add(
    struct ol_queues *, const struct ol_table *, const char *name);

/* Frees the queue, which has no task. */
void ol_queues_drop(struct ol_queues *, struct ol_queue *);

/* Something about the queue changed: is it startable, and when is it due? */
void ol_queues_refresh(struct ol_queues *, struct ol_queue *, int64_t now);

/* The queue with the earliest q->wake, or NULL. */
struct ol_queue *ol_queues_first_due(struct ol_queues *);

/* The queue whose turn it is to start a task, or NULL. */
struct ol_queue *ol_queues_turn(const struct ol_queues *);

/* It had its turn; the next refresh puts it behind the others. */
void ol_queues_end_turn(struct ol_queues *, struct ol_queue *);

/* The next by name; of NULL the first; NULL after the last. */
struct ol_queue *ol_queues_after(struct ol_queues *, const struct ol_queue *);

#endif
