/*
 * JSON that is answered: a task as its users see it, and problems. Written at
 * once into a buffer that is used again: the 202 is on the way of every
 * submit. Strings are escaped, bytes that are not UTF-8 replaced.
 */
#ifndef OL_API_JSON_H
#define OL_API_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "api/problem.h"
#include "engine/object.h"

/* Zeroed when new. */
struct ol_json {
	char *text; /* not terminated */
	size_t len, size;
	bool failed; /* out of memory: text is not whole */
	bool comma;  /* before the next member */
};

void ol_json_fini(struct ol_json *);

/* Both begin anew. base has no "/" at its end, but may be "/". */
void ol_json_object(
    struct ol_json *, const struct ol_object *, const char *base);

/* instance "": none. */
void ol_json_problem(struct ol_json *, const struct ol_problem_kind *,
    const char *detail, const char *instance);

/* Milliseconds since 1970 as RFC 3339 in UTC: "2026-11-20T21:05:11.123Z". */
#define OL_JSON_TIME_SIZE 32
size_t ol_json_time(char *buf, int64_t msec);

#endif
