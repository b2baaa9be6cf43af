#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "master/slot.h"

static const int64_t pace_first = OL_MSEC(250);
static const int64_t pace_most = OL_SEC(30);
static const int64_t ready_proven = OL_SEC(10); /* restart at once */
static const int64_t ready_sound = OL_SEC(60);	/* forget the pace */

static void move(struct ol_slot *, enum ol_slot_event, int64_t now);
static void say(struct ol_slot *, unsigned, enum ol_log_level, const char *,
    ...) __attribute__((format(printf, 4, 5)));

static void
say(struct ol_slot *s, unsigned generation, enum ol_log_level level,
    const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->acts->say(s->arg, generation, level, line);
}

static double
seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

static int
leaving(const struct ol_slot *s)
{
	int i, n = 0;

	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		n += s->leavers[i].state != OL_LEAVER_GONE;
	return n;
}

const char *
ol_slot_reason_text(enum ol_slot_reason reason)
{
	static const char *const texts[] = {
		[OL_SLOT_RELOAD] = "reload",
		[OL_SLOT_AGE] = "recycle time",
		[OL_SLOT_REQUESTS] = "recycle requests",
		[OL_SLOT_MEMORY] = "recycle memory",
		[OL_SLOT_CLOCK] = "recycle at",
		[OL_SLOT_COMMAND] = "outlastctl",
	};

	return texts[reason];
}

static int64_t
longer(int64_t pace)
{
	if (pace == 0)
		return pace_first;
	return pace * 2 > pace_most ? pace_most : pace * 2;
}

/* The seat's process is no longer ours to serve: when may another start? */
static void
pace(struct ol_slot *s, const struct ol_seat *seat, int64_t now)
{
	int64_t ready = seat->ready == OL_NEVER ? -1 : now - seat->ready;

	if (ready >= ready_sound)
		s->pace = 0;
	if (ready >= ready_proven)
		s->due = now;
	else {
		s->pace = longer(s->pace);
		s->due = now + s->pace;
	}
}

static void
say_due(struct ol_slot *s, int64_t now)
{
	if (s->due > now)
		say(s, 0, OL_LOG_NOTICE, "the next start is in %.2f s",
		    seconds(s->due - now));
}

static void
leave(struct ol_slot *s, struct ol_seat *seat, enum ol_leaver_how how,
    const char *why, int64_t now)
{
	struct ol_leaver_times times = {
		.shutdown_delay = seat->shutdown_delay,
		.shutdown_delay_max = seat->shutdown_delay_max,
		.kill_grace = s->rules.kill_grace,
	};
	unsigned generation = seat->generation;
	int i;

	memset(seat, 0, sizeof(*seat));
	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		if (s->leavers[i].state == OL_LEAVER_GONE) {
			ol_leaver_begin(&s->leavers[i], s->acts, s->arg,
			    generation, &times, how, why, now);
			return;
		}
	/* A start waits for room, so there is always one more seat here. */
	say(s, generation, OL_LOG_ERROR, "impossible: no room to leave");
	s->acts->kill(s->arg, generation, "for want of room");
}

static int
start(struct ol_slot *s, struct ol_seat *seat, int64_t now)
{
	*seat = (struct ol_seat){
		.generation = ++s->generation,
		.started = now,
		.ready = OL_NEVER,
		.alive = OL_NEVER,
		.simple = s->rules.simple,
		.shutdown_delay = s->rules.shutdown_delay,
		.shutdown_delay_max = s->rules.shutdown_delay_max,
	};
	s->waits = false;
	return s->acts->start(s->arg, seat->generation);
}

/* --- The acts, in the order of a normal life. --- */

static void
nothing(struct ol_slot *s, int64_t now)
{
	(void)s;
	(void)now;
}

static void
start_soon(struct ol_slot *s, int64_t now)
{
	s->pace = 0;
	s->due = now;
}

