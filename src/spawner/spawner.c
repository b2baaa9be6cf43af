#include <sys/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "loop/loop.h"
#include "run/spawn.h"
#include "spawner/catalog.h"
#include "spawner/jobs.h"
#include "spawner/spawner.h"

enum {
	AT_ONCE = 16,	  /* messages; then the others have their turn */
	REPORT_MAX = 640, /* bytes of an answer */
};

/* An answer that the engine has not taken yet. */
struct report {
	STAILQ_ENTRY(report) link;
	size_t len;
	unsigned char message[REPORT_MAX];
};

struct spawner {
	int master, engine;
	struct ol_loop *loop;
	struct ol_watch *on_master, *on_engine, *on_room;
	STAILQ_HEAD(, report) reports;
	struct ol_catalog *catalog;
	struct ol_jobs jobs;
	bool has_jobs;
	bool leaving;
};

static void
leave(struct spawner *spawner, const char *why)
{
	if (spawner->leaving)
		return;
	spawner->leaving = true;
	ol_log_info(NULL, "%s: the programs are ended", why);
	ol_watch_free(spawner->on_master);
	ol_watch_free(spawner->on_engine);
	ol_watch_free(spawner->on_room);
	spawner->on_master = spawner->on_engine = spawner->on_room = NULL;
	if (spawner->has_jobs)
		ol_jobs_end(&spawner->jobs);
	else
		ol_loop_stop(spawner->loop);
}

/* --- to the engine --- */

static void
on_room(void *arg)
{
	struct spawner *spawner = arg;
	struct report *report;

	while ((report = STAILQ_FIRST(&spawner->reports)) != NULL) {
		if (ol_channel_send(spawner->engine, report->message,
			report->len, NULL, 0) == -1 &&
		    (errno == EAGAIN || errno == ENOBUFS))
			return;
		STAILQ_REMOVE_HEAD(&spawner->reports, link);
		free(report);
	}
	ol_watch_free(spawner->on_room);
	spawner->on_room = NULL;
}

static void
tell(void *arg, const struct ol_spawn *message)
{
	struct spawner *spawner = arg;
	unsigned char bytes[OL_SPAWN_MAX];
	struct report *report;
	size_t len = ol_spawn_format(message, bytes);

	if (spawner->leaving || len == 0 || len > REPORT_MAX)
		return;
	if (STAILQ_EMPTY(&spawner->reports) &&
	    (ol_channel_send(spawner->engine, bytes, len, NULL, 0) == 0 ||
		(errno != EAGAIN && errno != ENOBUFS)))
		return; /* sent; or its end is seen when we read */
	report = ol_must(malloc(sizeof(*report)));
	report->len = len;
	memcpy(report->message, bytes, len);
	STAILQ_INSERT_TAIL(&spawner->reports, report, link);
	if (spawner->on_room == NULL)
		spawner->on_room = ol_must(ol_watch_new_write(
		    spawner->loop, spawner->engine, on_room, spawner));
}

/* --- from the master --- */

static struct ol_conf *
load(int fd)
{
	struct ol_conf *conf = NULL;
	char *text, *errors = NULL;
	size_t len, errors_len;
	FILE *f = open_memstream(&errors, &errors_len);

	ol_must(f);
	if ((text = ol_sealed_read(fd, &len)) == NULL)
		fprintf(f, "%s", strerror(errno));
	else
		conf = ol_conf_load_text(text, len, f);
	if (fclose(f) == 0 && conf == NULL)
		ol_log_error(NULL, "cannot use the configuration: %s", errors);
	free(errors);
	free(text);
	return conf;
}

static void
close_fds(const int *fds, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		close(fds[i]);
}

/* Programs get it, from another directory. Takes path; NULL: logged. */
static char *
resolve(char *path)
{
	char *real = realpath(path, NULL);

	if (real == NULL)
		ol_log_error(
		    NULL, "cannot use folder %s: %s", path, strerror(errno));
	free(path);
	return real;
}

