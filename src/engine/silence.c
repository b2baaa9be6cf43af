#include "base/clock.h"
#include "base/log.h"
#include "engine/core.h"

/*
 * A disk that hangs: no call fails, and none ends. Whoever waited too long is
 * told that nobody knows; from then on, until the store answers anything,
 * nothing more is given to it: that is known not to be stored.
 */

static void
on_answer(void *arg, const struct ol_answer *answer)
{
	struct ol_engine *e = arg;

	(void)answer;
	e->silent = false;
	ol_log_notice(NULL, "store: the disk answers again, after %lld s",
	    (long long)((ol_clock_now() - e->silent_since) / OL_SEC(1)));
}

void
ol_silence_begin(struct ol_engine *e, int64_t since)
{
	/* A disk that fails is another matter, and told already. */
	if (e->silent || e->failing || e->closing)
		return;
	e->silent = true;
	e->silent_since = since;
	ol_log_error(NULL,
	    "store: the disk has not answered for %lld ms: submits are refused "
	    "until it does; what runs goes on",
	    (long long)((ol_clock_now() - since) / OL_MSEC(1)));
	/* Behind all that it was asked for: its answer ends the silence. */
	ol_store_get(e->durable, (const uint8_t[OL_ROW_ID]){ 0 }, on_answer, e);
}
