#include <sys/prctl.h>
#include <sys/resource.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "config/conf.h"
#include "engine/engine.h"
#include "loop/loop.h"
#include "outlastd/closed.h"
#include "outlastd/doors.h"
#include "outlastd/reports.h"
#include "outlastd/serve.h"

/* epoll does not mind, and a connection costs less than a KiB. */
enum { MOST_DESCRIPTORS = 65536 };

/* How long requests wait for a store that is slow to open. */
static const int64_t opening_time = OL_SEC(2);

struct serve {
	struct ol_loop *loop;
	int master; /* -1: gone */
	struct ol_watch *watch;
	struct ol_timer *timer;
	int spawner; /* until the engine takes it; then -1 */
	struct ol_conf *conf;
	struct ol_engine *engine; /* NULL: there was no configuration yet */
	struct ol_api *api;
	struct ol_doors doors;
	/*
	 * The first listeners: who comes waits in their queues until the tasks
	 * of an earlier life are read, but not for ever.
	 */
	int *waiting; /* conf->nlisten descriptors; NULL: none */
	struct ol_timer *opener;
	uint32_t generation; /* of the configuration */
	struct ol_closed closed;
	struct ol_reports reports;
	bool drained;
	bool exiting;
	int code;
};

/* --- The end. --- */

static void
maybe_end(struct serve *s)
{
	if (s->exiting && s->drained && ol_doors_are_gone(&s->doors))
		ol_loop_stop(s->loop);
}

static void
on_timer(void *arg)
{
	struct serve *s = arg;

	ol_loop_stop(s->loop);
}

static void
begin_exit(struct serve *s, int64_t left)
{
	if (s->engine == NULL) {
		ol_loop_stop(s->loop);
		return;
	}
	s->exiting = true;
	if (s->waiting != NULL)
		ol_timer_at(s->opener, OL_NEVER);
	ol_doors_retire(&s->doors);
	ol_timer_at(s->timer, ol_clock_after(ol_clock_now(), left));
	maybe_end(s);
}

static void
on_doors_gone(void *arg)
{
	maybe_end(arg);
}

/* --- What the engine says. --- */

static void
on_drained(void *arg)
{
	struct serve *s = arg;

	s->drained = true;
	ol_reports_send(
	    &s->reports, &(const struct ol_order){ .verb = OL_ORDER_DRAINED });
	maybe_end(s);
}

static void
on_deadline(void *arg, int64_t deadline)
{
	struct serve *s = arg;

	ol_reports_deadline(&s->reports, deadline);
}

static void
on_running(void *arg, uint32_t running)
{
	struct serve *s = arg;

	ol_reports_running(&s->reports, running);
}

/* Serve on these listeners; takes them. */
static void
arrange(struct serve *s, const int *listeners)
{
	int failed = ol_doors_arrange(&s->doors, s->conf, listeners);

	if (failed == 0)
		ol_reports_send(&s->reports,
		    &(const struct ol_order){ .verb = OL_ORDER_APPLIED,
			.generation = s->generation });
	else
		ol_reports_failure(
		    &s->reports, "%d listeners cannot be served", failed);
}

static void
open_doors(void *arg)
{
	struct serve *s = arg;
	int *listeners = s->waiting;

	if (listeners == NULL || s->exiting)
		return;
	s->waiting = NULL;
	ol_timer_at(s->opener, OL_NEVER);
	arrange(s, listeners);
	free(listeners);
}

static void
on_loaded(void *arg)
{
	struct serve *s = arg;

	open_doors(s);
	ol_reports_send(
	    &s->reports, &(const struct ol_order){ .verb = OL_ORDER_READY });
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
		ol_reports_failure(
		    &s->reports, "it cannot be read: %s", strerror(errno));
		return NULL;
	}
	errors = ol_must(open_memstream(&said, &size));
	conf = ol_conf_load_text(text, len, errors);
	fclose(errors);
	free(text);
	if (conf == NULL)
		ol_reports_failure(
		    &s->reports, "%.*s", (int)strcspn(said, "\n"), said);
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
		.on_running = on_running,
		.arg = s,
	};
	char *folder, *notify;

	/* It keeps what others must not read. */
	if (conf->user != NULL && prctl(PR_SET_DUMPABLE, 0) == -1)
		ol_log_warn(
		    NULL, "cannot forbid core dumps: %s", strerror(errno));
	raise_descriptors();
	if (asprintf(&folder, "%s/store", conf->state) == -1 ||
	    asprintf(&notify, "%s/notify", conf->state) == -1)
		ol_must(NULL);
	options.folder = folder;
	options.notify = notify;
	s->engine = ol_engine_new(&options, conf);
	free(folder);
	free(notify);
	if (s->engine == NULL)
		return -1;
	s->api = ol_api_new(s->loop, s->engine, conf);
	if (s->api == NULL)
		return -1;
	ol_engine_spawner(s->engine, s->spawner);
	s->spawner = -1;
	s->doors.api = s->api;
	s->doors.spool = ol_engine_spool(s->engine);
	return 0;
}

