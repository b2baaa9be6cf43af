#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "base/quota.h"
#include "base/spool.h"
#include "fcgi/client.h"
#include "run/door.h"
#include "run/notices.h"
#include "run/params.h"
#include "run/response.h"
#include "run/run_fastcgi.h"
#include "run/tail.h"
#include "run/variables.h"

enum {
	IN_MEMORY = 32 * 1024, /* a larger result goes to a file */
};

/* A host that takes no connection is not reached; its kernel may not say so. */
#define CONNECT_MAX OL_SEC(60)

struct ol_backends {
	struct ol_loop *loop;
	int spool;
	char *notify; /* folder; NULL: no sockets */
	struct ol_quota quota;
	LIST_HEAD(, replay) list;
};

/* One attempt. */
struct replay {
	struct ol_running running; /* first */
	LIST_ENTRY(replay) link;
	struct ol_backends *backends;
	struct ol_log log;
	struct ol_run_events events;
	void *arg;
	struct ol_client *client; /* NULL: not begun, or over */
	struct ol_notices notices;
	char *path; /* of the notify socket; NULL: none */
	struct ol_timer *timer;
	int64_t begun, deadline;
	int64_t timeout, max_result;
	enum ol_retry_on retry_on;
	char *uri;		 /* that the client asked for; "": unknown */
	bool head;		 /* of a request whose reply has no content */
	bool reached;		 /* the backend may have seen the request */
	int64_t bytes;		 /* that its reply promises; -1: it does not */
	char name[OL_ADDR_TEXT]; /* of the backend, for people */
	bool judged; /* end says how it ended; that is told from the loop */
	bool done;   /* its end was told, or is not wanted */

	struct ol_spool result;
	struct ol_tail errors;
	struct ol_run_end end;
	char *reply, *result_type; /* once the head is there */
};

/* --- its end ------------------------------------------------------------- */

static void
free_replay(void *arg)
{
	struct replay *r = arg;

	ol_spool_fini(&r->result);
	ol_tail_fini(&r->errors);
	free(r->reply);
	free(r->result_type);
	free(r->path);
	free(r->uri);
	free(r);
}

static void
hang_up(struct replay *r)
{
	if (r->client != NULL)
		ol_client_cancel(r->client);
	r->client = NULL;
}

/* Nobody hears of it any more. */
static void
dispose(struct replay *r)
{
	r->done = true;
	hang_up(r);
	ol_notices_close(&r->notices);
	if (r->path != NULL)
		unlink(r->path);
	ol_timer_free(r->timer);
	r->timer = NULL;
	LIST_REMOVE(r, link);
	ol_loop_defer_free(r->backends->loop, free_replay, r);
}

static void
judge(struct replay *r, enum ol_outcome outcome, const char *kind,
    const char *why)
{
	struct ol_run_end *end = &r->end;

	r->judged = true;
	end->ending = (struct ol_ending){ .outcome = outcome,
		.unreachable =
		    kind != NULL && outcome == OL_OUTCOME_INTERRUPTED,
		.delay = -1 };
	end->kind = kind;
	strlcpy(end->message, why, sizeof(end->message));
}

/* The application ended before it had sent what it promised. nginx breaks its
 * answer off then, so that a visitor gets no half of a file for a whole one. */
static bool
is_cut(const struct replay *r)
{
	return r->end.ending.outcome == OL_OUTCOME_OK && !r->head &&
	       r->bytes > (int64_t)r->result.len;
}

/* What came of the reply is the attempt's, when that is whole. */
static void
take_result(struct replay *r)
{
	struct ol_run_end *end = &r->end;
	char why[OL_RUN_MESSAGE_MAX];

	if (is_cut(r)) {
		snprintf(why, sizeof(why),
		    "its reply has %lld bytes, and its Content-Length says "
		    "%lld",
		    (long long)r->result.len, (long long)r->bytes);
		judge(r, OL_OUTCOME_RETRY, "bad_reply", why);
		return;
	}
	end->result = ol_spool_take(&r->result);
	if (end->result == NULL && errno != 0) {
		end->ending = (struct ol_ending){ .outcome = OL_OUTCOME_RETRY,
			.delay = -1 };
		end->kind = "refused";
		snprintf(end->message, sizeof(end->message),
		    "its result cannot be kept: %s", strerror(errno));
		return;
	}
	end->reply = r->reply;
	end->result_type = r->result_type;
}

/* From the loop only. whole: the reply is there, to its end. */
static void
finish(struct replay *r, bool whole)
{
	struct ol_body *result;

	r->judged = true;
	hang_up(r);
	ol_notices_finish(&r->notices);
	if (r->done)
		return;
	if (whole)
		take_result(r);
	r->end.error_text = ol_tail_text(&r->errors, &r->end.error_size);
	result = r->end.result;
	dispose(r);
	r->events.on_end(r->arg, &r->end);
	ol_body_free(result);
}

