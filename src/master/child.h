/* The child's side of a start: between fork() and execve(). */
#ifndef OL_MASTER_CHILD_H
#define OL_MASTER_CHILD_H

#include <sys/types.h>

#include "config/conf.h"

/* Where the crash report is in a pool process: $OUTLAST_CRASH_FD. */
enum { OL_CHILD_CRASH_FD = 3 };

/*
 * The environment of a pool process: NULL-terminated NAME=value strings.
 * extra are further such strings, which win. Free with ol_child_env_free().
 */
char **ol_child_env(
    const struct ol_conf_pool *, const char *const *extra, size_t nextra);
void ol_child_env_free(char **env);

/*
 * Become the pool's program. All signals are blocked by the caller. Says into
 * crash_fd what went wrong and ends with 127 if it cannot.
 */
void ol_child_run(const struct ol_conf_pool *, char **env, int listen_fd,
    int crash_fd, pid_t master) __attribute__((noreturn));

#endif
