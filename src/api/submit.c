#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/answer.h"
#include "api/handlers.h"
#include "api/page.h"
#include "api/recording.h"
#include "api/result.h"
#include "api/wait.h"

enum {
	KEY_MAX = 255,
	/* As many as a type may name, and TRACEPARENT. */
	VARIABLES_MAX = 64,
};

/* --- the type --- */

/* The type to submit, or NULL: refused. */
static const struct ol_conf_task *
find_type(const struct ol_exchange *x, struct ol_refusal *refusal)
{
	const char *name = x->question->type;
	const struct ol_conf_task *type = ol_exchange_type(x, name);
	unsigned needed;

	if (type == NULL && x->route->path == NULL)
		ol_problem_refuse(refusal, OL_PROBLEM_MISCONFIGURED,
		    "fastcgi_param OUTLAST_TASK: there is no task type "
		    "\"%.64s\" in the configuration",
		    name);
	else if (type == NULL)
		ol_problem_refuse(refusal, OL_PROBLEM_NOT_FOUND,
		    "there is no task type \"%.64s\"", name);
	if (type == NULL)
		return NULL;
	needed = ol_access_to_submit(type->submit_by);
	if ((needed & ~x->may) == 0)
		return type;
	ol_problem_refuse(refusal, OL_PROBLEM_ACCESS,
	    "to submit a task of this type takes access \"%s\"",
	    ol_access_missing(needed));
	return NULL;
}

/* --- the key --- */

/*
 * The key between its quotes (RFC 8941 §3.3.3), or bare; -1: it is none. dst
 * has KEY_MAX + 1 bytes.
 */
static int
read_key(char *dst, const char *sent)
{
	size_t len = strlen(sent), i = 0, n = 0;
	bool quoted = sent[0] == '"';

	if (quoted) {
		if (len < 2 || sent[--len] != '"')
			return -1;
		i = 1;
	}
	for (; i < len; i++) {
		char c = sent[i];

		if (quoted && c == '"')
			return -1;
		if (quoted && c == '\\') {
			c = sent[++i];
			if (i >= len || (c != '"' && c != '\\'))
				return -1;
		}
		if (c < 0x20 || c > 0x7e || n == KEY_MAX)
			return -1;
		dst[n++] = c;
	}
	dst[n] = '\0';
	return n > 0 ? 0 : -1;
}

/*
 * A key is one client's: those of sessions are told apart here, as the store
 * tells apart owners only.
 */
static int
mix_session(struct ol_exchange *x, char *key)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t both[OL_SESSION_HASH + KEY_MAX], hash[OL_SESSION_HASH];
	size_t len = strlen(key), i;

	memcpy(both, x->session, OL_SESSION_HASH);
	memcpy(both + OL_SESSION_HASH, key, len);
	if (ol_session_hash(
		x->api->sessions, both, OL_SESSION_HASH + len, hash) == -1)
		return -1;
	for (i = 0; i < sizeof(hash); i++) {
		key[2 * i] = digits[hash[i] >> 4];
		key[2 * i + 1] = digits[hash[i] & 15];
	}
	key[2 * i] = '\0';
	return 0;
}

/* Whether the request is recorded to be replayed, if its type has a backend. */
static bool
is_replay(const struct ol_exchange *x, const struct ol_conf_task *type)
{
	return x->route->path == NULL && type != NULL && type->backend != NULL;
}

/*
 * Begin the hash that tells whether two requests with one key are the same. Of
 * a replay, what it asks for is a part of it; cookies are not, as they may
 * change from one try to the next.
 */
static struct ol_fingerprint *
begin_fingerprint(const struct ol_exchange *x)
{
	const struct ol_question *q = x->question;
	struct ol_fingerprint *print;
	const int64_t numbers[] = { q->options.delay, q->options.due,
		q->options.priority, x->body == NULL ? 0 : x->body->size };
	/* The envelope takes 255 bytes of it at the most. */
	uint8_t head[256 + sizeof(numbers)] = { 0 };

	memcpy(head, numbers, sizeof(numbers));
	memcpy(head + sizeof(numbers), q->envelope.content_type,
	    strlen(q->envelope.content_type));
	print = ol_fingerprint_new(head, sizeof(head));
	if (print == NULL || !is_replay(x, ol_exchange_type(x, q->type)))
		return print;
	if (ol_fingerprint_add_text(print,
		ol_envelope_param(&q->envelope, "REQUEST_METHOD")) == 0 &&
	    ol_fingerprint_add_text(print, ol_recording_uri(&q->envelope)) == 0)
		return print;
	ol_fingerprint_free(print);
	return NULL;
}

/* --- what travels with the task --- */

static size_t
collect_context(const struct ol_envelope *e, const struct ol_conf_task *type,
    struct ol_object_variable *variables)
{
	bool traced = e->traceparent[0] != '\0';
	size_t n = 0, i;

