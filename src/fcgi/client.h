/*
 * A request to a FastCGI backend on the loop, over a connection of its own,
 * which is closed afterwards. All of it belongs to the loop's thread; callbacks
 * come from the loop only, never out of a function that the owner calls.
 *
 *     connect ─▶ on_connected ─▶ on_head ─▶ on_content … ─▶ on_end
 *        └─────────────┴────────────┴────────────┴───────────▲
 *
 * Nothing here has a time limit: the owner cancels.
 */
#ifndef OL_FCGI_CLIENT_H
#define OL_FCGI_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "base/body.h"
#include "fcgi/pairs.h"
#include "fcgi/reply.h"

struct ol_client;
struct ol_loop;

enum ol_client_end {
	/* END_REQUEST has come, and a head before it. Or the connection was
	 * closed behind the end of STDOUT: nginx takes that for whole, too.
	 * What stands behind END_REQUEST is not looked at. */
	OL_CLIENT_WHOLE,
	/* Refused, no such path, a full backlog, FCGI_OVERLOADED, closed before
	 * a byte was sent: the application has not seen the request. */
	OL_CLIENT_UNREACHABLE,
	OL_CLIENT_CLOSED,  /* it closed the connection before its end */
	OL_CLIENT_BAD,	   /* what it sent is no reply in FastCGI */
	OL_CLIENT_NO_BODY, /* that of the request cannot be read any more */
};

struct ol_client_events {
	/* The first bytes are sent: from now on the backend may have seen the
	 * request. Before all others but on_end. */
	void (*on_connected)(void *arg);
	/* Status and headers are whole; borrowed until on_end has returned. */
	void (*on_head)(void *arg, const struct ol_reply *);
	void (*on_content)(void *arg, const void *data, size_t len);
	/* What it wrote to its standard error. */
	void (*on_error_text)(void *arg, const char *text, size_t len);
	/* The last: it is freed when this returns. The connection is closed.
	 * why: one sentence for people that begins with the address, borrowed;
	 * NULL with WHOLE. */
	void (*on_end)(void *arg, enum ol_client_end, const char *why);
};

struct ol_client_request {
	/* As they are to be sent, in their order; need not outlive the call. */
	const struct ol_pair *params;
	size_t nparams;
	struct ol_body *body; /* referenced; NULL: empty */
};

/* addr is copied, events borrowed; none of them may be NULL. NULL with errno
 * set: no memory, or no descriptor; nothing was begun. */
struct ol_client *ol_client_new(struct ol_loop *, const struct ol_addr *addr,
    const struct ol_client_request *, const struct ol_client_events *,
    void *arg);

/*
 * Nobody wants it any more: closes the connection (after FCGI_ABORT_REQUEST
 * where that can be sent at once), frees; no callback. Within a callback, too.
 */
void ol_client_cancel(struct ol_client *);

#endif
