/*
 * What the engine and the spawner are to know: the configuration, the listeners
 * of the tasks, and the log's files. Each is told once; what could not be sent
 * is sent again.
 */
#ifndef OL_MASTER_BRIEFING_H
#define OL_MASTER_BRIEFING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/conf.h"
#include "master/listener.h"
#include "master/wire.h"

struct ol_briefing_listeners {
	struct ol_listener **all;
	size_t n;
};

struct ol_briefing {
	uint32_t generation; /* of the configuration, from 1; 0: none yet */
	int config;	     /* it, sealed; -1: none */
	struct ol_briefing_listeners listeners;
	struct ol_briefing_listeners older; /* the engine may have them still */
};

void ol_briefing_init(struct ol_briefing *);
void ol_briefing_fini(struct ol_briefing *);

/* conf in a descriptor for ol_briefing_set(); -1: logged. */
int ol_briefing_seal(const struct ol_conf *conf);

/*
 * From now on this; takes the descriptor, references the listeners, n of them,
 * until the engine has let go of them.
 */
void ol_briefing_set(struct ol_briefing *, int config,
    struct ol_listener *const *listeners, size_t n);

/* The engine has the newest configuration, and no others' listeners. */
void ol_briefing_applied(struct ol_briefing *);

/* One could not apply it: told again after a pause, which doubles. */
void ol_briefing_failed(struct ol_wire *, int64_t now);

/* When to tell one of them again; OL_NEVER. */
int64_t ol_briefing_due(const struct ol_wire *);

/* Nobody is left who has the listeners. */
void ol_briefing_let_go(struct ol_briefing *);

/* Tell what it does not know yet. False: it does not listen, try again. */
bool ol_briefing_tell_spawner(
    const struct ol_briefing *, struct ol_wire *, int64_t now);
bool ol_briefing_tell_engine(
    const struct ol_briefing *, struct ol_wire *, int64_t now);

#endif
