/*
 * The web server at the other end of a connection: reads what it sends (which
 * fcgi/incoming.h makes sense of), keeps its one request, sends what is for it.
 * Internal to the server.
 */
#ifndef OL_FCGI_PEER_H
#define OL_FCGI_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <event2/event_struct.h>
#include <bsd/sys/queue.h>

#include "base/log.h"
#include "base/quota.h"
#include "base/spool.h"
#include "fcgi/output.h"
#include "fcgi/pairs.h"
#include "fcgi/reader.h"
#include "fcgi/server.h"

/* What a peer has a time limit for; which of the server's lists it is on. */
enum ol_peer_wait {
	OL_PEER_CALM,  /* nothing: on none */
	OL_PEER_HEAD,  /* waits[0]: a request's parameters, in all */
	OL_PEER_BODY,  /* waits[1]: more of its body, read or ignored */
	OL_PEER_REPLY, /* waits[2]: room for its answer */
};
#define OL_PEER_WAITS 3

enum ol_request_stage { OL_REQUEST_HEAD, OL_REQUEST_BODY, OL_REQUEST_WHOLE };

/* What a request brought. */
struct ol_request_content {
	unsigned char *head; /* owned; the PARAMS stream */
	size_t head_len, head_size;
	struct ol_pair *pairs; /* owned; into head */
	size_t npairs;
	int64_t length; /* CONTENT_LENGTH or -1 */
	uint64_t max_body;
	struct ol_spool spool;
	bool lost; /* on_body has said that there is none */
};

struct ol_request {
	struct ol_peer *peer;
	void *data;			    /* the owner's */
	struct ol_request_content *content; /* owned; NULL: forgotten */
	SLIST_ENTRY(ol_request) link;	    /* server->spent */
	uint32_t turn; /* bytes of content since on_drained */
	uint16_t id;
	uint8_t stage;
	bool told; /* the owner knows of it */
	bool begun, headed,
	    full; /* answer: status, end of headers, high water */
};

struct ol_peer {
	struct event event; /* initialised for good: may be made active */
	struct ol_server *server;
	TAILQ_ENTRY(ol_peer) link;	/* server->peers, or ->dead */
	TAILQ_ENTRY(ol_peer) wait_link; /* as wait says */
	int64_t due;			/* unless calm */
	struct ol_request *request;	/* owned; the one in work */
	struct ol_output *output;	/* owned; NULL: nothing waits */
	union {
		unsigned char begin[8];	  /* of BEGIN_REQUEST */
		unsigned char *collected; /* owned; of GET_VALUES */
	} record;
	struct ol_reader reader;
	int fd;
	uint32_t moved;	  /* bytes read or sent since due was set */
	uint32_t ignored; /* bytes for no request, since the last one began */
	uint16_t rest_id; /* rest: of this request */
	uint8_t wait;
	bool rest : 1;	      /* its body goes on, though it was answered */
	bool fresh : 1;	      /* nothing has come yet */
	bool watched : 1;     /* event is added */
	bool keep : 1;	      /* FCGI_KEEP_CONN */
	bool half_closed : 1; /* it sends nothing any more */
	bool collecting : 1;  /* record.collected is in use */
	bool broken : 1;      /* nothing can be sent any more */
	bool dead : 1;
};

/* What an idle connection and a waiting request cost: thousands of them. */
_Static_assert(sizeof(struct ol_peer) <= 232, "0.3 KiB with libevent's share");
_Static_assert(sizeof(struct ol_request) <= 48, "beside its connection");

TAILQ_HEAD(ol_peer_list, ol_peer);
SLIST_HEAD(ol_request_list, ol_request);

struct ol_server {
	struct ol_loop *loop;
	struct ol_server_options options;
	const struct ol_server_events *events;
	void *arg;
	struct ol_log log;
	struct event *accept;
	struct ol_timer *timer;	    /* the one: set for armed */
	int64_t armed, resume;	    /* resume: when to accept again */
	int64_t complained;	    /* of want of descriptors, last */
	struct ol_quota complaints; /* of want of room */
	int64_t limit[OL_PEER_WAITS];
	uint32_t enough[OL_PEER_WAITS]; /* bytes that earn another limit */
	struct ol_peer_list peers, dead, waits[OL_PEER_WAITS];
	struct ol_request_list spent;
	size_t connections, requests;
	int depth; /* functions of ours on the stack */
	bool retiring, retired;
	unsigned char *window; /* what is read, of any connection */
};

/* Bytes of window. */
#define OL_SERVER_WINDOW (64 * 1024)

/* Around all that may end a peer or a request: they are freed by the last
 * ol_server_leave(). */
void ol_server_enter(struct ol_server *);
void ol_server_leave(struct ol_server *);

/*
 * Put peer on the list of wait, at its end when it is new there, or when it
 * progressed and has moved enough since.
 */
void ol_server_await(
    struct ol_server *, struct ol_peer *, enum ol_peer_wait, bool progressed);

/* peer is over: off all lists, and freed in a moment. */
void ol_server_bury(struct ol_server *, struct ol_peer *);

/* A new one for fd (taken), read from at once. NULL without memory. */
struct ol_peer *ol_peer_new(struct ol_server *, int fd);

/* Free the memory; nothing else. */
void ol_peer_free(struct ol_peer *);
void ol_peer_free_request(struct ol_request *);
void ol_peer_free_content(struct ol_request *);

/* Read what there is, act on it. */
void ol_peer_look(struct ol_peer *);

/* The one ending of a connection. why is for the log; NULL: not worth a line.
 */
void ol_peer_drop(struct ol_peer *, enum ol_gone, const char *why);

/* Ask it to give up the connection, if it has no request in work. */
void ol_peer_retire(struct ol_peer *);

/* The output, made if need be; NULL when nothing can be sent. */
struct ol_output *ol_peer_output(struct ol_peer *);

/* Add whole records to the output and send them. */
void ol_peer_send_records(struct ol_peer *, const void *records, size_t len);

/* Send what waits, as far as it goes. May drop a peer that has no request. */
void ol_peer_send(struct ol_peer *);

/* on_writable, when it takes more: in the next turn at the earliest. */
void ol_peer_await_room(struct ol_peer *);

/* After an owner's doing: is it watched, and has it the time limit it needs? */
void ol_peer_settle(struct ol_peer *);

/* Without memory for output: nothing can be sent any more. */
void ol_peer_break(struct ol_peer *);

/* Its request is over: the records that say so, and what follows from it. */
void ol_peer_end_request(struct ol_peer *, int protocol);

#endif