static void
close_all(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

/* Takes the listeners. */
static void
wait_to_open(struct serve *s, const int *listeners)
{
	s->waiting = ol_must(calloc(s->conf->nlisten + 1, sizeof(*s->waiting)));
	memcpy(s->waiting, listeners, s->conf->nlisten * sizeof(*listeners));
	ol_timer_at(s->opener, ol_clock_after(ol_clock_now(), opening_time));
}

/* Takes the descriptors. */
static void
apply(struct serve *s, const struct ol_order *order, const int *fds)
{
	const int *listeners = fds + 1, *logs = listeners + order->nlisten;
	struct ol_conf *conf, *old = s->conf;
	bool first = s->engine == NULL;

	if ((conf = load(s, fds[0])) == NULL)
		goto err0;
	if (conf->nlisten != order->nlisten) {
		ol_reports_failure(&s->reports, "it has %zu listeners, %u came",
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
	/* What did not begin, does so now. */
	if (s->waiting != NULL) {
		close_all(s->waiting, old->nlisten);
		free(s->waiting);
		s->waiting = NULL;
	}
	s->conf = conf;
	s->generation = order->generation;
	if (first)
		wait_to_open(s, listeners);
	else
		arrange(s, listeners);
	ol_conf_free(old);
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
		begin_exit(s, OL_MSEC(order->left_ms));
		return;
	case OL_ORDER_CLOSED:
		ol_closed_add(&s->closed, order->number, fds[0],
		    ol_clock_after(ol_clock_now(), OL_MSEC(order->left_ms)));
		return;
	case OL_ORDER_OPEN:
		ol_closed_remove(&s->closed, order->number);
		ol_reports_send(&s->reports,
		    &(const struct ol_order){
			.verb = OL_ORDER_OPENED, .number = order->number });
		return;
	case OL_ORDER_PING:
		ol_reports_send(&s->reports,
		    &(const struct ol_order){ .verb = OL_ORDER_ALIVE });
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
	ol_reports_end(&s->reports);
	stop(s, &now);
	begin_exit(s, OL_MSEC(OL_ORDER_EXIT_MS));
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
	else if (errno == EBADMSG) {
		ol_log_error(NULL, "the master gave an order that is none");
		/* There was no descriptor to be had, perhaps: once more. */
		ol_reports_failure(&s->reports, "an order got lost");
	}
}

int
ol_serve_run(int master, int spawner)
{
	struct serve s = { .master = master, .spawner = spawner };
	ol_loop_log_libevent();
	s.loop = ol_must(ol_loop_new());
	ol_doors_init(&s.doors, s.loop, on_doors_gone, &s);
	ol_closed_init(&s.closed, s.loop);
	ol_reports_init(&s.reports, s.loop, master);
	s.timer = ol_must(ol_timer_new(s.loop, on_timer, &s));
	s.opener = ol_must(ol_timer_new(s.loop, open_doors, &s));
	s.watch = ol_must(ol_watch_new(s.loop, master, on_master, &s));
	ol_loop_run(s.loop);
	ol_closed_fini(&s.closed);
	ol_doors_fini(&s.doors);
	ol_api_free(s.api);
	/* Writes what is left. */
	ol_engine_free(s.engine);
	ol_conf_free(s.conf);
	ol_watch_free(s.watch);
	ol_timer_free(s.timer);
	ol_timer_free(s.opener);
	free(s.waiting);
	ol_reports_fini(&s.reports);
	ol_loop_free(s.loop);
	ol_log_close();
	/* The channels are closed by our end: who sees it finds us dead. */
	return s.code;
}
