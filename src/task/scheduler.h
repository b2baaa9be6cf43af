/*
 * All queues together: the only mover of tasks. Pure: now and randomness come
 * from the caller, and what must be done in the world is asked of its hands.
 * One thread.
 *
 * Who decides what. The scheduler orders all moves in memory; the store
 * follows. Where a move must be on disk before anything builds on it, the
 * scheduler asks for a write, moves no further, and is told the end of it by
 * ol_scheduler_written(): at most one write of a task is under way at a time.
 *
 *   submit   the caller writes it; not to be found until then; a failed write
 *            drops it. A task that can start at once is written as running.
 *   start    charged (attempt rises) and written, then spawned. Cancelled in
 *            between, it is not spawned. A failed write refunds it.
 *   end      holds its slot until written; a failed write is repeated. After
 *            the last run another task may start meanwhile: the write of that
 *            start goes with the one of the end, or behind it.
 *
 * A failed write means: known not to be on disk. What is unknown the store
 * must find out first. After one, nothing is started or written again for
 * 50 ms, doubled each time up to 2 s, until a write succeeds.
 *
 * Not written, because a restart concludes the same: ready after a delay,
 * parked and back, and what a row "running" turns out to be (lost).
 */
#ifndef OL_TASK_SCHEDULER_H
#define OL_TASK_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "task/outcome.h"
#include "task/queue.h"
#include "task/rules.h"
#include "task/task.h"

struct ol_scheduler;

/* At most so much of each kind of work is done by one tick. */
#define OL_SCHEDULER_BATCH 256

/* What goes with a task that has a slot, from its start until the end is
 * written. */
struct ol_run {
	struct ol_rules rules; /* as they were when it began */
	uint32_t task;	       /* its handle */
	void *user;	       /* the caller's; NULL when it begins */
};

enum ol_stop {
	OL_STOP_CANCEL,	   /* ask it to end, then kill: its task is cancelled */
	OL_STOP_INTERRUPT, /* the drain: ask it to end */
	OL_STOP_KILL,	   /* the drain: end it now */
};

/*
 * The hands; none may call back into the scheduler. Tasks are borrowed and
 * read-only.
 */
struct ol_scheduler_hands {
	/*
	 * Begin to write the task as it is (attempt, refunds, crashes, first;
	 * due for RETRYING) with the state ol_state_written(task->verdict);
	 * report to ol_scheduler_written().
	 */
	void (*write)(void *arg, struct ol_task *);

	/* Its start is on disk: run it; report to ol_scheduler_ended(). */
	void (*spawn)(void *arg, struct ol_task *);

	/* A spawned run is to stop. Its end is still to be reported. */
	void (*stop)(void *arg, struct ol_task *, enum ol_stop);

	/*
	 * It moved by that event and is in task->state now: for the log, and
	 * for who waits for it. The run is that of a task which has a slot, or
	 * had one until now (then it is freed when this returns); else NULL.
	 * In an end, or OL_TASK_NONE (its submit failed), the task is freed,
	 * too.
	 */
	void (*moved)(void *arg, struct ol_task *, struct ol_run *,
	    enum ol_task_state from, enum ol_task_event);

	/* A pair that the table refuses: a bug. Nothing was changed. */
	void (*refused)(void *arg, const struct ol_task *, enum ol_task_event);

	/* 32 random bits, for the spread of retries. */
	uint32_t (*dice)(void *arg);
};

/* One configured task type. */
struct ol_task_type {
	const char *name;
	struct ol_rules rules;
};

/* hands and arg are borrowed. limit: tasks started at once over all types. */
struct ol_scheduler *ol_scheduler_new(
    const struct ol_scheduler_hands *hands, void *arg, uint32_t limit);
void ol_scheduler_free(struct ol_scheduler *);

/*
 * These are the types from now on (all of them; copied). Runs keep the rules
 * that they began with; waiting tasks take the new ones. The tasks of a type
 * that is not there any more are parked, batch by batch, and wait for its
 * return.
 */
void ol_scheduler_configure(struct ol_scheduler *, const struct ol_task_type *,
    size_t n, uint32_t limit, int64_t now);

/*
 * Do all that is due, in bounded batches. Returns when to call again:
 * OL_NEVER; a time after now; or now itself, when a batch was full and work
 * is left. Must be called after each of the calls below too (once after
 * several).
 */
int64_t ol_scheduler_tick(struct ol_scheduler *, int64_t now);

enum ol_submitted {
	OL_SUBMITTED,	    /* *task: SUBMITTED or ENTERING */
	OL_SUBMIT_FULL,	    /* max_waiting reached, or no memory */
	OL_SUBMIT_DRAINING, /* not durable, and we are about to end */
	OL_SUBMIT_UNKNOWN_TYPE,
	OL_SUBMIT_EXISTS, /* a task has that id */
};

