#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "master/service.h"

static const int64_t first_delay = OL_SEC(1), longest_delay = OL_SEC(30);
/* Between two looks at what is being killed; mostly SIGCHLD is sooner. */
static const int64_t sweep_interval = OL_MSEC(10);
static const int64_t sweep_patience = OL_SEC(5);

static void say(struct ol_service *, enum ol_log_level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(struct ol_service *s, enum ol_log_level level, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->acts->say(s->arg, level, line);
}

/* One more death: how long to wait until the next start. */
static int64_t
delay(struct ol_service_record *record, int64_t now)
{
	int64_t wait = first_delay;
	unsigned i;

	if (now - record->started >= OL_SERVICE_STEADY)
		record->deaths = 0;
	if (record->deaths++ == 0)
		return 0;
	for (i = 2; i < record->deaths && wait < longest_delay; i++)
		wait *= 2;
	return wait < longest_delay ? wait : longest_delay;
}

static void
plan(struct ol_service *s, const char *what, struct ol_service_record *record,
    int64_t now)
{
	int64_t wait = delay(record, now);

	s->due = ol_clock_after(now, wait);
	if (s->wanted && wait > 0)
		say(s, OL_LOG_ERROR,
		    "%s died %u times in a row; the next one starts in %.0f s",
		    what, record->deaths, (double)wait / 1e9);
}

/* --- What the events do. --- */

static void
due_now(struct ol_service *s, int64_t now)
{
	s->due = now;
}

static void
nothing(struct ol_service *s, int64_t now)
{
	(void)s;
	(void)now;
}

static void
pair_started(struct ol_service *s, int64_t now)
{
	s->engine.started = s->spawner.started = now;
	s->ending = s->killed = false;
	s->limit = OL_NEVER;
}

static void
spawner_started(struct ol_service *s, int64_t now)
{
	s->spawner.started = now;
}

static void
pair_failed(struct ol_service *s, int64_t now)
{
	s->engine.started = now;
	plan(s, "the engine", &s->engine, now);
}

static void
spawner_failed(struct ol_service *s, int64_t now)
{
	s->spawner.started = now;
	plan(s, "the spawner", &s->spawner, now);
}

/*
 * The spawner has seen it, too. When nothing comes after it, it is not waited
 * for as long as the master itself stays.
 */
static void
engine_lost(struct ol_service *s, int64_t now)
{
	int64_t clear = s->wanted || s->unhurried ? OL_SERVICE_CLEAR
			: s->killed		  ? OL_SERVICE_CLEAR_LATE
						  : OL_SERVICE_CLEAR_LAST;

	ol_service_limit(s, ol_clock_after(now, clear));
}

static void
spawner_lost(struct ol_service *s, int64_t now)
{
	s->swept = now;
	plan(s, "the spawner", &s->spawner, now);
}

static void
both_lost(struct ol_service *s, int64_t now)
{
	s->ending = false;
	s->swept = now;
	s->limit = OL_NEVER;
}

static void
clear(struct ol_service *s, int64_t now)
{
	/* It did not die, it was not wanted; and now one is again. */
	if (s->left) {
		s->due = now;
		return;
	}
	plan(s, "the engine", &s->engine, now);
}

static void
kill_engine(struct ol_service *s, int64_t now)
{
	(void)now;
	s->limit = OL_NEVER;
	s->killed = true;
	s->acts->kill(s->arg, OL_SERVICE_ENGINE, "at the deadline");
}

static void
kill_spawner(struct ol_service *s, int64_t now)
{
	(void)now;
	s->limit = OL_NEVER;
	s->acts->kill(s->arg, OL_SERVICE_SPAWNER, "without its engine");
}

/* A missing pair is impossible. */
static const struct {
	void (*act)(struct ol_service *, int64_t now);
	enum ol_service_state next;
} table[OL_SERVICE_STATES][OL_SERVICE_EVENTS] = {
	[OL_SERVICE_OFF] = {
	    [OL_SERVICE_BEGIN] = { due_now, OL_SERVICE_DUE },
	},
	[OL_SERVICE_DUE] = {
	    [OL_SERVICE_END] = { nothing, OL_SERVICE_OFF },
	    [OL_SERVICE_STARTED] = { pair_started, OL_SERVICE_UP },
	    [OL_SERVICE_FAILED] = { pair_failed, OL_SERVICE_DUE },
	},
	[OL_SERVICE_UP] = {
	    [OL_SERVICE_ENGINE_ENDED] = { engine_lost, OL_SERVICE_NO_ENGINE },
	    [OL_SERVICE_SPAWNER_ENDED] = { spawner_lost,
		OL_SERVICE_NO_SPAWNER },
	    [OL_SERVICE_SPAWNER_LEFT] = { nothing, OL_SERVICE_ALONE },
	    [OL_SERVICE_OVERDUE] = { kill_engine, OL_SERVICE_UP },
	},
	[OL_SERVICE_NO_SPAWNER] = {
	    [OL_SERVICE_ENGINE_ENDED] = { both_lost, OL_SERVICE_SWEEPING },
	    [OL_SERVICE_SWEPT] = { nothing, OL_SERVICE_HALF },
	    [OL_SERVICE_OVERDUE] = { kill_engine, OL_SERVICE_NO_SPAWNER },
	},
	[OL_SERVICE_HALF] = {
	    [OL_SERVICE_STARTED] = { spawner_started, OL_SERVICE_UP },
	    [OL_SERVICE_FAILED] = { spawner_failed, OL_SERVICE_HALF },
	    [OL_SERVICE_ENGINE_ENDED] = { both_lost, OL_SERVICE_SWEEPING },
	    [OL_SERVICE_OVERDUE] = { kill_engine, OL_SERVICE_HALF },
	},
	[OL_SERVICE_ALONE] = {
	    [OL_SERVICE_ENGINE_ENDED] = { both_lost, OL_SERVICE_SWEEPING },
	    [OL_SERVICE_OVERDUE] = { kill_engine, OL_SERVICE_ALONE },
	},
	[OL_SERVICE_NO_ENGINE] = {
	    [OL_SERVICE_SPAWNER_ENDED] = { both_lost, OL_SERVICE_SWEEPING },
	    [OL_SERVICE_OVERDUE] = { kill_spawner, OL_SERVICE_NO_ENGINE },
	},
	[OL_SERVICE_SWEEPING] = {
	    [OL_SERVICE_SWEPT] = { clear, OL_SERVICE_DUE },
	},
};

static void
move(struct ol_service *s, enum ol_service_event event, int64_t now)
{
	enum ol_service_state from = s->state;

	if (table[from][event].act == NULL) {
		say(s, OL_LOG_ERROR, "impossible: service event %d in state %d",
		    event, from);
		return;
	}
	s->state = table[from][event].next;
	table[from][event].act(s, now);
	if (s->state == OL_SERVICE_DUE && !s->wanted)
		move(s, OL_SERVICE_END, now);
}

void
ol_service_init(
    struct ol_service *s, const struct ol_service_acts *acts, void *arg)
{
	*s = (struct ol_service){
		.acts = acts,
		.arg = arg,
		.state = OL_SERVICE_OFF,
		.limit = OL_NEVER,
	};
}

void
ol_service_want(struct ol_service *s, bool wanted, int64_t now)
{
	s->wanted = wanted;
	s->unhurried = false;
	if (wanted && s->state == OL_SERVICE_OFF)
		move(s, OL_SERVICE_BEGIN, now);
	else if (!wanted && s->state == OL_SERVICE_DUE)
		move(s, OL_SERVICE_END, now);
	else if (!wanted && s->state == OL_SERVICE_NO_ENGINE)
		ol_service_limit(s, ol_clock_after(now, OL_SERVICE_CLEAR_LAST));
}

void
ol_service_unhurried(struct ol_service *s)
{
	s->unhurried = true;
}

void
ol_service_ending(struct ol_service *s, int64_t limit)
{
	s->ending = true;
	s->limit = limit;
}

void
ol_service_limit(struct ol_service *s, int64_t limit)
{
	if (limit < s->limit)
		s->limit = limit;
}

static void
engine_ended(struct ol_service *s, const char *how, int64_t now)
{
	s->left = s->ending && strcmp(how, "exit 0") == 0;
	if (s->left)
		say(s, OL_LOG_INFO, "the engine ended: %s", how);
	else if (s->wanted)
		say(s, OL_LOG_ERROR,
		    "the engine died (%s); its programs end with it, requests "
		    "wait for the next one",
		    how);
	else
		say(s, OL_LOG_ERROR, "the engine died (%s) in the stop", how);
	move(s, OL_SERVICE_ENGINE_ENDED, now);
}

static void
spawner_ended(struct ol_service *s, const char *how, int64_t now)
{
	bool well = strcmp(how, "exit 0") == 0;

	if (well && s->ending && s->state == OL_SERVICE_UP) {
		move(s, OL_SERVICE_SPAWNER_LEFT, now);
		return;
	}
	if (s->state != OL_SERVICE_NO_ENGINE)
		say(s, OL_LOG_ERROR,
		    "the spawner died (%s); killing its programs", how);
	else if (!well)
		say(s, OL_LOG_ERROR, "the spawner died (%s)", how);
	move(s, OL_SERVICE_SPAWNER_ENDED, now);
}

void
ol_service_ended(struct ol_service *s, enum ol_service_role role,
    const char *how, int64_t now)
{
	if (role == OL_SERVICE_ENGINE)
		engine_ended(s, how, now);
	else
		spawner_ended(s, how, now);
}

static void
sweep(struct ol_service *s, int64_t now)
{
	int left = s->acts->sweep(s->arg);

	if (left == 0) {
		move(s, OL_SERVICE_SWEPT, now);
		return;
	}
	if (s->swept == 0 || now - s->swept < sweep_patience)
		return;
	if (left > 0)
		say(s, OL_LOG_ERROR,
		    "%d programs of a dead spawner do not die of SIGKILL; "
		    "waiting for them",
		    left);
	else
		say(s, OL_LOG_ERROR,
		    "cannot see what a dead spawner has left; waiting until "
		    "that is possible");
	s->swept = 0;
}

static bool
is_due(const struct ol_service *s, int64_t now)
{
	return (s->state == OL_SERVICE_DUE || s->state == OL_SERVICE_HALF) &&
	       now >= s->due;
}

int64_t
ol_service_tick(struct ol_service *s, int64_t now)
{
	int64_t next;

	if (s->state == OL_SERVICE_NO_SPAWNER ||
	    s->state == OL_SERVICE_SWEEPING)
		sweep(s, now);
	if (is_due(s, now))
		move(s,
		    s->acts->start(s->arg, s->state == OL_SERVICE_DUE) == 0
			? OL_SERVICE_STARTED
			: OL_SERVICE_FAILED,
		    now);
	if (now >= s->limit && s->state != OL_SERVICE_OFF &&
	    s->state != OL_SERVICE_DUE && s->state != OL_SERVICE_SWEEPING)
		move(s, OL_SERVICE_OVERDUE, now);
	switch (s->state) {
	case OL_SERVICE_OFF:
		return OL_NEVER;
	case OL_SERVICE_DUE:
		return s->due;
	case OL_SERVICE_SWEEPING:
		return now + sweep_interval;
	case OL_SERVICE_NO_SPAWNER:
		next = now + sweep_interval;
		break;
	case OL_SERVICE_HALF:
		next = s->due;
		break;
	default:
		next = OL_NEVER;
	}
	return next < s->limit ? next : s->limit;
}
