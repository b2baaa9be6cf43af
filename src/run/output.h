/*
 * What a program writes: the whole of its result, in memory while it is small
 * and then in a file without a name; of its standard error, the end.
 */
#ifndef OL_RUN_OUTPUT_H
#define OL_RUN_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/body.h"

enum {
	OL_OUTPUT_MEMORY = 32 * 1024, /* more than this goes to a file */
};

struct ol_output {
	unsigned char *data; /* owned; NULL when empty or in a file */
	size_t room;
	int64_t len;
	int fd; /* owned; -1: in memory */
};

void ol_output_init(struct ol_output *);
void ol_output_fini(struct ol_output *);

/*
 * Add len bytes. The file, if it comes to that, is made in folder. -1 with
 * errno set: the result is lost.
 */
int ol_output_append(struct ol_output *, int folder, const void *, size_t len);

/* All of it as a body, the caller's; then it is empty. NULL: empty, errno 0, or
 * errno is set. */
struct ol_body *ol_output_body(struct ol_output *);

/* The last bytes of a stream. */
struct ol_tail {
	char *data; /* owned; grows with what comes */
	size_t room, max;
	size_t len;
	size_t start; /* when full: where the oldest byte is */
};

void ol_tail_init(struct ol_tail *, size_t max);
void ol_tail_fini(struct ol_tail *);
void ol_tail_add(struct ol_tail *, const char *, size_t len);

/* In one piece; borrowed until the next call. */
const char *ol_tail_text(struct ol_tail *, size_t *len);

#endif
