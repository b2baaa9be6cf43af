/*
 * The folders that attempts work in: made for each, emptied afterwards by a
 * process of the program's user, so that nothing a program left there can lead
 * us elsewhere or hold us up.
 */
#ifndef OL_SPAWNER_SCRATCH_H
#define OL_SPAWNER_SCRATCH_H

#include <sys/types.h>
#include <stddef.h>

enum { OL_SCRATCH_NAME = 16 }; /* hexadecimal digits */

/* Mode 0700, owned by uid and gid ((uid_t)-1: ours). -1 with errno set. */
int ol_scratch_make(const char *path, uid_t uid, gid_t gid);

/*
 * Remove it. 0: done; more than 0: the pid of a child that empties it, after
 * whose end ol_scratch_remove_empty() is due; -1 with errno set.
 */
pid_t ol_scratch_remove(const char *path, uid_t uid, gid_t gid);
int ol_scratch_remove_empty(const char *path);

/*
 * Call fn for each folder of ours that an earlier life left in base, with its
 * owner; sockets are unlinked.
 */
void ol_scratch_sweep(const char *base,
    void (*fn)(void *arg, const char *path, uid_t uid, gid_t gid), void *arg);

#endif
