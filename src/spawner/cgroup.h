/*
 * A cgroup (v2) of our own with a leaf for each attempt, so that the kernel
 * ends all of an attempt in one step, whatever became of its sessions, parents
 * and marks. For that alone: no controller is switched on in it, so none of our
 * processes has to leave the cgroup that it is in.
 *
 *     CGROUP OF OURS/outlast.RANDOM/LEAF
 *
 * Where none can be made everything works without; see spawner/leftovers.h.
 */
#ifndef OL_SPAWNER_CGROUP_H
#define OL_SPAWNER_CGROUP_H

#include <stdbool.h>

struct ol_cgroups {
	char *path; /* owned; NULL: there is none */
	int fd;	    /* locked while we live */
};

/*
 * Make it; what dead predecessors left is ended and removed, which may take a
 * second when that does not die. Logs where it is, or why there is none.
 */
void ol_cgroups_init(struct ol_cgroups *);

/* Remove it; what is not empty is left to a successor. */
void ol_cgroups_fini(struct ol_cgroups *);

/* Kill all that is in any of its leaves. */
void ol_cgroups_kill(const struct ol_cgroups *);

/* A new leaf. Returns its folder, the caller's to close, or -1: errno set. */
int ol_cgroup_new(const struct ol_cgroups *, const char *name);
void ol_cgroup_kill(const struct ol_cgroups *, const char *name);

/* With all that was made in it. False: there is still somebody there. */
bool ol_cgroup_remove(const struct ol_cgroups *, const char *name);

#endif
