/*
 * The executor of tasks with fastcgi_pass: the recorded request, or the one
 * that the type's block describes, goes to a FastCGI backend, and what that
 * replies is the result; see REPLAY in outlast-tasks(7). One connection for
 * each attempt: a kept one would hold a process of php-fpm.
 */
#ifndef OL_RUN_RUN_FASTCGI_H
#define OL_RUN_RUN_FASTCGI_H

#include "run/run.h"

struct ol_backends;
struct ol_loop;

struct ol_backends_options {
	struct ol_loop *loop;
	int spool; /* folder where large results are written; borrowed */
	/*
	 * Folder of the attempts' notify sockets, which any local user may
	 * write to who knows their random names; NULL: there are none. Copied.
	 */
	const char *notify;
};

struct ol_backends *ol_backends_new(const struct ol_backends_options *);

/* Connections of what still runs are closed; nobody is called back. Not from
 * within a callback of it. */
void ol_backends_free(struct ol_backends *);

/*
 * Start an attempt; job->conf has a backend. Always ends with on_end.
 *
 * A backend that could not be reached, within a minute, or had no room, has
 * seen nothing: INTERRUPTED, unreachable. One that closed the connection early:
 * LOST, crashed. A reply of less than its Content-Length is none: RETRY,
 * bad_reply. A body that cannot be read any more: LOST, and no crash.
 * OL_RUN_CANCEL closes the connection at once, and so does OL_RUN_KILL; a
 * backend cannot be told to end, so OL_RUN_INTERRUPT waits.
 */
struct ol_running *ol_backends_start(struct ol_backends *,
    const struct ol_run_job *, const struct ol_run_events *, void *arg);

#endif
