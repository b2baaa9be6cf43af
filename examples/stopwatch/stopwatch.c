/*
 * Two kinds of work items that take a while and say what they see. Start one,
 * then recycle or stop the process, and read the log.
 *
 *	/blocking	five rounds of two seconds, on a background thread
 *	/async		five rounds of six seconds, a timer on the libevent loop
 *
 * A GET that starts something is good enough for a stopwatch, not for a shop.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <outlast/outlast.h>

#define ROUNDS		 5
#define BLOCKING_SECONDS 2
#define ASYNC_SECONDS	 6

/* An async item between its start and its end; its callbacks share a thread. */
struct watch {
	struct ol_work *work;
	struct event *timer;
	int round;
};

/* One line to standard error, with the process and the item it is about. */
static void say(const struct ol_work *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(const struct ol_work *work, const char *fmt, ...)
{
	char text[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "stopwatch[%ld] %s: %s\n", (long)getpid(),
	    ol_work_name(work), text);
}

static void
say_stopping(const struct ol_work *work, int round)
{
	int64_t deadline = ol_work_deadline(work);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (deadline == INT64_MAX)
		say(work, "stop began, no limit, finishing round %d", round);
	else
		say(work, "stop began, %.0f s left, finishing round %d",
		    (double)deadline / 1e9 - (double)now.tv_sec -
			(double)now.tv_nsec / 1e9,
		    round);
}

static void
say_ended(const struct ol_work *work, int round)
{
	if (round == ROUNDS)
		say(work, "ended, all %d rounds done", ROUNDS);
	else
		say(work, "ended early, %d of %d rounds done", round, ROUNDS);
}

static void
begin_round(struct ol_work *work, int round)
{
	char text[32];

	snprintf(text, sizeof(text), "round %d of %d", round, ROUNDS);
	ol_work_progress(work, (round - 1) * 100 / ROUNDS, text);
	say(work, "%s", text);
}

/* Wait for so many seconds. Says so when a stop begins in the meantime. */
static void
spend_round(struct ol_work *work, int round, int seconds)
{
	struct pollfd stop = { .fd = ol_work_stop_fd(work), .events = POLLIN };
	struct timespec t;
	int rc;

	clock_gettime(CLOCK_MONOTONIC, &t);
	do
		rc = poll(&stop, 1, seconds * 1000);
	while (rc < 0 && errno == EINTR);
	if (rc <= 0)
		return;
	say_stopping(work, round);
	t.tv_sec += seconds;
	while (
	    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		continue;
}

/* The blocking item. */
static enum ol_outcome
watch_blocking(struct ol_work *work, void *data)
{
	int round = 0;

	(void)data;
	say(work, "started");
	do {
		begin_round(work, ++round);
		spend_round(work, round, BLOCKING_SECONDS);
	} while (round < ROUNDS && !ol_work_stopping(work));
	say_ended(work, round);
	return OL_OK;
}

static void
on_stop(struct ol_work *work, void *arg)
{
	const struct watch *watch = arg;

	say_stopping(work, watch->round);
}

static void
on_round_over(evutil_socket_t fd, short events, void *arg)
{
	static const struct timeval length = { .tv_sec = ASYNC_SECONDS };
	struct watch *watch = arg;
	enum ol_outcome outcome = OL_OK;

	(void)fd, (void)events;
	if (watch->round < ROUNDS && !ol_work_stopping(watch->work)) {
		begin_round(watch->work, ++watch->round);
		if (event_add(watch->timer, &length) == 0)
			return;
		outcome = OL_FAIL;
	} else
		say_ended(watch->work, watch->round);
	event_free(watch->timer);
	ol_work_done(watch->work, outcome, "the timer could not be set");
}

/* The async item: its data is the struct watch, freed after ol_work_done(). */
static void
watch_async(struct ol_work *work, struct event_base *base, void *data)
{
	struct watch *watch = data;

	watch->work = work;
	watch->timer = evtimer_new(base, on_round_over, watch);
	if (watch->timer == NULL) {
		ol_work_done(work, OL_FAIL, "no memory for a timer");
		return;
	}
	say(work, "started");
	ol_work_on_stop(work, on_stop, watch);
	on_round_over(-1, 0, watch);
}

static void
put_page(struct ol_app *app, FCGX_Stream *out, const char *status,
    const char *sentence)
{
	FCGX_FPrintF(out,
	    "Status: %s\r\n"
	    "Content-Type: text/html; charset=utf-8\r\n"
	    "\r\n"
	    "<!doctype html>\n"
	    "<html lang=en><title>Stopwatch</title>\n"
	    "<p>%s</p>\n"
	    "<p>Process %d; items waiting or running: %d.</p>\n"
	    "<p><a href=blocking>start a blocking item</a> |\n"
	    "<a href=async>start an async item</a> |\n"
	    "<a href='./'>look</a></p>\n",
	    status, sentence, (int)getpid(), (int)ol_app_items(app));
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	const char *path = FCGX_GetParam("SCRIPT_NAME", request->envp);
	const char *page = path != NULL ? strrchr(path, '/') : NULL;
	struct watch *watch = NULL;
	int rc;

	(void)arg;
	if (page != NULL && strcmp(page, "/blocking") == 0)
		rc = ol_queue_blocking(app, watch_blocking, NULL,
		    OL_WORK_OPTIONS(.name = "blocking item"));
	else if (page != NULL && strcmp(page, "/async") == 0) {
		if ((watch = calloc(1, sizeof(*watch))) == NULL)
			rc = OL_ENOMEM;
		else
			rc = ol_queue_async(app, watch_async, watch,
			    OL_WORK_OPTIONS(.name = "async item",
				.free_data = free));
		if (rc != 0)
			free(watch);
	} else {
		put_page(app, request->out, "200 OK", "Nothing new.");
		return;
	}
	if (rc != 0)
		put_page(app, request->out, "503 Service Unavailable",
		    ol_strerror(rc));
	else
		put_page(app, request->out, "200 OK", "Started an item.");
}

int
main(int argc, char **argv)
{
	struct ol_app *app = ol_app_new(NULL);
	int rc;

	if (app == NULL) {
		fprintf(
		    stderr, "stopwatch: cannot start: %s\n", strerror(errno));
		return 71;
	}
	ol_app_on_request(app, on_request, NULL);
	ol_app_on_error(app, ol_error_to_stderr, NULL);
	if (ol_app_args(app, &argc, argv) != 0 || argc > 1) {
		fprintf(stderr, "usage: stopwatch [--listen ADDRESS]\n");
		return 64;
	}
	rc = ol_app_run(app);
	ol_app_free(app);
	return rc;
}
