#include "base/clock.h"
#include "base/log.h"
#include "engine/core.h"
#include "engine/wall.h"

/*
 * What was kept long enough is looked for a 64th of that time apart, and only
 * as long as something can be there: an idle daemon does not wake up for it.
 */
static const int64_t apart_least = OL_SEC(1);
static const int64_t apart_most = OL_SEC(3600);

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
apart(const struct ol_engine *e)
{
	const struct ol_conf_store *rule = &e->conf->store;
	int64_t t = least(rule->retain, rule->retain_failed) / 64;

	return t < apart_least ? apart_least : t > apart_most ? apart_most : t;
}

/* The next look, when anything that is known of can become due. */
static void
plan(struct ol_engine *e)
{
	const struct ol_conf_store *rule = &e->conf->store;
	int64_t last =
	    e->last_end + most(rule->retain, rule->retain_failed) / OL_MSEC(1);

	if (ol_wall_now() <= last + apart(e) / OL_MSEC(1))
		ol_timer_at(
		    e->janitor, ol_clock_after(ol_clock_now(), apart(e)));
	e->is_planned = ol_wall_now() <= last + apart(e) / OL_MSEC(1);
}

static void
on_expired(void *arg, const struct ol_answer *answer)
{
	struct ol_engine *e = arg;

	if (e->closing)
		return;
	if (answer->failed == OL_STORE_DONE && answer->more)
		ol_retain_look(e);
	else
		plan(e);
}

void
ol_retain_look(void *engine)
{
	struct ol_engine *e = engine;
	const struct ol_conf_store *rule = &e->conf->store;
	int64_t now = ol_wall_now();
	struct ol_expire expire;

	expire.succeeded = now - rule->retain / OL_MSEC(1);
	expire.cancelled = expire.succeeded;
	expire.failed = now - rule->retain_failed / OL_MSEC(1);
	expire.poisoned = expire.failed;
	e->is_planned = true;
	ol_store_expire(e->durable, &expire, on_expired, e);
}

void
ol_retain_ended(struct ol_engine *e)
{
	e->last_end = ol_wall_now();
	if (!e->is_planned && !e->closing)
		plan(e);
}
