#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "config/conf.h"
#include "engine/engine.h"
#include "fcgi/server.h"
#include "loop/loop.h"
#include "outlastd/serve.h"

/* At the end: until what is being answered is answered, and programs that were
 * killed are reaped. Less than the master waits. */
static const int64_t end_time = OL_MSEC(250);

enum {
	/* epoll does not mind, and a connection costs less than a KiB. */
	MOST_DESCRIPTORS = 65536,
	/* Store, logs, channels and what libraries open for a moment. */
	OWN_DESCRIPTORS = 64,
	/* Of an attempt: three pipes, payload, result, notify socket. */
	ATTEMPT_DESCRIPTORS = 6,
};

/* One listener. */
struct door {
	struct ol_door door; /* first: the API is given this */
	TAILQ_ENTRY(door) link;
	struct serve *serve;
	struct ol_server *server;
	char *text; /* its address, as written */
	int listener;
	bool retiring;
};

struct serve {
	struct ol_loop *loop;
	int master; /* -1: gone */
	struct ol_watch *watch;
	struct ol_timer *timer;
	int spawner; /* until the engine takes it; then -1 */
	struct ol_conf *conf;
	struct ol_engine *engine; /* NULL: there was no configuration yet */
	struct ol_api *api;
	struct ol_server_events events;
	TAILQ_HEAD(, door) doors;
	bool drained;
	bool exiting;
	int code;
};

/* --- To the master. --- */

/* It reads, or is gone. */
static void
report(struct serve *s, const struct ol_order *order)
{
	if (s->master != -1 && ol_order_send(s->master, order, NULL) == -1 &&
	    errno != EPIPE)
		ol_log_error(
		    NULL, "cannot tell the master: %s", strerror(errno));
}

