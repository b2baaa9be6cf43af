/*
 * The way out. A process serves, then retires (no accept; what it holds is
 * answered; items may still be queued), then stops (no item is taken any
 * more), then ends: when nothing is left, or at its deadline.
 */
#ifndef OL_LIB_STOP_H
#define OL_LIB_STOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ol_app;

enum ol_phase { OL_SERVING, OL_RETIRING, OL_STOPPING, OL_ENDED };

struct ol_stop {
	struct ol_app *app;
	atomic_int phase;	  /* enum ol_phase; moved by the main thread */
	_Atomic int64_t deadline; /* OL_NEVER: serving, or no limit	     */
	pthread_mutex_t lock;	  /* deadline's moves, and limit	     */
	int64_t limit;		  /* how far an extension may reach	     */
	int64_t delay;		  /* the budget when nobody names one	     */
	int64_t delay_max;	  /* counted from the stop's begin	     */
	bool supervised;	  /* by outlastd, which makes the last call  */
	int64_t grace;		  /* else: so long before the deadline	     */
	bool called;		  /* the last call was made		     */
	int fd;			  /* readable once a stop has begun	     */
	atomic_int asked_ms;	  /* by ol_app_stop(); NOT_ASKED	     */
	struct ol_timer *timer;
	struct ol_watch *signals;
};

/* 0, or -1 with errno set. Reads $OUTLAST_SHUTDOWN_DELAY and _MAX. */
int ol_stop_init(struct ol_stop *, struct ol_app *app);
void ol_stop_fini(struct ol_stop *);

/* Listen to SIGTERM and SIGINT, until ol_stop_forget_signals(). Main thread. */
int ol_stop_take_signals(struct ol_stop *);
void ol_stop_forget_signals(struct ol_stop *);

/* Something ended, or was asked for: move on if it is time. Main thread. */
void ol_stop_check(struct ol_stop *);

/* Any thread. */
bool ol_stop_begun(const struct ol_stop *);
int64_t ol_stop_deadline(const struct ol_stop *);

/* See ol_work_extend(). Any thread. */
long ol_stop_extend(struct ol_stop *, long seconds);

#endif
