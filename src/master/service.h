/*
 * The engine and the spawner as a pair: which of them runs, and what comes next
 * when one dies. Pure: no clock, no system call; now is an argument, in
 * nanoseconds of one clock that never goes back.
 *
 *     OFF ─▶ DUE ─▶ UP ─┬─ engine ended ──▶ NO_ENGINE ──▶ SWEEPING ─▶ DUE, OFF
 *                   ▲   └─ spawner ended ─▶ NO_SPAWNER
 *                   └────────── HALF ◀──────────┘
 *
 * An engine's successor starts only when its spawner, and all that this had
 * started, is gone: no task runs twice at once. One that dies is replaced at
 * once, one that died again within OL_SERVICE_STEADY of its start after a
 * second, doubling to 30.
 */
#ifndef OL_MASTER_SERVICE_H
#define OL_MASTER_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/log.h"

#define OL_SERVICE_STEADY OL_SEC(10)
/* How long a spawner may take to end what it started, without its engine. */
#define OL_SERVICE_CLEAR OL_SEC(5)
/* The same when no other pair comes after it; and when the engine had to be
 * killed, so that the time of the stop is over. What is left then is killed
 * one by one. */
#define OL_SERVICE_CLEAR_LAST OL_MSEC(200)
#define OL_SERVICE_CLEAR_LATE OL_MSEC(60)

enum ol_service_state {
	OL_SERVICE_OFF,	       /* neither runs */
	OL_SERVICE_DUE,	       /* neither runs, and a pair is due */
	OL_SERVICE_UP,	       /* both run */
	OL_SERVICE_NO_SPAWNER, /* its programs are being killed */
	OL_SERVICE_HALF,       /* the engine runs, a spawner is due */
	OL_SERVICE_ALONE,      /* the engine writes what is left, and ends */
	OL_SERVICE_NO_ENGINE,  /* the spawner ends everything, and itself */
	OL_SERVICE_SWEEPING,   /* both are gone; does a program live on? */
	OL_SERVICE_STATES
};

enum ol_service_event {
	OL_SERVICE_BEGIN,   /* a pair is wanted */
	OL_SERVICE_END,	    /* none is wanted */
	OL_SERVICE_STARTED, /* what was due was started */
	OL_SERVICE_FAILED,  /* it could not be */
	OL_SERVICE_ENGINE_ENDED,
	OL_SERVICE_SPAWNER_ENDED,
	OL_SERVICE_SPAWNER_LEFT, /* the engine that ends has let it go */
	OL_SERVICE_SWEPT,	 /* no program of a dead spawner is left */
	OL_SERVICE_OVERDUE,	 /* its limit has passed */
	OL_SERVICE_EVENTS
};

enum ol_service_role { OL_SERVICE_ENGINE, OL_SERVICE_SPAWNER };

/* What the table does to the world. */
struct ol_service_acts {
	/* Start a spawner, and an engine unless one runs. -1: logged; neither
	 * was. */
	int (*start)(void *arg, bool engine);

	/* SIGKILL; why is for the log. */
	void (*kill)(void *arg, enum ol_service_role, const char *why);

	/* Kill what a dead spawner had started; returns how much is left, -1
	 * for unknown. */
	int (*sweep)(void *arg);

	void (*say)(void *arg, enum ol_log_level, const char *line);
};

/* How often it died soon after its start. */
struct ol_service_record {
	int64_t started;
	unsigned deaths;
};

struct ol_service {
	const struct ol_service_acts *acts;
	void *arg;
	enum ol_service_state state;
	bool wanted;
	bool unhurried; /* none is wanted, but nobody waits for the end */
	bool ending;	/* the engine was told to */
	bool left;	/* the last engine ended as it was told */
	bool killed;	/* the engine was, at its limit */
	int64_t due;	/* in DUE and HALF: when to start */
	int64_t limit;	/* when what runs must be gone; OL_NEVER */
	int64_t swept;	/* when the sweeping began; 0: said already */
	struct ol_service_record engine, spawner;
};

/* OFF. acts and arg are borrowed. */
void ol_service_init(
    struct ol_service *, const struct ol_service_acts *acts, void *arg);

/* Whether there is to be a pair. One that runs is not ended by this: tell the
 * engine, which ends the spawner by its own end. */
void ol_service_want(struct ol_service *, bool wanted, int64_t now);

/* None is wanted, but the master stays: no hurry. Until ol_service_want(). */
void ol_service_unhurried(struct ol_service *);

/* The engine was told to end, and must be gone then. */
void ol_service_ending(struct ol_service *, int64_t limit);

/* It is about to end, by itself: it must be gone then, at the latest. */
void ol_service_limit(struct ol_service *, int64_t limit);

/* One was reaped; how, for the log: "exit 1". */
void ol_service_ended(
    struct ol_service *, enum ol_service_role, const char *how, int64_t now);

/* Do what is due; returns when to call again, OL_NEVER for not. */
int64_t ol_service_tick(struct ol_service *, int64_t now);

#endif
