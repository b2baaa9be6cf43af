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

/* Milliseconds by which a clock that is not set may go wrong meanwhile. */
static const int64_t slew = 10000;

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

/* --- What time it is, for rows that have the time of their end. --- */

static int64_t
lead_now(void)
{
	return ol_wall_now() - ol_clock_now() / OL_MSEC(1);
}

/*
 * A clock that was set forward makes young rows look old. So it is followed
 * only when all that ended before has been kept for its time: then the rows
 * that have the old time go anyway. One that was set back makes them younger.
 */
static int64_t
wall_of_rows(struct ol_engine *e)
{
	const struct ol_conf_store *rule = &e->conf->store;
	int64_t now = ol_clock_now(), lead = lead_now();

	if (lead > e->new_lead + slew) {
		e->lead_at = ol_clock_after(
		    now, most(rule->retain, rule->retain_failed));
		ol_log_notice(NULL,
		    "engine: the clock went %lld s forward: ended tasks are "
		    "kept for their time from now on",
		    (long long)(lead - e->new_lead) / 1000);
	}
	e->new_lead = lead;
	if (lead <= e->lead + slew || now >= e->lead_at) {
		e->lead = lead;
		e->lead_at = 0;
	}
	return now / OL_MSEC(1) + e->lead;
}

void
ol_retain_begin(struct ol_engine *e)
{
	e->last_end = ol_clock_now();
	e->lead = e->new_lead = lead_now();
}

/* --- Looking. --- */

/* The next look, when anything that is known of can become due. */
static void
plan(struct ol_engine *e)
{
	const struct ol_conf_store *rule = &e->conf->store;
	int64_t now = ol_clock_now();
	int64_t last =
	    most(e->lead_at, ol_clock_after(e->last_end,
				 most(rule->retain, rule->retain_failed)));

	e->is_planned = now <= ol_clock_after(last, apart(e));
	if (e->is_planned)
		ol_timer_at(e->janitor, ol_clock_after(now, apart(e)));
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
	int64_t now = wall_of_rows(e);
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
	e->last_end = ol_clock_now();
	if (!e->is_planned && !e->closing)
		plan(e);
}
