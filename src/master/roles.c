#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/must.h"
#include "master/briefing.h"
#include "master/closings.h"
#include "master/crash.h"
#include "master/orphan.h"
#include "master/pulse.h"
#include "master/roles.h"
#include "master/service.h"
#include "master/wire.h"

/* How long after the deadline an engine may live: less than the master. */
static const int64_t end_time = OL_MSEC(350);
/* To write what is left, when there is no deadline. */
static const int64_t unlimited_end_time = OL_SEC(30);
/* Until what a process did not take is sent again. */
static const int64_t send_again = OL_MSEC(50);

struct ol_roles {
	struct ol_loop *loop;
	const struct ol_roles_hooks *hooks;
	struct ol_service service;
	struct ol_wire engine, spawner;
	int successor; /* the engine's channel to a new spawner; -1 */
	struct ol_briefing briefing;
	struct ol_closings closings;
	struct ol_orphans orphans;
	struct ol_pulse engine_pulse, spawner_pulse;
	const struct ol_conf *conf;
	/* What the engine said. */
	bool ready, drained;
	uint32_t applied; /* the number of its configuration */
	unsigned running;
	bool deaf;    /* the engine was killed for its silence, and is there */
	bool watched; /* a watchdog wants to know that the engine answers */
	/* The stop. */
	bool killed;		/* the engine was, in it */
	bool stopping, removed; /* removed: only of the tasks */
	bool stop_owed, exiting, exit_owed;
	int64_t stop_began, deadline, grace;
};

/* --- What they say. --- */

static void
on_deadline(struct ol_roles *r, int64_t left_ms, int64_t now)
{
	int64_t most =
	    ol_clock_after(r->stop_began, r->conf->shutdown_delay_max);
	int64_t until = ol_clock_after(now, OL_MSEC(left_ms));

	if (!r->stopping || r->deadline == OL_NEVER)
		return;
	if (until > most)
		until = most;
	if (until <= r->deadline)
		return;
	r->deadline = until;
	if (!r->removed)
		r->hooks->on_deadline(r->hooks->arg, until);
}

static void
on_applied(struct ol_roles *r, uint32_t generation)
{
	if (generation != r->briefing.generation)
		return;
	r->applied = generation;
	ol_log_info(&r->engine.log, "configuration %u is in force", generation);
	ol_briefing_applied(&r->briefing);
}

/* False: what it says is not its to say. */
static bool
on_order(struct ol_roles *r, struct ol_wire *wire, const struct ol_order *order,
    int64_t now)
{
	if (order->verb == OL_ORDER_FAILED) {
		ol_briefing_failed(wire, now);
		ol_log_error(&wire->log,
		    "did not take configuration %u, the old one stays in "
		    "force there, the next try is in %lld s: %s",
		    wire->told, (long long)(wire->pause / OL_SEC(1)),
		    order->reason);
		return true;
	}
	if (order->verb == OL_ORDER_ALIVE) {
		ol_pulse_felt(
		    wire == &r->engine ? &r->engine_pulse : &r->spawner_pulse);
		return true;
	}
	if (wire != &r->engine)
		return false;
	switch (order->verb) {
	case OL_ORDER_READY:
		if (!r->ready)
			ol_log_notice(&wire->log, "ready");
		r->ready = true;
		return true;
	case OL_ORDER_APPLIED:
		on_applied(r, order->generation);
		return true;
	case OL_ORDER_RUNNING:
		r->running = order->running;
		return true;
	case OL_ORDER_DEADLINE:
		on_deadline(r, order->left_ms, now);
		return true;
	case OL_ORDER_DRAINED:
		/* Nothing is started in a stop: it stays so. */
		r->drained = r->stopping;
		return true;
	case OL_ORDER_OPENED:
		ol_closings_opened(&r->closings, order->number);
		return true;
	default:
		return false;
	}
}

static void act_kill(void *arg, enum ol_service_role, const char *why);

/* It is broken, or somebody has broken into it. */
static void
end_broken(struct ol_roles *r, struct ol_wire *wire)
{
	ol_wire_hang_up(wire);
	act_kill(r, wire == &r->engine ? OL_SERVICE_ENGINE : OL_SERVICE_SPAWNER,
	    "for what it says");
}

