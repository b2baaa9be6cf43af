/*
 * The engine or the spawner as one process at the other end of a channel. What
 * it says is bounded here: whoever says what makes no sense, or too much, is
 * heard no more.
 */
#ifndef OL_MASTER_WIRE_H
#define OL_MASTER_WIRE_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "base/order.h"
#include "loop/loop.h"
#include "master/role.h"

/* Messages in OL_WIRE_WHILE; ours say a few in a second at most. */
#define OL_WIRE_MOST  200
#define OL_WIRE_WHILE OL_SEC(1)

struct ol_wire {
	pid_t pid;   /* 0: there is none */
	int channel; /* -1: none, or closed */
	struct ol_watch *watch;
	struct ol_log log;
	int64_t since; /* when the counting began */
	unsigned heard;
	/* What it was told; see briefing.h. */
	uint32_t told;	  /* number of the configuration; 0: none yet */
	bool reopen_owed; /* the log's files are others */
	int64_t again;	  /* when to tell it once more; 0: not */
	int64_t pause;	  /* before that */
};

enum ol_wire_word {
	OL_WIRE_ORDER,	 /* one order, without descriptors */
	OL_WIRE_NOTHING, /* no more for now */
	OL_WIRE_END,	 /* it has closed its end, or is gone */
	OL_WIRE_RUBBISH, /* logged; do not listen any more */
};

/* There is none. Nothing to free. */
void ol_wire_init(struct ol_wire *);

/* Start the process; fn(arg) when there is something to hear. -1: logged. */
int ol_wire_open(struct ol_wire *, struct ol_loop *,
    const struct ol_role_options *, ol_loop_fn *fn, void *arg);

/* The process was reaped, or is forgotten. */
void ol_wire_close(struct ol_wire *);

/* Close the channel alone: the process hears that, and nothing more. */
void ol_wire_hang_up(struct ol_wire *);

/* The next thing that it says. */
enum ol_wire_word ol_wire_hear(
    struct ol_wire *, struct ol_order *, int64_t now);

/*
 * Tell it; the descriptors stay the caller's. False: it was not sent, and may
 * be later. One that is gone needs nothing; what can never be sent is logged.
 */
bool ol_wire_tell(struct ol_wire *, const struct ol_order *, const int *fds);

/* Whether it has ended and waits to be reaped. */
bool ol_wire_is_dead(const struct ol_wire *);

#endif
