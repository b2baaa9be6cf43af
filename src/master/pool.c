#include <sys/socket.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "master/pool.h"
#include "master/pool_parts.h"

static struct ol_process *
find(const struct ol_place *place, unsigned generation)
{
	struct ol_process *p;

	LIST_FOREACH (p, &place->processes, link)
		if (p->generation == generation)
			return p;
	return NULL;
}

/* --- The limits of "recycle". --- */

/* How often what says nothing is looked at, and what says much at most. */
static const int64_t measure_silent = OL_SEC(30);
static const int64_t measure_pace = OL_SEC(1);

/* Whether that makes it due to be replaced. */
static bool
count_requests(struct ol_place *place, const struct ol_process *p, int64_t now)
{
	int limit = place->pool->conf->recycle_requests;

	if (limit == 0 || p->requests < limit ||
	    !ol_slot_worn(&place->slot, p->generation, OL_SLOT_REQUESTS, now))
		return false;
	ol_log_notice(&p->log, "has answered %lld requests of %d",
	    (long long)p->requests, limit);
	return true;
}

static bool
measure(struct ol_place *place, struct ol_process *p, int64_t now)
{
	int64_t limit = place->pool->conf->recycle_memory, bytes;

	if (limit == 0 || now - p->measured < measure_pace)
		return false;
	p->measured = now;
	bytes = ol_process_memory(p);
	if (bytes < limit ||
	    !ol_slot_worn(&place->slot, p->generation, OL_SLOT_MEMORY, now))
		return false;
	ol_log_notice(&p->log, "has %.1f MiB in memory of %.1f MiB",
	    (double)bytes / (1 << 20), (double)limit / (1 << 20));
	return true;
}

/* Measure what has not been for long; returns when to call again. */
static int64_t
measure_place(struct ol_place *place, int64_t now)
{
	const struct ol_pool *pool = place->pool;
	struct ol_process *p = find(place, place->slot.current.generation);

	if (pool->conf == NULL || pool->conf->recycle_memory == 0 ||
	    p == NULL || !ol_slot_serves(&place->slot))
		return OL_NEVER;
	if (now >= p->measured + measure_silent)
		measure(place, p, now);
	return p->measured + measure_silent;
}

/* --- The slot's hands. --- */

void
ol_pool_on_notify(struct ol_process *p, const struct ol_notify *n, void *arg)
{
	struct ol_place *place = arg;
	struct ol_pool *pool = place->pool;
	int64_t now = ol_clock_now(), deadline;
	bool worn = false, counts = false;

	if (pool->conf != NULL) {
		worn = count_requests(place, p, now);
		worn = measure(place, p, now) || worn;
		/* When it is idle has to be reckoned anew. */
		counts = pool->conf->idle_timeout != 0 && n->tasks >= 0;
	}
	if (n->ready && !ol_slot_leaves(&place->slot, p->generation)) {
		ol_slot_ready(&place->slot, p->generation, now);
	}
	if (n->watchdog)
		ol_slot_alive(&place->slot, p->generation, now);
	if (n->stopping)
		ol_slot_stopping(&place->slot, p->generation, now);
	if (n->extend_usec > 0 && ol_slot_leaves(&place->slot, p->generation)) {
		ol_slot_extend(
		    &place->slot, p->generation, n->extend_usec * 1000, now);
		deadline = ol_slot_deadline(&place->slot);
		pool->hooks->on_deadline(pool->hooks->arg, deadline);
	}
	if (n->ready || n->stopping || n->watchdog || n->extend_usec > 0 ||
	    worn || counts)
		pool->hooks->on_change(pool->hooks->arg);
}

static int
act_start(void *arg, unsigned generation)
{
	struct ol_place *place = arg;
	struct ol_pool *pool = place->pool;
	struct ol_process *p;

	p = ol_process_start(&(const struct ol_process_options){
	    .house = pool->house,
	    .conf = pool->conf,
	    .listener = pool->listener,
	    .slot = place->index,
	    .generation = generation,
	    .on_notify = ol_pool_on_notify,
	    .arg = place,
	});
	if (p == NULL)
		return -1;
	LIST_INSERT_HEAD(&place->processes, p, link);
	return 0;
}

