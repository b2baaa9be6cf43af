/*
 * A request on its way to a backend, as records: BEGIN_REQUEST, the PARAMS and
 * the STDIN streams. Internal to the client.
 */
#ifndef OL_FCGI_OUTGOING_H
#define OL_FCGI_OUTGOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/body.h"
#include "fcgi/output.h"
#include "fcgi/pairs.h"

struct ol_outgoing {
	struct ol_output *output; /* owned */
	struct ol_body *body;	  /* a reference; NULL: empty */
	int64_t at;		  /* bytes of body that were taken */
	bool ended;		  /* the end of STDIN is in the output */
};

/*
 * The pairs are copied. A record holds whole pairs, as php-fpm wants it, unless
 * one alone is longer than a record. -1 with errno set: no memory; there is
 * nothing to fini.
 */
int ol_outgoing_init(struct ol_outgoing *, const struct ol_pair *params,
    size_t nparams, struct ol_body *body);
void ol_outgoing_fini(struct ol_outgoing *);

enum ol_outgoing_sent {
	OL_OUTGOING_MORE,   /* call again when fd takes more */
	OL_OUTGOING_WHOLE,  /* all is with the kernel */
	OL_OUTGOING_BROKEN, /* errno: fd takes nothing any more */
	OL_OUTGOING_FAULT,  /* errno: the body cannot be read */
};

/*
 * Send what fd takes, but no more than a piece of the body in one turn, which
 * is all that is held of it; *sent is how much that was.
 */
enum ol_outgoing_sent ol_outgoing_send(
    struct ol_outgoing *, int fd, size_t *sent);

/* Between two records: something else may be sent now. */
bool ol_outgoing_between(const struct ol_outgoing *);

#endif