static void
start_current(struct ol_slot *s, int64_t now)
{
	s->renew = false;
	if (start(s, &s->current, now) == -1) {
		s->how = "not started";
		s->clean = false;
		move(s, OL_SLOT_EXITED, now);
	}
}

static void
is_ready(struct ol_slot *s, int64_t now)
{
	s->current.ready = now;
	s->renew_pace = 0;
	say(s, s->current.generation, OL_LOG_NOTICE, "ready after %.0f ms",
	    (double)(now - s->current.started) / 1e6);
}

static void
want(struct ol_slot *s, int64_t now)
{
	s->renew = true;
	s->renew_due = now;
	s->renew_pace = 0;
}

/* Somebody reloads: what failed before may be mended now. */
static void
want_soon(struct ol_slot *s, int64_t now)
{
	if (s->renew)
		want(s, now);
}

static void
start_next(struct ol_slot *s, int64_t now)
{
	s->renew = false;
	if (start(s, &s->next, now) == -1) {
		s->how = "not started";
		s->clean = false;
		move(s, OL_SLOT_NEXT_EXITED, now);
	}
}

static void
note_recycle(struct ol_slot *s, int64_t now)
{
	s->recycled = now;
	s->recycled_for = s->reason;
}

static void
next_is_ready(struct ol_slot *s, int64_t now)
{
	struct ol_seat old = s->current;

	note_recycle(s, now);
	s->current = s->next;
	memset(&s->next, 0, sizeof(s->next));
	is_ready(s, now);
	leave(s, &old, OL_LEAVER_BUDGET, ol_slot_reason_text(s->reason), now);
}

/* --- Endings that were asked for. --- */

static void
make_way(struct ol_slot *s, int64_t now)
{
	note_recycle(s, now);
	leave(s, &s->current, OL_LEAVER_BUDGET, ol_slot_reason_text(s->reason),
	    now);
	s->renew = false;
	start_soon(s, now);
}

static void
current_leaves(struct ol_slot *s, int64_t now)
{
	leave(s, &s->current,
	    s->no_limit ? OL_LEAVER_NO_LIMIT : OL_LEAVER_BUDGET, s->why, now);
	s->renew = false;
}

static void
both_leave(struct ol_slot *s, int64_t now)
{
	current_leaves(s, now);
	leave(s, &s->next, s->no_limit ? OL_LEAVER_NO_LIMIT : OL_LEAVER_BUDGET,
	    "stop", now);
}

/* It was started for the old configuration and serves nobody yet. */
static void
current_is_outdated(struct ol_slot *s, int64_t now)
{
	leave(s, &s->current, OL_LEAVER_BUDGET, "reload while starting", now);
	start_soon(s, now);
}

static void
next_is_outdated(struct ol_slot *s, int64_t now)
{
	leave(s, &s->next, OL_LEAVER_BUDGET, "reload while starting", now);
	want(s, now);
}

/* --- Endings that were not. --- */

/* A program that takes so many requests, and ends. */
static bool
ended_normally(const struct ol_slot *s)
{
	return s->clean && s->current.simple && s->current.ready != OL_NEVER;
}

static void
current_ended(struct ol_slot *s, int64_t now)
{
	if (ended_normally(s)) {
		say(s, s->current.generation, OL_LOG_NOTICE,
		    "ended by itself: %s", s->how);
		memset(&s->current, 0, sizeof(s->current));
		s->due = now;
		return;
	}
	s->acts->crashed(s->arg);
	say(s, s->current.generation, OL_LOG_WARN, "ended unasked: %s", s->how);
	pace(s, &s->current, now);
	memset(&s->current, 0, sizeof(s->current));
	say_due(s, now);
}

static void
current_is_late(struct ol_slot *s, int64_t now)
{
	say(s, s->current.generation, OL_LOG_ERROR,
	    "not ready in %.1f s: no READY=1 came (a program on liboutlast sends it)",
	    seconds(now - s->current.started));
	s->acts->crashed(s->arg);
	pace(s, &s->current, now);
	leave(s, &s->current, OL_LEAVER_HUNG, "never ready", now);
	say_due(s, now);
}

