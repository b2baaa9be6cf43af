/*
 * The life of a task as one table: (state, event) → state. Memory orders all
 * moves and the store follows: a move that must be on disk first begins a
 * write and waits in a state of its own until that write is reported.
 */
#ifndef OL_TASK_STATE_H
#define OL_TASK_STATE_H

#include <stdbool.h>

/*
 * Behind each state: where its tasks are. "Slot" is one of the scheduler's
 * runs, and "busy" one of the type's concurrency, too; "write" is one in
 * flight, or one that failed and waits for the store to recover.
 */
enum ol_task_state {
	OL_TASK_NONE,	    /* nowhere: before the submit, after the end */
	OL_TASK_SUBMITTED,  /* invisible; write (the submit); no list */
	OL_TASK_ENTERING,   /* invisible; write (submit and start); busy */
	OL_TASK_SCHEDULED,  /* the queue's delayed heap */
	OL_TASK_READY,	    /* the queue's ready and age heaps */
	OL_TASK_STARTING,   /* write (the start, charged); busy */
	OL_TASK_RUNNING,    /* handed to the executor; busy */
	OL_TASK_CANCELLING, /* running and told to stop for good; busy */
	OL_TASK_REVOKED,    /* cancelled while written: that write; busy */
	OL_TASK_FINISHING,  /* its last run ended: write (the end); a slot */
	OL_TASK_RETURNING,  /* a run ended, more to come: write; busy */
	OL_TASK_RETRYING,   /* the queue's delayed heap */
	OL_TASK_PARKED,	    /* its type is not configured: the parked heap */
	OL_TASK_ENDING,	    /* cancelled or lapsed unrun: write; no list */
	OL_TASK_SUCCEEDED,  /* the store only: freed when this is reached */
	OL_TASK_FAILED,	    /* the same */
	OL_TASK_POISONED,   /* the same */
	OL_TASK_CANCELLED,  /* the same */
	OL_TASK_STATES
};

enum ol_task_event {
	OL_EVENT_SUBMIT,
	OL_EVENT_SUBMIT_RUNNING, /* submitted and started with one write */
	OL_EVENT_LOAD_SCHEDULED, /* read from the store, or its type is back */
	OL_EVENT_LOAD_READY,
	OL_EVENT_LOAD_RETRYING,

	OL_EVENT_DUE,
	OL_EVENT_START,
	OL_EVENT_LAPSE,	 /* expired, or its runs are used up: it must not run */
	OL_EVENT_END,	 /* the run ended; there is no other */
	OL_EVENT_RETURN, /* the run ended; there will be another */
	OL_EVENT_CANCEL,
	OL_EVENT_PARK,

	/* What the write in flight says, once it is on disk. */
	OL_EVENT_ADMITTED,
	OL_EVENT_ADMITTED_LATER,
	OL_EVENT_STARTED,
	OL_EVENT_SUCCEEDED,
	OL_EVENT_FAILED,   /* the executor said so */
	OL_EVENT_GAVE_UP,  /* retries used up */
	OL_EVENT_POISONED, /* crashed its host too often */
	OL_EVENT_EXPIRED,  /* not started in time */
	OL_EVENT_CANCELLED,
	OL_EVENT_RETRYING,
	OL_EVENT_REQUEUED, /* the run does not count */

	OL_EVENT_COMMIT_FAILED, /* the write is known not to be on disk */
	OL_EVENT_WITHDRAWN,	/* the store answered: it has another's key */
	OL_EVENT_COUNT
};

/* What ol_state_next() says to a pair that cannot be. */
#define OL_STATE_REFUSED OL_TASK_STATES

/* The state after event, or OL_STATE_REFUSED: a bug of the caller. */
enum ol_task_state ol_state_next(enum ol_task_state, enum ol_task_event);

/*
 * The state that a write which says so puts into the store: READY, SCHEDULED,
 * RUNNING, RETRYING or an end; OL_STATE_REFUSED for what no write says.
 */
enum ol_task_state ol_state_written(enum ol_task_event verdict);

/* Whether its tasks have one of the scheduler's runs. */
bool ol_state_has_slot(enum ol_task_state);

/*
 * Whether they take one of the type's concurrency, too. What has ended for good
 * and only waits for its write keeps nobody from starting; what returns does,
 * as it may have to go first.
 */
bool ol_state_is_busy(enum ol_task_state);

/*
 * The state as users see it ("ready", "running", …); NULL for what is
 * invisible. What waits for a write is still called what it was before.
 */
const char *ol_state_name(enum ol_task_state);

/* For the log: "SUBMIT", "COMMIT_FAILED", … */
const char *ol_state_event_name(enum ol_task_event);

#endif
