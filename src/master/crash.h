/*
 * How a process ended, and what it left in its crash report: a text of at
 * most 64 KiB whose first line sums it up. The writer had just crashed, or
 * was broken into: nothing in it is believed, only shown, escaped.
 */
#ifndef OL_MASTER_CRASH_H
#define OL_MASTER_CRASH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/log.h"

enum {
	OL_CRASH_MAX = 64 * 1024,
	OL_CRASH_KEPT = 20, /* files in the folder */
};

/* The report's first line, cut to fit; control bytes become '?'. */
void ol_crash_summary(char *dst, size_t size, const char *report, size_t len);

/* A wait status in words: "exit 3", "SIGSEGV (core dumped)". */
void ol_crash_status(char *dst, size_t size, int status);

/*
 * A file in the memory of this machine for one process to report into; it
 * cannot be grown beyond OL_CRASH_MAX. Close-on-exec. -1: errno.
 */
int ol_crash_open(void);

/* What was written there: malloc'ed, length in *len; NULL: nothing. */
char *ol_crash_read(int fd, size_t *len);

/* A copy for people: escaped but for newlines and tabs, with a newline at its
 * end. malloc'ed. */
char *ol_crash_escape(const char *report, size_t len);

/*
 * Keep the report as folder/name (0600, escaped but for newlines and tabs)
 * and remove all but the newest OL_CRASH_KEPT files. Returns the path,
 * malloc'ed, or NULL, logged.
 */
char *ol_crash_keep(const struct ol_log *, const char *folder, const char *name,
    const char *report, size_t len);

/* The report into the log, one line each, at info. */
void ol_crash_log(const struct ol_log *, const char *report, size_t len);

#endif
