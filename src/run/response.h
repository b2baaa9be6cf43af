/* What the reply of a backend means for its attempt; see REPLAY in
 * outlast-tasks(7). Pure. */
#ifndef OL_RUN_RESPONSE_H
#define OL_RUN_RESPONSE_H

#include <stdint.h>
#include <time.h>

#include "fcgi/reply.h"
#include "run/run.h"

/* Fills in ending, kind and message by status and Retry-After; now is that of
 * the wall clock. */
void ol_response_judge(
    const struct ol_reply *, time_t now, struct ol_run_end *);

/*
 * How many bytes of content it promises; -1: it does not say, or has none, as
 * that of its status never has any.
 */
int64_t ol_response_length(const struct ol_reply *);

/*
 * Status and headers as in struct ol_run_end's reply, without those that speak
 * of one connection or of the length; owned by the caller. It will be read at
 * another address than that of the request: where Location and Content-Location
 * depend on it, they are resolved against uri, the request's.
 */
char *ol_response_text(const struct ol_reply *, const char *uri);

#endif