static void report_failure(struct serve *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
report_failure(struct serve *s, const char *fmt, ...)
{
	struct ol_order order = { .verb = OL_ORDER_FAILED };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(order.reason, sizeof(order.reason), fmt, ap);
	va_end(ap);
	report(s, &order);
}

/* --- The end. --- */

static void
maybe_end(struct serve *s)
{
	if (s->exiting && s->drained && TAILQ_EMPTY(&s->doors))
		ol_loop_stop(s->loop);
}

static void
on_timer(void *arg)
{
	struct serve *s = arg;

	ol_loop_stop(s->loop);
}

static void
retire(struct door *door)
{
	if (door->retiring)
		return;
	door->retiring = true;
	ol_server_retire(door->server);
}

static void
begin_exit(struct serve *s)
{
	struct door *door, *next;

	if (s->engine == NULL) {
		ol_loop_stop(s->loop);
		return;
	}
	s->exiting = true;
	TAILQ_FOREACH_SAFE (door, &s->doors, link, next)
		retire(door);
	ol_timer_at(s->timer, ol_clock_after(ol_clock_now(), end_time));
	maybe_end(s);
}

static void
on_drained(void *arg)
{
	struct serve *s = arg;

	s->drained = true;
	report(s, &(const struct ol_order){ .verb = OL_ORDER_DRAINED });
	maybe_end(s);
}

static void
on_deadline(void *arg, int64_t deadline)
{
	int64_t left = deadline - ol_clock_now();

	report(arg, &(const struct ol_order){ .verb = OL_ORDER_DEADLINE,
			.left_ms = left > 0 ? left / OL_MSEC(1) : 0 });
}

static void
on_loaded(void *arg)
{
	report(arg, &(const struct ol_order){ .verb = OL_ORDER_READY });
}

/* --- Doors. --- */

static void
free_door(void *object)
{
	struct door *door = object;

	ol_server_free(door->server);
	close(door->listener);
	free(door->text);
	free(door);
}

static void
on_retired(struct ol_server *server, void *arg)
{
	struct door *door = arg;
	struct serve *s = door->serve;

	(void)server;
	TAILQ_REMOVE(&s->doors, door, link);
	ol_loop_defer_free(s->loop, free_door, door);
	maybe_end(s);
}

/* How many connections each of n servers may have. */
static size_t
share(const struct ol_conf *conf, size_t n)
{
	const struct ol_conf_task *task;
	struct rlimit limit = { .rlim_cur = 1024 };
	size_t all, spare = OWN_DESCRIPTORS;

	getrlimit(RLIMIT_NOFILE, &limit);
	all = (size_t)limit.rlim_cur;
	TAILQ_FOREACH (task, &conf->tasks, link)
		spare += (size_t)task->concurrency * ATTEMPT_DESCRIPTORS;
	if (spare > all / 2)
		spare = all / 2;
	/* Each may have a body's file open: a payload that comes, or a result
	 * that nobody reads. */
	return (all - spare) / 2 / (n > 0 ? n : 1);
}

/* Takes listener. -1 with errno set. */
static int
open_door(struct serve *s, const struct ol_conf *conf,
    const struct ol_conf_listen *listen, int listener)
{
	struct door *door = ol_must(calloc(1, sizeof(*door)));
	const struct ol_server_options options = {
		.name = listen->text,
		.listener = listener,
		.folder = ol_engine_spool(s->engine),
		.max_connections = share(conf, conf->nlisten),
		/* nginx sees a 413 only when it can send all of the body; how
		 * much that is, is client_max_body_size. */
		.max_ignored = INT32_MAX,
	};

	door->door.api = s->api;
	door->door.access = listen->access;
	door->serve = s;
	door->listener = listener;
	door->text = ol_must(strdup(listen->text));
	door->server = ol_server_new(s->loop, &options, &s->events, door);
	if (door->server == NULL) {
		int saved = errno;

		free_door(door);
		errno = saved;
		return -1;
	}
	TAILQ_INSERT_TAIL(&s->doors, door, link);
	return 0;
}

static struct door *
find_door(struct serve *s, const char *text)
{
	struct door *door;

	TAILQ_FOREACH (door, &s->doors, link)
		if (!door->retiring && strcmp(door->text, text) == 0)
			return door;
	return NULL;
}

static bool
is_listed(const struct ol_conf *conf, const char *text)
{
	size_t i;

	for (i = 0; i < conf->nlisten; i++)
		if (strcmp(conf->listen[i].text, text) == 0)
			return true;
	return false;
}

/* A listener that was made anew is another one at the same address. */
static bool
same_socket(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/*
 * Serve on these listeners, and retire the others. Takes
 * listeners. Returns how many could not be served.
 */
static int
arrange_doors(struct serve *s, const struct ol_conf *conf, const int *listeners)
{
	struct door *door, *next;
	int failed = 0;
	size_t i;

	TAILQ_FOREACH_SAFE (door, &s->doors, link, next)
		if (!is_listed(conf, door->text))
			retire(door);
	for (i = 0; i < conf->nlisten; i++) {
		const struct ol_conf_listen *listen = &conf->listen[i];

		door = find_door(s, listen->text);
		if (door != NULL && same_socket(door->listener, listeners[i])) {
			door->door.access = listen->access;
			close(listeners[i]);
			continue;
		}
		if (door != NULL)
			retire(door);
		if (open_door(s, conf, listen, listeners[i]) == -1) {
			ol_log_error(NULL, "cannot serve on %s: %s",
			    listen->text, strerror(errno));
			failed++;
		}
	}
	return failed;
}

/* --- The configuration. --- */

static void
raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur >= MOST_DESCRIPTORS)
		return;
	limit.rlim_cur = limit.rlim_max < MOST_DESCRIPTORS ? limit.rlim_max
							   : MOST_DESCRIPTORS;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The configuration in fd; NULL: reported. */
static struct ol_conf *
load(struct serve *s, int fd)
{
	char *text, *said = NULL;
	size_t len, size;
	struct ol_conf *conf;
	FILE *errors;

	if ((text = ol_sealed_read(fd, &len)) == NULL) {
		report_failure(s, "it cannot be read: %s", strerror(errno));
		return NULL;
	}
	errors = ol_must(open_memstream(&said, &size));
	conf = ol_conf_load_text(text, len, errors);
	fclose(errors);
	free(text);
	if (conf == NULL)
		report_failure(s, "%.*s", (int)strcspn(said, "\n"), said);
	free(said);
	return conf;
}

/* The first configuration. -1: it cannot serve at all. */
static int
begin(struct serve *s, const struct ol_conf *conf)
{
	struct ol_engine_options options = {
		.loop = s->loop,
		.on_loaded = on_loaded,
		.on_drained = on_drained,
		.on_deadline = on_deadline,
		.arg = s,
	};
	char *folder;

	/* It keeps what others must not read. */
	if (conf->user != NULL && prctl(PR_SET_DUMPABLE, 0) == -1)
		ol_log_warn(
		    NULL, "cannot forbid core dumps: %s", strerror(errno));
	raise_descriptors();
	if (asprintf(&folder, "%s/store", conf->state) == -1)
		ol_must(NULL);
	options.folder = folder;
	s->engine = ol_engine_new(&options, conf);
	free(folder);
	if (s->engine == NULL)
		return -1;
	s->api = ol_api_new(s->loop, s->engine, conf);
	if (s->api == NULL)
		return -1;
	ol_engine_spawner(s->engine, s->spawner);
	s->spawner = -1;
	return 0;
}

static void
close_all(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

/* Takes the descriptors. */
static void
apply(struct serve *s, const struct ol_order *order, const int *fds)
{
	const int *listeners = fds + 1, *logs = listeners + order->nlisten;
	struct ol_conf *conf, *old = s->conf;
	int failed;

	if ((conf = load(s, fds[0])) == NULL)
		goto err0;
	if (conf->nlisten != order->nlisten) {
		report_failure(s, "it has %zu listeners, %u came",
		    conf->nlisten, order->nlisten);
		goto err1;
	}
	if (ol_log_adopt(conf->logs, conf->nlogs, logs, order->nlog) == -1)
		ol_log_error(
		    NULL, "cannot log as configured: %s", strerror(errno));
	close(fds[0]);
	if (s->engine != NULL) {
		ol_engine_configure(s->engine, conf);
		ol_api_configure(s->api, conf);
	} else if (begin(s, conf) == -1) {
		close_all(listeners, order->nlisten);
		/* An engine without an API holds it to its end. */
		s->conf = conf;
		s->code = 1;
		ol_loop_stop(s->loop);
		return;
	}
	ol_engine_generation(s->engine, order->generation);
	s->conf = conf;
	failed = arrange_doors(s, conf, listeners);
	ol_conf_free(old);
	if (failed == 0)
		report(s, &(const struct ol_order){ .verb = OL_ORDER_APPLIED,
			      .generation = order->generation });
	else
		report_failure(s, "%d listeners cannot be served", failed);
	return;
err1:
	ol_conf_free(conf);
err0:
	close_all(fds, ol_order_fds(order));
	if (s->engine == NULL) {
		s->code = 1;
		ol_loop_stop(s->loop);
	}
}

/* --- Orders. --- */

static void
stop(struct serve *s, const struct ol_order *order)
{
	int64_t now = ol_clock_now();

	if (s->engine == NULL)
		return;
	ol_engine_drain(s->engine,
	    order->left_ms == -1 ? OL_NEVER
				 : ol_clock_after(now, OL_MSEC(order->left_ms)),
	    OL_MSEC(order->grace_ms));
}

static void
obey(struct serve *s, const struct ol_order *order, const int *fds)
{
	switch (order->verb) {
	case OL_ORDER_CONFIG:
		apply(s, order, fds);
		return;
	case OL_ORDER_REOPEN:
		if (ol_log_adopt_again(fds, order->nlog) == -1)
			ol_log_error(
			    NULL, "cannot reopen the log: %s", strerror(errno));
		return;
	case OL_ORDER_SPAWNER:
		if (s->engine != NULL)
			ol_engine_spawner(s->engine, fds[0]);
		else
			close(fds[0]);
		return;
	case OL_ORDER_STOP:
		stop(s, order);
		return;
	case OL_ORDER_EXIT:
		begin_exit(s);
		return;
	case OL_ORDER_PING:
		report(s, &(const struct ol_order){ .verb = OL_ORDER_ALIVE });
		return;
	default:
		ol_log_error(NULL, "the master gave an order that is none");
		close_all(fds, ol_order_fds(order));
	}
}

static void
lose_master(struct serve *s)
{
	const struct ol_order now = { .verb = OL_ORDER_STOP };

	ol_log_error(NULL, "the master is gone: stopping now");
	ol_watch_free(s->watch);
	s->watch = NULL;
	close(s->master);
	s->master = -1;
	stop(s, &now);
	begin_exit(s);
}

static void
on_master(void *arg)
{
	struct serve *s = arg;
	struct ol_order order;
	int n, fds[OL_CHANNEL_FDS];

	n = ol_order_receive(s->master, &order, fds);
	if (n == 1)
		obey(s, &order, fds);
	else if (n == 0 || (errno != EAGAIN && errno != EBADMSG))
		lose_master(s);
	else if (errno == EBADMSG)
		ol_log_error(NULL, "the master gave an order that is none");
}

int
ol_serve_run(int master, int spawner)
{
	struct serve s = { .master = master, .spawner = spawner };
	struct door *door;

	TAILQ_INIT(&s.doors);
	s.events = ol_api_events;
	s.events.on_retired = on_retired;
	ol_loop_log_libevent();
	s.loop = ol_must(ol_loop_new());
	s.timer = ol_must(ol_timer_new(s.loop, on_timer, &s));
	s.watch = ol_must(ol_watch_new(s.loop, master, on_master, &s));
	ol_loop_run(s.loop);
	while ((door = TAILQ_FIRST(&s.doors)) != NULL) {
		TAILQ_REMOVE(&s.doors, door, link);
		free_door(door);
	}
	ol_api_free(s.api);
	/* Writes what is left. */
	ol_engine_free(s.engine);
	ol_conf_free(s.conf);
	ol_watch_free(s.watch);
	ol_timer_free(s.timer);
	ol_loop_free(s.loop);
	ol_log_close();
	/* The channels are closed by our end: who sees it finds us dead. */
	return s.code;
}
