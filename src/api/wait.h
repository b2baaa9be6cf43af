/*
 * How long a request waits for a task: Prefer: wait, or OUTLAST_WAIT of its
 * location, and no longer than wait_max.
 */
#ifndef OL_API_WAIT_H
#define OL_API_WAIT_H

#include "api/exchange.h"

/*
 * From now on, as its parameters say; unasked: nanoseconds for who says
 * nothing. Sets x->until, and what Preference-Applied is to say. Once for an
 * exchange; not at all when too many wait already.
 */
void ol_wait_begin(struct ol_exchange *, int64_t unasked);

/* Whether it still waits. */
bool ol_wait_goes_on(const struct ol_exchange *);

/* Preference-Applied, when there was one. */
void ol_wait_header(struct ol_exchange *);

#endif
