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
#include <stdint.h>
#include <bsd/sys/queue.h>

/* A leaf. */
struct ol_cgroup {
	LIST_ENTRY(ol_cgroup) link; /* while it is spare */
	char name[24];
	int folder;
	int events; /* its cgroup.events */
	/* Linux 6.18 kills whoever is started in one that was killed before. */
	bool killed;
};

struct ol_cgroups {
	char *path;    /* owned; NULL: there is none */
	int fd;	       /* locked while we live */
	uint64_t last; /* number that is a leaf's name */
	LIST_HEAD(, ol_cgroup) spares;
	int nspares;
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

/* A leaf in which nobody is, until it is given back; or NULL: errno set. */
struct ol_cgroup *ol_cgroup_take(struct ol_cgroups *);
void ol_cgroup_kill(struct ol_cgroup *);

/*
 * It is not needed any more; with all that was made in it. unchanged: whoever
 * was in it could not write to its files, nor make anything in it, so it may be
 * taken again. False: there is still somebody there, and it was not given back.
 */
bool ol_cgroup_give(struct ol_cgroups *, struct ol_cgroup *, bool unchanged);

#endif
