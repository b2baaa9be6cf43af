#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/access.h"
#include "api/answer.h"
#include "api/handlers.h"
#include "api/result.h"
#include "api/wait.h"

enum { PIECE = 32 * 1024 };

/* --- the bytes --- */

/* The next ones; false: wait until those before are taken. */
static bool
send_memory(struct ol_exchange *x)
{
	int64_t left = x->body->size - x->at;
	size_t n = (size_t)(left < PIECE ? left : PIECE);
	const char *at = (const char *)x->body->data + x->at;

	x->at += (int64_t)n;
	return ol_request_write(x->request, at, n);
}

/* The same; -1: they cannot be read. */
static int
send_file(struct ol_exchange *x)
{
	char buf[PIECE];
	int64_t left = x->body->size - x->at;
	ssize_t n;

	do
		n = pread(x->body->fd, buf,
		    (size_t)(left < PIECE ? left : PIECE), x->at);
	while (n == -1 && errno == EINTR);
	if (n <= 0) {
		if (ol_exchange_may_complain(x))
			ol_log_error(&x->api->log,
			    "a result cannot be read: %s",
			    n == 0 ? "its file is cut short" : strerror(errno));
		return -1;
	}
	x->at += n;
	return ol_request_write(x->request, buf, (size_t)n);
}

void
ol_result_drained(struct ol_exchange *x)
{
	int more = 1;

	if (x->body == NULL)
		return;
	while (more == 1 && x->at < x->body->size)
		more = x->body->data != NULL ? send_memory(x) : send_file(x);
	if (more == -1)
		ol_exchange_break(x);
	else if (x->at == x->body->size)
		ol_exchange_finish(x);
}

/* --- the head --- */

/* What a reply must not say: it is ours to say, or of one connection alone. */
static bool
is_ours(const char *name, size_t len)
{
	static const char *const ours[] = { "Status", "Content-Length",
		"Connection", "Keep-Alive", "Transfer-Encoding", "Trailer",
		"Upgrade", "X-Content-Type-Options", "Preference-Applied",
		"Outlast-Task-Id", "Outlast-State", "Outlast-Duplicate" };
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strlen(ours[i]) == len &&
		    strncasecmp(ours[i], name, len) == 0)
			return true;
	return false;
}

/* The next header of a reply: *line moves on, or NULL. Takes it apart. */
static char *
next_header(char **line, char **value)
{
	char *name = *line, *end = strchr(name, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	*line = end + 1;
	if ((*value = strchr(name, ':')) == NULL)
		*value = end;
	else
		*(*value)++ = '\0';
	*value += strspn(*value, " ");
	return name;
}

/* Whether the reply has a header of that name. */
static bool
says(const char *reply, const char *name)
{
	size_t len = strlen(name);
	const char *line = reply;

	while ((line = strchr(line, '\n')) != NULL) {
		line++;
		if (strncasecmp(line, name, len) == 0 && line[len] == ':')
			return true;
	}
	return false;
}

/* Status and headers as the backend replied; -1: they are none. */
static int
begin_reply(struct ol_exchange *x, const struct ol_object *object)
{
	long status = strtol(object->reply, NULL, 10);
	char *copy, *line, *name, *value;

	if (strchr(object->reply, '\n') == NULL || status < 200 ||
	    status > 599 || (copy = strdup(object->reply)) == NULL)
		return -1;
	ol_answer_task(x, (int)status, object);
	if (!says(copy, "Cache-Control"))
		ol_request_header(x->request, "Cache-Control", "no-store");
	line = strchr(copy, '\n') + 1;
	while ((name = next_header(&line, &value)) != NULL)
		if (!is_ours(name, strlen(name)))
			ol_request_header(x->request, name, value);
	free(copy);
	return (int)status;
}

/* The same of a program, which has none. */
static int
begin_plain(struct ol_exchange *x, const struct ol_object *object)
{
	ol_answer_begin(x, 200, object);
	/* The page of a program that was fooled runs no scripts as ours. */
	ol_request_header(x->request, "Content-Security-Policy", "sandbox");
	if (object->result_type[0] == '\0' ||
	    ol_request_header(
		x->request, "Content-Type", object->result_type) == -1)
		ol_request_header(
		    x->request, "Content-Type", "application/octet-stream");
	return 200;
}

/* --- the answer --- */

static void
send_result(struct ol_exchange *x, const struct ol_engine_result *result)
{
	int64_t size = result->body == NULL ? 0 : result->body->size;
	char length[24];
	int status;

	status = begin_reply(x, result->object);
	if (status == -1)
		status = begin_plain(x, result->object);
	/* RFC 9110 §6.4.1: these have no content, not even an empty one. */
	if (status == 204 || status == 304) {
		ol_exchange_finish(x);
		return;
	}
	snprintf(length, sizeof(length), "%lld", (long long)size);
	ol_request_header(x->request, "Content-Length", length);
	if (size == 0 || x->head_only) {
		ol_exchange_finish(x);
		return;
	}
	x->body = ol_body_ref(result->body);
	ol_result_drained(x);
}

/* Ended, but there is no result. */
static void
tell_end(struct ol_exchange *x, const struct ol_object *object)
{
	struct ol_refusal refusal;

	if (object->cancelled)
		ol_problem_refuse(&refusal, OL_PROBLEM_CANCELLED, "%s",
		    object->error_message);
	else
		ol_problem_refuse(&refusal, OL_PROBLEM_TASK_FAILED,
		    "after attempt %u of %u it is %s: %s",
		    (unsigned)object->attempt, (unsigned)object->attempts_max,
		    object->state, object->error_message);
	ol_answer_refusal(x, &refusal, object);
}

void
ol_result_send(struct ol_exchange *x, const struct ol_engine_result *result)
{
	const struct ol_object *object = result->object;
	bool has_one = object->succeeded ||
		       (!object->cancelled && object->reply[0] != '\0');

	if (!has_one)
		tell_end(x, object);
	else if (result->answer == OL_ENGINE_OK)
		send_result(x, result);
	else
		ol_answer_engine(x, result);
}

static void
on_result(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;
	struct ol_refusal refusal;

	x->call = NULL;
	if (result->answer == OL_ENGINE_UNFINISHED && object != NULL) {
		ol_problem_refuse(
		    &refusal, OL_PROBLEM_NOT_ENDED, "it is %s", object->state);
		refusal.retry_after = ol_answer_wait(object);
		ol_answer_refusal(x, &refusal, object);
	} else if (object != NULL && (result->answer == OL_ENGINE_OK ||
					 result->answer == OL_ENGINE_GONE))
		ol_result_send(x, result);
	else
		ol_answer_engine(x, result);
}

/* Somebody else's takes no longer than one that there is not. */
static void
on_seen(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;

	x->call = NULL;
	if (result->answer != OL_ENGINE_OK || result->object == NULL)
		ol_answer_engine(x, result);
	else if (!ol_exchange_sees(x, result->object))
		ol_answer_unknown(x);
	else if (x->until != 0)
		x->call = ol_engine_await_result(
		    x->api->engine, &x->id, x->until, on_result, x);
	else
		x->call =
		    ol_engine_get_result(x->api->engine, &x->id, on_result, x);
}

void
ol_result_get(struct ol_exchange *x)
{
	struct ol_engine *engine = x->api->engine;

	ol_wait_begin(x, 0);
	ol_exchange_forget(x);
	if ((x->may & OL_MAY_READ_ALL) != 0 && x->until == 0)
		x->call = ol_engine_get_result(engine, &x->id, on_result, x);
	else
		x->call = ol_engine_get(engine, &x->id, on_seen, x);
}
