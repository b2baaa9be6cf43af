#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "loop/alarm.h"
#include "loop/loop.h"
#include "master/control.h"
#include "master/runtime.h"
#include "master/master.h"
#include "master/orphan.h"
#include "master/pidfile.h"
#include "master/pool.h"
#include "master/reload.h"
#include "master/report.h"
#include "master/roles.h"
#include "master/state.h"
#include "master/upgrade.h"
#include "master/upward.h"

/* How long after the deadline, or SIGKILL at a second stop, we stay at most. */
static const int64_t reap_time = OL_MSEC(450);

/* From blocking signals to becoming another binary: what the loop has heard of
 * is done in it. */
static const int64_t settle_time = OL_MSEC(1);

enum { SIGNALS = 7 };

struct ol_master {
	struct ol_conf *conf;
	const char *extra;
	char *zone; /* $TZ that we were started with; NULL: none */
	struct ol_house house;
	struct ol_pidfile *pidfile;
	pid_t predecessor;
	int folder_lock;
	struct ol_listeners listeners;
	struct ol_pool_hooks hooks;
	struct ol_pool **pools; /* in order of appearance */
	int npools;
	unsigned generation; /* the highest of what is gone */
	struct ol_roles_hooks roles_hooks;
	struct ol_roles *roles; /* engine and spawner */
	struct ol_control *control;
	int64_t started;
	struct ol_upward upward;
	struct ol_timer *timer;
	struct ol_alarm *alarm; /* times of the day */
	struct ol_signal *signals[SIGNALS];
	int stderr_fd;		     /* the one that we were started with */
	bool no_limit;		     /* the stop is that of QUIT */
	int64_t stopping;	     /* when the stop began; 0: it did not */
	struct ol_pool_count before; /* the stop */
	int64_t give_up; /* when to end without the rest; 0: by the deadlines */
	struct ol_upgrade_command command;
	struct ol_upgrade upgrade;
	bool yielding;	 /* the new binary was asked: the engine ends for it */
	int64_t becomes; /* yielding: when we become it, signals are blocked */
	struct ol_listener **kept; /* yielding: those that the engine had */
	size_t nkept;
	bool reload_owed; /* SIGHUP came meanwhile */
	int code;
};

static void tick(struct ol_master *);
static void become(struct ol_master *);
static void cancel_upgrade(struct ol_master *);
static void look_at_clock(struct ol_master *);

/*
 * The time zone of this process, which has one alone: times of the day are the
 * master's only.
 */
static void
set_zone(const struct ol_master *m, const struct ol_conf *conf)
{
	const char *zone = conf->timezone != NULL ? conf->timezone : m->zone;

	if (zone != NULL)
		setenv("TZ", zone, 1);
	else
		unsetenv("TZ");
	tzset();
}

/* --- The log. --- */

/*
 * Where programs' standard error goes: to ours, or, when the log goes to
 * files only, to the first of them.
 */