static void
current_left(struct ol_slot *s, int64_t now)
{
	if (s->current.ready == OL_NEVER)
		s->acts->crashed(s->arg);
	pace(s, &s->current, now);
	leave(s, &s->current, OL_LEAVER_ITSELF, "by itself", now);
	say_due(s, now);
}

static void
say_hung(struct ol_slot *s, int64_t now)
{
	say(s, s->current.generation, OL_LOG_ERROR,
	    "hangs: no ping (WATCHDOG=1) in %.1f s",
	    seconds(now - s->current.alive));
	s->acts->crashed(s->arg);
}

static void
current_hangs(struct ol_slot *s, int64_t now)
{
	say_hung(s, now);
	pace(s, &s->current, now);
	leave(s, &s->current, OL_LEAVER_ABORT, "hangs", now);
	say_due(s, now);
}

static void
promote(struct ol_slot *s, int64_t now)
{
	(void)now;
	s->current = s->next;
	memset(&s->next, 0, sizeof(s->next));
}

static void
current_ended_early(struct ol_slot *s, int64_t now)
{
	if (ended_normally(s))
		say(s, s->current.generation, OL_LOG_NOTICE,
		    "ended by itself: %s", s->how);
	else {
		s->acts->crashed(s->arg);
		say(s, s->current.generation, OL_LOG_WARN,
		    "ended unasked: %s; its successor is starting", s->how);
	}
	promote(s, now);
}

static void
current_left_early(struct ol_slot *s, int64_t now)
{
	leave(s, &s->current, OL_LEAVER_ITSELF, "by itself", now);
	promote(s, now);
}

static void
current_hangs_early(struct ol_slot *s, int64_t now)
{
	say_hung(s, now);
	leave(s, &s->current, OL_LEAVER_ABORT, "hangs", now);
	promote(s, now);
}

/* The successor failed; the old process serves on. */
static void
try_again(struct ol_slot *s, int64_t now)
{
	s->renew = true;
	s->renew_pace = longer(s->renew_pace);
	s->renew_due = now + s->renew_pace;
	say(s, s->current.generation, OL_LOG_ERROR,
	    "serves on without a successor; the next try is in %.2f s",
	    seconds(s->renew_pace));
}

static void
next_ended(struct ol_slot *s, int64_t now)
{
	say(s, s->next.generation, OL_LOG_ERROR,
	    "ended before it was ready: %s", s->how);
	memset(&s->next, 0, sizeof(s->next));
	try_again(s, now);
}

static void
next_is_late(struct ol_slot *s, int64_t now)
{
	say(s, s->next.generation, OL_LOG_ERROR,
	    "not ready in %.1f s: no READY=1 came (a program on liboutlast sends it)",
	    seconds(now - s->next.started));
	leave(s, &s->next, OL_LEAVER_HUNG, "never ready", now);
	try_again(s, now);
}

static void
next_left(struct ol_slot *s, int64_t now)
{
	leave(s, &s->next, OL_LEAVER_ITSELF, "by itself", now);
	try_again(s, now);
}

#define NO \
	{ \
		NULL, OL_SLOT_EMPTY \
	}

