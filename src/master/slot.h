/*
 * One slot of a pool: the place of one serving process, through all its
 * generations. Pure, as leaver.h is: now is an argument, ol_acts the hands.
 *
 * A recycle overlaps: the successor is started first, and only its READY
 * makes the serving process leave. A successor that fails leaves the old one
 * in service and is tried again, paced. At most two generations leave at once
 * by our doing; a third only when a stop, a reload during a start or the
 * process itself asks for it, and then nothing is started until one is gone.
 * So a slot never has more than three processes.
 *
 * Without overlap, or when the old process and its successor cannot accept side
 * by side, the old one leaves first, and the other is started when it accepts
 * no more.
 *
 * A READY process that has pinged once must go on pinging: one that does not
 * for ping_response_time hangs, is killed and replaced.
 *
 * Whatever ends unasked is replaced at once when it had been ready for 10 s,
 * else after 250 ms, doubled each time up to 30 s; 60 s of READY reset that.
 */
#ifndef OL_MASTER_SLOT_H
#define OL_MASTER_SLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "master/acts.h"
#include "master/leaver.h"

enum { OL_SLOT_LEAVERS = 3 };

enum ol_slot_state {
	OL_SLOT_EMPTY,	  /* no process is wanted here */
	OL_SLOT_BACKOFF,  /* none serves; the next start is due at slot.due */
	OL_SLOT_STARTING, /* current was started; nobody serves yet */
	OL_SLOT_UP,	  /* current is READY */
	OL_SLOT_RENEWING, /* current is READY, next was started */
	OL_SLOT_STATES
};

enum ol_slot_event {
	OL_SLOT_START,	    /* a process is wanted; what waits to be tried
				again is tried now */
	OL_SLOT_STOP,	    /* none is wanted any more */
	OL_SLOT_RECYCLE,    /* another process is wanted */
	OL_SLOT_DUE,	    /* start one: it is time and there is room */
	OL_SLOT_READY,	    /* current said READY=1 */
	OL_SLOT_EXITED,	    /* current was reaped */
	OL_SLOT_LATE,	    /* current is not READY in startup_time_limit */
	OL_SLOT_LEFT,	    /* current said STOPPING=1, unasked */
	OL_SLOT_HUNG,	    /* current pings no more */
	OL_SLOT_MAKE_WAY,   /* current must go before its successor comes */
	OL_SLOT_NEXT_READY, /* the same of the successor, but HUNG */
	OL_SLOT_NEXT_EXITED,
	OL_SLOT_NEXT_LATE,
	OL_SLOT_NEXT_LEFT,
	OL_SLOT_EVENTS
};

enum ol_slot_reason {
	OL_SLOT_RELOAD, /* its configuration changed */
	/* What "recycle" names. */
	OL_SLOT_AGE,
	OL_SLOT_REQUESTS,
	OL_SLOT_MEMORY,
	OL_SLOT_CLOCK,
	OL_SLOT_COMMAND, /* outlastctl pool recycle */
};

#define OL_SLOT_SETTLED OL_SEC(1)

/* Times in nanoseconds, as in the configuration. */
struct ol_slot_rules {
	int64_t shutdown_delay;
	int64_t shutdown_delay_max;
	int64_t kill_grace;
	int64_t startup_time_limit;
	int64_t recycle_time;	    /* age since READY; 0: never */
	int64_t ping_response_time; /* 0: no ping is expected */
	bool simple;		    /* READY once alive for OL_SLOT_SETTLED */
	bool overlap; /* the successor is ready before the old one leaves */
};

struct ol_seat {
	unsigned generation; /* 0: nobody */
	int64_t started;
	int64_t ready; /* OL_NEVER: not yet */
	int64_t alive; /* its last ping; OL_NEVER: none yet, none expected */
	/* What it was started with and computes with; kill_grace is ours. */
	int64_t shutdown_delay;
	int64_t shutdown_delay_max;
	bool simple;
};