static void
act_tell(void *arg, unsigned generation, int seconds)
{
	struct ol_process *p = find(arg, generation);

	if (p != NULL)
		ol_process_tell(p, seconds);
}

static void
act_abort(void *arg, unsigned generation)
{
	struct ol_process *p = find(arg, generation);

	if (p != NULL)
		ol_process_abort(p);
}

static void
act_kill(void *arg, unsigned generation, const char *why)
{
	struct ol_place *place = arg;
	struct ol_process *p = find(place, generation);

	if (p == NULL)
		return;
	ol_process_kill(p, why);
	place->pool->killed++;
	if (p->tasks > 0)
		place->pool->lost += p->tasks;
}

static void
act_crashed(void *arg)
{
	((struct ol_place *)arg)->pool->crashes++;
}

static void
act_say(
    void *arg, unsigned generation, enum ol_log_level level, const char *line)
{
	struct ol_place *place = arg;
	struct ol_process *p = find(place, generation);

	ol_log_write(p != NULL ? &p->log : &place->log, level, "%s", line);
}

static const struct ol_acts acts = {
	.start = act_start,
	.tell = act_tell,
	.abort = act_abort,
	.kill = act_kill,
	.crashed = act_crashed,
	.say = act_say,
};

/* --- Idle. --- */

static void
start_all(struct ol_pool *pool, int64_t now)
{
	int i;

	for (i = 0; i < pool->conf->processes; i++)
		ol_slot_start(&pool->places[i]->slot, now);
}

static void
wake_up(struct ol_pool *pool)
{
	ol_watch_free(pool->wake);
	pool->wake = NULL;
	pool->asleep = false;
}

static void
on_wake(void *arg)
{
	struct ol_pool *pool = arg;

	wake_up(pool);
	ol_log_notice(NULL, "pool %s: a request comes, starting", pool->name);
	start_all(pool, ol_clock_now());
	pool->hooks->on_change(pool->hooks->arg);
}

/* Watch the listener; whoever still accepts there may be faster, and that costs
 * a start too many. */
void
ol_pool_sleep(struct ol_pool *pool)
{
	pool->asleep = true;
	ol_watch_free(pool->wake);
	pool->wake = ol_must(ol_watch_new(
	    pool->house->loop, ol_listener_fd(pool->listener), on_wake, pool));
}

/* When the pool has been idle for long enough; OL_NEVER while it is not. */
static int64_t
idle_due(const struct ol_pool *pool)
{
	int64_t active = 0;
	int i;

	if (pool->conf == NULL || pool->conf->idle_timeout == 0 || pool->asleep)
		return OL_NEVER;
	for (i = 0; i < pool->conf->processes; i++) {
		const struct ol_place *place = pool->places[i];
		const struct ol_process *p =
		    find(place, place->slot.current.generation);

		if (place->slot.state != OL_SLOT_UP || p == NULL ||
		    p->tasks > 0)
			return OL_NEVER;
		if (p->active > active)
			active = p->active;
	}
	return ol_clock_after(active, pool->conf->idle_timeout);
}

static void
mind_idleness(struct ol_pool *pool, int64_t now)
{
	int i;

	if (now < idle_due(pool))
		return;
	ol_log_notice(NULL, "pool %s: idle for %.0f s, ending", pool->name,
	    (double)pool->conf->idle_timeout / 1e9);
	for (i = 0; i < pool->nplaces; i++)
		ol_slot_stop(&pool->places[i]->slot, "idle", false, now);
	ol_pool_sleep(pool);
}

/* --- Rapid fail. --- */

/* What one accept(2) leads to, so often at a time. */
static void
on_shut(void *arg)
{
	enum { AT_ONCE = 64 };
	struct ol_pool *pool = arg;
	int fd, i;

	for (i = 0; i < AT_ONCE; i++) {
		fd = accept4(
		    ol_listener_fd(pool->listener), NULL, NULL, SOCK_CLOEXEC);
		if (fd == -1)
			return;
		close(fd);
	}
}

