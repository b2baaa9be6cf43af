/*
 * The application under test: plain.c's handler with liboutlast, and routes
 * that make trouble when asked to.
 *
 *     /item?id=ID&flavour=blocking|async&ms=N[&mind=1][&fail=1][&extend=S]
 *           [&delay=MS]
 *                    queue an item that takes N ms; with mind=1 a blocking one
 *                    gives up when a stop begins; extend asks for S seconds
 *     /crash?where=request|item|loop
 *     /slow?ms=N     answer after N ms
 *     /queue-late?id=ID&ms=N&item-ms=M
 *                    sleep N ms, then queue a blocking item of M ms
 *     /leak?kb=N     keep so much memory for good
 *     /hang          the background loop turns no more
 *     /count         how many items there are
 *     /pid           this process
 *     anything else  202 and 52 bytes of JSON
 *
 * Answers to routes that queue: 202, or 503 and the reason. The file named by
 * $TEST_LEDGER gets "start ID PID" and "end ID PID OUTCOME STOPPING" for each
 * item and "error KIND ITEM MESSAGE" for each error; that of $TEST_REQUESTS a
 * line for each request of the last route.
 *
 *     app [--listen ADDRESS] [--threads N] [--no-drain]
 */
#include <sys/types.h>
#include <err.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <outlast/outlast.h>

#include "handler.h"

struct program {
	bool drain;
	int ledger;
	int requests;
};

struct item {
	struct program *program;
	struct ol_work *work; /* async, from its start on */
	struct event *timer;  /* async, from its start on */
	int ms;
	long extend;
	bool mind, fail, crash;
	char id[40];
};

static void
sleep_ms(int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) == -1)
		;
}

static void
item_begin(struct item *item, struct ol_work *work)
{
	handler_log(
	    item->program->ledger, "start %s %ld", item->id, (long)getpid());
	if (item->crash)
		handler_crash();
	ol_work_progress(work, 10, "begun");
	if (item->extend > 0)
		handler_log(item->program->ledger, "extended %s %ld", item->id,
		    ol_work_extend(work, item->extend));
}

static enum ol_outcome
item_end(struct item *item, struct ol_work *work, enum ol_outcome outcome)
{
	handler_log(item->program->ledger, "end %s %ld %s %d", item->id,
	    (long)getpid(), outcome == OL_OK ? "ok" : "fail",
	    ol_work_stopping(work) != 0);
	return (outcome);
}

static enum ol_outcome
run_blocking(struct ol_work *work, void *data)
{
	struct item *item = data;
	struct pollfd stop = { ol_work_stop_fd(work), POLLIN, 0 };

	item_begin(item, work);
	if (item->mind) {
		if (poll(&stop, 1, item->ms) == 1) {
			ol_work_error(work, "gave up");
			return (item_end(item, work, OL_FAIL));
		}
	} else
		sleep_ms(item->ms);
	return (item_end(item, work, item->fail ? OL_FAIL : OL_OK));
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct item *item = arg;
	enum ol_outcome outcome;

	(void)fd;
	(void)what;
	outcome = item_end(item, item->work, item->fail ? OL_FAIL : OL_OK);
	ol_work_done(item->work, outcome, item->fail ? "told to fail" : NULL);
}

static void
run_async(struct ol_work *work, struct event_base *base, void *data)
{
	struct item *item = data;
	struct timeval tv = { item->ms / 1000, item->ms % 1000 * 1000 };

	item->work = work;
	item_begin(item, work);
	item->timer = evtimer_new(base, on_timer, item);
	if (item->timer == NULL || evtimer_add(item->timer, &tv) == -1)
		ol_work_done(work, OL_FAIL, "no timer");
}

static void
item_free(void *data)
{
	struct item *item = data;

	if (item->timer != NULL)
		event_free(item->timer);
	free(item);
}

static void
reply(FCGX_Request *request, int status, const char *text)
{
	FCGX_FPrintF(request->out,
	    "Status: %d\r\nContent-Type: text/plain\r\n\r\n%s\n", status, text);
}

static void
queue(struct ol_app *app, FCGX_Request *request, struct program *program,
    const char *ms, bool crashes)
{
	struct item *item = calloc(1, sizeof(*item));
	char flavour[16] = "blocking";
	int rc;

	if (item == NULL) {
		reply(request, 503, "out of memory");
		return;
	}
	item->program = program;
	item->ms = (int)handler_query_long(request, ms, 0);
	item->mind = handler_query_long(request, "mind", 0) != 0;
	item->fail = handler_query_long(request, "fail", 0) != 0;
	item->extend = handler_query_long(request, "extend", 0);
	item->crash = crashes;
	if (!handler_query_text(request, "id", item->id, sizeof(item->id)))
		strcpy(item->id, "-");
	handler_query_text(request, "flavour", flavour, sizeof(flavour));
	const struct ol_work_options *options =
	    OL_WORK_OPTIONS(.name = item->id, .free_data = item_free,
		.delay_ms = handler_query_long(request, "delay", 0));

	if (strcmp(flavour, "async") == 0)
		rc = ol_queue_async(app, run_async, item, options);
	else
		rc = ol_queue_blocking(app, run_blocking, item, options);
	if (rc != 0)
		item_free(item);
	reply(
	    request, rc == 0 ? 202 : 503, rc == 0 ? "queued" : ol_strerror(rc));
}

