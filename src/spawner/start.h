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

/*
 * The process has executed its program, as the leader of a session of its own.
 * -1: *error is the errno and text a phrase for people: "cannot execute
 * /usr/local/bin/x: Permission denied". Nothing is left to be reaped then.
 */
pid_t ol_start(struct ol_start *, int *error, char *text, size_t size);

#endif
