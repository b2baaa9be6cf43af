/*
 * Connections from the web server. The main loop accepts them, watches them
 * while they are idle and looks at what came (peek); a whole request goes to a
 * request thread, which hands the connection back. One that does not come
 * whole at once is collected by the loop: no thread waits for a peer. A
 * connection is touched by one of the two at a time: state says by whom.
 */
#ifndef OL_LIB_CONN_H
#define OL_LIB_CONN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <event2/event_struct.h>
#include <bsd/sys/queue.h>

#include "fcgi/intake.h"
#include "fcgi/intake.h"

struct ol_app;

enum ol_conn_state {
	OL_CONN_IDLE,	   /* the loop's      */
	OL_CONN_BUSY,	   /* the request thread's				*/
	OL_CONN_BUSY_LOOK, /* the thread's; the loop wants it back then	*/
};

/* What a request thread found the connection to be when it was done. */
enum ol_conn_end {
	OL_CONN_KEPT,  /* good for another request			*/
	OL_CONN_SPENT, /* to be closed					*/
	OL_CONN_GONE,  /* libfcgi has closed the descriptor itself	*/
};

struct ol_conn {
	struct ol_app *app;
	int fd;
	atomic_int state;
	bool watched;	  /* on conns.watched, event added */
	bool partial;	  /* on conns.partials */
	bool half_closed; /* the peer sends nothing after this request */
	int64_t began;	  /* intake: when the request began to come */
	int64_t since;	  /* intake: when some of it came last */
	struct ol_intake *intake; /* owned; of a request that comes in pieces */
	enum ol_conn_end end;	  /* on conns.returned */
	struct ol_frame frame;	  /* of the request in work */
	struct event event;
	TAILQ_ENTRY(ol_conn) watched_link;
	TAILQ_ENTRY(ol_conn) partial_link;
	STAILQ_ENTRY(ol_conn) queue_link; /* requests.queue, conns.returned */
};

TAILQ_HEAD(ol_conn_list, ol_conn);
STAILQ_HEAD(ol_conn_queue, ol_conn);

struct ol_conns {
	struct ol_app *app;
	int listener;
	struct event *accept;
	bool accepting, paused;
	struct ol_timer *resume; /* ends a pause */
	struct ol_timer *late;	 /* looks for those that are late */
	struct ol_conn_list watched;
	struct ol_conn_list partials; /* requests that come in pieces */
	struct ol_conn **by_fd;	      /* the watched ones */
	int by_fd_size;
	unsigned char *window; /* what is peeked at */
	size_t max;
	int64_t complained; /* of want of descriptors, last */
	atomic_size_t open;
	atomic_bool retiring;
	pthread_mutex_t lock;
	struct ol_conn_queue returned; /* by request threads */
};

/* 0, or -1 with errno set. */
int ol_conns_init(struct ol_conns *, struct ol_app *app);

/* Closes what is left. */
void ol_conns_fini(struct ol_conns *);

/* Begin to accept on listener, which is taken either way. 0, or -1
 * with errno set. */
int ol_conns_accept(struct ol_conns *, int listener);

/*
 * Close the listener (who passed it to us has it yet, and a successor started
 * by hand finds its path free), and ask the web server to give up the kept
 * connections: an empty FCGI_STDERR record on each that has no request in work
 * (FastCGI 1.0 §5.5: a legal record that says nothing), now and after each
 * reply. Nobody of ours closes a kept connection, so no request is lost on one.
 */
void ol_conns_retire(struct ol_conns *);

/* Take back what request threads have handed over. Main loop. */
void ol_conns_take_back(struct ol_conns *);

/* How many there are. Any thread. */
size_t ol_conns_open(const struct ol_conns *);

/* Free what was collected of its request. By whom it belongs to then. */
void ol_conn_forget_intake(struct ol_conn *conn);

/* A request thread is done with conn; it must not touch it afterwards. */
void ol_conn_return(struct ol_conn *conn, enum ol_conn_end end);

#endif
