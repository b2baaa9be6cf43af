#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "master/crash.h"
#include "master/orphan.h"
#include "master/role.h"
#include "master/roles.h"
#include "master/service.h"

/* How long after the deadline an engine may live: less than the master. */
static const int64_t end_time = OL_MSEC(350);
/* To write what is left, when there is no deadline. */
static const int64_t unlimited_end_time = OL_SEC(30);
/* Until what a process did not take is sent again. */
static const int64_t send_again = OL_MSEC(50);

/* One process, and what it was told. */
struct end {
	pid_t pid;   /* 0: there is none */
	int channel; /* -1: none, or closed by the other side */
	struct ol_watch *watch;
	struct ol_log log;
	uint32_t told;	  /* number of the configuration; 0: none yet */
	bool reopen_owed; /* the log's files are others */
	bool rubbish;	  /* the log knows that it talks rubbish */
};

struct listeners {
	struct ol_listener **all;
	size_t n;
};

struct ol_roles {
	struct ol_loop *loop;
	const struct ol_roles_hooks *hooks;
	const char *instance;
	struct ol_service service;
	struct end engine, spawner;
	int successor; /* the engine's channel to a new spawner; -1 */
	struct ol_orphans orphans;
	const struct ol_conf *conf;
	uint32_t generation; /* of conf */
	int config;	     /* conf, sealed; -1: none */
	struct listeners listeners;
	struct listeners older; /* until the engine has let go of them */
	/* What the engine said. */
	bool ready, drained;
	unsigned running;
	bool killed;
	/* The stop. */
	bool stopping, removed; /* removed: only of the tasks */
	bool stop_owed, exiting, exit_owed;
	int64_t stop_began, deadline, grace;
};

static void
call_on_change(struct ol_roles *r)
{
	r->hooks->on_change(r->hooks->arg);
}

/* --- Listeners. --- */

static void
free_listeners(struct listeners *l)
{
	while (l->n > 0)
		ol_listener_unref(l->all[--l->n]);
	free(l->all);
	l->all = NULL;
}

static void
add_listener(struct listeners *l, struct ol_listener *listener)
{
	l->all = ol_must(
	    reallocarray(l->all, l->n + 1, sizeof(struct ol_listener *)));
	l->all[l->n++] = ol_listener_ref(listener);
}

/* --- What the engine says. --- */

static void
on_deadline(struct ol_roles *r, int64_t left_ms)
{
	int64_t now = ol_clock_now();
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
	if (generation != r->generation)
		return;
	ol_log_info(&r->engine.log, "configuration %u is in force", generation);
	free_listeners(&r->older);
}

static void
on_order(struct ol_roles *r, struct end *end, const struct ol_order *order)
{
	if (order->verb == OL_ORDER_FAILED) {
		ol_log_error(&end->log,
		    "did not take the configuration, the old one stays in "
		    "force there: %s",
		    order->reason);
		return;
	}
	switch (end == &r->engine ? order->verb : OL_ORDER_VERBS) {
	case OL_ORDER_READY:
		if (!r->ready)
			ol_log_notice(&end->log, "ready");
		r->ready = true;
		break;
	case OL_ORDER_APPLIED:
		on_applied(r, order->generation);
		break;
	case OL_ORDER_RUNNING:
		r->running = order->running;
		break;
	case OL_ORDER_DEADLINE:
		on_deadline(r, order->left_ms);
		break;
	case OL_ORDER_DRAINED:
		r->drained = r->stopping && !r->stop_owed;
		break;
	default:
		if (!end->rubbish)
			ol_log_error(&end->log,
			    "says what is not its to say; not mentioned again");
		end->rubbish = true;
	}
}

/* The process is still there, and will be gone soon, or is ended. */
static void
hung_up(struct ol_roles *r, struct end *end)
{
	int64_t limit = ol_clock_after(ol_clock_now(), OL_SERVICE_CLEAR);

	ol_watch_free(end->watch);
	end->watch = NULL;
	close(end->channel);
	end->channel = -1;
	if (end == &r->engine)
		ol_service_limit(&r->service, limit);
}

static void
read_orders(struct ol_roles *r, struct end *end)
{
	enum { AT_ONCE = 32 }; /* then the others have their turn */
	int i, n, fds[OL_CHANNEL_FDS];
	struct ol_order order;

	for (i = 0; i < AT_ONCE && end->channel != -1; i++) {
		n = ol_order_receive(end->channel, &order, fds);
		if (n == 1 && ol_order_fds(&order) == 0) {
			on_order(r, end, &order);
			continue;
		}
		if (n == -1 && errno == EAGAIN)
			break;
		if (n == 1 || (n == -1 && errno == EBADMSG)) {
			size_t nfds = n == 1 ? ol_order_fds(&order) : 0;

			while (nfds > 0)
				close(fds[--nfds]);
			if (!end->rubbish)
				ol_log_error(&end->log,
				    "says what makes no sense; not mentioned "
				    "again");
			end->rubbish = true;
			continue;
		}
		hung_up(r, end);
	}
	call_on_change(r);
}

