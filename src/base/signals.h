/* What a program that we execute finds of our signals. */
#ifndef OL_BASE_SIGNALS_H
#define OL_BASE_SIGNALS_H

#include <signal.h>

/*
 * All to their defaults, and none blocked: what execve() would keep. For a
 * child between fork() and execve().
 */
void ol_signals_reset(void);

/* Those that this process ignores now. */
void ol_signals_ignored(sigset_t *ignored);

/*
 * The same for a child that has no handlers any more (CLONE_CLEAR_SIGHAND), and
 * ignores those.
 */
void ol_signals_heed(const sigset_t *ignored);

#endif
