/* FastCGI records put together by hand, right or wrong, for tests. */
#ifndef TESTS_LIB_RECORDS_H
#define TESTS_LIB_RECORDS_H

#include <stddef.h>

struct records {
	unsigned char data[300 * 1024];
	size_t len;
};

/* One record; content may be NULL when len is 0. */
void records_add(struct records *r, unsigned type, unsigned id,
    const void *content, size_t len, unsigned padding);

/* BEGIN_REQUEST for a responder, id 1. */
void records_begin(struct records *r, unsigned flags);

/* One PARAMS record (more when it must be) with "NAME=value" strings up to
 * NULL, then the empty one. */
void records_params(struct records *r, const char *const *params);

/* STDIN records of at most 32 KiB, then the empty one. */
void records_stdin(struct records *r, const void *body, size_t len);

/* All of it: a request as nginx sends it. */
void records_request(struct records *r, unsigned flags,
    const char *const *params, const void *body, size_t len);

#endif