struct ol_slot {
	const struct ol_acts *acts;
	void *arg;
	struct ol_slot_rules rules;
	enum ol_slot_state state;
	unsigned generation;	/* the last one given out */
	struct ol_seat current; /* in STARTING, UP and RENEWING */
	struct ol_seat next;	/* in RENEWING */
	struct ol_leaver leavers[OL_SLOT_LEAVERS];
	int64_t due;		    /* BACKOFF: when to start */
	int64_t pace;		    /* the last delay of a restart */
	int64_t renew_due;	    /* UP and renew: no earlier than this */
	int64_t renew_pace;	    /* the last delay of a successor */
	int64_t stagger;	    /* taken off recycle_time */
	bool renew;		    /* a recycle is wanted and not begun */
	bool waits;		    /* the log knows that it waits for room */
	bool hold;		    /* another slot's turn; see ol_slot_hold */
	enum ol_slot_reason reason; /* of renew, or of RENEWING */
	int64_t recycled;	    /* the last time that it was; 0: never */
	enum ol_slot_reason recycled_for;
	const char *why; /* of the STOP in work */
	bool no_limit;	 /* of the same */
	const char *how; /* of the EXITED in work */
	bool clean;	 /* of the same: exit 0 */
	bool blocked;	 /* see ol_slot_block */
};

/*
 * An EMPTY slot. acts and arg are borrowed; generation is the last one used
 * before. There is nothing to free.
 */
void ol_slot_init(struct ol_slot *, const struct ol_acts *acts, void *arg,
    unsigned generation);

/*
 * Set the times; processes keep the shutdown delays they were started with.
 * index of n slots: their recycles by age are spread over a quarter of
 * recycle_time.
 */
void ol_slot_set(
    struct ol_slot *, const struct ol_slot_rules *, int index, int n);

/*
 * Do all that is due; returns when to call again, OL_NEVER for not. Must be
 * called after each of the calls below too.
 */
int64_t ol_slot_tick(struct ol_slot *, int64_t now);

void ol_slot_start(struct ol_slot *, int64_t now);

/*
 * All processes leave, for that reason in the log; those that leave already
 * keep their deadlines. A second stop that is limited gives a budget to those
 * without a limit.
 */
void ol_slot_stop(
    struct ol_slot *, const char *why, bool no_limit, int64_t now);

/* Stop, and kill what is left. */
void ol_slot_stop_now(struct ol_slot *, int64_t now);

void ol_slot_recycle(struct ol_slot *, enum ol_slot_reason, int64_t now);

/*
 * The process of that generation has reached a limit of "recycle". False when
 * that changes nothing: it does not serve, or is to be replaced anyway.
 */
bool ol_slot_worn(
    struct ol_slot *, unsigned generation, enum ol_slot_reason, int64_t now);

/*
 * While held, a slot begins no recycle but one by a reload: those of a pool
 * take turns, so that its caches are not all cold at once.
 */
void ol_slot_hold(struct ol_slot *, bool hold);

/*
 * While blocked, nothing is started where nobody serves: an older process still
 * accepts, beside which a new one must not.
 */
void ol_slot_block(struct ol_slot *, bool blocked);

/* What the process of a generation said or did. Unknown ones are ignored. */
void ol_slot_ready(struct ol_slot *, unsigned generation, int64_t now);
void ol_slot_alive(struct ol_slot *, unsigned generation, int64_t now);
void ol_slot_stopping(struct ol_slot *, unsigned generation, int64_t now);
void ol_slot_extend(
    struct ol_slot *, unsigned generation, int64_t asked, int64_t now);
/* clean: with exit 0, which is a simple program's normal end. */
void ol_slot_exited(struct ol_slot *, unsigned generation, const char *how,
    bool clean, int64_t now);

/* Whether a successor is being started. */
bool ol_slot_renews(const struct ol_slot *);

/* Whether a READY process holds the slot. */
bool ol_slot_serves(const struct ol_slot *);

/* Whether that generation is on its way out. */
bool ol_slot_leaves(const struct ol_slot *, unsigned generation);

/* Whether the last start failed, and the next one is tried by itself. */
bool ol_slot_failed(const struct ol_slot *);

/* Whether a recycle was asked for, and has not ended yet. */
bool ol_slot_is_recycled(const struct ol_slot *);

/* "reload", "recycle time", … */
const char *ol_slot_reason_text(enum ol_slot_reason);

/* Processes that have not been reaped. */
int ol_slot_processes(const struct ol_slot *);

/* The latest deadline of those that leave; 0: none leaves. */
int64_t ol_slot_deadline(const struct ol_slot *);

#endif
