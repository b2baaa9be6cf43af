/*
 * The listeners of pools that rapid_fail has stopped: the engine answers there
 * while nobody else does. What it could not be told is told again, to the next
 * engine too.
 */
#ifndef OL_MASTER_CLOSINGS_H
#define OL_MASTER_CLOSINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>

#include "master/listener.h"
#include "master/wire.h"

struct ol_closing;

struct ol_closings {
	LIST_HEAD(, ol_closing) list;
	uint32_t last; /* number */
};

void ol_closings_init(struct ol_closings *);
void ol_closings_fini(struct ol_closings *);

/*
 * Say anew which are closed: ol_closings_begin(), ol_closings_want() for each,
 * with the time of the next try, ol_closings_end(). The others are taken back.
 * References the listeners.
 */
void ol_closings_begin(struct ol_closings *);
void ol_closings_want(struct ol_closings *, struct ol_listener *, int64_t due);
void ol_closings_end(struct ol_closings *);

/* Whether the engine may accept there. */
bool ol_closings_held(const struct ol_closings *, const struct ol_listener *);

/* Tell what the engine does not know yet. False: it does not listen. */
bool ol_closings_tell(struct ol_closings *, struct ol_wire *, int64_t now);

/* The engine accepts there no more. */
void ol_closings_opened(struct ol_closings *, uint32_t number);

/* The engine is gone. */
void ol_closings_lost(struct ol_closings *);

#endif
