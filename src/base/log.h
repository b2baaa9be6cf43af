/*
 * The daemon's log. Every line goes to every sink whose level admits it, as
 *
 *     2026-11-20T21:05:11.123Z notice pool shop[0] pid 812: ready after 45 ms
 *
 * or, for a sink with json, as one JSON object with the members time, level,
 * about and message. Control bytes in a message are escaped. Callable from any
 * thread, not from a signal handler. errno is preserved by every call.
 */
#ifndef OL_BASE_LOG_H
#define OL_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum ol_log_level {
	OL_LOG_ERROR,
	OL_LOG_WARN,
	OL_LOG_NOTICE,
	OL_LOG_INFO,
	OL_LOG_DEBUG,
};

/* Whom a line is about; embedded in the object that it speaks of. */
struct ol_log {
	char about[80];
};

enum ol_log_target { OL_LOG_STDERR, OL_LOG_FILE, OL_LOG_SYSLOG };

struct ol_log_sink {
	enum ol_log_target target;
	const char *path; /* OL_LOG_FILE only */
	enum ol_log_level level;
	bool json;
};

/* "error", "warn", "notice", "info", "debug" */
const char *ol_log_level_name(enum ol_log_level);

/* The level of that name in *level, or -1. */
int ol_log_level_find(const char *name, enum ol_log_level *level);

/*
 * Replace all sinks (copied). Until the first call, lines from notice up go to
 * standard error. A file that cannot be opened leaves the old sinks in force:
 * returns -1, errno set, and *failed (if not NULL) is the index of the sink.
 */
int ol_log_open(const struct ol_log_sink *, size_t n, size_t *failed);

/*
 * Open the files anew under their names (after a rotation). -1: some stayed,
 * each logged. Not beside ol_log_open().
 */
int ol_log_reopen(void);

/*
 * As ol_log_open(), with files that another process has opened: one descriptor
 * for each sink that is a file, in their order. They are taken, also when it
 * fails: -1 with errno set; EINVAL: there are more or fewer.
 */
int ol_log_adopt(
    const struct ol_log_sink *, size_t n, const int *fds, size_t nfds);

/* As ol_log_reopen(), in a process that has adopted its files. */
int ol_log_adopt_again(const int *fds, size_t nfds);

/*
 * The descriptors of the sinks that are files, in their order, for another
 * process to adopt; borrowed until the next call that changes them. Returns
 * their number; no more than size are written.
 */
size_t ol_log_files(int *fds, size_t size);

/* Close and free the sinks; standard error is the only one again. */
void ol_log_close(void);

/* printf-like name of what log's lines are about. */
void ol_log_about(struct ol_log *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* log may be NULL: a line about the daemon itself. */
void ol_log_write(const struct ol_log *, enum ol_log_level, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

#define ol_log_error(log, ...)	ol_log_write(log, OL_LOG_ERROR, __VA_ARGS__)
#define ol_log_warn(log, ...)	ol_log_write(log, OL_LOG_WARN, __VA_ARGS__)
#define ol_log_notice(log, ...) ol_log_write(log, OL_LOG_NOTICE, __VA_ARGS__)
#define ol_log_info(log, ...)	ol_log_write(log, OL_LOG_INFO, __VA_ARGS__)
#define ol_log_debug(log, ...)	ol_log_write(log, OL_LOG_DEBUG, __VA_ARGS__)

#endif