/* --- its time ------------------------------------------------------------ */

/* When it has waited long enough. */
static int64_t
limit_of(const struct replay *r)
{
	int64_t connected = ol_clock_after(r->begun, CONNECT_MAX);

	return r->reached || r->deadline < connected ? r->deadline : connected;
}

static void
arm(struct replay *r)
{
	int64_t when = r->judged ? 0 : limit_of(r);

	if (ol_notices_due(&r->notices) < when)
		when = ol_notices_due(&r->notices);
	ol_timer_at(r->timer, when);
}

/* Its end comes from the loop. */
static void
finish_soon(struct replay *r)
{
	hang_up(r);
	arm(r);
}

static void
time_out(struct replay *r)
{
	bool again = r->retry_on == OL_RETRY_ON_TIMEOUT;
	char why[OL_RUN_MESSAGE_MAX];

	if (!r->reached) {
		snprintf(why, sizeof(why), "%s: it took no connection in time",
		    r->name);
		judge(r, OL_OUTCOME_INTERRUPTED, "unreachable", why);
		finish(r, false);
		return;
	}
	snprintf(why, sizeof(why),
	    "no whole reply after %g s, its timeout; the backend may still be "
	    "at it",
	    (double)(r->timeout / OL_MSEC(1)) / 1000);
	judge(r, again ? OL_OUTCOME_RETRY : OL_OUTCOME_FAIL, "timeout", why);
	finish(r, false);
}

static void
on_timer(void *arg)
{
	struct replay *r = arg;
	int64_t now = ol_clock_now();

	if (r->judged) {
		finish(r, false);
		return;
	}
	ol_notices_tell(&r->notices, now);
	if (r->done || r->judged)
		return;
	if (limit_of(r) <= now)
		time_out(r);
	else
		arm(r);
}

static void
extend(void *arg, int64_t until)
{
	struct replay *r = arg;

	/* What was given is not taken back. */
	if (until > r->deadline)
		r->deadline = until;
}

static void
on_heard(void *arg)
{
	arm(arg);
}

static const struct ol_notices_hands notices_hands = {
	.extend = extend,
	.heard = on_heard,
};

/* --- the backend --------------------------------------------------------- */

static void
on_connected(void *arg)
{
	struct replay *r = arg;

	r->reached = true;
	arm(r);
	OL_FAILPOINT("replay_sent");
}

static void
on_head(void *arg, const struct ol_reply *reply)
{
	struct replay *r = arg;
	const char *type = ol_reply_header(reply, "Content-Type");

	ol_response_judge(reply, time(NULL), &r->end);
	r->reply = ol_response_text(reply, r->uri);
	r->bytes = ol_response_length(reply);
	if (type != NULL)
		r->result_type = ol_must(strdup(type));
}

static void
on_content(void *arg, const void *data, size_t len)
{
	struct replay *r = arg;
	char why[OL_RUN_MESSAGE_MAX];

	if (r->result.len + len > (uint64_t)r->max_result) {
		snprintf(why, sizeof(why),
		    "its result is longer than max_result, %lld bytes",
		    (long long)r->max_result);
		judge(r, OL_OUTCOME_FAIL, "result_too_large", why);
		finish(r, false);
		return;
	}
	if (ol_spool_add(&r->result, r->backends->spool, data, len) == 0)
		return;
	snprintf(
	    why, sizeof(why), "its result cannot be kept: %s", strerror(errno));
	judge(r, OL_OUTCOME_RETRY, "refused", why);
	finish(r, false);
}

static void
on_error_text(void *arg, const char *text, size_t len)
{
	struct replay *r = arg;

	ol_tail_add(&r->errors, text, len);
}

static void
on_end(void *arg, enum ol_client_end how, const char *why)
{
	struct replay *r = arg;

	r->client = NULL;
	OL_FAILPOINT("replay_ended");
	switch (how) {
	case OL_CLIENT_WHOLE:
		finish(r, true);
		return;
	case OL_CLIENT_UNREACHABLE:
		judge(r, OL_OUTCOME_INTERRUPTED, "unreachable", why);
		break;
	case OL_CLIENT_CLOSED:
		judge(r, OL_OUTCOME_LOST, "crashed", why);
		r->end.ending.crashed = true;
		break;
	case OL_CLIENT_NO_BODY:
		/* Our fault: the backend did not crash. */
		judge(r, OL_OUTCOME_LOST, "refused", why);
		break;
	case OL_CLIENT_BAD:
		judge(r, OL_OUTCOME_RETRY, "bad_reply", why);
		break;
	}
	finish(r, false);
}

static const struct ol_client_events client_events = {
	.on_connected = on_connected,
	.on_head = on_head,
	.on_content = on_content,
	.on_error_text = on_error_text,
	.on_end = on_end,
};

