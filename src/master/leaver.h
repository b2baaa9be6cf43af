/*
 * A process on its way out. Pure: no clock, no system call; now is an
 * argument, in nanoseconds of one clock that never goes back.
 *
 *     t0            deadline - grace        deadline
 *     RETIRING ───▶ LAST_CALL ────────────▶ KILLED ───▶ GONE
 *
 * The budget is deadline - t0. grace is kill_grace, but at most a quarter of
 * the budget. SIGKILL comes OL_LEAVER_SLACK after the deadline: the process
 * counts from when the signal reached it, and may end by itself at the last
 * moment and say what was lost. An extension moves the deadline and the last
 * call with it; one rule, the same in liboutlast: max(deadline, min(t0 + max,
 * now + asked)).
 */
#ifndef OL_MASTER_LEAVER_H
#define OL_MASTER_LEAVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "master/acts.h"

#define OL_LEAVER_SLACK OL_MSEC(100)
/* So long one that hangs may take to say where. */
#define OL_LEAVER_LAST_WORDS OL_MSEC(400)

enum ol_leaver_state {
	OL_LEAVER_GONE,	     /* reaped; the struct is free */
	OL_LEAVER_RETIRING,  /* told to leave, within its budget */
	OL_LEAVER_LAST_CALL, /* told that the end is near */
	OL_LEAVER_KILLED,    /* sent SIGKILL; not reaped yet */
	OL_LEAVER_STATES
};

enum ol_leaver_event {
	OL_LEAVER_GRACE,    /* deadline - grace has come */
	OL_LEAVER_DEADLINE, /* the deadline and the slack have passed */
	OL_LEAVER_EXTEND,   /* it asked for more and some is granted */
	OL_LEAVER_LIMIT,    /* it had no deadline and gets one */
	OL_LEAVER_NOW,	    /* end it at once */
	OL_LEAVER_EXITED,   /* reaped */
	OL_LEAVER_EVENTS
};

enum ol_leaver_how {
	OL_LEAVER_BUDGET,   /* told now, with shutdown_delay */
	OL_LEAVER_NO_LIMIT, /* told now, without a deadline */
	OL_LEAVER_ITSELF,   /* said so itself; knows its shutdown_delay */
	OL_LEAVER_HUNG,	    /* never became ready: the last call at once */
	OL_LEAVER_ABORT,    /* hangs: says where, and is killed */
};

struct ol_leaver_times {
	int64_t shutdown_delay;
	int64_t shutdown_delay_max;
	int64_t kill_grace;
};

struct ol_leaver {
	const struct ol_acts *acts;
	void *arg;
	unsigned generation;
	enum ol_leaver_state state;
	struct ol_leaver_times times;
	int64_t t0;
	int64_t deadline; /* OL_NEVER: no limit */
	int64_t call;	  /* when the last call is due */
	int64_t logged;	  /* the deadline that the log knows */
	bool called;	  /* the log knows of the last call */
	bool refused;	  /* the log knows of an extension not granted */
};

/*
 * Begin to end a process: fills *l (which was GONE) and tells the process.
 * acts and arg are borrowed until it is GONE. why is for the log.
 */
void ol_leaver_begin(struct ol_leaver *l, const struct ol_acts *acts, void *arg,
    unsigned generation, const struct ol_leaver_times *, enum ol_leaver_how,
    const char *why, int64_t now);

/* Do what is due; returns when to call again, OL_NEVER for not. */
int64_t ol_leaver_tick(struct ol_leaver *, int64_t now);

/* It asks to live for so many nanoseconds from now. */
void ol_leaver_extend(struct ol_leaver *, int64_t asked, int64_t now);

/* Give one without a deadline its budget from now on; others keep theirs. */
void ol_leaver_limit(struct ol_leaver *, int64_t now);

/* SIGKILL now. */
void ol_leaver_now(struct ol_leaver *, int64_t now);

/* It was reaped; how, for the log: "exit 0". Now it is GONE. */
void ol_leaver_exited(struct ol_leaver *, const char *how, int64_t now);

#endif
