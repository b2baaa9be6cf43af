/*
 * Bytes on their way to the web server: records in one growing buffer, sent
 * without blocking.
 */
#ifndef OL_FCGI_OUTPUT_H
#define OL_FCGI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi/record.h"

struct event;

struct ol_output {
	unsigned char *data; /* owned */
	size_t start, end, size;
	size_t record;	     /* offset of the open record; OL_OUTPUT_NONE */
	struct event *event; /* owned: waits for room in the socket; or NULL */
};
#define OL_OUTPUT_NONE ((size_t)-1)

enum ol_output_sent {
	OL_OUTPUT_EMPTY,   /* all is with the kernel */
	OL_OUTPUT_BLOCKED, /* the socket is full */
	OL_OUTPUT_BROKEN,  /* nobody will read it */
};

/* NULL without memory. */
struct ol_output *ol_output_new(void);
void ol_output_free(struct ol_output *);

/* Bytes that wait. */
size_t ol_output_pending(const struct ol_output *);

/* Add whole records as they are. -1 without memory. */
int ol_output_add(struct ol_output *, const void *records, size_t len);

/*
 * Add content to the stream of type of request id. It goes on in the record
 * that is open, until ol_output_close_record(). -1 without memory.
 */
int ol_output_stream(struct ol_output *, enum ol_record_type type, unsigned id,
    const void *content, size_t len);
void ol_output_close_record(struct ol_output *);

/* Send what fd takes; *sent is how much that was. */
enum ol_output_sent ol_output_send(struct ol_output *, int fd, size_t *sent);

#endif