/* Nobody will answer: the web server is to know at once. */
static void
arrange_shut(struct ol_pool *pool)
{
	struct ol_listener *listener;
	int64_t due;
	int fd, flags;

	if (!ol_pool_closed(pool, &listener, &due) || pool->held) {
		ol_watch_free(pool->shut);
		pool->shut = NULL;
		return;
	}
	if (pool->shut != NULL)
		return;
	fd = ol_listener_fd(listener);
	flags = fcntl(fd, F_GETFL);
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return;
	pool->shut =
	    ol_must(ol_watch_new(pool->house->loop, fd, on_shut, pool));
}

static void
close_pool(struct ol_pool *pool, int64_t now)
{
	int i;

	ol_log_error(NULL,
	    "pool %s: stopped, it crashed too often (rapid_fail); one process "
	    "is tried in %.0f s, a reload starts all",
	    pool->name, (double)(ol_rapid_due(&pool->rapid) - now) / 1e9);
	for (i = 0; i < pool->nplaces; i++)
		ol_slot_stop(&pool->places[i]->slot, "rapid fail", false, now);
}

/* True: something was started or stopped. */
static bool
mind_crashes(struct ol_pool *pool, int64_t now)
{
	bool changed = false;

	for (; pool->crashes > 0; pool->crashes--)
		if (pool->conf != NULL && ol_rapid_crash(&pool->rapid, now)) {
			close_pool(pool, now);
			changed = true;
		}
	if (pool->conf == NULL)
		return changed;
	if (ol_rapid_try(&pool->rapid, now)) {
		ol_log_notice(
		    NULL, "pool %s: one process is tried", pool->name);
		ol_slot_start(&pool->places[0]->slot, now);
		changed = true;
	}
	if (ol_slot_serves(&pool->places[0]->slot) &&
	    ol_rapid_ready(&pool->rapid, now)) {
		ol_log_notice(NULL, "pool %s: serves again", pool->name);
		start_all(pool, now);
		changed = true;
	}
	return changed;
}

/* --- From outside. --- */

struct ol_pool *
ol_pool_new(const struct ol_house *house, const struct ol_pool_hooks *hooks,
    const char *name, unsigned generation)
{
	struct ol_pool *pool = ol_must(calloc(1, sizeof(*pool)));

	pool->house = house;
	pool->hooks = hooks;
	pool->name = ol_must(strdup(name));
	pool->generation = generation;
	ol_messenger_init(&pool->messenger, pool->name);
	return pool;
}

void
ol_pool_free(struct ol_pool *pool)
{
	struct ol_process *p;
	int i;

	if (pool == NULL)
		return;
	for (i = 0; i < pool->nplaces; i++) {
		while ((p = LIST_FIRST(&pool->places[i]->processes)) != NULL) {
			LIST_REMOVE(p, link);
			ol_process_free(p);
		}
		free(pool->places[i]);
	}
	free(pool->places);
	ol_watch_free(pool->shut);
	ol_watch_free(pool->wake);
	ol_listener_unref(pool->listener);
	ol_messenger_fini(&pool->messenger);
	free(pool->name);
	free(pool);
}

const char *
ol_pool_name(const struct ol_pool *pool)
{
	return pool->name;
}

/* Slots keep their address for life: their tables point into them. */
void
ol_pool_grow(struct ol_pool *pool, int n)
{
	struct ol_place *place;

	if (n <= pool->nplaces)
		return;
	pool->places = ol_must(
	    reallocarray(pool->places, (size_t)n, sizeof(*pool->places)));
	for (; pool->nplaces < n; pool->nplaces++) {
		place = ol_must(calloc(1, sizeof(*place)));
		place->pool = pool;
		place->index = pool->nplaces;
		LIST_INIT(&place->processes);
		ol_log_about(
		    &place->log, "pool %s[%d]", pool->name, place->index);
		ol_slot_init(&place->slot, &acts, place, pool->generation);
		pool->places[pool->nplaces] = place;
	}
}

struct ol_slot_rules
ol_pool_rules(const struct ol_conf_pool *conf)
{
	return (struct ol_slot_rules){
		.shutdown_delay = conf->shutdown_delay,
		.shutdown_delay_max = conf->shutdown_delay_max,
		.kill_grace = conf->kill_grace,
		.startup_time_limit = conf->startup_time_limit,
		.recycle_time = conf->recycle_time,
		.ping_response_time =
		    conf->ping_interval != 0 ? conf->ping_response_time : 0,
		.simple = conf->type == OL_CONF_SIMPLE,
		.overlap = conf->overlap,
	};
}