/* No act: cannot happen. */
static const struct {
	void (*act)(struct ol_slot *, int64_t now);
	enum ol_slot_state next;
} table[OL_SLOT_STATES][OL_SLOT_EVENTS] = {
	[OL_SLOT_EMPTY] = {
	    [OL_SLOT_START] = { start_soon, OL_SLOT_BACKOFF },
	    [OL_SLOT_STOP] = { nothing, OL_SLOT_EMPTY },
	    [OL_SLOT_RECYCLE] = { nothing, OL_SLOT_EMPTY },
	    [OL_SLOT_DUE] = NO,
	    [OL_SLOT_READY] = NO,
	    [OL_SLOT_EXITED] = NO,
	    [OL_SLOT_LATE] = NO,
	    [OL_SLOT_LEFT] = NO,
	    [OL_SLOT_HUNG] = NO,
	    [OL_SLOT_MAKE_WAY] = NO,
	    [OL_SLOT_NEXT_READY] = NO,
	    [OL_SLOT_NEXT_EXITED] = NO,
	    [OL_SLOT_NEXT_LATE] = NO,
	    [OL_SLOT_NEXT_LEFT] = NO,
	},
	[OL_SLOT_BACKOFF] = {
	    [OL_SLOT_START] = { start_soon, OL_SLOT_BACKOFF },
	    [OL_SLOT_STOP] = { nothing, OL_SLOT_EMPTY },
	    [OL_SLOT_RECYCLE] = { start_soon, OL_SLOT_BACKOFF },
	    [OL_SLOT_DUE] = { start_current, OL_SLOT_STARTING },
	    [OL_SLOT_READY] = NO,
	    [OL_SLOT_EXITED] = NO,
	    [OL_SLOT_LATE] = NO,
	    [OL_SLOT_LEFT] = NO,
	    [OL_SLOT_HUNG] = NO,
	    [OL_SLOT_MAKE_WAY] = NO,
	    [OL_SLOT_NEXT_READY] = NO,
	    [OL_SLOT_NEXT_EXITED] = NO,
	    [OL_SLOT_NEXT_LATE] = NO,
	    [OL_SLOT_NEXT_LEFT] = NO,
	},
	[OL_SLOT_STARTING] = {
	    [OL_SLOT_START] = { nothing, OL_SLOT_STARTING },
	    [OL_SLOT_STOP] = { current_leaves, OL_SLOT_EMPTY },
	    [OL_SLOT_RECYCLE] = { current_is_outdated, OL_SLOT_BACKOFF },
	    [OL_SLOT_DUE] = NO,
	    [OL_SLOT_READY] = { is_ready, OL_SLOT_UP },
	    [OL_SLOT_EXITED] = { current_ended, OL_SLOT_BACKOFF },
	    [OL_SLOT_LATE] = { current_is_late, OL_SLOT_BACKOFF },
	    [OL_SLOT_LEFT] = { current_left, OL_SLOT_BACKOFF },
	    [OL_SLOT_HUNG] = NO,
	    [OL_SLOT_MAKE_WAY] = NO,
	    [OL_SLOT_NEXT_READY] = NO,
	    [OL_SLOT_NEXT_EXITED] = NO,
	    [OL_SLOT_NEXT_LATE] = NO,
	    [OL_SLOT_NEXT_LEFT] = NO,
	},
	[OL_SLOT_UP] = {
	    [OL_SLOT_START] = { want_soon, OL_SLOT_UP },
	    [OL_SLOT_STOP] = { current_leaves, OL_SLOT_EMPTY },
	    [OL_SLOT_RECYCLE] = { want, OL_SLOT_UP },
	    [OL_SLOT_DUE] = { start_next, OL_SLOT_RENEWING },
	    [OL_SLOT_READY] = { nothing, OL_SLOT_UP },
	    [OL_SLOT_EXITED] = { current_ended, OL_SLOT_BACKOFF },
	    [OL_SLOT_LATE] = NO,
	    [OL_SLOT_LEFT] = { current_left, OL_SLOT_BACKOFF },
	    [OL_SLOT_HUNG] = { current_hangs, OL_SLOT_BACKOFF },
	    [OL_SLOT_MAKE_WAY] = { make_way, OL_SLOT_BACKOFF },
	    [OL_SLOT_NEXT_READY] = NO,
	    [OL_SLOT_NEXT_EXITED] = NO,
	    [OL_SLOT_NEXT_LATE] = NO,
	    [OL_SLOT_NEXT_LEFT] = NO,
	},
	[OL_SLOT_RENEWING] = {
	    [OL_SLOT_START] = { nothing, OL_SLOT_RENEWING },
	    [OL_SLOT_STOP] = { both_leave, OL_SLOT_EMPTY },
	    [OL_SLOT_RECYCLE] = { next_is_outdated, OL_SLOT_UP },
	    [OL_SLOT_DUE] = NO,
	    [OL_SLOT_READY] = { nothing, OL_SLOT_RENEWING },
	    [OL_SLOT_EXITED] = { current_ended_early, OL_SLOT_STARTING },
	    [OL_SLOT_LATE] = NO,
	    [OL_SLOT_LEFT] = { current_left_early, OL_SLOT_STARTING },
	    [OL_SLOT_HUNG] = { current_hangs_early, OL_SLOT_STARTING },
	    [OL_SLOT_MAKE_WAY] = NO,
	    [OL_SLOT_NEXT_READY] = { next_is_ready, OL_SLOT_UP },
	    [OL_SLOT_NEXT_EXITED] = { next_ended, OL_SLOT_UP },
	    [OL_SLOT_NEXT_LATE] = { next_is_late, OL_SLOT_UP },
	    [OL_SLOT_NEXT_LEFT] = { next_left, OL_SLOT_UP },
	},
};

