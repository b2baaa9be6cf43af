/*
 * How a run ended, and the one place that decides what comes of it. Executors
 * return an outcome and decide nothing else.
 */
#ifndef OL_TASK_OUTCOME_H
#define OL_TASK_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "task/rules.h"
#include "task/task.h"

enum ol_outcome {
	OL_OUTCOME_OK,
	OL_OUTCOME_RETRY,	/* not now */
	OL_OUTCOME_FAIL,	/* not ever */
	OL_OUTCOME_LOST,	/* nobody knows: crash, kill */
	OL_OUTCOME_INTERRUPTED, /* we stopped it, or it never began */
	OL_OUTCOMES
};

struct ol_ending {
	enum ol_outcome outcome;
	bool crashed;	  /* LOST: by the death of its own program or host */
	bool unreachable; /* INTERRUPTED: could not be started or reached */
	int64_t delay;	  /* RETRY: asked for (Retry-After); -1: by the rule */
};

struct ol_decision {
	enum ol_task_event verdict; /* what is to be written */
	bool crash;		    /* one more of task->crashes */
	bool refund;		    /* the run does not count */
	bool first;		    /* it goes ahead of all others */
};

/*
 * What comes of a RUNNING or CANCELLING task whose run ended so, under the
 * rules that the run began with:
 *
 * - OK is OK, even when the task was being cancelled or stopped.
 * - Any other end of a cancelled task is CANCELLED.
 * - RETRY and LOST of a run that the drain stopped is INTERRUPTED: a program
 *   that gets TERM seldom finds the right exit code.
 * - A crash is counted, and poisons at poison_after.
 * - LOST without a crash of its own (the engine or the spawner died) is charged
 *   and runs again at once.
 */
struct ol_decision ol_outcome_decide(
    const struct ol_task *, const struct ol_rules *, const struct ol_ending *);

/* Whether all runs that the rules allow are used up. */
bool ol_outcome_spent(const struct ol_task *, const struct ol_rules *);

#endif