static void
on_engine(void *arg)
{
	struct ol_roles *r = arg;

	read_orders(r, &r->engine);
}

static void
on_spawner(void *arg)
{
	struct ol_roles *r = arg;

	read_orders(r, &r->spawner);
}

/* --- What they are told. --- */

/* False: it does not read, try again. One that is gone needs nothing. */
static bool
tell(struct end *end, const struct ol_order *order, const int *fds)
{
	if (end->channel == -1 || ol_order_send(end->channel, order, fds) == 0)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return false;
	if (errno != EPIPE && errno != ECONNRESET)
		ol_log_error(
		    &end->log, "cannot tell it anything: %s", strerror(errno));
	return true;
}

static bool
tell_config(struct ol_roles *r, struct end *end)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG,
		.generation = r->generation };
	int fds[OL_CHANNEL_FDS + 1];
	size_t i, n = 0;

	if (end->told == r->generation)
		return true;
	fds[n++] = r->config;
	if (end == &r->engine)
		for (i = 0; i < r->listeners.n; i++)
			fds[n++] = ol_listener_fd(r->listeners.all[i]);
	order.nlisten = (unsigned)n - 1;
	/* Master and configuration see to it that they fit. */
	order.nlog = (unsigned)ol_log_files(fds + n, OL_CHANNEL_FDS - n);
	if (!tell(end, &order, fds))
		return false;
	end->told = r->generation;
	end->reopen_owed = false;
	return true;
}

static bool
tell_reopen(struct end *end)
{
	struct ol_order order = { .verb = OL_ORDER_REOPEN };
	int fds[OL_CHANNEL_FDS];

	if (!end->reopen_owed)
		return true;
	order.nlog = (unsigned)ol_log_files(fds, OL_CHANNEL_FDS);
	if (!tell(end, &order, fds))
		return false;
	end->reopen_owed = false;
	return true;
}

static bool
tell_spawner(struct ol_roles *r)
{
	const struct ol_order order = { .verb = OL_ORDER_SPAWNER };

	if (r->successor == -1)
		return true;
	if (!tell(&r->engine, &order, &r->successor))
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
	if (!tell(&r->engine, &order, NULL))
		return false;
	r->stop_owed = false;
	return true;
}

static bool
tell_exit(struct ol_roles *r)
{
	const struct ol_order order = { .verb = OL_ORDER_EXIT };

	if (!r->exit_owed)
		return true;
	if (!tell(&r->engine, &order, NULL))
		return false;
	r->exit_owed = false;
	return true;
}

/* All that they do not know yet; the spawner is to know it first. */
static bool
tell_all(struct ol_roles *r, int64_t now)
{
	if (r->spawner.pid != 0 &&
	    !(tell_config(r, &r->spawner) && tell_reopen(&r->spawner)))
		return false;
	if (r->engine.pid == 0)
		return true;
	return tell_config(r, &r->engine) && tell_reopen(&r->engine) &&
	       tell_spawner(r) && tell_stop(r, now) && tell_exit(r);
}

/* --- The table's hands. --- */

static int
start_one(struct ol_roles *r, struct end *end, const char *name, int peer)
{
	bool drops = end == &r->engine && r->conf->user != NULL;
	const struct ol_role_options options = {
		.name = name,
		.peer = peer,
		.user = drops ? r->conf->user : NULL,
		.uid = r->conf->uid,
		.gid = r->conf->gid,
	};

	end->pid = ol_role_start(&options, &end->channel);
	if (end->pid == -1) {
		end->pid = 0;
		return -1;
	}
	end->told = 0;
	end->reopen_owed = end->rubbish = false;
	end->watch = ol_must(ol_watch_new(r->loop, end->channel,
	    end == &r->engine ? on_engine : on_spawner, r));
	ol_log_about(&end->log, "%s pid %d", name, (int)end->pid);
	ol_log_notice(&end->log, "started");
	return 0;
}