static void
move(struct ol_slot *s, enum ol_slot_event event, int64_t now)
{
	enum ol_slot_state from = s->state;

	if (table[from][event].act == NULL) {
		say(s, 0, OL_LOG_ERROR, "impossible: slot event %d in state %d",
		    event, from);
		return;
	}
	s->state = table[from][event].next;
	table[from][event].act(s, now);
}

/* --- What is due. --- */

/*
 * A recycle needs room for the one that will leave; a start where nobody
 * serves may use the last seat.
 */
static bool
has_room(const struct ol_slot *s)
{
	int most = s->state == OL_SLOT_UP ? 1 : OL_SLOT_LEAVERS - 1;

	return leaving(s) <= most;
}

static int64_t
late(const struct ol_slot *s, const struct ol_seat *seat)
{
	return ol_clock_after(seat->started, s->rules.startup_time_limit);
}

static int64_t
too_old(const struct ol_slot *s)
{
	if (s->rules.recycle_time == 0)
		return OL_NEVER;
	return ol_clock_after(
	    s->current.ready, s->rules.recycle_time - s->stagger);
}

/* When current hangs. */
static int64_t
hung(const struct ol_slot *s)
{
	if (s->rules.ping_response_time == 0 || s->current.alive == OL_NEVER)
		return OL_NEVER;
	return ol_clock_after(s->current.alive, s->rules.ping_response_time);
}

/*
 * When to look at current again; 0: it hangs, and was sent away. When it is we
 * who come late, its ping may wait behind us: it gets another second.
 */