struct ol_submit {
	struct ol_id id; /* greater than that of earlier submits */
	const char *type;
	int64_t due;  /* not to start before; any time past: at once */
	int priority; /* -100 … 100 */
};

/*
 * A new task. The caller writes it as it is (ENTERING: running, attempt 1)
 * and reports that to ol_scheduler_written(); hands->write is not called.
 */
enum ol_submitted ol_scheduler_submit(struct ol_scheduler *,
    const struct ol_submit *, int64_t now, struct ol_task **task);

/* What the store knows of a task that has not ended. */
struct ol_loaded {
	struct ol_id id;
	const char *type;
	/* SCHEDULED, READY, RETRYING, PARKED, or RUNNING: its run was lost */
	enum ol_task_state state;
	int64_t due; /* READY: since when */
	int priority;
	uint32_t attempt;
	uint16_t refunds;
	uint8_t crashes;
	bool interrupted; /* READY: it goes first */
	bool cancelled;	  /* RUNNING: it was told to end for good */
};

/*
 * Take a task of an earlier life, before the first tick. max_waiting does not
 * count here. A lost run that was cancelled, or the last one allowed, is an end
 * to be written: hands->write is called. Aborts without memory; -1 when a task
 * has that id already, or the record cannot be true.
 */
int ol_scheduler_load(
    struct ol_scheduler *, const struct ol_loaded *, int64_t now);

/*
 * The write in flight of a task ended: on disk, or known not to be. The task
 * may be freed when this returns.
 */
void ol_scheduler_written(
    struct ol_scheduler *, struct ol_task *, bool on_disk, int64_t now);

/*
 * The write of a submit ended: the store works and did not take the task, which
 * is not to be (its key has a task already). It is freed when this returns.
 */
void ol_scheduler_withdrawn(
    struct ol_scheduler *, struct ol_task *, int64_t now);

/*
 * The run of that attempt ended. -1: no such run any more (the fence): a
 * result that came with it must be thrown away.
 */
int ol_scheduler_ended(struct ol_scheduler *, const struct ol_id *,
    uint32_t attempt, const struct ol_ending *, int64_t now);

enum ol_cancelled {
	OL_CANCEL_UNKNOWN,   /* not here, or not visible */
	OL_CANCEL_UNSTARTED, /* it does not run; cancelled when that is written
			      */
	/*
	 * Told to stop; a run that is OK anyway counts. Not written here: the
	 * caller marks what the store has, before the end, so that
	 * ol_loaded.cancelled says so in the next life.
	 */
	OL_CANCEL_RUNNING,
	OL_CANCEL_ENDED, /* it has ended: only the write is missing */
};

enum ol_cancelled ol_scheduler_cancel(
    struct ol_scheduler *, const struct ol_id *, int64_t now);

/* Start no task of the type, until told otherwise. -1: unknown type. */
int ol_scheduler_pause(
    struct ol_scheduler *, const char *type, bool paused, int64_t now);

/*
 * Start nothing any more. What runs is told to stop at deadline - grace
 * (OL_STOP_INTERRUPT) and at deadline (OL_STOP_KILL); OL_NEVER: no limit.
 * Interrupted runs are refunded and go first in the next life. A second call
 * replaces the times.
 */
void ol_scheduler_drain(
    struct ol_scheduler *, int64_t deadline, int64_t grace, int64_t now);

/*
 * In a drain: tell one run before the others, OL_STOP_INTERRUPT or
 * OL_STOP_KILL. It is refunded as they are. Of what does not run: nothing.
 */
void ol_scheduler_stop(struct ol_scheduler *, struct ol_task *, enum ol_stop);

/* Tasks with a slot: those that run, and those whose write is under way before
 * or after that. */
uint32_t ol_scheduler_running(const struct ol_scheduler *);

/*
 * Nothing runs and nothing is left to be written: a drain is done. (A cancel
 * whose write failed has no slot any more, but waits for its write.)
 */
bool ol_scheduler_is_settled(const struct ol_scheduler *);

/* All tasks, the invisible ones too. */
uint32_t ol_scheduler_tasks(const struct ol_scheduler *);

/* The visible task with that id, or NULL. */
struct ol_task *ol_scheduler_find(
    const struct ol_scheduler *, const struct ol_id *);

/* The run of a task with a slot. */
struct ol_run *ol_scheduler_run(
    const struct ol_scheduler *, const struct ol_task *);

/* The queue of a task, of a type (NULL: unknown), or the next by name. */
const struct ol_queue *ol_scheduler_queue_of(
    const struct ol_scheduler *, const struct ol_task *);
const struct ol_queue *ol_scheduler_queue(
    struct ol_scheduler *, const char *type);
const struct ol_queue *ol_scheduler_queue_after(
    struct ol_scheduler *, const struct ol_queue *);

#endif
