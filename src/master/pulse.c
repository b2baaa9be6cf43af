#include "master/pulse.h"

void
ol_pulse_begin(struct ol_pulse *p, int64_t now)
{
	if (p->due != OL_NEVER)
		return;
	p->due = ol_clock_after(now, OL_PULSE_INTERVAL);
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
	p->due = ol_clock_after(now, OL_PULSE_INTERVAL);
	return OL_PULSE_ASK;
}