static void
point_stderr(struct ol_master *m)
{
	const char *path = NULL;
	bool keep = false;
	size_t i;
	int fd;

	for (i = 0; i < m->conf->nlogs; i++) {
		const struct ol_log_sink *sink = &m->conf->logs[i];

		if (sink->target == OL_LOG_STDERR)
			keep = true;
		else if (sink->target == OL_LOG_FILE && path == NULL)
			path = sink->path;
	}
	if (keep || path == NULL) {
		dup2(m->stderr_fd, STDERR_FILENO);
		return;
	}
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	/* The log itself could not be opened either, and says so. */
	if (fd == -1)
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static int
open_log(const struct ol_conf *conf)
{
	size_t failed = 0;

	if (ol_log_open(conf->logs, conf->nlogs, &failed) == 0)
		return 0;
	ol_log_error(NULL, "cannot open the log %s: %s",
	    failed < conf->nlogs && conf->logs[failed].path != NULL
		? conf->logs[failed].path
		: "",
	    strerror(errno));
	return -1;
}

/* --- Pools. --- */

static void
on_change(void *arg)
{
	tick(arg);
}

static void
on_deadline(void *arg, int64_t deadline)
{
	struct ol_master *m = arg;

	if (m->stopping != 0)
		ol_upward_extend(&m->upward, deadline);
}

static struct ol_pool *
find_pool(const struct ol_master *m, const char *name)
{
	int i;

	for (i = 0; i < m->npools; i++)
		if (strcmp(ol_pool_name(m->pools[i]), name) == 0)
			return m->pools[i];
	return NULL;
}

static struct ol_pool *
add_pool(struct ol_master *m, const char *name)
{
	m->pools = ol_must(
	    reallocarray(m->pools, (size_t)m->npools + 1, sizeof(*m->pools)));
	m->pools[m->npools] =
	    ol_pool_new(&m->house, &m->hooks, name, m->generation);
	return m->pools[m->npools++];
}

static const struct ol_conf_pool *
find_conf(const struct ol_conf *conf, const char *name)
{
	const struct ol_conf_pool *pool;

	TAILQ_FOREACH (pool, &conf->pools, link)
		if (strcmp(pool->name, name) == 0)
			return pool;
	return NULL;
}

static void
free_listeners(struct ol_listener **listeners, size_t n)
{
	while (n > 0)
		ol_listener_unref(listeners[--n]);
	free(listeners);
}

/*
 * The listeners of conf: those of the task API, then one per pool, in order;
 * all or none.
 */
static struct ol_listener **
get_listeners(struct ol_master *m, const struct ol_conf *conf, size_t *n)
{
	const struct ol_conf_pool *pool;
	struct ol_listener **listeners, *one;
	size_t all = conf->nlisten, failed = 0, i;

	TAILQ_FOREACH (pool, &conf->pools, link)
		all++;
	listeners = ol_must(calloc(all + 1, sizeof(*listeners)));
	*n = 0;
	/* Go on after a failure: all of them are told in one run. */
	for (i = 0; i < conf->nlisten; i++) {
		one = ol_listener_get(
		    &m->listeners, &conf->listen[i], m->predecessor);
		if (one != NULL)
			listeners[(*n)++] = one;
		else
			failed++;
	}
	TAILQ_FOREACH (pool, &conf->pools, link) {
		one = ol_listener_get(
		    &m->listeners, &pool->listen, m->predecessor);
		if (one != NULL)
			listeners[(*n)++] = one;
		else
			failed++;
	}
	if (failed == 0)
		return listeners;
	free_listeners(listeners, *n);
	return NULL;
}

/*
 * Run as conf says, whose listeners are open. The pools still point into the
 * old configuration: free it after this only.
 */
static void
apply(struct ol_master *m, const struct ol_conf *conf, int prepared,
    struct ol_listener **listeners, int64_t now)
{
	const struct ol_conf_pool *block;
	struct ol_pool *pool;
	size_t n = conf->nlisten, k;
	int i;

	set_zone(m, conf);
	for (k = 0; k < conf->nlisten; k++)
		ol_listener_apply(listeners[k], &conf->listen[k]);
	ol_roles_apply(m->roles, conf, prepared, listeners, now);
	for (i = 0; i < m->npools; i++)
		if (find_conf(conf, ol_pool_name(m->pools[i])) == NULL)
			ol_pool_stop(m->pools[i], "pool removed", false, now);
	TAILQ_FOREACH (block, &conf->pools, link) {
		if ((pool = find_pool(m, block->name)) == NULL)
			pool = add_pool(m, block->name);
		ol_listener_apply(listeners[n], &block->listen);
		ol_pool_apply(pool, block, listeners[n++], now);
	}
	look_at_clock(m);
}

static void
drop_ended_pools(struct ol_master *m)
{
	int i, n = 0;

	for (i = 0; i < m->npools; i++) {
		struct ol_pool *pool = m->pools[i];

		if (m->stopping == 0 &&
		    find_conf(m->conf, ol_pool_name(pool)) == NULL &&
		    ol_pool_count(pool).processes == 0) {
			ol_log_notice(
			    NULL, "pool %s is gone", ol_pool_name(pool));
			/* The name may come back; its crash reports stay. */
			if (ol_pool_generation(pool) > m->generation)
				m->generation = ol_pool_generation(pool);
			ol_pool_free(pool);
		} else
			m->pools[n++] = pool;
	}
	m->npools = n;
}

/* --- The one timer, and the end. --- */

static struct ol_pool_count
count_all(const struct ol_master *m)
{
	struct ol_pool_count sum = { 0 }, one;
	int i;

	for (i = 0; i < m->npools; i++) {
		one = ol_pool_count(m->pools[i]);
		sum.wanted += one.wanted;
		sum.ready += one.ready;
		sum.processes += one.processes;
		sum.killed += one.killed;
		sum.lost += one.lost;
	}
	return sum;
}

static int64_t
last_deadline(const struct ol_master *m)
{
	int64_t when, last = ol_roles_deadline(m->roles);
	int i;

	for (i = 0; i < m->npools; i++) {
		when = ol_pool_deadline(m->pools[i]);
		if (when > last)
			last = when;
	}
	return last;
}

static void
say_ready(const struct ol_master *m)
{
	const struct ol_conf_task *task;
	int tasks = 0;

	TAILQ_FOREACH (task, &m->conf->tasks, link)
		tasks++;
	if (tasks > 0)
		ol_log_notice(NULL, "ready, %d pool%s, %d task%s", m->npools,
		    m->npools == 1 ? "" : "s", tasks, tasks == 1 ? "" : "s");
	else
		ol_log_notice(NULL, "ready, %d pool%s", m->npools,
		    m->npools == 1 ? "" : "s");
}

static void
tell_upward(struct ol_master *m)
{
	struct ol_pool_count sum = count_all(m);
	struct ol_roles_count roles = ol_roles_count(m->roles);
	int i, wanted = sum.wanted + roles.wanted;

	if (m->stopping != 0 && roles.running > 0) {
		ol_upward_status(&m->upward,
		    "stopping, %d processes and %u tasks left",
		    sum.processes + roles.processes, roles.running);
		return;
	}
	if (m->stopping != 0) {
		ol_upward_status(&m->upward, "stopping, %d processes left",
		    sum.processes + roles.processes);
		return;
	}
	if (m->yielding) {
		ol_upward_status(
		    &m->upward, "upgrading, %u tasks running", roles.running);
		return;
	}
	if (roles.running > 0)
		ol_upward_status(&m->upward,
		    "%d of %d processes ready, %u tasks running",
		    sum.ready + (roles.wanted && roles.ready), wanted,
		    roles.running);
	else
		ol_upward_status(&m->upward, "%d of %d processes ready",
		    sum.ready + (roles.wanted && roles.ready), wanted);
	if (roles.wanted && !roles.ready)
		return;
	for (i = 0; i < m->npools; i++)
		if (!ol_pool_was_ready(m->pools[i]))
			return;
	if (!m->upward.ready)
		say_ready(m);
	ol_upward_ready(&m->upward);
}

/* The last line of the log. */
static void
say_stopped(
    const struct ol_master *m, const struct ol_pool_count *sum, int64_t now)
{
	double took = (double)(now - m->stopping) / 1e9;

	if (sum->killed > 0)
		ol_log_warn(NULL,
		    "stopped after %.1f s; %u processes were killed, "
		    "%lld work items lost%s",
		    took, sum->killed, sum->lost,
		    ol_roles_count(m->roles).killed
			? "; the engine was killed, too"
			: "");
	else if (ol_roles_count(m->roles).killed)
		ol_log_warn(
		    NULL, "stopped after %.1f s; the engine was killed", took);
	else
		ol_log_notice(NULL, "stopped after %.1f s", took);
}

/*
 * The stop's part of a tick: leave the loop when nothing is left, or when a
 * process does not even die. Returns when to look again.
 */
static int64_t
finish(struct ol_master *m, int64_t now)
{
	struct ol_pool_count sum = count_all(m);
	int processes, orphans = 0;
	int64_t limit;

	sum.killed -= m->before.killed;
	sum.lost -= m->before.lost;
	/* Until then the pools may submit. */
	if (sum.processes == 0 && ol_roles_drained(m->roles, now))
		ol_roles_exit(m->roles, now);
	processes = sum.processes + ol_roles_count(m->roles).processes;
	if (processes == 0 && (orphans = ol_orphan_kill()) == 0) {
		say_stopped(m, &sum, now);
		ol_loop_stop(m->house.loop);
		return OL_NEVER;
	}
	limit = m->give_up;
	if (limit == 0 && processes == 0) {
		ol_log_info(NULL, "killed %d orphans", orphans);
		limit = m->give_up = now + reap_time;
	} else if (limit == 0) {
		limit = ol_clock_after(last_deadline(m), reap_time);
		/* Woken late: the kill was a moment ago, not at the deadline.
		 */
		if (now >= limit)
			limit = m->give_up = now + reap_time;
	}
	if (now >= limit) {
		ol_log_error(NULL,
		    "processes do not die of SIGKILL; leaving them behind");
		m->code = 1;
		ol_loop_stop(m->house.loop);
		return OL_NEVER;
	}
	return limit;
}

/* Pools that rapid_fail has stopped: who answers there? */
static void
arrange_closed(struct ol_master *m)
{
	struct ol_listener *listener;
	int64_t due;
	int i;

	ol_roles_closed_begin(m->roles);
	for (i = 0; i < m->npools; i++)
		if (ol_pool_closed(m->pools[i], &listener, &due))
			ol_roles_closed(m->roles, listener, due);
	ol_roles_closed_end(m->roles);
}

/* Returns whether that matters to a pool. */
static bool
tell_held(struct ol_master *m)
{
	struct ol_listener *listener;
	bool changed = false;
	int i;

	for (i = 0; i < m->npools; i++) {
		listener = ol_pool_listener(m->pools[i]);
		changed |= ol_pool_held(m->pools[i],
		    listener != NULL &&
			/* Who comes waits for the new engine's 503. */
			(m->yielding || ol_roles_accepts(m->roles, listener)));
	}
	return changed;
}

static int64_t
tick_pools(struct ol_master *m, int64_t now)
{
	int64_t when, next = OL_NEVER;
	int i;

	for (i = 0; i < m->npools; i++) {
		when = ol_pool_tick(m->pools[i], now);
		if (when < next)
			next = when;
	}
	return next;
}

/*
 * The engine is gone: when to become the new binary. Signals are blocked from
 * here on, and wait for it; those that came before are obeyed in between.
 */
static int64_t
yield(struct ol_master *m, int64_t now)
{
	sigset_t all;

	if (!m->yielding || !ol_roles_are_gone(m->roles))
		return OL_NEVER;
	if (m->becomes == 0) {
		sigfillset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
		m->becomes = now + settle_time;
	}
	return m->becomes;
}

static void
tick(struct ol_master *m)
{
	int64_t now = ol_clock_now(), when, next, pools;

	tell_held(m);
	next = tick_pools(m, now);
	arrange_closed(m);
	drop_ended_pools(m);
	tell_upward(m);
	ol_upward_well(&m->upward, ol_roles_answer(m->roles));
	if ((when = ol_upward_tick(&m->upward, now)) < next)
		next = when;
	when = ol_roles_tick(m->roles, now);
	/* The engine was told, or is gone: a pool that is closed looks again.
	 */
	if (tell_held(m) && (pools = tick_pools(m, now)) < next)
		next = pools;
	if (m->stopping != 0) {
		int64_t end = finish(m, now);

		if (end < next)
			next = end;
		/* It may have an order for the engine. */
		when = ol_roles_tick(m->roles, now);
	}
	if (when < next)
		next = when;
	if ((when = ol_upgrade_tick(&m->upgrade, now)) < next)
		next = when;
	if ((when = yield(m, now)) < next)
		next = when;
	ol_timer_at(m->timer, next);
}

static void
on_timer(void *arg)
{
	struct ol_master *m = arg;

	if (m->becomes != 0 && ol_clock_now() >= m->becomes)
		become(m);
	tick(m);
}

static void
look_at_clock(struct ol_master *m)
{
	int64_t now = ol_clock_now();
	struct timespec wall;
	time_t when, first = 0;
	int i;

	/* time() may be a tick behind, and the alarm's time not come yet. */
	clock_gettime(CLOCK_REALTIME, &wall);
	for (i = 0; i < m->npools; i++) {
		when = ol_pool_clock(m->pools[i], wall.tv_sec, now);
		if (when != 0 && (first == 0 || when < first))
			first = when;
	}
	if (ol_alarm_at(m->alarm, first) == -1)
		ol_log_error(NULL, "cannot wait for a time of the day: %s",
		    strerror(errno));
}

static void
on_alarm(void *arg)
{
	look_at_clock(arg);
	tick(arg);
}

/* --- Signals. --- */

static void
stop(struct ol_master *m, const char *name, bool no_limit)
{
	int64_t now = ol_clock_now();
	int i;

	if (m->upgrade.binary != -1) {
		ol_log_notice(NULL, "%s: the upgrade is given up", name);
		cancel_upgrade(m);
	}
	if (m->stopping != 0 && no_limit) {
		ol_log_notice(NULL, "%s: a stop is under way", name);
		return;
	}
	if (m->stopping != 0 && !m->no_limit) {
		ol_log_warn(NULL, "%s again: stopping now", name);
		m->give_up = now + reap_time;
		ol_roles_stop(m->roles, 0, 0, now);
		for (i = 0; i < m->npools; i++)
			ol_pool_stop_now(m->pools[i], now);
	} else {
		ol_log_notice(NULL, "%s: stopping%s", name,
		    no_limit ? ", without a limit" : "");
		m->no_limit = no_limit;
		if (m->stopping == 0) {
			m->before = count_all(m);
			ol_upward_stopping(&m->upward);
		}
		m->stopping = now;
		ol_roles_stop(m->roles,
		    no_limit ? OL_NEVER : m->conf->shutdown_delay,
		    m->conf->kill_grace, now);
		for (i = 0; i < m->npools; i++)
			ol_pool_stop(m->pools[i], "stop", no_limit, now);
		ol_upward_unlimited(&m->upward, no_limit);
		ol_upward_extend(&m->upward, last_deadline(m));
		ol_upward_tick(&m->upward, now);
	}
	tick(m);
}

static void
on_term(void *arg)
{
	stop(arg, "SIGTERM", false);
}

static void
on_int(void *arg)
{
	stop(arg, "SIGINT", false);
}

static void
on_quit(void *arg)
{
	stop(arg, "SIGQUIT", true);
}

/*
 * 0, or -1 and all is as before. answer, unless NULL, gets what there is to
 * tell of a success, *told the errors in the file.
 */
static int
reload(struct ol_master *m, struct ol_document *answer, char **told)
{
	struct ol_listener **listeners;
	struct ol_conf *conf, *old = m->conf;
	int prepared;
	size_t n;

	if ((conf = ol_reload_read(old, m->extra, told)) == NULL)
		goto err0;
	if (answer != NULL) {
		/* Before what needs a restart is made as it was. */
		ol_document_object(answer, "reload");
		ol_reload_tell(answer, old, conf);
		ol_document_object_end(answer);
	}
	ol_reload_keep(conf, old);
	if ((!TAILQ_EMPTY(&conf->tasks) && ol_state_make(conf) == -1) ||
	    (listeners = get_listeners(m, conf, &n)) == NULL)
		goto err1;
	if (ol_roles_prepare(conf, &prepared) == -1)
		goto err2;
	if (open_log(conf) == -1)
		goto err3;
	m->conf = conf;
	point_stderr(m);
	apply(m, conf, prepared, listeners, ol_clock_now());
	free_listeners(listeners, n);
	ol_conf_free(old);
	return 0;
err3:
	if (prepared != -1)
		close(prepared);
err2:
	free_listeners(listeners, n);
err1:
	ol_conf_free(conf);
err0:
	return -1;
}

/* who asked: "SIGHUP" */
static int
begin_reload(struct ol_master *m, const char *who, struct ol_document *answer,
    char **told)
{
	int rc;

	ol_upward_reloading(&m->upward, ol_clock_now());
	ol_log_notice(NULL, "%s: reloading %s", who, m->conf->file);
	if ((rc = reload(m, answer, told)) == -1)
		ol_log_error(
		    NULL, "not reloaded: the old configuration stays in force");
	else
		ol_log_notice(NULL, "reloaded");
	ol_upward_reloaded(&m->upward);
	tick(m);
	return rc;
}

static void
on_hup(void *arg)
{
	struct ol_master *m = arg;

	if (m->stopping != 0) {
		ol_log_notice(NULL, "SIGHUP: not reloading during a stop");
		return;
	}
	if (m->yielding) {
		ol_log_notice(NULL, "SIGHUP: reloading after the upgrade");
		m->reload_owed = true;
		return;
	}
	begin_reload(m, "SIGHUP", NULL, NULL);
}

static void
on_usr1(void *arg)
{
	struct ol_master *m = arg;

	if (ol_log_reopen() == 0)
		ol_log_notice(NULL, "SIGUSR1: logs reopened");
	point_stderr(m);
	ol_roles_reopened(m->roles);
	tick(m);
}

/* --- Upgrade: another binary in our place. --- */

/* All that there is, for the other one. Borrows nothing. */
static void
save(const struct ol_master *m, struct ol_handover *h)
{
	size_t size;
	FILE *f;
	int i;

	*h = (struct ol_handover){
		.generation = m->generation,
		.stderr_fd = m->stderr_fd,
		.pid_fd = ol_pidfile_fd(m->pidfile),
		.folder_fd = m->folder_lock,
		.ready = m->upward.ready,
	};
	memcpy(h->instance, m->house.instance, sizeof(h->instance));
	h->listeners = ol_listeners_save(&m->listeners, &h->nlisteners);
	h->pools = ol_must(calloc((size_t)m->npools + 1, sizeof(*h->pools)));
	for (i = 0; i < m->npools; i++)
		ol_pool_save(
		    m->pools[i], &m->listeners, &h->pools[h->npools++]);
	f = ol_must(open_memstream(&h->config, &size));
	ol_conf_dump(m->conf, f);
	if (fclose(f) == EOF)
		ol_must(NULL);
	h->nconfig = size;
}

static void
on_usr2(void *arg)
{
	struct ol_master *m = arg;
	struct ol_handover h;

	if (m->stopping != 0) {
		ol_log_notice(NULL, "SIGUSR2: not upgrading during a stop");
		return;
	}
	if (m->upgrade.binary != -1) {
		ol_log_notice(NULL, "SIGUSR2: an upgrade is under way");
		return;
	}
	ol_log_notice(NULL, "SIGUSR2: upgrading, asking %s",
	    m->command.program != NULL ? m->command.program : "nobody");
	save(m, &h);
	if (ol_upgrade_ask(&m->upgrade, &m->command, &h, ol_clock_now()) == -1)
		ol_log_error(NULL, "not upgraded: the old binary goes on");
	ol_handover_fini(&h);
	tick(m);
}

/* The new binary says that it takes over. */
static void
begin_upgrade(struct ol_master *m)
{
	int64_t now = ol_clock_now();

	m->kept = get_listeners(m, m->conf, &m->nkept);
	if (m->kept == NULL) {
		ol_log_error(NULL, "not upgraded: the old binary goes on");
		ol_upgrade_cancel(&m->upgrade);
		return;
	}
	m->yielding = true;
	if (ol_roles_are_gone(m->roles))
		return;
	ol_log_notice(NULL,
	    "upgrade: the engine ends for its successor within %.1f s, "
	    "requests wait",
	    (double)m->conf->shutdown_delay / 1e9);
	ol_roles_retire(m->roles, now);
}

static void
cancel_upgrade(struct ol_master *m)
{
	sigset_t none;

	ol_upgrade_cancel(&m->upgrade);
	if (m->kept != NULL)
		free_listeners(m->kept, m->nkept);
	m->kept = NULL;
	m->nkept = 0;
	m->yielding = false;
	m->becomes = 0;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Engine and spawner for the configuration in force. -1: logged. */
static int
start_roles(struct ol_master *m, int64_t now)
{
	struct ol_listener **listeners;
	int prepared;
	size_t n;

	if ((listeners = get_listeners(m, m->conf, &n)) == NULL)
		return -1;
	if (ol_roles_prepare(m->conf, &prepared) == -1) {
		free_listeners(listeners, n);
		return -1;
	}
	ol_roles_apply(m->roles, m->conf, prepared, listeners, now);
	free_listeners(listeners, n);
	return 0;
}

/* Returns only when that failed: then we go on as before. */
static void
become(struct ol_master *m)
{
	struct ol_handover h;

	if (m->reload_owed)
		kill(getpid(), SIGHUP); /* it is blocked, and stays */
	/* What we were started with; "timezone" sets another one. */
	if (m->zone != NULL)
		setenv("TZ", m->zone, 1);
	else
		unsetenv("TZ");
	save(m, &h);
	ol_upgrade_execute(&m->upgrade, &m->command, &h);
	ol_handover_fini(&h);
	set_zone(m, m->conf);
	ol_log_error(NULL, "not upgraded: the old binary goes on");
	if (start_roles(m, ol_clock_now()) == -1)
		ol_log_error(NULL, "the tasks are not served: reload");
	m->reload_owed = false;
	cancel_upgrade(m);
}

static bool
is_pools(void *arg, pid_t pid)
{
	const struct ol_master *m = arg;
	int i;

	if (pid != 0 && pid == m->upgrade.pid)
		return true;
	for (i = 0; i < m->npools; i++)
		if (ol_pool_has(m->pools[i], pid))
			return true;
	return false;
}

/* The child that is to be reaped next; 0: none. */
static pid_t
next_dead(const struct ol_master *m)
{
	siginfo_t info = { .si_pid = 0 };
	pid_t pid = ol_roles_dead(m->roles);

	if (pid != 0)
		return pid;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
		return 0;
	return info.si_pid;
}

static void
reap(struct ol_master *m, pid_t pid)
{
	int i, status;

	for (i = 0; i < m->npools; i++)
		if (ol_pool_has(m->pools[i], pid))
			break;
	/*
	 * Until it is reaped, its number is that of its group and of
	 * nobody else. Who is left there does not outlive it.
	 */
	if (i < m->npools)
		kill(-pid, SIGKILL);
	if (waitpid(pid, &status, WNOHANG) != pid)
		return;
	if (i < m->npools)
		ol_pool_reaped(m->pools[i], pid, status, ol_clock_now());
	else if (ol_roles_has(m->roles, pid))
		ol_roles_reaped(m->roles, pid, status, ol_clock_now());
	else if (pid == m->upgrade.pid &&
		 ol_upgrade_answered(&m->upgrade, status))
		begin_upgrade(m);
}

static void
on_chld(void *arg)
{
	struct ol_master *m = arg;
	pid_t pid;

	while ((pid = next_dead(m)) != 0)
		reap(m, pid);
	ol_roles_look(m->roles);
	tick(m);
}

/* --- outlastctl. --- */

static void
answer_reload(struct ol_master *m, const char *by, struct ol_document *d)
{
	struct ol_document changes;
	char *told = NULL, *line, *rest;
	char who[96];
	int rc;

	snprintf(who, sizeof(who), "outlastctl (%s)", by);
	ol_document_open(&changes);
	rc = begin_reload(m, who, &changes, &told);
	ol_document_close(&changes);
	if (rc == 0) {
		ol_document_flag(d, "ok", true);
		ol_document_merge(d, &changes);
	} else if (told == NULL)
		ol_control_refuse(d, "failed",
		    "not reloaded, the old configuration stays in force: the "
		    "log of outlastd says why");
	else {
		ol_control_refuse(d, "configuration",
		    "not reloaded, the old configuration stays in force");
		ol_document_array(d, "lines");
		for (rest = told; (line = strsep(&rest, "\n")) != NULL;)
			if (*line != '\0')
				ol_document_text(d, NULL, line);
		ol_document_array_end(d);
	}
	ol_document_fini(&changes);
	free(told);
}

static void
answer_pools(struct ol_master *m, struct ol_document *d)
{
	int i;

	ol_document_array(d, "pools");
	for (i = 0; i < m->npools; i++)
		ol_report_pool(d, NULL, m->pools[i], ol_clock_now());
	ol_document_array_end(d);
}

static void
answer_status(struct ol_master *m, struct ol_document *d)
{
	struct ol_roles_view roles = ol_roles_view(m->roles);
	int64_t now = ol_clock_now();

	ol_document_flag(d, "ok", true);
	ol_document_text(d, "version", PACKAGE_VERSION);
	ol_document_number(d, "pid", getpid());
	ol_document_text(d, "state", m->stopping != 0 ? "stopping" : "running");
	ol_document_time(
	    d, "since", time(NULL) - (now - m->started) / OL_SEC(1));
	ol_document_number(d, "uptime_ms", (now - m->started) / OL_MSEC(1));
	ol_document_text(d, "file", m->conf->file);
	if (TAILQ_EMPTY(&m->conf->tasks) && roles.engine == 0)
		ol_document_null(d, "engine");
	else {
		ol_document_object(d, "engine");
		ol_document_number(d, "pid", roles.engine);
		ol_document_number(d, "spawner_pid", roles.spawner);
		ol_document_flag(d, "wanted", ol_roles_count(m->roles).wanted);
		ol_document_flag(d, "ready", roles.ready);
		ol_document_flag(d, "current", roles.current);
		ol_document_number(d, "running", roles.running);
		ol_document_object_end(d);
	}
	answer_pools(m, d);
}

/* About one pool. NULL, or why not. */
static const char *
do_with_pool(struct ol_pool *pool, enum ol_control_verb verb)
{
	switch (verb) {
	case OL_CONTROL_RECYCLE:
		return ol_pool_recycle(pool, ol_clock_now());
	case OL_CONTROL_STOP:
		return ol_pool_halt(pool, ol_clock_now());
	case OL_CONTROL_START:
		return ol_pool_resume(pool, ol_clock_now());
	default:
		return NULL;
	}
}

static void
answer_pool(struct ol_master *m, const struct ol_control_request *request,
    struct ol_document *d)
{
	struct ol_pool *pool = find_pool(m, request->pool);
	const char *why_not;

	if (pool == NULL) {
		ol_control_refuse(d, "unknown_pool", "there is no such pool");
		return;
	}
	why_not = do_with_pool(pool, request->verb);
	if (why_not != NULL) {
		ol_control_refuse(d, "state", why_not);
		return;
	}
	tick(m);
	/* It was removed, and the tick has seen its end. */
	if ((pool = find_pool(m, request->pool)) == NULL) {
		ol_control_refuse(d, "unknown_pool", "there is no such pool");
		return;
	}
	ol_document_flag(d, "ok", true);
	ol_report_pool(d, "pool", pool, ol_clock_now());
}

static void
on_control(void *arg, const struct ol_control_request *request, const char *by,
    struct ol_document *d)
{
	struct ol_master *m = arg;

	if (ol_control_changes(request->verb)) {
		ol_log_notice(NULL, "control: %s%s%s, by %s",
		    ol_control_name(request->verb),
		    request->pool[0] != '\0' ? " " : "", request->pool, by);
		if (m->stopping != 0 || m->yielding) {
			ol_control_refuse(d, "stopping",
			    m->yielding
				? "outlastd is being upgraded, try again"
				: "outlastd is being stopped");
			return;
		}
	}
	if (request->verb == OL_CONTROL_RELOAD)
		answer_reload(m, by, d);
	else if (ol_control_takes_pool(request->verb))
		answer_pool(m, request, d);
	else if (request->verb == OL_CONTROL_POOLS) {
		ol_document_flag(d, "ok", true);
		answer_pools(m, d);
	} else
		answer_status(m, d);
}

/* --- Start and end. --- */

struct ol_master *
ol_master_new(struct ol_conf *conf, const char *extra)
{
	static const char hex[] = "0123456789abcdef";
	struct ol_master *m = ol_must(calloc(1, sizeof(*m)));
	unsigned char random[16];
	size_t i;

	m->conf = conf;
	m->extra = extra;
	if (getenv("TZ") != NULL)
		m->zone = ol_must(strdup(getenv("TZ")));
	m->upward.fd = m->stderr_fd = m->folder_lock = -1;
	ol_upgrade_init(&m->upgrade);
	m->hooks.on_change = on_change;
	m->hooks.on_deadline = on_deadline;
	m->hooks.arg = m;
	m->roles_hooks.on_change = on_change;
	m->roles_hooks.on_deadline = on_deadline;
	m->roles_hooks.is_pools = is_pools;
	m->roles_hooks.arg = m;
	LIST_INIT(&m->listeners);
	if (getentropy(random, sizeof(random)) == -1) {
		ol_log_error(NULL, "no random numbers: %s", strerror(errno));
		goto err;
	}
	for (i = 0; i < sizeof(random); i++) {
		m->house.instance[2 * i] = hex[random[i] >> 4];
		m->house.instance[2 * i + 1] = hex[random[i] & 15];
	}
	m->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (m->stderr_fd == -1) {
		ol_log_error(NULL, "no standard error: %s", strerror(errno));
		goto err;
	}
	return m;
err:
	ol_master_free(m);
	return NULL;
}

static int
watch_signals(struct ol_master *m)
{
	static const struct {
		int signo;
		ol_loop_fn *fn;
	} wanted[SIGNALS] = { { SIGTERM, on_term }, { SIGINT, on_int },
		{ SIGQUIT, on_quit }, { SIGHUP, on_hup }, { SIGUSR1, on_usr1 },
		{ SIGUSR2, on_usr2 }, { SIGCHLD, on_chld } };
	sigset_t none;
	int i;

	signal(SIGPIPE, SIG_IGN);
	ol_loop_log_libevent();
	m->house.loop = ol_loop_new();
	if (m->house.loop == NULL ||
	    (m->timer = ol_timer_new(m->house.loop, on_timer, m)) == NULL ||
	    (m->alarm = ol_alarm_new(m->house.loop, on_alarm, m)) == NULL)
		goto err;
	for (i = 0; i < SIGNALS; i++) {
		m->signals[i] = ol_signal_new(
		    m->house.loop, wanted[i].signo, wanted[i].fn, m);
		if (m->signals[i] == NULL)
			goto err;
	}
	/* Whoever started us may have blocked them: nobody could stop us. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	m->roles = ol_roles_new(m->house.loop, &m->roles_hooks);
	ol_roles_watch(m->roles, m->upward.watchdog != 0);
	return 0;
err:
	ol_log_error(NULL, "cannot make the event loop: %s", strerror(errno));
	return -1;
}

/* -1: logged. */
static int
make_folders(struct ol_master *m)
{
	m->house.notify_folder = ol_runtime_make(m->conf->pid, "notify", 0711);
	m->house.crash_folder = ol_runtime_make(m->conf->pid, "crashes", 0700);
	return m->house.notify_folder != NULL && m->house.crash_folder != NULL
		   ? 0
		   : -1;
}

/* Orphans of the pools come to us, not to init. */
static void
adopt_orphans(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) == -1)
		ol_log_warn(
		    NULL, "cannot become subreaper: %s", strerror(errno));
}

static int
set_up(struct ol_master *m)
{
	unsigned crashed;

	if (open_log(m->conf) == -1)
		return -1;
	point_stderr(m);
	ol_listeners_activate(&m->listeners);
	m->pidfile = ol_pidfile_open(m->conf->pid, &m->predecessor);
	if (m->pidfile == NULL)
		return -1;
	if (make_folders(m) == -1)
		return -1;
	/* What is swept there must not be that of another master. */
	if ((m->folder_lock = ol_runtime_lock(m->house.notify_folder)) == -1)
		return -1;
	m->generation = ol_runtime_sweep(m->house.notify_folder);
	crashed = ol_runtime_sweep(m->house.crash_folder);
	if (crashed > m->generation)
		m->generation = crashed;
	adopt_orphans();
	ol_upward_init(&m->upward);
	return watch_signals(m);
}

void
ol_master_program(struct ol_master *m, const char *program, const char *file)
{
	m->command.program = program;
	m->command.file = file;
	m->command.extra = m->extra;
}

/* What set_up() does, with what is there already. */
static int
set_up_again(struct ol_master *m, const struct ol_handover *h)
{
	if (ol_handover_inherit(h, false) == -1) {
		ol_log_error(NULL, "a descriptor did not come along: %s",
		    strerror(errno));
		return -1;
	}
	close(m->stderr_fd);
	m->stderr_fd = h->stderr_fd;
	if (open_log(m->conf) == -1)
		return -1;
	point_stderr(m);
	m->pidfile = ol_pidfile_resume(m->conf->pid, h->pid_fd);
	m->folder_lock = h->folder_fd;
	m->generation = h->generation;
	memcpy(m->house.instance, h->instance, sizeof(m->house.instance));
	if (make_folders(m) == -1)
		return -1;
	adopt_orphans();
	ol_upward_init(&m->upward);
	m->upward.ready = h->ready;
	return watch_signals(m);
}

static void
resume_pools(struct ol_master *m, const struct ol_handover *h,
    struct ol_listener *const *listeners)
{
	size_t i;

	m->pools = ol_must(calloc(h->npools + 1, sizeof(*m->pools)));
	for (i = 0; i < h->npools; i++)
		m->pools[m->npools++] = ol_pool_take_over(&m->house, &m->hooks,
		    find_conf(m->conf, h->pools[i].name), listeners,
		    &h->pools[i]);
}

int
ol_master_resume(struct ol_master *m, const struct ol_handover *h)
{
	struct ol_listener **listeners;
	int64_t now = ol_clock_now();

	if (set_up_again(m, h) == -1 ||
	    (listeners = ol_listeners_resume(
		 &m->listeners, h->listeners, h->nlisteners)) == NULL)
		return 1;
	ol_log_notice(NULL, "outlastd %s took over, pid %d", PACKAGE_VERSION,
	    (int)getpid());
	/* Whoever asked the old one has lost the connection. */
	m->control = ol_control_open(
	    m->house.loop, &m->conf->control, m->conf->uid, on_control, m);
	m->started = now;
	set_zone(m, m->conf);
	resume_pools(m, h, listeners);
	if (start_roles(m, now) == -1)
		ol_log_error(NULL, "the tasks are not served: reload");
	free_listeners(listeners, h->nlisteners);
	look_at_clock(m);
	/* Who died meanwhile. */
	on_chld(m);
	ol_loop_run(m->house.loop);
	return m->code;
}

int
ol_master_run(struct ol_master *m)
{
	struct ol_listener **listeners;
	int prepared;
	size_t n;

	if (set_up(m) == -1 || ol_roles_prepare(m->conf, &prepared) == -1 ||
	    (!TAILQ_EMPTY(&m->conf->tasks) && ol_state_make(m->conf) == -1) ||
	    (listeners = get_listeners(m, m->conf, &n)) == NULL)
		return 1;
	/* Whoever finds our pid there finds our sockets too. */
	if (ol_pidfile_write(m->pidfile) == -1) {
		free_listeners(listeners, n);
		return 1;
	}
	m->control = ol_control_open(
	    m->house.loop, &m->conf->control, m->conf->uid, on_control, m);
	if (m->control == NULL) {
		free_listeners(listeners, n);
		return 1;
	}
	m->started = ol_clock_now();
	/* Only a start may find what a dead master left. */
	m->predecessor = 0;
	ol_log_notice(NULL, "outlastd %s started, pid %d", PACKAGE_VERSION,
	    (int)getpid());
	ol_listeners_warn(&m->listeners);
	apply(m, m->conf, prepared, listeners, ol_clock_now());
	free_listeners(listeners, n);
	tick(m);
	ol_loop_run(m->house.loop);
	return m->code;
}

void
ol_master_free(struct ol_master *m)
{
	int i;

	if (m == NULL)
		return;
	ol_upgrade_cancel(&m->upgrade);
	if (m->kept != NULL)
		free_listeners(m->kept, m->nkept);
	ol_control_close(m->control);
	for (i = 0; i < m->npools; i++)
		ol_pool_free(m->pools[i]);
	free(m->pools);
	ol_roles_free(m->roles);
	ol_listeners_release(&m->listeners);
	for (i = 0; i < SIGNALS; i++)
		ol_signal_free(m->signals[i]);
	ol_alarm_free(m->alarm);
	ol_timer_free(m->timer);
	ol_loop_free(m->house.loop);
	ol_upward_fini(&m->upward);
	free(m->house.notify_folder);
	free(m->house.crash_folder);
	if (m->folder_lock != -1)
		close(m->folder_lock);
	ol_pidfile_close(m->pidfile);
	if (m->stderr_fd != -1)
		close(m->stderr_fd);
	ol_conf_free(m->conf);
	free(m->zone);
	free(m);
}
