/*
 * A FastCGI server on the loop: one listener, its connections, a request at a
 * time on each, thousands of them waiting for their answers without a thread.
 * All of it belongs to the loop's thread. What a request offers is in
 * fcgi/request.h.
 *
 *     BEGIN ─▶ on_request ─▶ on_body ─▶ … the owner answers, when it likes
 *                  │            │       └▶ on_gone: the web server has left
 *                  └────────────┴────────▶ the same
 *
 * The owner may answer, cancel or forget a request at any time from on_request
 * on, within a callback or outside of one. Callbacks come from the loop only,
 * never out of a function that the owner calls.
 *
 * A kept connection without a request is never closed by the server (design:
 * its web server may have just sent a POST); one that breaks a rule of FastCGI
 * or that makes no progress within a time limit is.
 */
#ifndef OL_FCGI_SERVER_H
#define OL_FCGI_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct ol_loop;
struct ol_request;
struct ol_server;

/* How a body ended. */
enum ol_body_end {
	OL_BODY_WHOLE,	   /* it can be read */
	OL_BODY_TOO_LARGE, /* more than the limit: thrown away; answer 413 */
	OL_BODY_WRONG,	   /* whole, but not CONTENT_LENGTH bytes: answer 400 */
	OL_BODY_NO_ROOM,   /* it could not be spooled: answer 503 */
};

/* Why nobody waits for the answer any more. */
enum ol_gone {
	OL_GONE_CLOSED,	 /* the connection has ended */
	OL_GONE_ABORTED, /* FCGI_ABORT_REQUEST */
	OL_GONE_LATE,	 /* a time limit: no more of the body came, or of the
			    answer was read */
	OL_GONE_FAULT,	 /* what it sent is not FastCGI, or more than we take */
};

struct ol_server_events {
	/* The parameters are whole. */
	void (*on_request)(struct ol_request *, void *arg);

	/*
	 * The body is whole, or will not be had: once, and not after the owner
	 * has answered or forgotten the request.
	 */
	void (*on_body)(struct ol_request *, enum ol_body_end, void *arg);

	/*
	 * After ol_request_write() said that it is enough for now: less than
	 * low_water bytes wait. May be NULL for those who never heed it.
	 */
	void (*on_drained)(struct ol_request *, void *arg);

	/*
	 * The last of an unanswered request: it is freed when this returns.
	 * It is no order to undo anything.
	 */
	void (*on_gone)(struct ol_request *, enum ol_gone, void *arg);

	/* A retiring server has no connection any more. May be NULL. */
	void (*on_retired)(struct ol_server *, void *arg);
};

/* 0 in a number: the value in brackets. */
struct ol_server_options {
	const char *name; /* for log lines; copied */
	int listener;	  /* borrowed; made non-blocking. -1: none */
	int folder;	  /* borrowed: where bodies are spooled. -1: nowhere */
	size_t max_connections;	  /* [RLIMIT_NOFILE less spare_descriptors] */
	size_t spare_descriptors; /* kept for others [32] */
	uint64_t max_body;    /* bytes, unless the owner says else [1 MiB] */
	uint64_t max_ignored; /* bytes between or behind requests that are
				 read and thrown away [1 MiB] */
	size_t high_water;    /* bytes of answer that wait [64 KiB] */
	size_t low_water;     /* [a quarter of high_water] */
	int head_timeout_ms;  /* from a request's first byte to the end of its
				 parameters [60 s] */
	int body_timeout_ms;  /* for each KiB a second that it lasts, of a
				 body: a slow one may end, a byte now and
				 then does not count [60 s: 60 KiB] */
	int reply_timeout_ms; /* the same of an answer that waits [60 s] */
};

/*
 * events is borrowed and must outlive the server. Accepts from now on. NULL
 * with errno set on failure.
 */
struct ol_server *ol_server_new(struct ol_loop *loop,
    const struct ol_server_options *options,
    const struct ol_server_events *events, void *arg);

/*
 * Closes what is left; no callback runs, and the requests are gone. Not within
 * a callback of this server.
 */
void ol_server_free(struct ol_server *);

/*
 * Serve a connection that was accepted elsewhere; takes fd, a stream socket.
 * -1 with errno set: fd is still the caller's.
 */
int ol_server_adopt(struct ol_server *, int fd);

/*
 * Accept no more, and ask the web server to give up its kept connections: an
 * empty FCGI_STDERR record on each that has no request, now and behind each
 * answer. nginx closes an idle connection on any byte; one that it has just
 * used again sees a legal record that says nothing, and its request is
 * answered. Ends with on_retired.
 */
void ol_server_retire(struct ol_server *);

/* How many connections there are, and how many requests of them the owner has
 * been told of and has not answered. */
size_t ol_server_connections(const struct ol_server *);
size_t ol_server_requests(const struct ol_server *);

#endif
