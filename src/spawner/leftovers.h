/* Ends what attempts left behind; see spawner/jobs.h. */
#ifndef OL_SPAWNER_LEFTOVERS_H
#define OL_SPAWNER_LEFTOVERS_H

#include "spawner/jobs.h"

/*
 * Reap who ended, and kill what is left of attempts whose process ended. Those
 * of which nothing is left are ended (ol_jobs_ended); for the others, a timer
 * is set. Never blocks.
 */
void ol_leftovers_look(struct ol_jobs *);

/* In jobs.c: whether it is known if it has executed its program; also of one
 * that has ended, before it is reaped. */
bool ol_jobs_ask(struct ol_job *);

/* In jobs.c: tell that nothing of it is left, and forget it. */
void ol_jobs_ended(struct ol_jobs *, struct ol_job *);

#endif