static void
close_end(struct end *end)
{
	ol_watch_free(end->watch);
	end->watch = NULL;
	if (end->channel != -1)
		close(end->channel);
	end->channel = -1;
	end->pid = 0;
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

	if (r->config == -1)
		return -1;
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
	r->deadline = 0;
	if (start_one(r, &r->engine, "engine", ends[1]) == -1) {
		kill(r->spawner.pid, SIGKILL);
		waitpid(r->spawner.pid, NULL, 0);
		close_end(&r->spawner);
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
	struct end *end = role == OL_SERVICE_ENGINE ? &r->engine : &r->spawner;

	ol_log_warn(&end->log, "killed %s", why);
	if (end == &r->engine)
		r->killed = true;
	if (kill(end->pid, SIGKILL) == -1)
		ol_log_error(&end->log, "cannot kill: %s", strerror(errno));
}

static int
act_sweep(void *arg)
{
	struct ol_roles *r = arg;

	return ol_orphans_kill(&r->orphans, is_ours, r, r->instance);
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
ol_roles_new(struct ol_loop *loop, const struct ol_roles_hooks *hooks,
    const char *instance)
{
	struct ol_roles *r = ol_must(calloc(1, sizeof(*r)));

	r->loop = loop;
	r->hooks = hooks;
	r->instance = instance;
	r->engine.channel = r->spawner.channel = -1;
	r->successor = r->config = -1;
	ol_service_init(&r->service, &acts, r);
	return r;
}

void
ol_roles_free(struct ol_roles *r)
{
	if (r == NULL)
		return;
	close_end(&r->engine);
	close_end(&r->spawner);
	if (r->successor != -1)
		close(r->successor);
	if (r->config != -1)
		close(r->config);
	free_listeners(&r->listeners);
	free_listeners(&r->older);
	ol_orphans_clear(&r->orphans);
	free(r);
}

/* The configuration as text in a descriptor; -1: logged. */
static int
seal(const struct ol_conf *conf)
{
	char *text = NULL;
	size_t size;
	FILE *f = ol_must(open_memstream(&text, &size));
	int fd;

	ol_conf_dump(conf, f);
	if (fclose(f) == EOF)
		ol_must(NULL);
	if ((fd = ol_sealed_new(text, size)) == -1)
		ol_log_error(NULL, "cannot pass the configuration on: %s",
		    strerror(errno));
	free(text);
	return fd;
}

/* The tasks, or their last listener, are gone from the configuration. */
static void
remove_all(struct ol_roles *r, int64_t now)
{
	int64_t left = r->conf->shutdown_delay;

	ol_log_notice(NULL, "no tasks any more: the engine has %.1f s left",
	    (double)left / 1e9);
	ol_roles_stop(r, left, r->conf->kill_grace, now);
	r->removed = r->stopping;
}

void
ol_roles_apply(struct ol_roles *r, const struct ol_conf *conf,
    struct ol_listener *const *listeners, int64_t now)
{
	bool wanted = !TAILQ_EMPTY(&conf->tasks);
	bool was_wanted = r->service.wanted;
	size_t i;

	r->conf = conf;
	if (!wanted) {
		if (was_wanted)
			remove_all(r, now);
		return;
	}
	for (i = 0; i < r->listeners.n; i++)
		add_listener(&r->older, r->listeners.all[i]);
	free_listeners(&r->listeners);
	for (i = 0; i < conf->nlisten; i++)
		add_listener(&r->listeners, listeners[i]);
	if (r->config != -1)
		close(r->config);
	r->config = seal(conf);
	r->generation++;
	ol_service_want(&r->service, true, now);
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
	r->removed = r->drained = false;
	r->stop_began = now;
	r->deadline = left == OL_NEVER ? OL_NEVER : ol_clock_after(now, left);
	r->grace = grace;
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
	ol_service_ending(&r->service,
	    from == OL_NEVER ? now + unlimited_end_time : from + end_time);
}

/* All is said; what was held for them is let go. */
static void
let_go(struct ol_roles *r)
{
	if (r->service.state != OL_SERVICE_OFF || r->service.wanted)
		return;
	free_listeners(&r->listeners);
	free_listeners(&r->older);
	r->stopping = r->removed = r->exiting = false;
}

int64_t
ol_roles_tick(struct ol_roles *r, int64_t now)
{
	int64_t next;

	if (r->removed && ol_roles_drained(r, now))
		ol_roles_exit(r, now);
	next = ol_service_tick(&r->service, now);
	if (!tell_all(r, now) && now + send_again < next)
		next = now + send_again;
	if (r->stopping && !r->exiting && r->engine.pid != 0 &&
	    now < r->deadline && r->deadline < next)
		next = r->deadline;
	let_go(r);
	return next;
}

static bool
is_dead(const struct end *end)
{
	siginfo_t info = { .si_pid = 0 };

	return end->pid != 0 &&
	       waitid(P_PID, (id_t)end->pid, &info,
		   WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == end->pid;
}

pid_t
ol_roles_dead(const struct ol_roles *r)
{
	if (is_dead(&r->engine))
		return r->engine.pid;
	return is_dead(&r->spawner) ? r->spawner.pid : 0;
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
	if (engine) {
		/* Its last words. */
		if (r->engine.channel != -1)
			read_orders(r, &r->engine);
		r->ready = false;
		r->running = 0;
	}
	close_end(engine ? &r->engine : &r->spawner);
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
	return !is_dead(&r->spawner);
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
