/*
 * The queue of one task type: which of its tasks may start, and when it has
 * something to do. It files tasks by their state and knows no other queue; the
 * scheduler moves them.
 *
 * Ready tasks go in the order: interrupted ones, higher priority, earlier
 * submit. All calls are O(log n).
 */
#ifndef OL_TASK_QUEUE_H
#define OL_TASK_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "task/heap.h"
#include "task/rules.h"
#include "task/table.h"
#include "task/task.h"

struct ol_queue {
	char *name;
	uint16_t number; /* of task->queue */
	bool removed;	 /* not configured any more: rules are stale */
	bool paused;	 /* by hand: nothing is started */
	struct ol_rules rules;

	struct ol_heap ready;
	struct ol_heap age;	/* READY: oldest never-started first */
	struct ol_heap delayed; /* SCHEDULED and RETRYING, by due */
	struct ol_heap parked;	/* by id */
	uint32_t tasks;		/* in all states */
	uint32_t submitted;	/* SUBMITTED: they count as waiting */
	uint32_t busy;		/* of concurrency: they run, or are about to */
	uint32_t ending;	/* FINISHING */

	int64_t backoff_until; /* after an unreachable backend; 0: none */
	int64_t backoff;       /* the last delay; 0: none since a success */

	/* The scheduler's. */
	RB_ENTRY(ol_queue) by_name;
	RB_ENTRY(ol_queue) by_wake;
	TAILQ_ENTRY(ol_queue) startable;
	int64_t wake;	   /* as of the last change */
	bool is_startable; /* on that list */
};

/* A removed queue without tasks; aborts without memory. Owned by the caller. */
struct ol_queue *ol_queue_new(
    const struct ol_table *, const char *name, uint16_t number);

/* Frees the queue, not its tasks. */
void ol_queue_free(struct ol_queue *);

/* Memory for n tasks in all, so that no filing can fail. -1: there is none. */
int ol_queue_reserve(struct ol_queue *, uint32_t n);

/* Put the task where its state says, or take it away from there. */
void ol_queue_file(struct ol_queue *, struct ol_task *);
void ol_queue_unfile(struct ol_queue *, struct ol_task *);

/* Scheduled, ready, retrying, and submitted to become one of these. */
uint32_t ol_queue_waiting(const struct ol_queue *);

/*
 * Whether one task more may run now. Ends that wait to be written do not count,
 * but with what runs they are at most twice what may run: a slow store cannot
 * pile them up.
 */
bool ol_queue_has_slot(const struct ol_queue *, int64_t now);

/* The ready task that goes first, or NULL. */
struct ol_task *ol_queue_next(const struct ol_queue *);

/* Since when the oldest ready task waits (never-started ones first). */
int64_t ol_queue_oldest(const struct ol_queue *);

/* One task whose time came: delayed and due, or ready too long; else NULL. */
struct ol_task *ol_queue_due(const struct ol_queue *, int64_t now);
struct ol_task *ol_queue_expired(const struct ol_queue *, int64_t now);

/* One waiting task of a removed queue; one parked task of another; or NULL. */
struct ol_task *ol_queue_to_park(const struct ol_queue *);
struct ol_task *ol_queue_to_unpark(const struct ol_queue *);

/* When one of these four, or the end of a back-off, is due. OL_NEVER. */
int64_t ol_queue_wake(const struct ol_queue *, int64_t now);

/*
 * The executor could not start a task, or reach its backend: start none for
 * 1 s, doubled each time up to 60 s. Told again within that time, it changes
 * nothing: the runs of one moment fail together.
 */
void ol_queue_unreachable(struct ol_queue *, int64_t now);
void ol_queue_reached(struct ol_queue *);

#endif
