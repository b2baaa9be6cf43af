/*
 * One attempt of a task's program, as the engine sees it: its pipes, its notify
 * socket, its time. For run_program.c, which has the channel to the spawner.
 */
#ifndef OL_RUN_PROGRAM_H
#define OL_RUN_PROGRAM_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>

#include "base/body.h"
#include "base/log.h"
#include "base/spool.h"
#include "loop/loop.h"
#include "run/notices.h"
#include "run/run.h"
#include "run/spawn.h"
#include "run/tail.h"
#include "run/verdict.h"

enum {
	OL_PROGRAM_MEMORY = 32 * 1024, /* a larger result goes to a file */
};

struct ol_program;

struct ol_program_hands {
	/* It has something to be sent: due_term or due_kill. */
	void (*send)(void *arg, struct ol_program *);
	/* It is not among the others any more. */
	void (*remove)(void *arg, struct ol_program *);
};

struct ol_program {
	struct ol_running running; /* first */
	LIST_ENTRY(ol_program) link;
	TAILQ_ENTRY(ol_program) sending; /* while queued */
	struct ol_loop *loop;
	const struct ol_program_hands *hands;
	void *hands_arg;
	int spool;
	struct ol_log log;
	uint64_t tag;
	struct ol_run_events events;
	void *arg;

	/* For the spawner. */
	bool due_start, due_term, due_kill, queued;
	unsigned char *start; /* the message, while it is due; owned */
	size_t start_len;
	int theirs[OL_SPAWN_FDS]; /* their ends, while it is due */

	/* Ours. */
	struct ol_body *payload; /* what is left to be written */
	int64_t written;
	int in, out, err; /* -1: closed, or at its end */
	struct ol_watch *on_in, *on_out, *on_err;
	struct ol_spool result;
	struct ol_tail errors;

	/* Its time. */
	struct ol_timer *timer;
	int64_t begun, deadline; /* deadline: TERM; OL_NEVER: was told */
	int64_t kill_at;
	int64_t linger; /* until its pipes must be at their end */
	int64_t kill_grace;
	bool failed; /* never started: message says why */
	bool lost;   /* with its spawner */
	bool exited; /* nothing of it is left */
	bool done;   /* its end was told, or is not wanted */

	struct ol_notices notices;
	struct ol_verdict verdict;
	struct ol_run_end end; /* what is known before the end */
	char *result_type;
};

extern const struct ol_run_ops ol_program_ops;

/*
 * A new one, not started: due_start is set, with its message and descriptors,
 * unless failed is: then its end comes from the loop. Everything is copied.
 */
struct ol_program *ol_program_new(struct ol_loop *, uint64_t tag, int spool,
    uint32_t generation, const struct ol_run_job *,
    const struct ol_run_events *, void *arg);

/* START was sent, or will not be. */
void ol_program_sent(struct ol_program *);

/* It cannot be started; its end comes from the loop. why is copied. */
void ol_program_refused(struct ol_program *, int error, const char *why);

/* Nothing of it is left, or its spawner is gone. */
void ol_program_exited(struct ol_program *, const struct ol_spawn *);
void ol_program_lost(struct ol_program *);

#endif
