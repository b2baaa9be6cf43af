/* What the threads of a process do, for the log: one line each. */
#ifndef OL_MASTER_THREADS_H
#define OL_MASTER_THREADS_H

#include <sys/types.h>

#include "base/log.h"

/*
 * Log, for each thread, its name, its state, where in the kernel it waits and,
 * where we are root, how it came there. What cannot be read is left out.
 */
void ol_threads_log(const struct ol_log *, pid_t);

#endif