static int
find_folders(struct ol_jobs *jobs, const struct ol_conf *conf)
{
	char *copy = ol_must(strdup(conf->pid)), *path;

	if (asprintf(&path, "%s/notify", dirname(copy)) == -1)
		ol_must(NULL);
	free(copy);
	if (jobs->notify == NULL)
		jobs->notify = resolve(path);
	else
		free(path);
	if (asprintf(&path, "%s/scratch", conf->state) == -1)
		ol_must(NULL);
	if (jobs->scratch.base == NULL)
		jobs->scratch.base = resolve(path);
	else
		free(path);
	return jobs->notify == NULL || jobs->scratch.base == NULL ? -1 : 0;
}

/* Takes the log files. */
static int
apply(struct spawner *spawner, uint32_t generation, int fd, const int *logs,
    size_t nlogs)
{
	struct ol_conf *conf;
	struct ol_catalog *catalog;

	if ((conf = load(fd)) == NULL) {
		close_fds(logs, nlogs);
		return -1;
	}
	if (ol_log_adopt(conf->logs, conf->nlogs, logs, nlogs) == -1)
		ol_log_error(
		    NULL, "cannot use the log files: %s", strerror(errno));
	if (!spawner->has_jobs && find_folders(&spawner->jobs, conf) == -1) {
		ol_conf_free(conf);
		return -1;
	}
	if ((catalog = ol_catalog_new(conf, generation)) == NULL)
		return -1;
	if (!spawner->has_jobs && ol_jobs_init(&spawner->jobs) == -1) {
		ol_catalog_free(catalog);
		return -1;
	}
	spawner->has_jobs = true;
	ol_catalog_free(spawner->catalog);
	spawner->catalog = catalog;
	return 0;
}

/* Takes fds. */
static void
obey(struct spawner *spawner, const struct ol_order *order, const int *fds)
{
	static const struct ol_order alive = { .verb = OL_ORDER_ALIVE };
	struct ol_order failed = { .verb = OL_ORDER_FAILED };

	switch (order->verb) {
	case OL_ORDER_CONFIG:
		/* Sockets are not for us; they would come before the logs. */
		close_fds(fds + 1, order->nlisten);
		if (apply(spawner, order->generation, fds[0],
			fds + 1 + order->nlisten, order->nlog) == -1) {
			snprintf(failed.reason, sizeof(failed.reason),
			    "the spawner cannot use configuration %u",
			    order->generation);
			ol_order_send(spawner->master, &failed, NULL);
		}
		close(fds[0]);
		break;
	case OL_ORDER_REOPEN:
		if (ol_log_adopt_again(fds, order->nlog) == -1)
			ol_log_error(NULL, "cannot use the log files: %s",
			    strerror(errno));
		break;
	case OL_ORDER_PING:
		/* When there is no room, it counts as one that was missed. */
		ol_order_send(spawner->master, &alive, NULL);
		break;
	case OL_ORDER_EXIT:
		leave(spawner, "told to end");
		break;
	default:
		close_fds(fds, ol_order_fds(order));
	}
}

/* All orders that wait. */
static void
read_orders(struct spawner *spawner)
{
	struct ol_order order;
	int fds[OL_CHANNEL_FDS], rc;

	while (!spawner->leaving) {
		rc = ol_order_receive(spawner->master, &order, fds);
		if (rc == 0) {
			leave(spawner, "the master is gone");
			return;
		}
		if (rc == -1 && errno == EBADMSG) {
			ol_log_warn(NULL, "the master sent what is no order");
			continue;
		}
		if (rc == -1) {
			if (errno != EAGAIN)
				leave(spawner, "cannot hear the master");
			return;
		}
		obey(spawner, &order, fds);
	}
}

static void
on_master(void *arg)
{
	read_orders(arg);
}

/* --- from the engine --- */

static void
start(struct spawner *spawner, const struct ol_spawn *message, const int *fds)
{
	struct ol_spawn answer = { .verb = OL_SPAWN_REFUSED,
		.tag = message->tag,
		.error = EAGAIN,
		.text = "the spawner has not got the configuration" };

	/* It was sent to us before the engine got it. */
	if (spawner->catalog == NULL ||
	    ol_catalog_generation(spawner->catalog) < message->generation)
		read_orders(spawner);
	if (spawner->leaving)
		return;
	if (spawner->catalog != NULL &&
	    ol_catalog_generation(spawner->catalog) >= message->generation)
		ol_jobs_start(&spawner->jobs, spawner->catalog, message, fds);
	else
		tell(spawner, &answer);
}

