/*
 * Where work items wait and run: a loop of its own for the async ones, a few
 * threads for the blocking ones. Everything but the creation may be called
 * from any thread.
 */
#ifndef OL_LIB_BACKGROUND_H
#define OL_LIB_BACKGROUND_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/thread.h"
#include "lib/work.h"

struct ol_background {
	struct ol_app *app;
	pthread_mutex_t lock; /* all below it, and every item's links */
	pthread_cond_t ready; /* a blocking item waits, or quitting */
	pthread_cond_t room;  /* fewer than max_waiting wait */
	pthread_cond_t quiet; /* calling has changed, or live is 0 */
	struct ol_work_list waiting[2]; /* by flavour */
	struct ol_work_tree delayed;
	struct ol_work_list running;
	size_t waiting_count; /* waiting and delayed */
	uint64_t next_serial;
	int idle_threads;
	int room_waiters;
	int drain_waiters;
	bool refusing;		 /* STOPPING: OL_ESTOPPING */
	bool quitting;		 /* threads leave */
	unsigned stops;		 /* how often a stop began or moved */
	struct ol_work *calling; /* whose stop callback runs */

	atomic_size_t live;    /* waiting, delayed, running */
	atomic_size_t dropped; /* when a stop began or moved: due too late */
	atomic_uint turns;     /* of the loop's bell: a sign of life */
	struct ol_loop *loop;
	struct ol_wake *bell;
	struct ol_timer *due;
	struct ol_thread loop_thread;
	struct ol_thread *threads;
	int nthreads;
	bool started;
};

/* 0, or -1 with errno set and nothing to undo. */
int ol_background_init(struct ol_background *, struct ol_app *app);

/* Start the threads. Main thread. 0, or -1 with errno set. */
int ol_background_start(struct ol_background *);

/*
 * End the threads and every item that is left: those never started are
 * dropped, those that run are lost. Returns how many of either there were, the
 * delayed ones that ol_background_stopping() dropped included; *stuck says
 * that one was lost, or that a thread has not left: as somebody may end it
 * yet, nothing may be freed. Main thread.
 */
size_t ol_background_end(struct ol_background *, bool *stuck);

/* Free what is left, after ol_background_end(). */
void ol_background_fini(struct ol_background *);

/* A stop began or its deadline moved: call the stop callbacks, and drop the
 * delayed items that would start after deadline. */
void ol_background_stopping(struct ol_background *, int64_t deadline);

/* From now on OL_ESTOPPING. */
void ol_background_refuse(struct ol_background *);

/*
 * Last call: tell the error handler of the items that run (the first few), and
 * write their names to text. Returns how many are not finished in all.
 */
size_t ol_background_name_unfinished(
    struct ol_background *, char *text, size_t size);

#endif
