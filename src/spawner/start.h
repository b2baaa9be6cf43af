/*
 * A new process for a program: its user, its limits, its descriptors. The
 * child shares our memory until it executes (no page table is copied), unless
 * it becomes another user: then somebody of that name could stop it on its
 * way, and us with it; or it begins in a cgroup: to enter one later would wait
 * for all processors.
 */
#ifndef OL_SPAWNER_START_H
#define OL_SPAWNER_START_H

#include <sys/types.h>
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
	int fds[3];    /* become 0, 1, 2; none is below 3 */
	uint64_t mark; /* spawner/mark.h */
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
 * A child of ours, soon the leader of a session of its own. When *report is -1
 * it has executed its program; else that is a descriptor, the caller's, which
 * can be read when there is news. Returns -1 with *failure when there is none:
 * then nothing is left to be reaped.
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