/* The process is still there, and will be gone soon, or is ended. */
static void
hung_up(struct ol_roles *r, struct ol_wire *wire, int64_t now)
{
	ol_wire_hang_up(wire);
	if (wire == &r->engine)
		ol_service_limit(
		    &r->service, ol_clock_after(now, OL_SERVICE_CLEAR));
}

static void
hear(struct ol_roles *r, struct ol_wire *wire)
{
	enum { AT_ONCE = 32 }; /* then the others have their turn */
	int64_t now = ol_clock_now();
	struct ol_order order;
	int i;

	for (i = 0; i < AT_ONCE; i++)
		switch (ol_wire_hear(wire, &order, now)) {
		case OL_WIRE_NOTHING:
			return;
		case OL_WIRE_END:
			hung_up(r, wire, now);
			return;
		case OL_WIRE_RUBBISH:
			end_broken(r, wire);
			return;
		case OL_WIRE_ORDER:
			if (on_order(r, wire, &order, now))
				break;
			ol_log_error(&wire->log, "says what is not its to say");
			end_broken(r, wire);
			return;
		}
}

/* It is reaped: what it said before is of interest, what it does is not. */
static void
hear_last(struct ol_roles *r, int64_t now)
{
	struct ol_order order;

	while (ol_wire_hear(&r->engine, &order, now) == OL_WIRE_ORDER)
		on_order(r, &r->engine, &order, now);
}

static void
on_engine(void *arg)
{
	struct ol_roles *r = arg;

	hear(r, &r->engine);
	r->hooks->on_change(r->hooks->arg);
}

static void
on_spawner(void *arg)
{
	struct ol_roles *r = arg;

	hear(r, &r->spawner);
	r->hooks->on_change(r->hooks->arg);
}

/* --- What they are told. --- */

static bool
tell_spawner(struct ol_roles *r)
{
	const struct ol_order order = { .verb = OL_ORDER_SPAWNER };

	if (r->successor == -1)
		return true;
	if (!ol_wire_tell(&r->engine, &order, &r->successor))
		return false;
	close(r->successor);
	r->successor = -1;
	return true;
}

static bool
tell_stop(struct ol_roles *r, int64_t now)
{
	struct ol_order order = { .verb = OL_ORDER_STOP, .left_ms = -1 };

	if (!r->stop_owed)
		return true;
	if (r->deadline != OL_NEVER) {
		order.left_ms =
		    r->deadline > now ? (r->deadline - now) / OL_MSEC(1) : 0;
		order.grace_ms = r->grace / OL_MSEC(1);
	}
	if (!ol_wire_tell(&r->engine, &order, NULL))
		return false;
	r->stop_owed = false;
	return true;
}

static bool
tell_exit(struct ol_roles *r)
{
	/* Nobody waits for the end but who waits for the next engine. */
	const struct ol_order order = {
		.verb = OL_ORDER_EXIT,
		.left_ms = r->removed ? OL_ROLES_ANSWER / OL_MSEC(1)
				      : OL_ORDER_EXIT_MS,
	};

	if (!r->exit_owed)
		return true;
	if (!ol_wire_tell(&r->engine, &order, NULL))
		return false;
	r->exit_owed = false;
	return true;
}

/* All that they do not know yet; the spawner is to know it first. */
static bool
tell_all(struct ol_roles *r, int64_t now)
{
	if (r->spawner.pid != 0 &&
	    !ol_briefing_tell_spawner(&r->briefing, &r->spawner, now))
		return false;
	if (r->engine.pid == 0)
		return true;
	return ol_briefing_tell_engine(&r->briefing, &r->engine, now) &&
	       ol_closings_tell(&r->closings, &r->engine, now) &&
	       tell_spawner(r) && tell_stop(r, now) && tell_exit(r);
}

/* --- The table's hands. --- */

static int
start_one(struct ol_roles *r, struct ol_wire *wire, const char *name, int peer)
{
	bool drops = wire == &r->engine && r->conf->user != NULL;
	const struct ol_role_options options = {
		.name = name,
		.peer = peer,
		.user = drops ? r->conf->user : NULL,
		.uid = r->conf->uid,
		.gid = r->conf->gid,
	};

	return ol_wire_open(wire, r->loop, &options,
	    wire == &r->engine ? on_engine : on_spawner, r);
}

