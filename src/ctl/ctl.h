/*
 * One run of outlastctl: what it was called with, and how it ends. An exit code
 * is one of sysexits(3): 0, 1, 64 usage, 69 unreachable, 75 try later, 77
 * permission, 78 configuration.
 */
#ifndef OL_CTL_CTL_H
#define OL_CTL_CTL_H

#include <stdbool.h>
#include <stdint.h>

/* Where outlastd's control socket is by default. */
#define OL_CTL_SOCKET "/run/outlast/control.sock"

/* How long an answer may take, unless --timeout says so: a busy machine. */
#define OL_CTL_ANSWER OL_SEC(10)

struct ol_ctl {
	const char *program; /* what errors begin with */
	const char *socket;  /* "unix:" may stand before it */
	bool json;
	bool no_wait;
	int64_t timeout; /* 0: not said */
	/* Of notify; NULL or false: not said. */
	const char *progress, *extend, *status;
	bool ready, stopping;
};

/*
 * Say what is wrong, and what to do, on standard error; with --json also as an
 * object on standard output. Returns code.
 */
int ol_ctl_fail(const struct ol_ctl *, int code, const char *kind,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* What a command makes of its arguments; n of them. Returns the exit code. */
typedef int ol_ctl_fn(struct ol_ctl *, int n, char **arguments);

ol_ctl_fn ol_ctl_status;
ol_ctl_fn ol_ctl_pool_list;
ol_ctl_fn ol_ctl_pool_show;
ol_ctl_fn ol_ctl_pool_recycle;
ol_ctl_fn ol_ctl_pool_stop;
ol_ctl_fn ol_ctl_pool_start;
ol_ctl_fn ol_ctl_reload;
ol_ctl_fn ol_ctl_notify;

#endif
