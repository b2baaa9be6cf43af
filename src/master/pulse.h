/*
 * Whether an engine or a spawner still answers while attempts run: it is asked
 * now and then, and one that did not answer OL_PULSE_MISSED times in a row is
 * gone. Counted, not timed, so that a machine that stood still is not taken for
 * one that hangs. An idle one is not asked, because it is not to wake up for
 * nothing. Pure: now is an argument.
 */
#ifndef OL_MASTER_PULSE_H
#define OL_MASTER_PULSE_H

#include <stdint.h>

#include "base/clock.h"

/* Between two questions. */
#ifndef OL_PULSE_INTERVAL
#define OL_PULSE_INTERVAL OL_SEC(30)
#endif
enum { OL_PULSE_MISSED = 3 };

struct ol_pulse {
	int64_t due;	 /* the next question; OL_NEVER: nobody is asked */
	unsigned missed; /* questions since the last answer */
};

enum ol_pulse_act { OL_PULSE_WAIT, OL_PULSE_ASK, OL_PULSE_GONE };

/* It answers from now on; nothing when it does already. */
void ol_pulse_begin(struct ol_pulse *, int64_t now);

/* There is nobody to ask. */
void ol_pulse_end(struct ol_pulse *);

/* It has answered. */
void ol_pulse_felt(struct ol_pulse *);

/* What is due. GONE is said once. */
enum ol_pulse_act ol_pulse_tick(struct ol_pulse *, int64_t now);

#endif