static bool
always(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	return true;
}

static bool
is_ours(void *arg, pid_t pid)
{
	const struct ol_roles *r = arg;

	return ol_roles_has(r, pid) || r->hooks->is_pools(r->hooks->arg, pid);
}

static int
act_start(void *arg, bool engine)
{
	struct ol_roles *r = arg;
	int ends[2], rc = -1;

	if (ol_orphans_open(&r->orphans) == -1) {
		ol_log_error(NULL,
		    "cannot list the children of this process: %s; the engine "
		    "needs /proc/%d/task/%d/children",
		    strerror(errno), (int)getpid(), (int)getpid());
		return -1;
	}
	if (ol_channel_pair(ends) == -1) {
		ol_log_error(NULL, "cannot make the spawner's channel: %s",
		    strerror(errno));
		return -1;
	}
	ol_orphans_note(&r->orphans, is_ours, always, r);
	if (start_one(r, &r->spawner, "spawner", ends[0]) == -1)
		goto out;
	if (!engine) {
		r->successor = ends[1];
		ends[1] = -1;
		rc = 0;
		goto out;
	}
	r->ready = r->drained = r->stopping = r->removed = r->exiting = false;
	r->stop_owed = r->exit_owed = false;
	r->running = 0;
	r->applied = 0;
	r->deadline = 0;
	if (start_one(r, &r->engine, "engine", ends[1]) == -1) {
		kill(r->spawner.pid, SIGKILL);
		waitpid(r->spawner.pid, NULL, 0);
		ol_wire_close(&r->spawner);
		goto out;
	}
	rc = 0;
out:
	close(ends[0]);
	if (ends[1] != -1)
		close(ends[1]);
	return rc;
}

static void
act_kill(void *arg, enum ol_service_role role, const char *why)
{
	struct ol_roles *r = arg;
	struct ol_wire *wire =
	    role == OL_SERVICE_ENGINE ? &r->engine : &r->spawner;

	ol_log_warn(&wire->log, "killed %s", why);
	if (wire == &r->engine)
		r->killed = r->stopping && !r->removed;
	if (kill(wire->pid, SIGKILL) == -1)
		ol_log_error(&wire->log, "cannot kill: %s", strerror(errno));
}

static int
act_sweep(void *arg)
{
	struct ol_roles *r = arg;

	return ol_orphans_kill(&r->orphans, is_ours, r);
}

static void
act_say(void *arg, enum ol_log_level level, const char *line)
{
	(void)arg;
	ol_log_write(NULL, level, "%s", line);
}

static const struct ol_service_acts acts = {
	.start = act_start,
	.kill = act_kill,
	.sweep = act_sweep,
	.say = act_say,
};

/* --- From outside. --- */

struct ol_roles *
ol_roles_new(struct ol_loop *loop, const struct ol_roles_hooks *hooks)
{
	struct ol_roles *r = ol_must(calloc(1, sizeof(*r)));

	r->loop = loop;
	r->hooks = hooks;
	ol_wire_init(&r->engine);
	ol_wire_init(&r->spawner);
	r->successor = -1;
	ol_briefing_init(&r->briefing);
	ol_closings_init(&r->closings);
	ol_orphans_init(&r->orphans);
	ol_pulse_end(&r->engine_pulse);
	ol_pulse_end(&r->spawner_pulse);
	ol_service_init(&r->service, &acts, r);
	return r;
}

void
ol_roles_free(struct ol_roles *r)
{
	if (r == NULL)
		return;
	ol_wire_close(&r->engine);
	ol_wire_close(&r->spawner);
	if (r->successor != -1)
		close(r->successor);
	ol_briefing_fini(&r->briefing);
	ol_closings_fini(&r->closings);
	ol_orphans_fini(&r->orphans);
	free(r);
}

void
ol_roles_retire(struct ol_roles *r, int64_t now)
{
	ol_roles_stop(r, r->conf->shutdown_delay, r->conf->kill_grace, now);
	r->removed = r->stopping;
	ol_service_unhurried(&r->service);
}

bool
ol_roles_are_gone(const struct ol_roles *r)
{
	return r->service.state == OL_SERVICE_OFF;
}

