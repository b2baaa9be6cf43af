/*
 * The folders that attempts work in: made for each, emptied afterwards by a
 * process of the program's user, so that nothing a program left there can lead
 * us elsewhere or hold us up.
 */
#ifndef OL_SPAWNER_SCRATCH_H
#define OL_SPAWNER_SCRATCH_H

#include <sys/types.h>
#include <stddef.h>
#include <time.h>
#include <bsd/sys/queue.h>

enum { OL_SCRATCH_NAME = 16 }; /* hexadecimal digits */

/* Folders that nobody touched are kept for the next attempt of that user: a
 * folder made and removed for each would wait for the disk's journal. */
struct ol_scratch_spare;

struct ol_scratch {
	char *base; /* owned */
	LIST_HEAD(, ol_scratch_spare) spares;
	int nspares;
};

struct ol_scratch_folder {
	char *path; /* owned */
	uid_t uid;  /* (uid_t)-1: ours */
	gid_t gid;
	struct timespec made;
};

/* An empty folder, mode 0700, of folder->uid. -1 with errno set; its path is
 * there all the same, for people. */
int ol_scratch_take(struct ol_scratch *, struct ol_scratch_folder *folder);

/*
 * It is not needed any more; frees the path. 0: done; more than 0: the pid of a
 * child that empties it, after whose end ol_scratch_remove_empty() of its path
 * is due; -1 with errno set. The path is in *path then, for the caller to free.
 */
pid_t ol_scratch_give(
    struct ol_scratch *, struct ol_scratch_folder *folder, char **path);

/* As _give(), for a folder of an earlier life. */
pid_t ol_scratch_remove(const char *path, uid_t uid, gid_t gid);
int ol_scratch_remove_empty(const char *path);

/* Remove the spare ones. */
void ol_scratch_fini(struct ol_scratch *);

/*
 * Call fn for each folder of ours that an earlier life left in base, with its
 * owner; notify sockets are unlinked.
 */
void ol_scratch_sweep(const char *base,
    void (*fn)(void *arg, const char *path, uid_t uid, gid_t gid), void *arg);

#endif
