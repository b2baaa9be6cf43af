/* The last bytes of a stream: what is kept of a program's standard error. */
#ifndef OL_RUN_TAIL_H
#define OL_RUN_TAIL_H

#include <stddef.h>

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
