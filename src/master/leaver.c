#include <stdarg.h>
#include <stdio.h>

#include "master/leaver.h"

static void say(struct ol_leaver *, enum ol_log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct ol_leaver *l, enum ol_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	l->acts->say(l->arg, l->generation, level, line);
}

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

/* The budget may have grown since t0; the grace grows with it. */
static void
set_deadline(struct ol_leaver *l, int64_t deadline)
{
	int64_t grace = l->times.kill_grace;

	l->deadline = deadline;
	l->call = OL_NEVER;
	if (deadline == OL_NEVER)
		return;
	if (grace > (deadline - l->t0) / 4)
		grace = (deadline - l->t0) / 4;
	l->call = deadline - grace;
}

static void
call(struct ol_leaver *l, int64_t now)
{
	if (!l->called)
		say(l, OL_LOG_NOTICE, "last call: %.1f s left",
		    seconds(l->deadline - now));
	l->called = true;
	l->acts->tell(l->arg, l->generation, 0);
}

static void
overdue(struct ol_leaver *l, int64_t now)
{
	(void)now;
	l->acts->kill(l->arg, l->generation, "at the deadline");
}

static void
at_once(struct ol_leaver *l, int64_t now)
{
	(void)now;
	l->acts->kill(l->arg, l->generation, "at once, as told");
}

/* The deadline was moved already. One line for each second gained. */
static void
extended(struct ol_leaver *l, int64_t now)
{
	if (l->deadline - l->logged < OL_SEC(1))
		return;
	say(l, OL_LOG_NOTICE, "asked for more time: %.1f s more, %.1f s left",
	    seconds(l->deadline - l->logged), seconds(l->deadline - now));
	l->logged = l->deadline;
}

static void
limited(struct ol_leaver *l, int64_t now)
{
	l->t0 = now;
	set_deadline(l, ol_clock_after(now, l->times.shutdown_delay));
	l->logged = l->deadline;
	say(l, OL_LOG_NOTICE, "has %.1f s left now",
	    seconds(l->deadline - now));
	l->acts->tell(
	    l->arg, l->generation, ol_clock_seconds_left(l->deadline, now));
}

static void
nothing(struct ol_leaver *l, int64_t now)
{
	(void)l;
	(void)now;
}

#define NO \
	{ \
		NULL, OL_LEAVER_GONE \
	}

/* No act: cannot happen. */
static const struct {
	void (*act)(struct ol_leaver *, int64_t now);
	enum ol_leaver_state next;
} table[OL_LEAVER_STATES][OL_LEAVER_EVENTS] = {
	[OL_LEAVER_GONE] = {
	    [OL_LEAVER_GRACE] = NO,
	    [OL_LEAVER_DEADLINE] = NO,
	    [OL_LEAVER_EXTEND] = NO,
	    [OL_LEAVER_LIMIT] = NO,
	    [OL_LEAVER_NOW] = NO,
	    [OL_LEAVER_EXITED] = NO,
	},
	[OL_LEAVER_RETIRING] = {
	    [OL_LEAVER_GRACE] = { call, OL_LEAVER_LAST_CALL },
	    [OL_LEAVER_DEADLINE] = { overdue, OL_LEAVER_KILLED },
	    [OL_LEAVER_EXTEND] = { extended, OL_LEAVER_RETIRING },
	    [OL_LEAVER_LIMIT] = { limited, OL_LEAVER_RETIRING },
	    [OL_LEAVER_NOW] = { at_once, OL_LEAVER_KILLED },
	    [OL_LEAVER_EXITED] = { nothing, OL_LEAVER_GONE },
	},
	[OL_LEAVER_LAST_CALL] = {
	    [OL_LEAVER_GRACE] = NO,
	    [OL_LEAVER_DEADLINE] = { overdue, OL_LEAVER_KILLED },
	    /* There will be another last call before the new deadline. */
	    [OL_LEAVER_EXTEND] = { extended, OL_LEAVER_RETIRING },
	    [OL_LEAVER_LIMIT] = NO,
	    [OL_LEAVER_NOW] = { at_once, OL_LEAVER_KILLED },
	    [OL_LEAVER_EXITED] = { nothing, OL_LEAVER_GONE },
	},
	[OL_LEAVER_KILLED] = {
	    [OL_LEAVER_GRACE] = NO,
	    [OL_LEAVER_DEADLINE] = NO,
	    [OL_LEAVER_EXTEND] = NO,
	    [OL_LEAVER_LIMIT] = NO,
	    [OL_LEAVER_NOW] = { nothing, OL_LEAVER_KILLED },
	    [OL_LEAVER_EXITED] = { nothing, OL_LEAVER_GONE },
	},
};

