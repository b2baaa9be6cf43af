/* What the end of a program means for its attempt; see PROGRAMS in
 * outlast-tasks(7). */
#ifndef OL_RUN_VERDICT_H
#define OL_RUN_VERDICT_H

#include <stdbool.h>

#include "run/run.h"

/* What is known of a program that has ended. */
struct ol_verdict {
	int status;	/* as of wait() */
	bool timed_out; /* it was told to end because of that */
	bool stopped;	/* it was told to end because somebody asked */
	bool too_large; /* its result */
	int unkept;	/* errno: its result could not be kept; 0: it was */
	int64_t timeout, max_result; /* for the message */
};

/* Fills in ending, kind, message, exit and signal. */
void ol_verdict_reach(const struct ol_verdict *, struct ol_run_end *);

#endif