	for (i = 0; i < type->ncontext && n < VARIABLES_MAX - 1; i++) {
		const char *name = type->context[i];
		const char *value = ol_envelope_param(e, name);

		if (value[0] == '\0' || strcmp(name, "TRACEPARENT") == 0)
			continue;
		variables[n].name = name;
		variables[n++].value = value;
	}
	if (traced) {
		variables[n].name = "TRACEPARENT";
		variables[n++].value = e->traceparent;
	}
	return n;
}

/* *body: owned, or NULL: empty. */
static int
take_payload(struct ol_request *request, struct ol_body **body)
{
	size_t len = (size_t)ol_request_body_length(request);
	int fd;

	*body = NULL;
	if (len == 0)
		return 0;
	fd = ol_request_take_body(request);
	*body = fd != -1 ? ol_body_file(fd, (int64_t)len)
			 : ol_body_new(ol_request_body(request), len);
	return *body == NULL ? -1 : 0;
}

/* --- the answer --- */

/* It is taken, and goes on. */
static void
answer_accepted(struct ol_exchange *x, const struct ol_object *object)
{
	char address[OL_ANSWER_ADDRESS_SIZE];

	if (x->navigates) {
		ol_page_redirect(x, object);
		return;
	}
	ol_answer_begin(x, 202, object);
	ol_answer_address(x, &object->id, "", address);
	ol_request_header(x->request, "Location", address);
	ol_answer_retry_after(x, object);
	ol_answer_object(x, object);
}

static void
on_waited(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;

	x->call = NULL;
	if (object != NULL && (result->answer == OL_ENGINE_OK ||
				  result->answer == OL_ENGINE_GONE))
		ol_result_send(x, result);
	else if (object != NULL)
		/* Whatever became of the waiting, this is stored. */
		answer_accepted(x, object);
	else
		ol_answer_engine(x, result);
}

static void
on_submitted(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;

	x->call = NULL;
	if (object == NULL || (result->answer != OL_ENGINE_OK &&
				  result->answer != OL_ENGINE_DUPLICATE)) {
		ol_answer_engine(x, result);
		return;
	}
	x->is_duplicate = result->answer == OL_ENGINE_DUPLICATE;
	if (ol_wait_goes_on(x))
		x->call = ol_engine_await_result(
		    x->api->engine, &object->id, x->until, on_waited, x);
	else
		answer_accepted(x, object);
}

/* --- the submit --- */

static void
refuse_unavailable(struct ol_exchange *x, const char *why)
{
	struct ol_refusal refusal;

	ol_problem_refuse(&refusal, OL_PROBLEM_UNAVAILABLE, "%s", why);
	refusal.retry_after = 1;
	ol_answer_refusal(x, &refusal, NULL);
}

/* The key as the engine is to have it, and the hash of the request. */
static int
end_fingerprint(struct ol_exchange *x, char *key, uint8_t *hash)
{
	int ended = ol_fingerprint_end(x->fingerprint, hash);

	ol_fingerprint_free(x->fingerprint);
	x->fingerprint = NULL;
	/* It was read once before, as a check. */
	if (ended == -1 || read_key(key, x->question->envelope.key) == -1)
		return -1;
	return x->has_session ? mix_session(x, key) : 0;
}

/* All that it takes is there. */
static void
submit(struct ol_exchange *x)
{
	const struct ol_question *q = x->question;
	struct ol_object_variable variables[VARIABLES_MAX];
	struct ol_recording recording = { 0 };
	char key[KEY_MAX + 1] = "";
	uint8_t hash[OL_FINGERPRINT_SIZE];
	struct ol_engine_submit task = {
		.owner = q->options.owner[0] != '\0' ? q->options.owner
						     : q->envelope.owner,
		.session = x->has_session ? x->session : NULL,
		.key = key,
		.content_type = q->envelope.content_type,
		.payload = x->body,
		.context = variables,
		.due = q->options.due,
		.delay = q->options.delay,
		.priority = q->options.priority,
	};
	const struct ol_conf_task *type;
	struct ol_refusal refusal;

	/* It was there before, but a reload may have been since. */
	if ((type = find_type(x, &refusal)) == NULL) {
		ol_answer_refusal(x, &refusal, NULL);
		return;
	}
	if (x->fingerprint != NULL) {
		if (end_fingerprint(x, key, hash) == -1) {
			refuse_unavailable(x, "libcrypto failed");
			return;
		}
		task.key_hash = hash;
	}
	task.type = type->name;
	if (!is_replay(x, type))
		task.ncontext = collect_context(&q->envelope, type, variables);
	else if (ol_recording_make(
		     &recording, &q->envelope, type->backend, &refusal) == -1) {
		ol_answer_refusal(x, &refusal, NULL);
		return;
	} else {
		task.recorded = true;
		task.context = recording.variables;
		task.ncontext = recording.n;
	}
	ol_wait_begin(x, q->envelope.wait);
	x->call = ol_engine_submit(x->api->engine, &task, on_submitted, x);
	ol_recording_fini(&recording);
	ol_exchange_forget(x);
	ol_body_free(x->body);
	x->body = NULL;
}

