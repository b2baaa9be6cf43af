#include <stdio.h>

#include "api/wait.h"
#include "base/clock.h"

void
ol_wait_begin(struct ol_exchange *x, int64_t unasked)
{
	const struct ol_prefer *prefer = &x->question->envelope.prefer;
	int64_t most = x->api->conf->wait_max, wait = unasked;

	if (prefer->wait >= 0)
		wait = OL_SEC(prefer->wait);
	else if (prefer->async)
		wait = 0;
	if (wait > most)
		wait = most;
	/* It is a wish, and who only submits is to have a connection, too. */
	if (x->api->nwaits >= x->api->waits_max)
		wait = 0;
	x->is_async = prefer->async && prefer->wait < 0;
	if (prefer->wait >= 0)
		x->waits = (int)(wait / OL_SEC(1));
	if (wait == 0)
		return;
	x->until = ol_clock_after(ol_clock_now(), wait);
	x->is_wait = true;
	x->api->nwaits++;
}

bool
ol_wait_goes_on(const struct ol_exchange *x)
{
	return x->until != 0 && ol_clock_now() < x->until;
}

void
ol_wait_header(struct ol_exchange *x)
{
	char text[32];

	if (x->waits >= 0) {
		snprintf(text, sizeof(text), "wait=%d", x->waits);
		ol_request_header(x->request, "Preference-Applied", text);
	} else if (x->is_async)
		ol_request_header(
		    x->request, "Preference-Applied", "respond-async");
}