static void
route_crash(struct ol_app *app, FCGX_Request *request, struct program *program)
{
	char where[16] = "request";
	struct item *item;

	handler_query_text(request, "where", where, sizeof(where));
	if (strcmp(where, "request") == 0)
		handler_crash();
	if ((item = calloc(1, sizeof(*item))) == NULL) {
		reply(request, 503, "out of memory");
		return;
	}
	*item =
	    (struct item){ .program = program, .crash = true, .id = "bomb" };
	if (strcmp(where, "loop") == 0)
		ol_queue_async(app, run_async, item,
		    OL_WORK_OPTIONS(.name = "bomb", .free_data = item_free));
	else
		ol_queue_blocking(app, run_blocking, item,
		    OL_WORK_OPTIONS(.name = "bomb", .free_data = item_free));
	reply(request, 202, "it will");
}

static void
route_leak(FCGX_Request *request)
{
	size_t size = (size_t)handler_query_long(request, "kb", 1024) * 1024;
	char *leak = malloc(size);

	/* memset() of what nobody reads is left out by the compiler. */
	if (leak != NULL)
		explicit_bzero(leak, size);
	reply(request, leak != NULL ? 200 : 503, "leaked");
}

static void
hang(struct ol_work *work, struct event_base *base, void *data)
{
	(void)work;
	(void)base;
	(void)data;
	for (;;)
		pause();
}

static void
on_request(struct ol_app *app, FCGX_Request *request, void *arg)
{
	struct program *program = arg;
	const char *uri = FCGX_GetParam("DOCUMENT_URI", request->envp);
	char text[32];

	if (uri == NULL)
		uri = "/";
	if (strcmp(uri, "/item") == 0)
		queue(app, request, program, "ms", false);
	else if (strcmp(uri, "/crash") == 0)
		route_crash(app, request, program);
	else if (strcmp(uri, "/slow") == 0) {
		sleep_ms((int)handler_query_long(request, "ms", 1000));
		reply(request, 200, "slowly");
	} else if (strcmp(uri, "/queue-late") == 0) {
		sleep_ms((int)handler_query_long(request, "ms", 1000));
		queue(app, request, program, "item-ms", false);
	} else if (strcmp(uri, "/leak") == 0)
		route_leak(request);
	else if (strcmp(uri, "/hang") == 0) {
		ol_queue_async(
		    app, hang, NULL, OL_WORK_OPTIONS(.name = "hang"));
		reply(request, 202, "it will");
	} else if (strcmp(uri, "/count") == 0) {
		snprintf(text, sizeof(text), "%zu", ol_app_items(app));
		reply(request, 200, text);
	} else if (strcmp(uri, "/pid") == 0) {
		snprintf(text, sizeof(text), "%ld", (long)getpid());
		reply(request, 200, text);
	} else
		handler_answer(request, program->drain, program->requests);
}

static void
on_error(struct ol_app *app, const struct ol_error *error, void *arg)
{
	const struct program *program = arg;

	ol_error_to_stderr(app, error, NULL);
	handler_log(program->ledger, "error %d %s %s", (int)error->kind,
	    error->item == NULL ? "-" : error->item, error->message);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "threads", required_argument, NULL, 't' },
		{ "background", required_argument, NULL, 'b' },
		{ "request-timeout", required_argument, NULL, 'r' },
		{ "no-drain", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct program program = { .drain = true };
	struct ol_app_options settings = { .size = sizeof(settings) };
	struct ol_app *app;
	char *listen[3] = { NULL, NULL, NULL };
	int ch, rc, listens = 0, words;

	/* --listen is liboutlast's; the rest is ours. */
	for (words = 1; words + 1 < argc; words++)
		if (strcmp(argv[words], "--listen") == 0) {
			listen[0] = argv[0];
			listen[1] = argv[words];
			listen[2] = argv[words + 1];
			listens = 3;
			memmove(&argv[words], &argv[words + 2],
			    (size_t)(argc - words - 1) * sizeof(*argv));
			argc -= 2;
			break;
		}
	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 't':
			settings.threads = atoi(optarg);
			break;
		case 'b':
			settings.background_threads = atoi(optarg);
			break;
		case 'r':
			settings.request_timeout_ms = atoi(optarg);
			break;
		case 'n':
			program.drain = false;
			break;
		default:
			return (64);
		}
	program.ledger = handler_log_open("TEST_LEDGER");
	program.requests = handler_log_open("TEST_REQUESTS");
	if ((app = ol_app_new(&settings)) == NULL)
		err(71, "ol_app_new");
	ol_app_on_error(app, on_error, &program);
	if (listens > 0 && ol_app_args(app, &listens, listen) != 0)
		return (64);
	ol_app_on_request(app, on_request, &program);
	rc = ol_app_run(app);
	ol_app_free(app);
	return (rc);
}
