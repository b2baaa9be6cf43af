/*
 * What the master tells the service manager that started it (sd_notify).
 * Nothing is sent when $NOTIFY_SOCKET is not set.
 */
#ifndef OL_MASTER_UPWARD_H
#define OL_MASTER_UPWARD_H

#include <stdbool.h>
#include <stdint.h>

struct ol_upward {
	int fd; /* -1: nobody listens */
	bool ready;
	const char *owed; /* to be sent yet; NULL: nothing */
	int64_t deadline; /* of the stop */
	int64_t extended; /* until when it was asked to wait */
	bool unlimited;	  /* the stop is: it is asked again and again */
	int64_t watchdog; /* WATCHDOG=1 is due so often; 0: never */
	int64_t ping_due;
	bool well; /* WATCHDOG=1 may be said */
	char status[160];
};

/* Connects; what cannot be reached is logged once. */
void ol_upward_init(struct ol_upward *);
void ol_upward_fini(struct ol_upward *);

/*
 * Send what the calls below left to be sent, READY=1 and STOPPING=1 for
 * certain; returns when to call again, OL_NEVER for not. Must be called after
 * them.
 */
int64_t ol_upward_tick(struct ol_upward *, int64_t now);

/* READY=1, the first time. */
void ol_upward_ready(struct ol_upward *);

/* RELOADING=1, and READY=1 when done; nothing before the first READY=1. */
void ol_upward_reloading(struct ol_upward *, int64_t now);
void ol_upward_reloaded(struct ol_upward *);

void ol_upward_stopping(struct ol_upward *);

/* The stop will take until deadline; said when it grew by a second. */
void ol_upward_extend(struct ol_upward *, int64_t deadline);

/* Whether the stop has no limit: then it takes another minute, always. */
void ol_upward_unlimited(struct ol_upward *, bool unlimited);

/* Whether all is well: while it is not, the watchdog is not told so. */
void ol_upward_well(struct ol_upward *, bool well);

/* STATUS=, when it changed. */
void ol_upward_status(struct ol_upward *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
