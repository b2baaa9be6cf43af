/*
 * The pid file, locked for the master's whole life: the lock, not the number,
 * says whether a master runs.
 */
#ifndef OL_MASTER_PIDFILE_H
#define OL_MASTER_PIDFILE_H

#include <sys/types.h>

struct ol_pidfile;

/*
 * Lock path, making its folder (0755) when that is missing. NULL: logged,
 * because another master holds it or the file cannot be made. *predecessor is
 * the pid of a master that died without removing it, else 0.
 */
struct ol_pidfile *ol_pidfile_open(const char *path, pid_t *predecessor);

/* The file that this process has open and locked already, with our pid in it:
 * an older program of ours did that. Takes fd. */
struct ol_pidfile *ol_pidfile_resume(const char *path, int fd);

/* The descriptor; borrowed. */
int ol_pidfile_fd(const struct ol_pidfile *);

/* Write our pid. -1: logged. */
int ol_pidfile_write(struct ol_pidfile *);

/* Remove the file, if we wrote it, and let the lock go. NULL is legal. */
void ol_pidfile_close(struct ol_pidfile *);

/* The pid of the master that holds path, 0: none runs, -1: errno. */
pid_t ol_pidfile_holder(const char *path);

#endif