/* The tasks, or their last listener, are gone from the configuration. */
static void
remove_all(struct ol_roles *r, int64_t now)
{
	ol_log_notice(NULL, "no tasks any more: the engine has %.1f s left",
	    (double)r->conf->shutdown_delay / 1e9);
	ol_roles_retire(r, now);
}

int
ol_roles_prepare(const struct ol_conf *conf, int *prepared)
{
	*prepared = -1;
	if (TAILQ_EMPTY(&conf->tasks))
		return 0;
	*prepared = ol_briefing_seal(conf);
	return *prepared == -1 ? -1 : 0;
}

void
ol_roles_apply(struct ol_roles *r, const struct ol_conf *conf, int prepared,
    struct ol_listener *const *listeners, int64_t now)
{
	bool wanted = !TAILQ_EMPTY(&conf->tasks);
	bool was_wanted = r->service.wanted;

	r->conf = conf;
	if (!wanted) {
		if (was_wanted)
			remove_all(r, now);
		return;
	}
	ol_briefing_set(&r->briefing, prepared, listeners, conf->nlisten);
	ol_service_want(&r->service, true, now);
}

void
ol_roles_closed_begin(struct ol_roles *r)
{
	ol_closings_begin(&r->closings);
}

void
ol_roles_closed(struct ol_roles *r, struct ol_listener *listener, int64_t due)
{
	ol_closings_want(&r->closings, listener, due);
}

void
ol_roles_closed_end(struct ol_roles *r)
{
	ol_closings_end(&r->closings);
}

bool
ol_roles_accepts(const struct ol_roles *r, const struct ol_listener *listener)
{
	return ol_closings_held(&r->closings, listener);
}

void
ol_roles_watch(struct ol_roles *r, bool watch)
{
	r->watched = watch;
}

bool
ol_roles_answer(const struct ol_roles *r)
{
	return !r->deaf;
}

void
ol_roles_reopened(struct ol_roles *r)
{
	r->engine.reopen_owed = r->spawner.reopen_owed = true;
}

void
ol_roles_stop(struct ol_roles *r, int64_t left, int64_t grace, int64_t now)
{
	ol_service_want(&r->service, false, now);
	if (r->service.state == OL_SERVICE_OFF)
		return;
	if (left != OL_NEVER && grace > left / 4)
		grace = left / 4;
	r->stopping = r->stop_owed = true;
	r->removed = false;
	r->stop_began = now;
	r->deadline = left == OL_NEVER ? OL_NEVER : ol_clock_after(now, left);
	r->grace = grace;
	/* It ends already, and had longer. */
	if (r->exiting && left != OL_NEVER)
		ol_service_limit(
		    &r->service, ol_clock_after(r->deadline, end_time));
}

bool
ol_roles_drained(const struct ol_roles *r, int64_t now)
{
	return r->engine.pid == 0 || r->drained ||
	       (r->stopping && now >= r->deadline);
}

void
ol_roles_exit(struct ol_roles *r, int64_t now)
{
	int64_t from = r->deadline > now ? r->deadline : now;

	if (r->exiting || r->engine.pid == 0)
		return;
	r->exiting = r->exit_owed = true;
	ol_service_ending(
	    &r->service, from == OL_NEVER ? now + unlimited_end_time
			 : r->removed	  ? from + OL_ROLES_ANSWER + end_time
					  : from + end_time);
}

