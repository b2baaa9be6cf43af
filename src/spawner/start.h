/*
 * A new process for a program: its user, its limits, its descriptors. It is
 * forked, and we do not wait for it: a child that shares our memory until it
 * executes, as that of vfork(), costs less, but we would sleep once for each
 * while others could be started, and somebody who may signal it could hold us
 * up.
 */
#ifndef OL_SPAWNER_START_H
#define OL_SPAWNER_START_H

#include <sys/types.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"
#include "run/spawn.h"

struct ol_start {
	const struct ol_conf_task *conf;
	const gid_t *groups; /* with conf->uid */
	size_t ngroups;
	const char *directory;
	char **env;
	int fds[3];		 /* become 0, 1, 2; none is below 3 */
	uint64_t mark;		 /* base/mark.h */
	const sigset_t *ignored; /* signals, by this process */
	/* The folder of its cgroup, or -1; becomes -1 when it cannot be
	 * entered, and the process is where we are. */
	int cgroup;
};

/* Why there is no program: an errno, and a phrase for people: "cannot execute
 * /usr/local/bin/x: Permission denied". */
struct ol_start_failure {
	int error;
	char text[OL_SPAWN_TEXT_MAX];
};

/*
 * A child of ours, soon the leader of a session of its own. *report is a
 * descriptor, the caller's, which can be read when there is news. Returns -1
 * with *failure when there is none: then nothing is left to be reaped.
 */
pid_t ol_start(struct ol_start *, int *report, struct ol_start_failure *);

enum ol_start_news {
	OL_START_NO_NEWS,
	OL_START_EXECUTED, /* or killed before it could say anything */
	OL_START_FAILED,   /* *failure says why; it ends by itself */
};

/* Does not block. A child that has ended leaves no doubt. */
enum ol_start_news ol_start_news(int report, struct ol_start_failure *);

#endif