static void
handle(struct spawner *spawner, const struct ol_spawn *message, const int *fds)
{
	switch (message->verb) {
	case OL_SPAWN_START:
		start(spawner, message, fds);
		break;
	case OL_SPAWN_TERM:
		if (spawner->has_jobs)
			ol_jobs_term(&spawner->jobs, message->tag);
		break;
	case OL_SPAWN_KILL:
		if (spawner->has_jobs)
			ol_jobs_kill(&spawner->jobs, message->tag);
		break;
	default:
		ol_log_warn(NULL, "the engine sent what only we may say");
	}
}

static void
on_engine(void *arg)
{
	struct spawner *spawner = arg;
	unsigned char bytes[OL_SPAWN_MAX];
	int fds[OL_CHANNEL_FDS], i;
	struct ol_spawn message;
	size_t nfds;
	ssize_t n;

	for (i = 0; i < AT_ONCE && !spawner->leaving; i++) {
		n = ol_channel_receive(
		    spawner->engine, bytes, sizeof(bytes), fds, &nfds);
		if (n == 0) {
			leave(spawner, "the engine is gone");
			return;
		}
		if (n == -1 && errno != EMSGSIZE) {
			if (errno != EAGAIN)
				leave(spawner, "cannot hear the engine");
			return;
		}
		if (n == -1 ||
		    ol_spawn_parse(&message, bytes, (size_t)n, nfds) == -1)
			ol_log_warn(NULL, "the engine sent what is no message");
		else
			handle(spawner, &message, fds);
		while (nfds > 0)
			close(fds[--nfds]);
	}
}

/* --- the life of it --- */

static void
on_empty(void *arg)
{
	struct spawner *spawner = arg;

	ol_loop_stop(spawner->loop);
}

/* What is sent to all of the daemon is the master's affair. */
static void
ignore_signals(void)
{
	static const int theirs[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE,
		SIGUSR1, SIGUSR2 };
	size_t i;

	for (i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		signal(theirs[i], SIG_IGN);
}

/* Descriptors of a program must not be among those that it gets as 0 … 2. */
static int
occupy_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd == -1)
		return -1;
	close(fd);
	return 0;
}

static void
fini(struct spawner *spawner)
{
	struct report *report;

	while ((report = STAILQ_FIRST(&spawner->reports)) != NULL) {
		STAILQ_REMOVE_HEAD(&spawner->reports, link);
		free(report);
	}
	if (spawner->has_jobs) {
		ol_jobs_fini(&spawner->jobs);
	} else {
		free(spawner->jobs.scratch.base);
		free(spawner->jobs.notify);
	}
	ol_catalog_free(spawner->catalog);
	ol_loop_free(spawner->loop);
	close(spawner->master);
	close(spawner->engine);
}

int
ol_spawner_run(int master, int engine)
{
	struct spawner spawner = { .master = master, .engine = engine };

	ignore_signals();
	if (occupy_standard() == -1 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == -1) {
		ol_log_error(
		    NULL, "cannot become the spawner: %s", strerror(errno));
		return 1;
	}
	/* All below us bears one from its birth, so that the master knows it.
	 */
	ol_mark_set(ol_mark_new());
	STAILQ_INIT(&spawner.reports);
	spawner.loop = ol_must(ol_loop_new());
	spawner.jobs.loop = spawner.loop;
	spawner.jobs.tell = tell;
	spawner.jobs.on_empty = on_empty;
	spawner.jobs.arg = &spawner;
	ol_spawn_prepare(engine);
	spawner.on_master =
	    ol_must(ol_watch_new(spawner.loop, master, on_master, &spawner));
	spawner.on_engine =
	    ol_must(ol_watch_new(spawner.loop, engine, on_engine, &spawner));
	ol_loop_run(spawner.loop);
	fini(&spawner);
	return 0;
}