void
ol_pool_apply(struct ol_pool *pool, const struct ol_conf_pool *conf,
    struct ol_listener *listener, int64_t now)
{
	const struct ol_slot_rules rules = ol_pool_rules(conf);
	bool renew = pool->conf != NULL &&
		     !(listener == pool->listener &&
			 ol_conf_pool_same_process(pool->conf, conf));
	struct ol_listener *old = pool->listener;
	bool sleeps;
	int i;

	ol_daily_set(&pool->daily, &conf->recycle_at);
	ol_rapid_set(&pool->rapid, conf->rapid_crashes, conf->rapid_window,
	    conf->rapid_retry);
	pool->crashes = 0;
	/* They are the old listener's. */
	ol_watch_free(pool->shut);
	pool->shut = NULL;
	ol_watch_free(pool->wake);
	pool->wake = NULL;
	pool->conf = conf;
	pool->listener = ol_listener_ref(listener);
	ol_listener_unref(old);
	ol_pool_grow(pool, conf->processes);
	sleeps = pool->asleep && conf->idle_timeout != 0;
	wake_up(pool);
	for (i = 0; i < pool->nplaces; i++) {
		struct ol_slot *slot = &pool->places[i]->slot;

		if (i >= conf->processes) {
			ol_slot_stop(slot, "fewer processes", false, now);
			continue;
		}
		ol_slot_set(slot, &rules, i, conf->processes);
		if (renew)
			ol_slot_recycle(slot, OL_SLOT_RELOAD, now);
		if (!sleeps && pool->halted == 0)
			ol_slot_start(slot, now);
	}
	if (sleeps)
		ol_pool_sleep(pool);
}

void
ol_pool_stop(struct ol_pool *pool, const char *why, bool no_limit, int64_t now)
{
	int i;

	for (i = 0; i < pool->nplaces; i++)
		ol_slot_stop(&pool->places[i]->slot, why, no_limit, now);
	ol_daily_set(&pool->daily, NULL);
	ol_rapid_set(&pool->rapid, 0, 0, 0);
	pool->halted = 0;
	wake_up(pool);
	ol_watch_free(pool->shut);
	pool->shut = NULL;
	ol_listener_unref(pool->listener);
	pool->listener = NULL;
	pool->conf = NULL;
}

void
ol_pool_stop_now(struct ol_pool *pool, int64_t now)
{
	int i;

	ol_pool_stop(pool, "stop", false, now);
	for (i = 0; i < pool->nplaces; i++)
		ol_slot_stop_now(&pool->places[i]->slot, now);
}

/*
 * Whether a process still accepts beside which another must not: without
 * overlap, here; one of the other type, in any slot, as O_NONBLOCK is the
 * socket's.
 */
static bool
is_blocked(const struct ol_pool *pool, const struct ol_place *place)
{
	const struct ol_process *p;
	bool simple;
	int i;

	if (pool->conf == NULL)
		return false;
	if (!pool->conf->overlap)
		LIST_FOREACH (p, &place->processes, link)
			if (p->accepts == pool->listener)
				return true;
	simple = pool->conf->type == OL_CONF_SIMPLE;
	if (simple && pool->held)
		return true;
	for (i = 0; i < pool->nplaces; i++)
		LIST_FOREACH (p, &pool->places[i]->processes, link)
			if (p->accepts == pool->listener && p->simple != simple)
				return true;
	return false;
}

/* Whether another slot is being recycled: one at a time. */
static bool
another_renews(const struct ol_pool *pool, const struct ol_place *place)
{
	const struct ol_slot *slot;
	int i;

	if (pool->conf == NULL)
		return false;
	for (i = 0; i < pool->conf->processes; i++) {
		slot = &pool->places[i]->slot;
		if (pool->places[i] != place &&
		    (ol_slot_renews(slot) ||
			(!pool->conf->overlap && !ol_slot_serves(slot))))
			return true;
	}
	return false;
}

