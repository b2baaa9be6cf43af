/*
 * Executors: what does the work of a task. One attempt is handed over, and one
 * end comes back. An executor decides nothing but its outcome: retries, limits
 * and what is written are the engine's. All of it belongs to the loop's thread;
 * callbacks come from the loop only, never from within a call.
 */
#ifndef OL_RUN_RUN_H
#define OL_RUN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/body.h"
#include "base/id.h"
#include "config/conf.h"
#include "task/outcome.h"

struct ol_run_variable {
	const char *name, *value;
};

/* One attempt of one task. Everything is borrowed until the executor's start
 * returns; a payload that is needed longer is referenced. */
struct ol_run_job {
	const struct ol_conf_task *conf;
	struct ol_id id;
	uint32_t attempt;
	const char *owner, *content_type; /* "": none */
	struct ol_body *payload;	  /* NULL: empty */
	/*
	 * What travels with the task: of a recorded request all its parameters
	 * in their order, of others those that its type names.
	 */
	const struct ol_run_variable *context;
	size_t ncontext;
	bool recorded; /* context is a recorded request */
};

enum {
	OL_RUN_STDERR_MAX = 64 * 1024,
	OL_RUN_MESSAGE_MAX = 512,
};

/* How it ended. Borrowed by the callback, but for result: see there. */
struct ol_run_end {
	struct ol_ending ending;
	/*
	 * error.kind of outlast-tasks(7), static: "exit", "signal", "timeout",
	 * "result_too_large", "unreachable", "refused", "crashed" (LOST with
	 * its spawner), "status" (a reply that is no success), "bad_reply";
	 * NULL with OK.
	 */
	const char *kind;
	char message[OL_RUN_MESSAGE_MAX]; /* for people; one line */
	int exit;			  /* its status; -1: none */
	int signal;			  /* that killed it; 0: none */
	const char *error_text;		  /* the end of its standard error */
	size_t error_size;		  /* <= OL_RUN_STDERR_MAX */
	/*
	 * With OK, and with a reply: reference it; or NULL. It is the task's
	 * when this attempt was its last.
	 */
	struct ol_body *result;
	const char *result_type; /* with a result */
	/*
	 * A replayed request's: its status and headers, "404\nNAME: VALUE\n…",
	 * each line ended; NULL: none. Also of a reply that is no success.
	 */
	const char *reply;
};

struct ol_run_events {
	/* percent 0 … 100, or -1: only the text; text is valid UTF-8. */
	void (*on_progress)(void *arg, int percent, const char *text);
	/*
	 * It asked for so many nanoseconds from now on, and its own timeout
	 * was moved. NULL: nobody wants to know.
	 */
	void (*on_extend)(void *arg, int64_t nsec);
	/* The last of the attempt: it is freed when this returns. */
	void (*on_end)(void *arg, const struct ol_run_end *);
};

enum ol_run_stop {
	OL_RUN_CANCEL,	  /* TERM; KILL after kill_grace */
	OL_RUN_INTERRUPT, /* TERM; whoever asked will ask for KILL */
	OL_RUN_KILL,
};

struct ol_running;

/* One kind of executor. Each struct ol_running begins with its ops. */
struct ol_run_ops {
	const char *name; /* "program" */
	void (*stop)(struct ol_running *, enum ol_run_stop);
	/* No callback any more; what runs, runs on or is ended elsewhere. */
	void (*forget)(struct ol_running *);
};

struct ol_running {
	const struct ol_run_ops *ops;
};

static inline void
ol_run_stop(struct ol_running *running, enum ol_run_stop how)
{
	running->ops->stop(running, how);
}

static inline void
ol_run_forget(struct ol_running *running)
{
	running->ops->forget(running);
}

#endif
