#include "master/rapid.h"

void
ol_rapid_set(struct ol_rapid *r, int crashes, int64_t window, int64_t retry)
{
	*r = (struct ol_rapid){
		.crashes = crashes,
		.window = window,
		.retry = retry,
	};
}

static bool
is_too_many(struct ol_rapid *r, int64_t now)
{
	unsigned limit = (unsigned)r->crashes;

	r->times[r->n++ % limit] = now;
	/* The oldest of the last ones is the next to be written over. */
	return r->n >= limit && now - r->times[r->n % limit] <= r->window;
}

bool
ol_rapid_crash(struct ol_rapid *r, int64_t now)
{
	if (r->crashes == 0)
		return false;
	switch (r->state) {
	case OL_RAPID_STOPPED:
		return false;
	case OL_RAPID_PROBATION:
		if (now < r->due)
			break;
		r->state = OL_RAPID_RUNNING;
		r->n = 0;
		__attribute__((fallthrough));
	case OL_RAPID_RUNNING:
		if (!is_too_many(r, now))
			return false;
		break;
	case OL_RAPID_TRYING:
		break;
	}
	r->state = OL_RAPID_STOPPED;
	r->due = ol_clock_after(now, r->retry);
	return true;
}

bool
ol_rapid_try(struct ol_rapid *r, int64_t now)
{
	if (r->state != OL_RAPID_STOPPED || now < r->due)
		return false;
	r->state = OL_RAPID_TRYING;
	return true;
}

bool
ol_rapid_ready(struct ol_rapid *r, int64_t now)
{
	if (r->state != OL_RAPID_TRYING)
		return false;
	r->state = OL_RAPID_PROBATION;
	r->due = ol_clock_after(now, OL_RAPID_PROVEN);
	return true;
}

int64_t
ol_rapid_due(const struct ol_rapid *r)
{
	return r->state == OL_RAPID_STOPPED ? r->due : OL_NEVER;
}

int
ol_rapid_recent(const struct ol_rapid *r, int64_t now)
{
	unsigned kept = (unsigned)r->crashes, i;
	int n = 0;

	for (i = 0; i < kept && i < r->n; i++)
		n += now - r->times[i] <= r->window;
	return n;
}