static int64_t
tick_places(struct ol_pool *pool, int64_t now)
{
	int64_t when, next = OL_NEVER;
	int i;

	for (i = 0; i < pool->nplaces; i++) {
		struct ol_place *place = pool->places[i];

		if ((when = measure_place(place, now)) < next)
			next = when;
		ol_slot_hold(&place->slot, another_renews(pool, place));
		ol_slot_block(&place->slot, is_blocked(pool, place));
		if ((when = ol_slot_tick(&place->slot, now)) < next)
			next = when;
		pool->was_ready |= ol_slot_serves(&place->slot);
	}
	return next;
}

int64_t
ol_pool_tick(struct ol_pool *pool, int64_t now)
{
	int64_t when, next;

	mind_crashes(pool, now);
	mind_idleness(pool, now);
	do
		next = tick_places(pool, now);
	while (mind_crashes(pool, now));
	arrange_shut(pool);
	if ((when = ol_rapid_due(&pool->rapid)) < next)
		next = when;
	if ((when = ol_messenger_tick(&pool->messenger, pool->conf, now)) <
	    next)
		next = when;
	if ((when = idle_due(pool)) < next)
		next = when;
	return next;
}

bool
ol_pool_closed(
    const struct ol_pool *pool, struct ol_listener **listener, int64_t *due)
{
	if (pool->conf == NULL)
		return false;
	if (pool->halted != 0) {
		*listener = pool->listener;
		*due = ol_clock_after(pool->halted, pool->conf->rapid_retry);
		return true;
	}
	if (pool->rapid.state != OL_RAPID_STOPPED &&
	    pool->rapid.state != OL_RAPID_TRYING)
		return false;
	/* Beside a simple program that is tried nobody else may accept. */
	if (pool->rapid.state == OL_RAPID_TRYING &&
	    pool->conf->type == OL_CONF_SIMPLE)
		return false;
	*listener = pool->listener;
	*due = pool->rapid.due;
	return true;
}

bool
ol_pool_held(struct ol_pool *pool, bool held)
{
	if (held == pool->held)
		return false;
	pool->held = held;
	return true;
}

struct ol_listener *
ol_pool_listener(const struct ol_pool *pool)
{
	return pool->listener;
}

time_t
ol_pool_clock(struct ol_pool *pool, time_t wall, int64_t now)
{
	int i;

	if (ol_daily_due(&pool->daily, wall))
		for (i = 0; i < pool->nplaces; i++) {
			struct ol_slot *slot = &pool->places[i]->slot;

			ol_slot_worn(
			    slot, slot->current.generation, OL_SLOT_CLOCK, now);
		}
	return ol_daily_next(&pool->daily);
}

static struct ol_process *
find_pid(const struct ol_pool *pool, pid_t pid, struct ol_place **place)
{
	struct ol_process *p;
	int i;

	for (i = 0; i < pool->nplaces; i++)
		LIST_FOREACH (p, &pool->places[i]->processes, link)
			if (p->pid == pid) {
				*place = pool->places[i];
				return p;
			}
	return NULL;
}

bool
ol_pool_has(const struct ol_pool *pool, pid_t pid)
{
	struct ol_place *place;

	return pid == pool->messenger.pid ||
	       find_pid(pool, pid, &place) != NULL;
}

void
ol_pool_reaped(struct ol_pool *pool, pid_t pid, int status, int64_t now)
{
	struct ol_place *place;
	struct ol_process *p = find_pid(pool, pid, &place);
	char how[64];

	if (pid == pool->messenger.pid)
		ol_messenger_reaped(&pool->messenger, status);
	if (p == NULL)
		return;
	ol_process_ended(
	    p, pool->house, place->index, pool->name, status, how, sizeof(how));
	ol_slot_exited(&place->slot, p->generation, how,
	    WIFEXITED(status) && WEXITSTATUS(status) == 0, now);
	if (p->crash != NULL) {
		ol_messenger_tell(&pool->messenger, p->pid, p->crash);
		p->crash = NULL;
	}
	LIST_REMOVE(p, link);
	ol_process_free(p);
}

