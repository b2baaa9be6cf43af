/*
 * The request threads: libfcgi parses a request that the loop has judged
 * whole, the application answers it, and the connection goes back.
 */
#ifndef OL_LIB_REQUEST_H
#define OL_LIB_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib/conn.h"
#include "lib/thread.h"

struct ol_requests {
	struct ol_app *app;
	pthread_mutex_t lock;
	pthread_cond_t ready;
	struct ol_conn_queue queue;
	int idle;
	bool quitting;
	struct ol_thread *threads;
	int nthreads;
	atomic_ullong answered;
};

int ol_requests_init(struct ol_requests *, struct ol_app *app);
void ol_requests_fini(struct ol_requests *);

/* Start the threads. 0, or -1 with errno set. */
int ol_requests_start(struct ol_requests *);

/*
 * End the threads; those that wait are joined. False when one did not leave
 * its handler within a moment: nothing may be freed then.
 */
bool ol_requests_end(struct ol_requests *);

/* Give conn, whose frame is judged, to a request thread. Main loop. */
void ol_requests_queue(struct ol_requests *, struct ol_conn *conn);

/*
 * Answer the one request of conn in the calling thread. activity may be NULL.
 * conn->fd is closed only if the result says so.
 */
enum ol_conn_end ol_request_serve(
    struct ol_conn *conn, struct ol_activity *activity);

#endif
