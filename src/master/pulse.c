#include "base/failpoint.h"
#include "master/pulse.h"

static int64_t
next_question(int64_t now)
{
	/* For tests: nobody waits two minutes there. */
	return ol_clock_after(
	    now, OL_FAILS("quick_pulse") ? OL_SEC(1) : OL_PULSE_INTERVAL);
}

void
ol_pulse_begin(struct ol_pulse *p, int64_t now)
{
	if (p->due != OL_NEVER)
		return;
	p->due = next_question(now);
	p->missed = 0;
}

void
ol_pulse_end(struct ol_pulse *p)
{
	p->due = OL_NEVER;
}

void
ol_pulse_felt(struct ol_pulse *p)
{
	p->missed = 0;
}

enum ol_pulse_act
ol_pulse_tick(struct ol_pulse *p, int64_t now)
{
	if (now < p->due)
		return OL_PULSE_WAIT;
	if (p->missed == OL_PULSE_MISSED) {
		p->due = OL_NEVER;
		return OL_PULSE_GONE;
	}
	p->missed++;
	p->due = next_question(now);
	return OL_PULSE_ASK;
}