/* All is said; what was held for them is let go. */
static void
let_go(struct ol_roles *r)
{
	if (r->service.state != OL_SERVICE_OFF || r->service.wanted)
		return;
	ol_briefing_let_go(&r->briefing);
	r->stopping = r->removed = r->exiting = false;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * Does it still answer? Only while attempts run: who is idle is left in peace,
 * as it would wake up for nothing. Returns when to look again.
 */
static int64_t
feel_pulse(struct ol_roles *r, enum ol_service_role role, int64_t now)
{
	static const struct ol_order ping = { .verb = OL_ORDER_PING };
	bool engine = role == OL_SERVICE_ENGINE;
	struct ol_wire *wire = engine ? &r->engine : &r->spawner;
	struct ol_pulse *pulse = engine ? &r->engine_pulse : &r->spawner_pulse;
	char why[64];

	if ((r->running > 0 || (engine && r->watched)) && wire->pid != 0 &&
	    !r->exiting)
		ol_pulse_begin(pulse, now);
	else
		ol_pulse_end(pulse);
	switch (ol_pulse_tick(pulse, now)) {
	case OL_PULSE_WAIT:
		break;
	case OL_PULSE_ASK:
		/* One that does not take it does not answer either. */
		ol_wire_tell(wire, &ping, NULL);
		break;
	case OL_PULSE_GONE:
		r->deaf |= engine;
		snprintf(why, sizeof(why), "after %lld s without an answer",
		    (long long)(OL_PULSE_MISSED * OL_PULSE_INTERVAL /
				OL_SEC(1)));
		act_kill(r, role, why);
	}
	return pulse->due;
}

int64_t
ol_roles_tick(struct ol_roles *r, int64_t now)
{
	int64_t next;

	if (r->removed && ol_roles_drained(r, now))
		ol_roles_exit(r, now);
	next = ol_service_tick(&r->service, now);
	next = sooner(next, feel_pulse(r, OL_SERVICE_ENGINE, now));
	next = sooner(next, feel_pulse(r, OL_SERVICE_SPAWNER, now));
	if (!tell_all(r, now))
		next = sooner(next, now + send_again);
	next = sooner(next, ol_briefing_due(&r->engine));
	next = sooner(next, ol_briefing_due(&r->spawner));
	if (r->stopping && !r->exiting && r->engine.pid != 0 &&
	    now < r->deadline)
		next = sooner(next, r->deadline);
	let_go(r);
	return next;
}

pid_t
ol_roles_dead(const struct ol_roles *r)
{
	/* In this order: the spawner dies of its engine's death. */
	bool spawner = ol_wire_is_dead(&r->spawner);

	if (ol_wire_is_dead(&r->engine))
		return r->engine.pid;
	return spawner ? r->spawner.pid : 0;
}

bool
ol_roles_has(const struct ol_roles *r, pid_t pid)
{
	return pid != 0 && (pid == r->engine.pid || pid == r->spawner.pid);
}

void
ol_roles_reaped(struct ol_roles *r, pid_t pid, int status, int64_t now)
{
	bool engine = pid == r->engine.pid;
	char how[64];

	ol_crash_status(how, sizeof(how), status);
	if (engine)
		hear_last(r, now);
	ol_wire_close(engine ? &r->engine : &r->spawner);
	if (engine) {
		r->deaf = false;
		ol_closings_lost(&r->closings);
		r->ready = false;
		r->running = 0;
	}
	ol_pulse_end(engine ? &r->engine_pulse : &r->spawner_pulse);
	if (!engine && r->successor != -1) {
		close(r->successor);
		r->successor = -1;
	}
	ol_service_ended(&r->service,
	    engine ? OL_SERVICE_ENGINE : OL_SERVICE_SPAWNER, how, now);
}

static bool
spawner_lives(void *arg, pid_t pid)
{
	const struct ol_roles *r = arg;

	(void)pid;
	return !ol_wire_is_dead(&r->spawner);
}

void
ol_roles_look(struct ol_roles *r)
{
	if (r->spawner.pid != 0)
		ol_orphans_note(&r->orphans, is_ours, spawner_lives, r);
}

struct ol_roles_count
ol_roles_count(const struct ol_roles *r)
{
	return (struct ol_roles_count){
		.processes = (r->engine.pid != 0) + (r->spawner.pid != 0) +
			     (r->service.state == OL_SERVICE_SWEEPING),
		.running = r->running,
		.killed = r->killed,
		.wanted = r->service.wanted,
		.ready = r->ready,
	};
}

int64_t
ol_roles_deadline(const struct ol_roles *r)
{
	return r->stopping && r->engine.pid != 0 ? r->deadline : 0;
}

struct ol_roles_view
ol_roles_view(const struct ol_roles *r)
{
	return (struct ol_roles_view){
		.engine = r->engine.pid,
		.spawner = r->spawner.pid,
		.ready = r->ready && r->engine.pid != 0,
		.current = r->applied == r->briefing.generation,
		.running = r->running,
	};
}
