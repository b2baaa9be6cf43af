/*
 * A number that the processes of an attempt bear, and cannot take off: the hard
 * limit RLIMIT_LOCKS, which every process hands down to its children and keeps
 * across exec, and which Linux has not used for anything since 2.4. Without
 * privileges it can be lowered, never raised.
 *
 * The kernel tells it without touching the process. Its environment, which
 * could tell as much, is in memory that a hostile program may have taken from a
 * file system of its own: whoever reads there can be made to wait for ever.
 */
#ifndef OL_BASE_MARK_H
#define OL_BASE_MARK_H

#include <sys/types.h>
#include <stdint.h>

/* A new one: random, and such that we may set it. Never 0. */
uint64_t ol_mark_new(void);

/* For this process and all below it; also between clone() and exec. */
void ol_mark_set(uint64_t mark);

/* That of pid, which may be a zombie; 0: none, it is gone, or that cannot be
 * read: errno is set. */
uint64_t ol_mark_get(pid_t pid);

#endif
