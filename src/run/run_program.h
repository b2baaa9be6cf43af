/*
 * The executor of task programs: standard input, output and error are here, the
 * processes are the spawner's (run/spawn.h), which this asks over one channel.
 */
#ifndef OL_RUN_RUN_PROGRAM_H
#define OL_RUN_RUN_PROGRAM_H

#include "run/run.h"

struct ol_loop;
struct ol_programs;

struct ol_programs_options {
	struct ol_loop *loop;
	int spool; /* folder where large results are written; borrowed */
	/* A spawner was connected, or is gone: start nothing meanwhile. */
	void (*on_spawner)(void *arg, bool connected);
	void *arg;
};

/* From now on SIGPIPE is ignored: a program need not read its payload. */
struct ol_programs *ol_programs_new(const struct ol_programs_options *);

/* Everything that runs is forgotten; its spawner ends it. Not from within a
 * callback of it. */
void ol_programs_free(struct ol_programs *);

/*
 * Ask this spawner from now on; takes channel. Its predecessor is gone, with
 * all that it had started: those attempts end LOST, no crash of theirs.
 */
void ol_programs_connect(struct ol_programs *, int channel);

/* The configuration's number, so that the spawner uses none that is older. */
void ol_programs_configured(struct ol_programs *, uint32_t generation);

/*
 * Start an attempt. Always ends with on_end, also when it cannot be started:
 * INTERRUPTED, unreachable, with the reason in its message.
 */
struct ol_running *ol_programs_start(struct ol_programs *,
    const struct ol_run_job *, const struct ol_run_events *, void *arg);

#endif
