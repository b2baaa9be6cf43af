/*
 * The options of POST /{type}: delay, at, priority and owner, from the query
 * and from Outlast-* headers. Pure.
 */
#ifndef OL_API_OPTIONS_H
#define OL_API_OPTIONS_H

#include <stdint.h>

#include "api/envelope.h"

struct ol_options {
	int64_t delay; /* nanoseconds; 0: none */
	int64_t due;   /* milliseconds since 1970; 0: none */
	int priority;  /* INT_MIN: the type's */
	char owner[256];
};

/* None: what a submit in a location of its own has. */
void ol_options_init(struct ol_options *);

/* -1: an option that is unknown, comes twice or has a bad value. */
int ol_options_read(
    struct ol_options *, const struct ol_envelope *, struct ol_refusal *);

/*
 * Milliseconds since 1970 of an RFC 3339 time; -1 when text is anything else,
 * or before 1970.
 */
int64_t ol_options_time(const char *text);

#endif
