/*
 * The bytes of a payload or a result: in memory, or in a file. They never
 * change, and live as long as somebody holds a reference. Any thread.
 */
#ifndef OL_BASE_BODY_H
#define OL_BASE_BODY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct ol_body {
	atomic_int references;
	int fd; /* -1: in memory. Read it with pread(): it is shared */
	const void *data; /* NULL: in a file */
	int64_t size;
};

/* A copy of the bytes; NULL with errno set. One reference, the caller's. */
struct ol_body *ol_body_new(const void *data, size_t size);

/*
 * The first size bytes of fd, which nobody writes to any more. Takes fd, also
 * when it fails.
 */
struct ol_body *ol_body_file(int fd, int64_t size);

/* One more reference; returns body. NULL stays NULL. */
struct ol_body *ol_body_ref(struct ol_body *body);

/* Give a reference up; the last one frees. NULL is legal. */
void ol_body_free(struct ol_body *body);

#endif
