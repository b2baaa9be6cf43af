/* Children that nobody of ours has started: their parents left them behind. */
#ifndef OL_MASTER_ORPHAN_H
#define OL_MASTER_ORPHAN_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * For the master's end, when no process of a pool is left: SIGKILL to every
 * child there is. Returns how many there are; each still has to be reaped, and
 * may leave more behind.
 */
int ol_orphan_kill(void);

/*
 * A spawner's orphans come to the master only when the spawner is dead: those
 * that came while it lived were left by a pool, and may live on. Of those that
 * come later, in the moment until all that the spawner had started is gone,
 * they are told by their mark (base/mark.h), which the kernel tells: a process
 * that is asked for its environment could let the master wait for ever.
 */
struct ol_orphans {
	uint64_t mark; /* ours: the master may be a program of a task */
	int children;  /* the kernel's list of ours; -1: not open */
	pid_t *pids;   /* of pools */
	size_t n;
};

typedef bool ol_orphan_fn(void *arg, pid_t);

void ol_orphans_init(struct ol_orphans *);
void ol_orphans_fini(struct ol_orphans *);

/* To be there before a spawner is: without it, nobody knows what is left when
 * there is no descriptor to be had. -1 with errno set. */
int ol_orphans_open(struct ol_orphans *);

/*
 * While the spawner lives, or none was started yet: note the children that are
 * not is_ours(); they are a pool's. spawner_lives(arg, 0) is asked when they
 * were listed: if it is false, nothing is noted.
 */
void ol_orphans_note(struct ol_orphans *, ol_orphan_fn *is_ours,
    ol_orphan_fn *spawner_lives, void *arg);

/*
 * The spawner is dead: SIGKILL to its orphans. Returns how
 * many there are; each still has to be reaped, and may leave more behind. One
 * of which is not known whose it is, is counted and not killed; -1: they cannot
 * be listed now.
 */
int ol_orphans_kill(
    const struct ol_orphans *, ol_orphan_fn *is_ours, void *arg);

#endif
