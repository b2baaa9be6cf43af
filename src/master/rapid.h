/*
 * Rapid-fail protection of a pool: when it is stopped, and tried again. Pure:
 * now is an argument.
 *
 *              N crashes in the window
 *     RUNNING ────────────────────────▶ STOPPED ─── retry ──▶ TRYING
 *        ▲                                 ▲ ▲                 │  │
 *        │                                 │ └──── a crash ────┘  │
 *        └── OL_RAPID_PROVEN later ── PROBATION ◀── it is ready ──┘
 *                                     (a crash: STOPPED)
 */
#ifndef OL_MASTER_RAPID_H
#define OL_MASTER_RAPID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { OL_RAPID_MOST = 100 };

#define OL_RAPID_PROVEN OL_SEC(10)

enum ol_rapid_state {
	OL_RAPID_RUNNING,
	OL_RAPID_STOPPED,
	OL_RAPID_TRYING,    /* with one process */
	OL_RAPID_PROBATION, /* all run again */
};

/* All 0 is RUNNING, and off. */
struct ol_rapid {
	enum ol_rapid_state state;
	int crashes; /* 0: off */
	int64_t window, retry;
	int64_t times[OL_RAPID_MOST]; /* of the last crashes, a ring */
	unsigned n;		      /* crashes ever */
	int64_t due; /* STOPPED: the next try; PROBATION: its end */
};

/* Other rules; the pool runs, and what was counted is forgotten. */
void ol_rapid_set(
    struct ol_rapid *, int crashes, int64_t window, int64_t retry);

/* A process crashed. True: stop the pool. */
bool ol_rapid_crash(struct ol_rapid *, int64_t now);

/* True, once: it is time to start one process. */
bool ol_rapid_try(struct ol_rapid *, int64_t now);

/* A process is ready. True: it was the one on trial, start the others. */
bool ol_rapid_ready(struct ol_rapid *, int64_t now);

/* Crashes in the window until now, as far as they were counted. */
int ol_rapid_recent(const struct ol_rapid *, int64_t now);

/* When ol_rapid_try() is due; OL_NEVER. */
int64_t ol_rapid_due(const struct ol_rapid *);

#endif