static void
move(struct ol_leaver *l, enum ol_leaver_event event, int64_t now)
{
	enum ol_leaver_state from = l->state;

	if (table[from][event].act == NULL) {
		say(l, OL_LOG_ERROR, "impossible: leaver event %d in state %d",
		    event, from);
		return;
	}
	l->state = table[from][event].next;
	table[from][event].act(l, now);
}

void
ol_leaver_begin(struct ol_leaver *l, const struct ol_acts *acts, void *arg,
    unsigned generation, const struct ol_leaver_times *times,
    enum ol_leaver_how how, const char *why, int64_t now)
{
	*l = (struct ol_leaver){
		.acts = acts,
		.arg = arg,
		.generation = generation,
		.state = OL_LEAVER_RETIRING,
		.times = *times,
		.t0 = now,
	};
	switch (how) {
	case OL_LEAVER_BUDGET:
	case OL_LEAVER_ITSELF:
		set_deadline(l, ol_clock_after(now, times->shutdown_delay));
		say(l, OL_LOG_NOTICE, "leaves (%s), %.1f s left", why,
		    seconds(times->shutdown_delay));
		if (how == OL_LEAVER_BUDGET)
			acts->tell(arg, generation,
			    ol_clock_seconds_left(l->deadline, now));
		break;
	case OL_LEAVER_NO_LIMIT:
		set_deadline(l, OL_NEVER);
		say(l, OL_LOG_NOTICE, "leaves (%s), no limit", why);
		acts->tell(arg, generation, -1);
		break;
	case OL_LEAVER_HUNG:
		/* What was never ready has nothing to finish. */
		l->state = OL_LEAVER_LAST_CALL;
		l->times.shutdown_delay = times->kill_grace;
		l->times.shutdown_delay_max = times->kill_grace;
		set_deadline(l, ol_clock_after(now, times->kill_grace));
		l->called = true;
		say(l, OL_LOG_NOTICE, "leaves (%s), %.1f s left", why,
		    seconds(times->kill_grace));
		acts->tell(arg, generation, 0);
		break;
	case OL_LEAVER_ABORT:
		l->state = OL_LEAVER_LAST_CALL;
		l->times.shutdown_delay_max = 0;
		set_deadline(l, ol_clock_after(now, OL_LEAVER_LAST_WORDS));
		l->called = true;
		acts->abort(arg, generation);
		break;
	}
	l->logged = l->deadline;
}

static int64_t
kill_time(const struct ol_leaver *l)
{
	return ol_clock_after(l->deadline, OL_LEAVER_SLACK);
}

int64_t
ol_leaver_tick(struct ol_leaver *l, int64_t now)
{
	if (l->state == OL_LEAVER_RETIRING && now >= l->call &&
	    now < kill_time(l))
		move(l, OL_LEAVER_GRACE, now);
	if ((l->state == OL_LEAVER_RETIRING ||
		l->state == OL_LEAVER_LAST_CALL) &&
	    now >= kill_time(l))
		move(l, OL_LEAVER_DEADLINE, now);
	switch (l->state) {
	case OL_LEAVER_RETIRING:
		return l->call;
	case OL_LEAVER_LAST_CALL:
		return kill_time(l);
	default:
		return OL_NEVER;
	}
}

void
ol_leaver_extend(struct ol_leaver *l, int64_t asked, int64_t now)
{
	int64_t most = ol_clock_after(l->t0, l->times.shutdown_delay_max);
	int64_t until = ol_clock_after(now, asked);

	/* Too late once killed; nothing to extend without a deadline. */
	if (l->state == OL_LEAVER_KILLED || l->deadline == OL_NEVER)
		return;
	if (until <= l->deadline)
		return;
	if (until > most && !l->refused) {
		l->refused = true;
		say(l, OL_LOG_NOTICE,
		    "asks for %.1f s more than shutdown_delay_max allows",
		    seconds(until - most));
	}
	if (until > most)
		until = most;
	if (until <= l->deadline)
		return;
	set_deadline(l, until);
	move(l, OL_LEAVER_EXTEND, now);
}

void
ol_leaver_limit(struct ol_leaver *l, int64_t now)
{
	if (l->state == OL_LEAVER_RETIRING && l->deadline == OL_NEVER)
		move(l, OL_LEAVER_LIMIT, now);
}

void
ol_leaver_now(struct ol_leaver *l, int64_t now)
{
	move(l, OL_LEAVER_NOW, now);
}

void
ol_leaver_exited(struct ol_leaver *l, const char *how, int64_t now)
{
	say(l, OL_LOG_NOTICE, "ended %.3f s after it began to leave: %s",
	    seconds(now - l->t0), how);
	move(l, OL_LEAVER_EXITED, now);
}