static int64_t
check_ping(struct ol_slot *s, int64_t now)
{
	if (now > ol_clock_after(hung(s), OL_SEC(1)))
		s->current.alive =
		    now + OL_SEC(1) - s->rules.ping_response_time;
	if (now < hung(s))
		return hung(s);
	move(s, OL_SLOT_HUNG, now);
	return 0;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* When a process may be started, in a state where one is awaited. */
static int64_t
start_due(const struct ol_slot *s)
{
	return s->state == OL_SLOT_BACKOFF ? s->due : s->renew_due;
}

static void
wait_for_room(struct ol_slot *s)
{
	if (s->waits)
		return;
	s->waits = true;
	say(s, 0, OL_LOG_WARN,
	    "%s waits: %d older processes have not ended yet",
	    s->state == OL_SLOT_UP ? "a recycle" : "a start", leaving(s));
}

/* A program that says nothing is ready when it has lived for a while. */
static int64_t
settle(struct ol_slot *s, const struct ol_seat *seat, enum ol_slot_event event,
    int64_t now)
{
	int64_t settled = ol_clock_after(seat->started, OL_SLOT_SETTLED);

	if (now < settled)
		return settled;
	move(s, event, now);
	return 0;
}

/* Whether current and its successor may accept side by side. */
static bool
overlaps(const struct ol_slot *s)
{
	return s->rules.overlap && s->current.simple == s->rules.simple;
}

/* One step; returns when to look again, 0: at once. */
static int64_t
step(struct ol_slot *s, int64_t now)
{
	int64_t ping = OL_NEVER;

	if ((s->state == OL_SLOT_UP || s->state == OL_SLOT_RENEWING) &&
	    (ping = check_ping(s, now)) == 0)
		return 0;
	switch (s->state) {
	case OL_SLOT_EMPTY:
	case OL_SLOT_STATES:
		return OL_NEVER;
	case OL_SLOT_STARTING:
		if (s->current.simple)
			return settle(s, &s->current, OL_SLOT_READY, now);
		if (now < late(s, &s->current))
			return late(s, &s->current);
		move(s, OL_SLOT_LATE, now);
		return 0;
	case OL_SLOT_RENEWING:
		if (s->next.simple)
			return sooner(
			    settle(s, &s->next, OL_SLOT_NEXT_READY, now), ping);
		if (now < late(s, &s->next))
			return sooner(late(s, &s->next), ping);
		move(s, OL_SLOT_NEXT_LATE, now);
		return 0;
	case OL_SLOT_UP:
		if (!s->renew) {
			if (now < too_old(s))
				return sooner(too_old(s), ping);
			s->reason = OL_SLOT_AGE;
			move(s, OL_SLOT_RECYCLE, now);
			return 0;
		}
		if (s->hold && s->reason != OL_SLOT_RELOAD)
			return ping;
		break;
	case OL_SLOT_BACKOFF:
		break;
	}
	if (now < start_due(s))
		return sooner(start_due(s), ping);
	if (!has_room(s)) {
		wait_for_room(s);
		return ping;
	}
	if (s->state == OL_SLOT_UP && !overlaps(s)) {
		move(s, OL_SLOT_MAKE_WAY, now);
		return 0;
	}
	if (s->state == OL_SLOT_BACKOFF && s->blocked)
		return OL_NEVER;
	move(s, OL_SLOT_DUE, now);
	return 0;
}

int64_t
ol_slot_tick(struct ol_slot *s, int64_t now)
{
	int64_t when, next;
	int i;

	while ((next = step(s, now)) == 0)
		;
	for (i = 0; i < OL_SLOT_LEAVERS; i++) {
		when = ol_leaver_tick(&s->leavers[i], now);
		if (when < next)
			next = when;
	}
	return next;
}

/* --- From outside. --- */

void
ol_slot_init(struct ol_slot *s, const struct ol_acts *acts, void *arg,
    unsigned generation)
{
	memset(s, 0, sizeof(*s));
	s->acts = acts;
	s->arg = arg;
	s->generation = generation;
}

void
ol_slot_set(
    struct ol_slot *s, const struct ol_slot_rules *rules, int index, int n)
{
	s->rules = *rules;
	s->stagger = rules->recycle_time / 4 / n * index;
}

void
ol_slot_start(struct ol_slot *s, int64_t now)
{
	move(s, OL_SLOT_START, now);
}

void
ol_slot_stop(struct ol_slot *s, const char *why, bool no_limit, int64_t now)
{
	int i;

	s->why = why;
	s->no_limit = no_limit;
	if (!no_limit)
		for (i = 0; i < OL_SLOT_LEAVERS; i++)
			ol_leaver_limit(&s->leavers[i], now);
	move(s, OL_SLOT_STOP, now);
}

void
ol_slot_stop_now(struct ol_slot *s, int64_t now)
{
	int i;

	ol_slot_stop(s, "stop", false, now);
	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		if (s->leavers[i].state != OL_LEAVER_GONE)
			ol_leaver_now(&s->leavers[i], now);
}

void
ol_slot_recycle(struct ol_slot *s, enum ol_slot_reason reason, int64_t now)
{
	s->reason = reason;
	move(s, OL_SLOT_RECYCLE, now);
}

static bool
is(const struct ol_seat *seat, unsigned generation)
{
	return generation != 0 && seat->generation == generation;
}

bool
ol_slot_worn(struct ol_slot *s, unsigned generation, enum ol_slot_reason reason,
    int64_t now)
{
	if (s->state != OL_SLOT_UP || s->renew || !is(&s->current, generation))
		return false;
	ol_slot_recycle(s, reason, now);
	return true;
}

void
ol_slot_hold(struct ol_slot *s, bool hold)
{
	s->hold = hold;
}

void
ol_slot_block(struct ol_slot *s, bool blocked)
{
	s->blocked = blocked;
}

static struct ol_leaver *
find_leaver(struct ol_slot *s, unsigned generation)
{
	int i;

	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		if (s->leavers[i].state != OL_LEAVER_GONE &&
		    s->leavers[i].generation == generation)
			return &s->leavers[i];
	return NULL;
}

void
ol_slot_ready(struct ol_slot *s, unsigned generation, int64_t now)
{
	if (is(&s->current, generation))
		move(s, OL_SLOT_READY, now);
	else if (is(&s->next, generation))
		move(s, OL_SLOT_NEXT_READY, now);
}

void
ol_slot_alive(struct ol_slot *s, unsigned generation, int64_t now)
{
	if (is(&s->current, generation))
		s->current.alive = now;
	else if (is(&s->next, generation))
		s->next.alive = now;
}

void
ol_slot_stopping(struct ol_slot *s, unsigned generation, int64_t now)
{
	if (is(&s->current, generation))
		move(s, OL_SLOT_LEFT, now);
	else if (is(&s->next, generation))
		move(s, OL_SLOT_NEXT_LEFT, now);
}

void
ol_slot_extend(
    struct ol_slot *s, unsigned generation, int64_t asked, int64_t now)
{
	struct ol_leaver *l = find_leaver(s, generation);

	if (l != NULL)
		ol_leaver_extend(l, asked, now);
}

void
ol_slot_exited(struct ol_slot *s, unsigned generation, const char *how,
    bool clean, int64_t now)
{
	struct ol_leaver *l = find_leaver(s, generation);

	s->how = how;
	s->clean = clean;
	if (l != NULL)
		ol_leaver_exited(l, how, now);
	else if (is(&s->current, generation))
		move(s, OL_SLOT_EXITED, now);
	else if (is(&s->next, generation))
		move(s, OL_SLOT_NEXT_EXITED, now);
	s->how = NULL;
}

bool
ol_slot_renews(const struct ol_slot *s)
{
	return s->state == OL_SLOT_RENEWING;
}

bool
ol_slot_serves(const struct ol_slot *s)
{
	return s->state == OL_SLOT_UP || s->state == OL_SLOT_RENEWING;
}

bool
ol_slot_leaves(const struct ol_slot *s, unsigned generation)
{
	return !is(&s->current, generation) && !is(&s->next, generation);
}

int
ol_slot_processes(const struct ol_slot *s)
{
	return leaving(s) + (s->current.generation != 0) +
	       (s->next.generation != 0);
}

int64_t
ol_slot_deadline(const struct ol_slot *s)
{
	int64_t last = 0;
	int i;

	for (i = 0; i < OL_SLOT_LEAVERS; i++)
		if (s->leavers[i].state != OL_LEAVER_GONE &&
		    s->leavers[i].deadline > last)
			last = s->leavers[i].deadline;
	return last;
}

bool
ol_slot_failed(const struct ol_slot *s)
{
	switch (s->state) {
	case OL_SLOT_BACKOFF:
	case OL_SLOT_STARTING:
		return s->pace != 0;
	case OL_SLOT_UP:
		return s->renew && s->renew_pace != 0;
	case OL_SLOT_RENEWING:
		return s->renew_pace != 0;
	default:
		return false;
	}
}

bool
ol_slot_is_recycled(const struct ol_slot *s)
{
	return s->state == OL_SLOT_RENEWING ||
	       (s->state == OL_SLOT_UP && s->renew);
}
