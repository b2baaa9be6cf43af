/*
 * A request of a server (fcgi/server.h): what it brought, and its answer. It
 * belongs to the server; the owner may use it from on_request until it calls
 * ol_request_finish() or ol_request_cancel(), or until on_gone returns.
 */
#ifndef OL_FCGI_REQUEST_H
#define OL_FCGI_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/pairs.h"

/* A longer body goes to a file. */
#define OL_REQUEST_MEMORY (64 * 1024)

struct ol_request;

/* A pointer of the owner's; NULL at first. */
void ol_request_set_data(struct ol_request *, void *data);
void *ol_request_data(const struct ol_request *);

/*
 * The parameters in their order, *n of them; names may come twice. Borrowed,
 * until the request ends or is forgotten.
 */
const struct ol_pair *ol_request_params(const struct ol_request *, size_t *n);

/* The value of the first parameter of that name, or NULL. Borrowed. */
const char *ol_request_param(const struct ol_request *, const char *name);

/* CONTENT_LENGTH, or -1: absent or empty; only the body's end tells then. */
int64_t ol_request_content_length(const struct ol_request *);

/* How large the body may be; within on_request. */
void ol_request_limit_body(struct ol_request *, uint64_t max);

/* After on_body with OL_BODY_WHOLE: how long the body is. */
uint64_t ol_request_body_length(const struct ol_request *);

/*
 * The body, if it is in memory. Borrowed as the parameters are. NULL when it is
 * empty or in a file.
 */
const void *ol_request_body(const struct ol_request *);

/*
 * The file of a larger one, without a name yet, in the server's folder:
 * returned owned, with its offset at the end. -1: it is in memory, or taken.
 */
int ol_request_take_body(struct ol_request *);

/*
 * Free the parameters and the body: for requests that wait long. After on_body
 * or instead of it.
 */
void ol_request_forget(struct ol_request *);

/*
 * The answer: status first, then headers, then the content. Nothing blocks;
 * what the web server does not take yet is kept.
 */
void ol_request_status(struct ol_request *, int status);

/* -1: name or value hold bytes that a header must not have; nothing is added.
 */
int ol_request_header(struct ol_request *, const char *name, const char *value);

/*
 * Add to the content; false: stop until on_drained, or on_gone. high_water
 * bytes and more wait, or others have their turn now, or nobody reads it any
 * more. They are sent with ol_request_flush(), at the end, and when 32 KiB have
 * come together.
 */
bool ol_request_write(struct ol_request *, const void *data, size_t len);

/* Send what was written: for event streams. */
void ol_request_flush(struct ol_request *);

/* The answer is whole. No callback runs any more. */
void ol_request_finish(struct ol_request *);

/*
 * There is no answer: refused with FCGI_OVERLOADED (nginx answers 502), or, if
 * one was begun, ended by closing the connection, so that nobody takes the part
 * for the whole. No callback runs any more.
 */
void ol_request_cancel(struct ol_request *);

#endif