/* --- what is asked of it ------------------------------------------------- */

static void
stop(struct ol_running *running, enum ol_run_stop how)
{
	struct replay *r = (struct replay *)running;

	/* A backend cannot be told to end: it is let go on for a while. */
	if (r->done || r->judged || how == OL_RUN_INTERRUPT)
		return;
	judge(r, OL_OUTCOME_INTERRUPTED, NULL,
	    "stopped: the connection to the backend was closed");
	finish_soon(r);
}

static void
forget(struct ol_running *running)
{
	struct replay *r = (struct replay *)running;

	if (!r->done)
		dispose(r);
}

static const struct ol_run_ops ops = {
	.name = "fastcgi",
	.stop = stop,
	.forget = forget,
};

/* --- its beginning ------------------------------------------------------- */

/* Without a socket it works as well, but cannot tell how far it is. */
static void
open_door(struct replay *r)
{
	struct ol_backends *backends = r->backends;
	int fd;

	if (backends->notify == NULL)
		return;
	fd = ol_door_open(backends->notify, &r->path);
	if (fd != -1)
		ol_notices_listen(&r->notices, backends->loop, fd);
	else if (ol_quota_take(&backends->quota, NULL, ol_clock_now()))
		ol_log_warn(&r->log,
		    "runs without OUTLAST_NOTIFY: cannot make a socket in %s: "
		    "%s",
		    backends->notify, strerror(errno));
}

/* The path and query that the client asked for. */
static char *
uri_of(const struct ol_run_job *job)
{
	const char *uri = job->recorded ? ol_variables_find(job, "REQUEST_URI")
					: job->conf->backend->uri;

	return ol_must(strdup(uri != NULL ? uri : ""));
}

static void
begin(struct replay *r, const struct ol_run_job *job)
{
	struct ol_client_request request = { .body = job->payload };
	const char *why, *method;
	char what[OL_RUN_MESSAGE_MAX];
	struct ol_params params;

	if (ol_params_make(&params, job, r->path, &why) == -1) {
		judge(r, OL_OUTCOME_FAIL, "refused", why);
		goto out;
	}
	method = ol_params_value(&params, "REQUEST_METHOD");
	r->head = method != NULL && strcmp(method, "HEAD") == 0;
	request.params = params.list;
	request.nparams = params.n;
	r->client = ol_client_new(r->backends->loop, &job->conf->backend->addr,
	    &request, &client_events, r);
	if (r->client == NULL) {
		snprintf(what, sizeof(what),
		    "%s: no connection can be made: %s", r->name,
		    strerror(errno));
		judge(r, OL_OUTCOME_INTERRUPTED, "unreachable", what);
	}
out:
	ol_params_fini(&params);
}

struct ol_running *
ol_backends_start(struct ol_backends *backends, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	struct replay *r = ol_must(calloc(1, sizeof(*r)));
	const struct ol_conf_task *conf = job->conf;
	char id[OL_ID_TEXT_SIZE];
	int64_t now = ol_clock_now();

	r->running.ops = &ops;
	r->backends = backends;
	r->events = *events;
	r->arg = arg;
	ol_id_format(&job->id, id);
	ol_log_about(&r->log, "task %s %s", id, conf->name);
	r->timer = ol_must(ol_timer_new(backends->loop, on_timer, r));
	ol_addr_text(&conf->backend->addr, r->name, sizeof(r->name));
	r->uri = uri_of(job);
	r->bytes = -1;
	r->begun = now;
	r->deadline = ol_clock_after(now, conf->timeout);
	r->timeout = conf->timeout;
	r->max_result = conf->max_result;
	r->retry_on = conf->retry_on;
	r->end.exit = -1;
	ol_spool_init(&r->result, IN_MEMORY);
	ol_tail_init(&r->errors, OL_RUN_STDERR_MAX);
	ol_notices_init(&r->notices, now, &notices_hands, r, &r->events, arg);
	LIST_INSERT_HEAD(&backends->list, r, link);
	open_door(r);
	begin(r, job);
	arm(r);
	return &r->running;
}

/* --- the life of it all -------------------------------------------------- */

struct ol_backends *
ol_backends_new(const struct ol_backends_options *options)
{
	struct ol_backends *backends = ol_must(calloc(1, sizeof(*backends)));

	backends->loop = options->loop;
	backends->spool = options->spool;
	LIST_INIT(&backends->list);
	if (options->notify != NULL) {
		backends->notify = ol_must(strdup(options->notify));
		ol_door_sweep(backends->notify);
	}
	return backends;
}

void
ol_backends_free(struct ol_backends *backends)
{
	struct replay *r;

	if (backends == NULL)
		return;
	while ((r = LIST_FIRST(&backends->list)) != NULL)
		dispose(r);
	free(backends->notify);
	free(backends);
}
