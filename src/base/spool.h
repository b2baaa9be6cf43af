/*
 * A body on its way in, from a peer or a program: in memory while it is small,
 * then in a file without a name; never in both. One thread.
 */
#ifndef OL_BASE_SPOOL_H
#define OL_BASE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/body.h"

struct ol_spool {
	unsigned char *data; /* owned; NULL when empty or in a file */
	size_t size;	     /* of data */
	size_t most;	     /* more than this goes to a file */
	uint64_t len;	     /* of the body */
	int fd;		     /* owned; -1: in memory */
};

void ol_spool_init(struct ol_spool *, size_t most);

/* It is empty then, and may be filled again. */
void ol_spool_fini(struct ol_spool *);

/*
 * Add len bytes. The file, if it comes to that, is made in folder, a
 * descriptor of a directory (-1: there is none). 0, or -1 with errno set: what
 * is spooled is not to be used any more.
 */
int ol_spool_add(struct ol_spool *, int folder, const void *data, size_t len);

/*
 * The file, open for reading and writing, to keep (and link into a folder) or
 * to close; -1 when the body is in memory. The spool is empty then.
 */
int ol_spool_take_file(struct ol_spool *);

/*
 * All of it as a body, the caller's; the spool is empty then. NULL with errno
 * 0: there was nothing; with errno set: it is lost.
 */
struct ol_body *ol_spool_take(struct ol_spool *);

#endif
