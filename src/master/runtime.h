/* The folders beside the pid file: notify sockets, crash reports. */
#ifndef OL_MASTER_RUNTIME_H
#define OL_MASTER_RUNTIME_H

#include <sys/types.h>

/*
 * Make the folder name beside file, with that mode; one that exists must be
 * ours, and gets the mode. Its path, malloc'ed, or NULL, logged.
 */
char *ol_runtime_make(const char *file, const char *name, mode_t mode);

/*
 * A descriptor that keeps other masters out of the folder while it is open;
 * -1: logged, another one uses it.
 */
int ol_runtime_lock(const char *folder);

/*
 * The highest generation in the names of the files there ("shop.0.12",
 * "shop-0-12.txt"), so that none is given out twice; 0 without any. The
 * sockets among the files are removed: their owner is gone.
 */
unsigned ol_runtime_sweep(const char *folder);

#endif
