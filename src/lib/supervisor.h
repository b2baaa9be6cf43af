/*
 * What the process tells its supervisor (outlastd or systemd) by sd_notify:
 * READY and STOPPING until they are sent; counts at most once a second, and at
 * most ten times when the process becomes busy or idle; the watchdog's sign of
 * life. Without $NOTIFY_SOCKET nothing happens here.
 */
#ifndef OL_LIB_SUPERVISOR_H
#define OL_LIB_SUPERVISOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ol_app;

struct ol_supervisor {
	struct ol_app *app;
	int fd; /* -1: nobody listens */
	struct ol_timer *timer;
	atomic_bool dirty; /* counts have changed since they were sent */
	atomic_bool edge;  /* the number of items has left or reached 0 */
	int64_t counts_sent;
	bool ready_due, stopping_due; /* main thread */
	pthread_mutex_t lock;	      /* the two below */
	char status[160];	      /* to be sent; "": none */
	int64_t extend_to;	      /* deadline to be asked for; 0: none */
	int64_t watchdog;	      /* interval of signs of life; 0: none */
	struct ol_timer *watchdog_timer;
	unsigned watchdog_answers; /* of the background loop, last seen */
};

/* 0, or -1 with errno set. Takes $NOTIFY_SOCKET and the watchdog's variables
 * out of the environment, so that children do not answer for us. */
int ol_supervisor_init(struct ol_supervisor *, struct ol_app *app);
void ol_supervisor_fini(struct ol_supervisor *);

/* Main thread. */
void ol_supervisor_ready(struct ol_supervisor *);
void ol_supervisor_stopping(struct ol_supervisor *);

/* Send what is due. Main thread. */
void ol_supervisor_flush(struct ol_supervisor *);

/* The counts of items or requests have changed; edge: from or to no item. Any
 * thread; cheap. */
void ol_supervisor_changed(struct ol_supervisor *, bool edge);

/* Say something to people; a newer one replaces it. Any thread. */
void ol_supervisor_status(struct ol_supervisor *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Ask for time until deadline. Any thread. */
void ol_supervisor_extend(struct ol_supervisor *, int64_t deadline);

#endif
