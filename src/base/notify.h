/*
 * sd_notify(3) datagrams, both ends: newline-separated NAME=value pairs on a
 * unix datagram socket. Pool processes speak it to the master, the master to
 * systemd, a task's program to the engine.
 */
#ifndef OL_BASE_NOTIFY_H
#define OL_BASE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest datagram that is looked at; a longer one is refused whole. */
#define OL_NOTIFY_MAX 512

/* What one datagram said. Absent numbers are -1. */
struct ol_notify {
	bool ready;
	bool stopping;
	bool reloading;
	bool watchdog;
	int64_t extend_usec; /* EXTEND_TIMEOUT_USEC */
	int64_t tasks;	     /* X_OUTLAST_TASKS: items waiting or running */
	int64_t requests;    /* X_OUTLAST_REQUESTS: answered since the start */
	int64_t idle_usec;   /* X_OUTLAST_IDLE: without request and item */
	int progress;	     /* X_OUTLAST_PROGRESS: 0 … 100 */
	char status[256];    /* STATUS, or X_OUTLAST_PROGRESS's text; as sent */
};

/*
 * Read one datagram of len bytes. Unknown names are passed over, as systemd
 * does. Returns -1, with *n all absent, when it is too long, holds a NUL, a
 * line without "=", or a number that is none or out of range.
 */
int ol_notify_parse(struct ol_notify *n, const char *data, size_t len);

/*
 * Connect to the socket named as in $NOTIFY_SOCKET (a path, or '@' and an
 * abstract name). Returns a close-on-exec, non-blocking descriptor, or -1 with
 * errno set (EINVAL: the name is none).
 */
int ol_notify_connect(const char *name);

/* Send one datagram without blocking. -1 and errno EAGAIN: the queue is full.
 */
int ol_notify_send(int fd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A receiving socket bound at path, mode 0600, owned by uid (pass (uid_t)-1 to
 * leave it as it is); what was at path is removed. -1 with errno set.
 */
int ol_notify_bind(const char *path, unsigned uid);

#endif
