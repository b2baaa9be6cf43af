/*
 * The last words of a process that dies by a fault: signal, address, what the
 * thread was doing, backtrace. Written with async-signal-safe calls alone;
 * then the signal takes its course with the handler that was there before, so
 * that a core dump shows the fault and not us.
 *
 * The report's first line is a summary for one line of log:
 *     SIGSEGV at 0x10 in work item "resize" (40 % drawing page 3)
 * then "name: value" lines, then "backtrace:" and a frame a line.
 */
#ifndef OL_LIB_CRASH_H
#define OL_LIB_CRASH_H

/*
 * Take the fault signals. fd 0: the descriptor named by $OUTLAST_CRASH_FD, or
 * none, in which case nothing is taken. Main thread.
 */
void ol_crash_install(int fd);

/*
 * The thread that seems to hang, NULL for none: when somebody outside ends us
 * with SIGABRT, it is the one that reports. Borrowed. Main thread.
 */
struct ol_thread;
void ol_crash_suspect(const struct ol_thread *);

/* Put the earlier handlers back. Main thread. */
void ol_crash_uninstall(void);

#endif
