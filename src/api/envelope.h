/*
 * What the parameters of a request say, and no more than that: who asks, for
 * what. Pure; all pointers point into the parameters.
 */
#ifndef OL_API_ENVELOPE_H
#define OL_API_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/prefer.h"
#include "api/problem.h"
#include "config/conf.h"
#include "fcgi/pairs.h"

/* Texts are "" when the parameter is absent or empty. */
struct ol_envelope {
	const struct ol_pair *pairs;
	size_t npairs;
	unsigned method; /* one of enum ol_method, 0: one that we do not know */
	const char *uri; /* DOCUMENT_URI */
	const char *query;
	const char *content_type;
	/* The web server's words. */
	const char *task;
	enum ol_access access; /* OL_ACCESS_CLIENT when absent */
	const char *owner;
	const char *session;
	size_t session_len;
	const char *base; /* "": the configuration's */
	int64_t wait;	  /* nanoseconds; 0: none */
	/* The client's. */
	const char *key; /* Idempotency-Key, as sent */
	const char *if_none_match;
	const char *traceparent; /* well-formed, or "" */
	struct ol_prefer prefer;
	bool prefetch;
	bool navigates; /* a browser goes there to show what it gets */
	/* It sends Sec-Fetch-*, so that Accept is no hint; what that is. */
	bool says_mode, accepts_html;
	bool cross_site; /* what Sec-Fetch-Site and Origin come to */
	bool same_origin, foreign_origin; /* what each of them says */
};

/*
 * Methods as a set: those that submit (OL_METHOD_GET … of conf.h), and two
 * more.
 */
enum ol_method {
	OL_METHOD_HEAD = 1 << 8,
	OL_METHOD_OPTIONS = 1 << 9,
};

/* Read the parameters, which must outlive the envelope; -1: refused. */
int ol_envelope_read(struct ol_envelope *, const struct ol_pair *, size_t n,
    struct ol_refusal *);

/* Write the methods of a set for Allow: "GET, HEAD, OPTIONS". */
#define OL_ENVELOPE_ALLOW_SIZE 64
void ol_envelope_allow(unsigned methods, char *buf);

/* The value of a parameter, "" when it is absent or holds a NUL. */
const char *ol_envelope_param(const struct ol_envelope *, const char *name);

/*
 * The path below base, which has no "/" at its end; NULL when uri is not below
 * it.
 */
const char *ol_envelope_below(const char *uri, const char *base);

/* Whether text is 1 to 255 bytes of UTF-8 without control characters. */
bool ol_envelope_is_name(const char *text, size_t len);

#endif