void
ol_submit_read_on(struct ol_exchange *x)
{
	int whole = 1;

	if (x->is_reading)
		TAILQ_REMOVE(&x->api->reading, x, next);
	x->is_reading = false;
	if (x->body != NULL)
		whole = ol_fingerprint_add(x->fingerprint, x->body);
	if (whole == 1)
		submit(x);
	else if (whole == -1)
		refuse_unavailable(x, "the payload could not be read again");
	else {
		x->is_reading = true;
		TAILQ_INSERT_TAIL(&x->api->reading, x, next);
		ol_wake_up(x->api->turn);
	}
}

/* Why the body is not to be had. */
static void
refuse_body(struct ol_exchange *x, enum ol_body_end end)
{
	struct ol_refusal refusal;

	if (end == OL_BODY_TOO_LARGE)
		ol_answer_problem(x, OL_PROBLEM_TOO_LARGE);
	else if (end == OL_BODY_NO_ROOM)
		refuse_unavailable(x, "there is no room for the payload");
	else {
		ol_problem_refuse(&refusal, OL_PROBLEM_BAD_REQUEST,
		    "the body does not have CONTENT_LENGTH bytes");
		ol_answer_refusal(x, &refusal, NULL);
	}
}

void
ol_submit_body(struct ol_exchange *x, enum ol_body_end end)
{
	if (end != OL_BODY_WHOLE) {
		refuse_body(x, end);
		return;
	}
	if (take_payload(x->request, &x->body) == -1) {
		if (ol_exchange_may_complain(x))
			ol_log_warn(&x->api->log, "cannot keep a payload: %s",
			    strerror(errno));
		refuse_unavailable(x, "there is no memory for the payload");
		return;
	}
	if (x->question->envelope.key[0] == '\0') {
		submit(x);
		return;
	}
	x->fingerprint = begin_fingerprint(x);
	if (x->fingerprint == NULL)
		refuse_unavailable(x, "libcrypto failed");
	else
		ol_submit_read_on(x);
}

/* What can be told before the body is there. */
static void
await_body(struct ol_exchange *x, const struct ol_conf_task *type)
{
	char key[KEY_MAX + 1];
	struct ol_refusal refusal;

	if (x->question->envelope.key[0] != '\0' &&
	    read_key(key, x->question->envelope.key) == -1) {
		ol_problem_refuse(&refusal, OL_PROBLEM_BAD_KEY,
		    "it is not 1 to 255 printable characters, bare or in "
		    "double quotes");
		ol_answer_refusal(x, &refusal, NULL);
		return;
	}
	ol_request_limit_body(x->request, (uint64_t)type->max_payload);
}

void
ol_submit_of_location(struct ol_exchange *x)
{
	struct ol_question *q = x->question;
	const struct ol_conf_task *type;
	struct ol_refusal refusal;
	unsigned allow;

	x->as_page = x->navigates;
	q->type = q->envelope.task;
	ol_options_init(&q->options);
	if ((type = find_type(x, &refusal)) == NULL) {
		ol_answer_refusal(x, &refusal, NULL);
		return;
	}
	allow = type->methods | OL_METHOD_HEAD | OL_METHOD_OPTIONS;
	if (q->envelope.prefetch ||
	    (q->envelope.method & (OL_METHOD_HEAD | OL_METHOD_OPTIONS)) != 0) {
		ol_answer_allow(x, allow);
		return;
	}
	if ((type->methods & q->envelope.method) == 0) {
		ol_problem_refuse(&refusal, OL_PROBLEM_METHOD,
		    "this method submits no task of this type");
		refusal.allow = allow;
		ol_answer_refusal(x, &refusal, NULL);
		return;
	}
	await_body(x, type);
}

/* Is there anything to send to the backend? */
static int
check_request(const struct ol_conf_task *type, struct ol_refusal *refusal)
{
	if (type->backend == NULL || type->backend->method != NULL)
		return 0;
	return ol_problem_refuse(refusal, OL_PROBLEM_NO_REQUEST,
	    "task type \"%s\" has no \"request\" for tasks that are not "
	    "recorded",
	    type->name);
}

void
ol_submit_any(struct ol_exchange *x)
{
	struct ol_question *q = x->question;
	const struct ol_conf_task *type;
	struct ol_refusal refusal;

	if ((type = find_type(x, &refusal)) == NULL ||
	    check_request(type, &refusal) == -1 ||
	    ol_options_read(&q->options, &q->envelope, &refusal) == -1)
		ol_answer_refusal(x, &refusal, NULL);
	else
		await_body(x, type);
}