struct ol_pool_count
ol_pool_count(const struct ol_pool *pool)
{
	struct ol_pool_count count = {
		.wanted = pool->conf != NULL && !pool->asleep
			      ? pool->conf->processes
			      : 0,
		.killed = pool->killed,
		.lost = pool->lost,
	};
	int i;

	for (i = 0; i < pool->nplaces; i++) {
		count.ready += ol_slot_serves(&pool->places[i]->slot);
		count.processes += ol_slot_processes(&pool->places[i]->slot);
	}
	return count;
}

unsigned
ol_pool_generation(const struct ol_pool *pool)
{
	unsigned most = pool->generation;
	int i;

	for (i = 0; i < pool->nplaces; i++)
		if (pool->places[i]->slot.generation > most)
			most = pool->places[i]->slot.generation;
	return most;
}

bool
ol_pool_was_ready(const struct ol_pool *pool)
{
	/* One that is stopped must not keep the others from being ready. */
	return pool->was_ready || pool->conf == NULL || pool->halted != 0 ||
	       pool->rapid.state == OL_RAPID_STOPPED;
}

int64_t
ol_pool_deadline(const struct ol_pool *pool)
{
	int64_t when, last = 0;
	int i;

	for (i = 0; i < pool->nplaces; i++) {
		when = ol_slot_deadline(&pool->places[i]->slot);
		if (when > last)
			last = when;
	}
	return last;
}

/* --- By command. --- */

const char *
ol_pool_recycle(struct ol_pool *pool, int64_t now)
{
	int i;

	if (pool->conf == NULL)
		return "the pool is being removed";
	if (pool->halted != 0 || pool->rapid.state == OL_RAPID_STOPPED)
		return "the pool is stopped: start it";
	if (pool->asleep)
		return "the pool is asleep, it has no process: the next "
		       "request starts one";
	for (i = 0; i < pool->conf->processes; i++) {
		struct ol_slot *slot = &pool->places[i]->slot;

		/* Nobody has used that one yet. */
		if (slot->state != OL_SLOT_STARTING)
			ol_slot_recycle(slot, OL_SLOT_COMMAND, now);
	}
	return NULL;
}

const char *
ol_pool_halt(struct ol_pool *pool, int64_t now)
{
	int i;

	if (pool->conf == NULL)
		return "the pool is being removed";
	if (pool->halted != 0)
		return NULL;
	pool->halted = now;
	wake_up(pool);
	pool->crashes = 0;
	ol_rapid_set(&pool->rapid, pool->conf->rapid_crashes,
	    pool->conf->rapid_window, pool->conf->rapid_retry);
	for (i = 0; i < pool->nplaces; i++)
		ol_slot_stop(&pool->places[i]->slot, "outlastctl", false, now);
	return NULL;
}

const char *
ol_pool_resume(struct ol_pool *pool, int64_t now)
{
	if (pool->conf == NULL)
		return "the pool is being removed";
	pool->halted = 0;
	wake_up(pool);
	if (pool->rapid.state != OL_RAPID_RUNNING)
		ol_rapid_set(&pool->rapid, pool->conf->rapid_crashes,
		    pool->conf->rapid_window, pool->conf->rapid_retry);
	start_all(pool, now);
	return NULL;
}

enum ol_pool_state
ol_pool_state(const struct ol_pool *pool)
{
	if (pool->conf == NULL)
		return OL_POOL_REMOVED;
	if (pool->halted != 0)
		return OL_POOL_STOPPED;
	if (pool->rapid.state == OL_RAPID_STOPPED ||
	    pool->rapid.state == OL_RAPID_TRYING)
		return OL_POOL_FAILED;
	return pool->asleep ? OL_POOL_ASLEEP : OL_POOL_RUNNING;
}

const struct ol_conf_pool *
ol_pool_conf(const struct ol_pool *pool)
{
	return pool->conf;
}

int
ol_pool_crashes(const struct ol_pool *pool, int64_t now)
{
	return ol_rapid_recent(&pool->rapid, now);
}

const struct ol_slot *
ol_pool_slot(
    const struct ol_pool *pool, int i, const struct ol_processes **processes)
{
	if (i >= pool->nplaces)
		return NULL;
	*processes = &pool->places[i]->processes;
	return &pool->places[i]->slot;
}
