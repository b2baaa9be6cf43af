/* Whole requests through a server: every status, and what an answer says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/socket.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/fingerprint.h"
#include "base/log.h"
#include "base/quota.h"
#include "asking.h"

#define TASK "/tasks/" ASKING_ID

static struct asking a;

static int
start(void **state)
{
	(void)state;
	asking_start(&a);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	asking_stop(&a);
	return 0;
}

#define PARAMS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* A problem of that name, as JSON. */
static void
expect_problem(const struct reply *reply, int status, const char *name)
{
	char type[128];

	snprintf(
	    type, sizeof(type), "{\"type\":\"urn:outlast:problem:%s\",", name);
	if (reply->status != status ||
	    strncmp(reply->body, type, strlen(type)) != 0)
		fail_msg("%d %s, not %d %s", reply->status, reply->body, status,
		    name);
	assert_string_equal(
	    reply_header(reply, "Content-Type"), "application/problem+json");
	assert_string_equal(reply_header(reply, "Cache-Control"), "no-store");
}

/* --- submit --- */

static void
test_submit(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask_with(&a, "POST /anywhere?delay=5",
	    PARAMS("OUTLAST_TASK=thumbnail", "CONTENT_TYPE=image/png",
		"HTTP_OUTLAST_DELAY=5"),
	    "hello", 5);
	assert_int_equal(reply->status, 202);
	/* Options are an app's, and not a visitor's. */
	assert_string_equal(
	    a.engine.asked, "submit thumbnail type=image/png memory=5\n");
	assert_memory_equal(a.engine.payload->data, "hello", 5);
	assert_string_equal(reply_header(reply, "Location"), TASK);
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
	assert_string_equal(reply_header(reply, "Outlast-Task-Id"), ASKING_ID);
	assert_string_equal(reply_header(reply, "Outlast-State"), "running");
	assert_string_equal(reply_header(reply, "Outlast-Duplicate"), "");
	assert_string_equal(reply_header(reply, "Cache-Control"), "no-store");
	assert_string_equal(
	    reply_header(reply, "Content-Type"), "application/json");
	assert_int_equal(
	    atoi(reply_header(reply, "Content-Length")), reply->len);
	assert_non_null(strstr(reply->body, "\"id\":\"" ASKING_ID "\""));
	reply = ask(&a, "POST /anywhere", PARAMS("OUTLAST_TASK=thumbnail"));
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked, "submit thumbnail\n");
}

static void
test_submit_base(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "OUTLAST_BASE=/ops/tasks"));
	assert_string_equal(
	    reply_header(reply, "Location"), "/ops/tasks/" ASKING_ID);
	assert_non_null(
	    strstr(reply->body, "\"self\":\"/ops/tasks/" ASKING_ID "\""));
	reply = ask(
	    &a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail", "OUTLAST_BASE=/"));
	assert_string_equal(reply_header(reply, "Location"), "/" ASKING_ID);
	reply = ask(
	    &a, "GET /ops/tasks/" ASKING_ID, PARAMS("OUTLAST_BASE=/ops/tasks"));
	assert_int_equal(reply->status, 200);
	reply = ask(&a, "GET " TASK, PARAMS("OUTLAST_BASE=/ops/tasks"));
	assert_int_equal(reply->status, 404);
}

static void
test_submit_context(void **state)
{
	static const char trace[] =
	    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
	char header[128], wanted[256];

	(void)state;
	snprintf(header, sizeof(header), "HTTP_TRACEPARENT=%s", trace);
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=report", "OUTLAST_ACCESS=app",
		"REQUEST_ID=abc", "REMOTE_ADDR=192.0.2.1", header));
	snprintf(wanted, sizeof(wanted),
	    "submit report REQUEST_ID=abc REMOTE_ADDR=192.0.2.1 "
	    "TRACEPARENT=%s\n",
	    trace);
	assert_string_equal(a.engine.asked, wanted);
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=report", "OUTLAST_ACCESS=app",
		"REQUEST_ID=", "HTTP_TRACEPARENT=nonsense"));
	assert_string_equal(a.engine.asked, "submit report\n");
}

static void
test_submit_options(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask_with(&a, "POST /tasks/report?delay=10m&priority=7",
	    PARAMS("OUTLAST_ACCESS=app", "HTTP_OUTLAST_OWNER=jane",
		"OUTLAST_OWNER=shop"),
	    "x", 1);
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked,
	    "submit report owner=jane delay=600000000000 priority=7 "
	    "memory=1\n");
	ask(&a, "POST /tasks/report?at=2026-11-20T21:05:11Z",
	    PARAMS("OUTLAST_ACCESS=app", "OUTLAST_OWNER=shop"));
	assert_string_equal(
	    a.engine.asked, "submit report owner=shop due=1795208711000\n");
	reply = ask(
	    &a, "POST /tasks/report?dealy=10m", PARAMS("OUTLAST_ACCESS=app"));
	expect_problem(reply, 400, "bad-option");
	assert_non_null(strstr(reply->body, "dealy"));
	reply = ask(&a, "POST /tasks/report?unique=payload",
	    PARAMS("OUTLAST_ACCESS=app"));
	expect_problem(reply, 400, "bad-option");
	assert_non_null(strstr(reply->body, "not in this version"));
	reply = ask(&a, "POST /tasks/nosuch", PARAMS("OUTLAST_ACCESS=app"));
	expect_problem(reply, 404, "not-found");
}

static void
test_methods(void **state)
{
	static const char *const none[] = { "HEAD /x", "OPTIONS /x", "GET /x",
		"POST /x" };
	const struct reply *reply;
	size_t i;

	(void)state;
	reply = ask(&a, "GET /x", PARAMS("OUTLAST_TASK=thumbnail"));
	expect_problem(reply, 405, "method-not-allowed");
	assert_string_equal(
	    reply_header(reply, "Allow"), "HEAD, POST, OPTIONS");
	reply = ask(&a, "BREW /x", PARAMS("OUTLAST_TASK=thumbnail"));
	expect_problem(reply, 405, "method-not-allowed");
	/* None of these submits, GET and POST because of the prefetch. */
	for (i = 0; i < 4; i++) {
		reply = ask(&a, none[i],
		    PARAMS("OUTLAST_TASK=report", "OUTLAST_ACCESS=app",
			i < 2 ? "X=" : "HTTP_SEC_PURPOSE=prefetch"));
		assert_int_equal(reply->status, 204);
		assert_string_equal(
		    reply_header(reply, "Allow"), "GET, HEAD, POST, OPTIONS");
		assert_string_equal(a.engine.asked, "");
		assert_int_equal(reply->len, 0);
	}
	reply = ask(
	    &a, "GET /x", PARAMS("OUTLAST_TASK=report", "OUTLAST_ACCESS=app"));
	assert_int_equal(reply->status, 202);
	reply = ask(&a, "PUT " TASK, NULL);
	expect_problem(reply, 405, "method-not-allowed");
	assert_string_equal(
	    reply_header(reply, "Allow"), "GET, HEAD, DELETE, OPTIONS");
	reply = ask(&a, "OPTIONS " TASK, NULL);
	assert_int_equal(reply->status, 204);
	assert_string_equal(
	    reply_header(reply, "Allow"), "GET, HEAD, DELETE, OPTIONS");
}

static void
test_submit_refused(void **state)
{
	static const struct {
		enum ol_engine_answer answer;
		int status;
		const char *name;
		bool retry, object;
	} says[] = {
		{ OL_ENGINE_CONFLICT, 422, "idempotency-key-reused", false,
		    false },
		{ OL_ENGINE_IN_FLIGHT, 409, "idempotency-key-in-flight", true,
		    false },
		{ OL_ENGINE_FULL, 503, "queue-full", true, false },
		{ OL_ENGINE_NOT_TAKEN, 503, "unavailable", true, false },
		{ OL_ENGINE_UNSURE, 503, "unsure", true, false },
		{ OL_ENGINE_UNKNOWN, 404, "not-found", false, false },
	};
	struct ol_engine_result *result = &a.engine.answers[FAKE_SUBMIT];
	const struct reply *reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(says) / sizeof(says[0]); i++) {
		result->answer = says[i].answer;
		result->object =
		    says[i].answer == OL_ENGINE_CONFLICT ? &a.object : NULL;
		result->retry_after = 7;
		result->why = says[i].answer == OL_ENGINE_NOT_TAKEN
				  ? "the daemon is stopping"
				  : NULL;
		reply = ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"));
		expect_problem(reply, says[i].status, says[i].name);
		assert_string_equal(reply_header(reply, "Retry-After"),
		    says[i].retry ? "7" : "");
		/* Of somebody else's task with that key nothing is told. */
		assert_string_equal(reply_header(reply, "Outlast-Task-Id"), "");
		assert_null(strstr(reply->body, ASKING_ID));
		if (result->why != NULL)
			assert_non_null(strstr(reply->body, result->why));
	}
	/* An answer that it must not give. */
	result->answer = OL_ENGINE_OK;
	result->object = NULL;
	reply = ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"));
	expect_problem(reply, 503, "unavailable");
}

static void
test_misconfigured(void **state)
{
	static const char *const bad[] = { "OUTLAST_TASK=nosuch",
		"OUTLAST_TASK=a\nb", "OUTLAST_ACCESS=root", "OUTLAST_X=1",
		"OUTLAST_BASE=x" };
	const struct reply *reply;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		reply = ask(&a, "POST /x", PARAMS(bad[i]));
		expect_problem(reply, 500, "misconfigured");
		/* What it is stands in the log, and not in the answer. */
		assert_null(strstr(reply->body, "OUTLAST_"));
		assert_string_equal(a.engine.asked, "");
	}
	reply = ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "OUTLAST_TASK=thumbnail"));
	expect_problem(reply, 500, "misconfigured");
}

/* What the API logs of n such requests. */
static const char *
log_of(int n, const char *const *more)
{
	static char text[8192];
	char path[96];
	const struct ol_log_sink sink = {
		.target = OL_LOG_FILE, .path = path, .level = OL_LOG_DEBUG
	};
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", a.state);
	assert_int_equal(ol_log_open(&sink, 1, NULL), 0);
	while (n-- > 0)
		ask(&a, "POST /x", more);
	ol_log_close();
	f = fopen(path, "r");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	unlink(path);
	return text;
}

/* One line, with the name in it. */
static void
test_log_line(void **state)
{
	const char *text;

	(void)state;
	assert_string_equal(log_of(1, PARAMS("OUTLAST_TASK=thumbnail")), "");
	text = log_of(1, PARAMS("OUTLAST_ACCESS=r\noot"));
	assert_non_null(strstr(text,
	    "OUTLAST_ACCESS is none of client, app, viewer and operator"));
	assert_non_null(strstr(text, "a request for \"/x\""));
	assert_string_equal(strchr(text, '\n'), "\n");
	/* Somebody's cookie is for no log. */
	text = log_of(
	    1, PARAMS("OUTLAST_SESSION=secret", "OUTLAST_SESSION=hidden"));
	assert_non_null(strstr(text, "OUTLAST_SESSION comes twice"));
	assert_null(strstr(text, "secret"));
	assert_null(strstr(text, "hidden"));
}

/* Whoever asks often does not fill the disk. */
static void
test_log_flood(void **state)
{
	const char *text;
	int lines = 0;

	(void)state;
	for (text = log_of(100, PARAMS("OUTLAST_ACCESS=root")); *text != '\0';
	     text++)
		lines += *text == '\n';
	assert_int_equal(lines, OL_QUOTA_LINES);
}

/* --- bodies --- */

static void
test_bodies(void **state)
{
	static char large[300000];
	static struct records r;
	const struct reply *reply;
	int fd;

	(void)state;
	memset(large, 'x', sizeof(large));
	reply = ask_with(
	    &a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"), large, 100);
	assert_int_equal(reply->status, 202);
	reply = ask_with(
	    &a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"), large, 101);
	expect_problem(reply, 413, "payload-too-large");
	assert_string_equal(a.engine.asked, "");
	/* Without a length it is seen when it comes. */
	reply = ask_with(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "CONTENT_LENGTH="), large, 101);
	expect_problem(reply, 413, "payload-too-large");
	reply = ask_with(&a, "POST /tasks/report", PARAMS("OUTLAST_ACCESS=app"),
	    large, 200000);
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked, "submit report file=200000\n");
	/* Less than it said. */
	fd = asking_connect(&a);
	asking_request(
	    &r, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"), large, 10);
	r.len -= 8 + 8 + 10;
	records_stdin(&r, large, 9);
	asking_send(&a, fd, r.data, r.len);
	expect_problem(asking_reply(&a, fd), 400, "bad-request");
	close(fd);
}

/* --- Idempotency-Key --- */

static void
hash_of(
    const char *what, const char *const *more, const char *body, uint8_t *hash)
{
	assert_int_equal(
	    ask_with(&a, what, more, body, strlen(body))->status, 202);
	memcpy(hash, a.engine.key_hash, 32);
}

static void
test_key(void **state)
{
	static const char *const good[] = { "abc", "\"abc\"" };
	static const char *const bad[] = { "\"", "\"\"", "\"a", "\"a\"b\"",
		"\"a\\\"", "\"a\\b\"", "a\tb", "a\xc3\xb6" };
	char key[400];
	const struct reply *reply;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "HTTP_IDEMPOTENCY_KEY=%s", good[i]);
		ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail", key));
		assert_string_equal(
		    a.engine.asked, "submit thumbnail key=abc\n");
	}
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail",
		"HTTP_IDEMPOTENCY_KEY=\"a\\\"b\\\\\""));
	assert_string_equal(a.engine.asked, "submit thumbnail key=a\"b\\\n");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(key, sizeof(key), "HTTP_IDEMPOTENCY_KEY=%s", bad[i]);
		reply =
		    ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail", key));
		expect_problem(reply, 400, "bad-idempotency-key");
		assert_string_equal(a.engine.asked, "");
	}
	snprintf(key, sizeof(key), "HTTP_IDEMPOTENCY_KEY=%0255d", 1);
	reply = ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail", key));
	assert_int_equal(reply->status, 202);
	snprintf(key, sizeof(key), "HTTP_IDEMPOTENCY_KEY=%0256d", 1);
	reply = ask(&a, "POST /x", PARAMS("OUTLAST_TASK=thumbnail", key));
	expect_problem(reply, 400, "bad-idempotency-key");
}

/* Payload, its type and the options: each makes another request of it. */
static void
test_fingerprint(void **state)
{
	static const char key[] = "HTTP_IDEMPOTENCY_KEY=k";
	uint8_t first[32], other[32];

	(void)state;
	hash_of("POST /tasks/report", PARAMS("OUTLAST_ACCESS=app", key), "x",
	    first);
	hash_of("POST /tasks/report",
	    PARAMS("OUTLAST_ACCESS=app", key, "REQUEST_ID=other"), "x", other);
	assert_memory_equal(first, other, 32);
	hash_of("POST /tasks/report", PARAMS("OUTLAST_ACCESS=app", key), "y",
	    other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /tasks/report",
	    PARAMS("OUTLAST_ACCESS=app", key, "CONTENT_TYPE=a"), "x", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /tasks/report?delay=1", PARAMS("OUTLAST_ACCESS=app", key),
	    "x", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /tasks/report?priority=1",
	    PARAMS("OUTLAST_ACCESS=app", key), "x", other);
	assert_memory_not_equal(first, other, 32);
}

/*
 * A large payload is read a piece a turn: others are answered meanwhile, and it
 * may end at every point.
 */
static void
test_large_payload(void **state)
{
	static const char key[] = "HTTP_IDEMPOTENCY_KEY=k";
	static char large[256 * 1024];
	static struct records r;
	const char *const *more = PARAMS("OUTLAST_ACCESS=app", key,
	    "CONTENT_LENGTH=", "CONTENT_TYPE=video/mp4");
	static unsigned char end[8];
	int fds[3], fd, i, k;

	(void)state;
	a.report.max_payload = INT64_MAX;
	memset(large, 'x', sizeof(large));
	for (i = 0; i < 3; i++) {
		fds[i] = asking_connect(&a);
		asking_request(&r, "POST /tasks/report", more, NULL, 0);
		asking_send(&a, fds[i], r.data, r.len - sizeof(end));
		for (k = 0; k < 32; k++) {
			r.len = 0;
			records_stdin(&r, large, sizeof(large));
			asking_send(&a, fds[i], r.data, r.len - sizeof(end));
		}
	}
	memcpy(end, r.data + r.len - sizeof(end), sizeof(end));
	fd = asking_connect(&a);
	asking_request(&r, "GET " TASK, NULL, NULL, 0);
	a.engine.asked[0] = '\0';
	for (i = 0; i < 3; i++)
		assert_int_equal(send(fds[i], end, sizeof(end), 0), 8);
	assert_int_equal(send(fd, r.data, r.len, 0), r.len);
	/* One of them leaves. */
	close(fds[1]);
	asking_turn(&a);
	assert_string_equal(a.engine.asked,
	    "get " ASKING_ID "\n"
	    "submit report key=k type=video/mp4 file=8388608\n"
	    "submit report key=k type=video/mp4 file=8388608\n");
	fake_engine_answer(&a.engine);
	assert_int_equal(asking_reply(&a, fd)->status, 200);
	assert_int_equal(asking_reply(&a, fds[0])->status, 202);
	assert_int_equal(asking_reply(&a, fds[2])->status, 202);
	assert_int_equal(ol_server_requests(a.server), 0);
	close(fd);
	close(fds[0]);
	close(fds[2]);
	asking_turn(&a);
}

static void
test_duplicate(void **state)
{
	const struct reply *reply;

	(void)state;
	a.engine.answers[FAKE_SUBMIT].answer = OL_ENGINE_DUPLICATE;
	a.object.ended = a.object.succeeded = true;
	a.object.state = "succeeded";
	reply = ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "HTTP_IDEMPOTENCY_KEY=k"));
	assert_int_equal(reply->status, 202);
	assert_string_equal(reply_header(reply, "Outlast-Duplicate"), "1");
	assert_string_equal(reply_header(reply, "Location"), TASK);
	assert_string_equal(reply_header(reply, "Outlast-State"), "succeeded");
	assert_string_equal(reply_header(reply, "Retry-After"), "");
}

/* The key of one session finds no task of another one. */
static void
test_key_of_session(void **state)
{
	char first[8192];

	(void)state;
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "HTTP_IDEMPOTENCY_KEY=k",
		"OUTLAST_SESSION=one"));
	strlcpy(first, a.engine.asked, sizeof(first));
	assert_non_null(strstr(first, " session key="));
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "HTTP_IDEMPOTENCY_KEY=k",
		"OUTLAST_SESSION=one"));
	assert_string_equal(first, a.engine.asked);
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "HTTP_IDEMPOTENCY_KEY=k",
		"OUTLAST_SESSION=two"));
	assert_string_not_equal(first, a.engine.asked);
}

/* --- the object --- */

static void
test_object(void **state)
{
	char etag[128], header[160];
	const struct reply *reply;
	size_t len;

	(void)state;
	reply = ask(&a, "GET " TASK "?ignored=1", NULL);
	assert_int_equal(reply->status, 200);
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n");
	assert_string_equal(reply_header(reply, "Cache-Control"), "no-store");
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
	assert_string_equal(reply_header(reply, "Outlast-Task-Id"), ASKING_ID);
	len = reply->len;
	strlcpy(etag, reply_header(reply, "ETag"), sizeof(etag));
	assert_int_equal(etag[0], '"');
	snprintf(
	    header, sizeof(header), "HTTP_IF_NONE_MATCH=\"other\", W/%s", etag);
	reply = ask(&a, "GET " TASK, PARAMS(header));
	assert_int_equal(reply->status, 304);
	assert_int_equal(reply->len, 0);
	assert_string_equal(reply_header(reply, "ETag"), etag);
	/* Each of these is news. */
	a.object.progress = 45;
	reply = ask(&a, "GET " TASK, PARAMS(header));
	assert_int_equal(reply->status, 200);
	assert_string_not_equal(reply_header(reply, "ETag"), etag);
	a.object.progress = -1;
	a.object.attempt = 2;
	assert_int_equal(ask(&a, "GET " TASK, PARAMS(header))->status, 200);
	a.object.attempt = 1;
	a.object.progress_text = "page 3";
	assert_int_equal(ask(&a, "GET " TASK, PARAMS(header))->status, 200);
	a.object.progress_text = "";
	a.object.state = "succeeded";
	a.object.ended = true;
	reply = ask(&a, "GET " TASK, PARAMS(header));
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply_header(reply, "Retry-After"), "");
	a.object.state = "running";
	reply = ask(&a, "HEAD " TASK, NULL);
	assert_int_equal(reply->status, 200);
	assert_int_equal(reply->len, 0);
	assert_int_equal(atoi(reply_header(reply, "Content-Length")), len);
	/* Capitals are the same id; ours are small. */
	reply =
	    ask(&a, "GET /tasks/01936B2E-5C7A-7D31-9F2B-3A6C1D0E4F58", NULL);
	assert_int_equal(reply->status, 200);
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n");
}

static void
test_retry_after(void **state)
{
	(void)state;
	a.object.due = ((int64_t)time(NULL) + 20) * 1000;
	assert_in_range(
	    atoi(reply_header(ask(&a, "GET " TASK, NULL), "Retry-After")), 20,
	    21);
	a.object.due = INT64_MAX;
	assert_string_equal(
	    reply_header(ask(&a, "GET " TASK, NULL), "Retry-After"), "60");
	a.object.due = 1;
	assert_string_equal(
	    reply_header(ask(&a, "GET " TASK, NULL), "Retry-After"), "1");
}

static void
test_object_refused(void **state)
{
	struct ol_engine_result *result = &a.engine.answers[FAKE_GET];
	const struct reply *reply;

	(void)state;
	result->answer = OL_ENGINE_UNKNOWN;
	result->object = NULL;
	reply = ask(&a, "GET " TASK, NULL);
	expect_problem(reply, 404, "not-found");
	assert_string_equal(reply_header(reply, "Outlast-Task-Id"), "");
	result->answer = OL_ENGINE_NOT_TAKEN;
	reply = ask(&a, "GET " TASK, NULL);
	expect_problem(reply, 503, "unavailable");
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
}

/* --- whose it is --- */

static const char *const ways[] = { "GET " TASK, "GET " TASK "/result",
	"DELETE " TASK };

/* What a stranger is told is what he is told of a task that is not there. */
static void
expect_hidden(const char *const *more)
{
	static char unknown[32768];
	const struct reply *reply;
	struct ol_engine_result was[FAKE_OPERATIONS];
	size_t i, k;

	for (i = 0; i < 3; i++) {
		memcpy(was, a.engine.answers, sizeof(was));
		for (k = 0; k < FAKE_OPERATIONS; k++) {
			a.engine.answers[k].answer = OL_ENGINE_UNKNOWN;
			a.engine.answers[k].object = NULL;
		}
		reply = ask(&a, ways[i], more);
		snprintf(
		    unknown, sizeof(unknown), "%s%s", reply->head, reply->body);
		memcpy(a.engine.answers, was, sizeof(was));
		reply = ask(&a, ways[i], more);
		expect_problem(reply, 404, "not-found");
		assert_memory_equal(unknown, reply->head, strlen(reply->head));
		assert_string_equal(unknown + strlen(reply->head), reply->body);
		/* And it is as quick: nothing else was done for it. */
		assert_string_equal(a.engine.asked, "get " ASKING_ID "\n");
	}
}

static void
expect_seen(const char *const *more)
{
	assert_int_equal(ask(&a, ways[0], more)->status, 200);
	assert_int_equal(ask(&a, ways[1], more)->status, 200);
	assert_int_equal(ask(&a, ways[2], more)->status, 202);
}

static void
test_owner(void **state)
{
	(void)state;
	a.object.succeeded = true;
	expect_seen(PARAMS("OUTLAST_OWNER=anybody"));
	a.object.owner = "jane";
	expect_seen(PARAMS("OUTLAST_OWNER=jane"));
	expect_hidden(PARAMS("OUTLAST_OWNER=joe"));
	expect_hidden(PARAMS("OUTLAST_OWNER=jan"));
	expect_hidden(PARAMS("OUTLAST_OWNER=janet"));
	expect_hidden(PARAMS("OUTLAST_OWNER="));
	expect_hidden(PARAMS("HTTP_OUTLAST_OWNER=jane"));
	expect_seen(PARAMS("OUTLAST_ACCESS=app"));
	expect_seen(PARAMS("OUTLAST_ACCESS=operator", "OUTLAST_OWNER=joe"));
	assert_int_equal(
	    ask(&a, ways[0], PARAMS("OUTLAST_ACCESS=viewer"))->status, 200);
	/* Not through a client's door. */
	a.door.access = OL_ACCESS_CLIENT;
	expect_hidden(PARAMS("OUTLAST_ACCESS=operator"));
}

static void
test_session(void **state)
{
	static char cookie[20016] = "OUTLAST_SESSION=";

	(void)state;
	a.object.succeeded = true;
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=thumbnail", "OUTLAST_SESSION=secret"));
	assert_string_equal(a.engine.asked, "submit thumbnail session\n");
	a.object.has_session = true;
	memcpy(a.object.session, a.engine.session, 32);
	expect_seen(PARAMS("OUTLAST_SESSION=secret"));
	expect_hidden(PARAMS("OUTLAST_SESSION=secret2"));
	expect_hidden(PARAMS("OUTLAST_SESSION="));
	/* None is not one of zeros. */
	memset(a.object.session, 0, 32);
	expect_hidden(PARAMS("OUTLAST_SESSION="));
	memcpy(a.object.session, a.engine.session, 32);
	expect_seen(PARAMS("OUTLAST_ACCESS=app"));
	/* A browser may send a long one: that is no mistake of the server's. */
	memset(cookie + 16, 'x', sizeof(cookie) - 17);
	expect_hidden(PARAMS(cookie));
	/* Both must be right where there are both. */
	a.object.owner = "jane";
	expect_hidden(PARAMS("OUTLAST_SESSION=secret"));
	expect_hidden(PARAMS("OUTLAST_OWNER=jane"));
	expect_seen(PARAMS("OUTLAST_OWNER=jane", "OUTLAST_SESSION=secret"));
}

/* --- the result --- */

static void
test_result(void **state)
{
	struct ol_engine_result *result = &a.engine.answers[FAKE_RESULT];
	const struct reply *reply;

	(void)state;
	a.object.state = "succeeded";
	a.object.ended = a.object.succeeded = true;
	a.object.result_type = "image/jpeg";
	result->body = ol_body_new("a\0b", 3);
	reply = ask(&a, "GET " TASK "/result", NULL);
	assert_int_equal(reply->status, 200);
	assert_string_equal(
	    a.engine.asked, "get " ASKING_ID "\nresult " ASKING_ID "\n");
	assert_int_equal(reply->len, 3);
	assert_memory_equal(reply->body, "a\0b", 3);
	assert_string_equal(reply_header(reply, "Content-Type"), "image/jpeg");
	assert_string_equal(reply_header(reply, "Content-Length"), "3");
	assert_string_equal(
	    reply_header(reply, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(
	    reply_header(reply, "Content-Security-Policy"), "sandbox");
	assert_string_equal(reply_header(reply, "Outlast-State"), "succeeded");
	reply = ask(&a, "HEAD " TASK "/result", NULL);
	assert_int_equal(reply->status, 200);
	assert_int_equal(reply->len, 0);
	assert_string_equal(reply_header(reply, "Content-Length"), "3");
	/* A type that would be another header is not one. */
	a.object.result_type = "text/html\r\nSet-Cookie: x=y";
	reply = ask(&a, "GET " TASK "/result", NULL);
	assert_int_equal(reply->len, 3);
	assert_string_equal(
	    reply_header(reply, "Content-Type"), "application/octet-stream");
	assert_string_equal(reply_header(reply, "Set-Cookie"), "");
	ol_body_free(result->body);
	result->body = NULL;
	reply = ask(&a, "GET " TASK "/result", NULL);
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply_header(reply, "Content-Length"), "0");
}

static void
test_no_result(void **state)
{
	struct ol_engine_result *result = &a.engine.answers[FAKE_RESULT];
	const struct reply *reply;

	(void)state;
	result->answer = OL_ENGINE_UNFINISHED;
	reply = ask(&a, "GET " TASK "/result", NULL);
	expect_problem(reply, 409, "not-ended");
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
	assert_string_equal(reply_header(reply, "Outlast-State"), "running");
	assert_non_null(strstr(reply->body, "\"instance\":\"" TASK "\""));
	a.object.ended = true;
	a.object.state = "failed";
	a.object.error_kind = "exit";
	a.object.error_message = "exit 1";
	result->answer = OL_ENGINE_OK;
	reply = ask(&a, "GET " TASK "/result", NULL);
	expect_problem(reply, 502, "task-failed");
	assert_non_null(strstr(reply->body, "\"instance\":\"" TASK "\""));
	assert_non_null(strstr(reply->body, "exit 1"));
	assert_string_equal(reply_header(reply, "Retry-After"), "");
	a.object.state = "poisoned";
	expect_problem(
	    ask(&a, "GET " TASK "/result", NULL), 502, "task-failed");
	a.object.state = "cancelled";
	a.object.cancelled = true;
	expect_problem(
	    ask(&a, "GET " TASK "/result", NULL), 410, "task-cancelled");
	result->answer = OL_ENGINE_GONE;
	expect_problem(
	    ask(&a, "GET " TASK "/result", NULL), 410, "task-cancelled");
	a.object.cancelled = false;
	a.object.succeeded = true;
	a.object.state = "succeeded";
	expect_problem(
	    ask(&a, "GET " TASK "/result", NULL), 410, "result-gone");
	result->answer = OL_ENGINE_UNKNOWN;
	result->object = NULL;
	expect_problem(ask(&a, "GET " TASK "/result", NULL), 404, "not-found");
	result->answer = OL_ENGINE_NOT_TAKEN;
	expect_problem(
	    ask(&a, "GET " TASK "/result", NULL), 503, "unavailable");
}

enum { LARGE = 9 * 1024 * 1024 };

static struct ol_body *
large_body(bool file)
{
	static unsigned char bytes[LARGE];
	FILE *f;
	int fd, i;

	for (i = 0; i < LARGE; i++)
		bytes[i] = (unsigned char)(i * 7 + i / 4096);
	if (!file)
		return ol_body_new(bytes, LARGE);
	f = tmpfile();
	assert_int_equal(fwrite(bytes, 1, LARGE, f), LARGE);
	fflush(f);
	fd = dup(fileno(f));
	fclose(f);
	return ol_body_file(fd, LARGE);
}

/* A reader that takes nothing costs us a little, and gets all in the end. */
static void
test_large_result(void **state)
{
	static struct records r;
	const struct reply *reply;
	int fd, file, i;

	(void)state;
	a.object.ended = a.object.succeeded = true;
	for (file = 0; file < 2; file++) {
		a.engine.answers[FAKE_RESULT].body = large_body(file);
		fd = asking_connect(&a);
		asking_request(&r, "GET " TASK "/result", NULL, NULL, 0);
		asking_send(&a, fd, r.data, r.len);
		fake_engine_answer(&a.engine);
		for (i = 0; i < 100; i++)
			asking_turn(&a);
		/* It waits for us: our reference, and that of the request. */
		assert_int_equal(
		    a.engine.answers[FAKE_RESULT].body->references, 2);
		reply = asking_reply(&a, fd);
		assert_true(reply->ended);
		assert_int_equal(reply->len, LARGE);
		for (i = 0; i < LARGE; i++)
			if ((unsigned char)reply->body[i] !=
			    (unsigned char)(i * 7 + i / 4096))
				fail_msg("byte %d", i);
		assert_int_equal(
		    a.engine.answers[FAKE_RESULT].body->references, 1);
		ol_body_free(a.engine.answers[FAKE_RESULT].body);
		close(fd);
		asking_turn(&a);
	}
}

/* Half of a result is never taken for the whole. */
static void
test_broken_result(void **state)
{
	struct ol_body *body = large_body(true);
	const struct reply *reply;

	(void)state;
	a.object.ended = a.object.succeeded = true;
	assert_int_equal(ftruncate(body->fd, 100000), 0);
	a.engine.answers[FAKE_RESULT].body = body;
	reply = ask(&a, "GET " TASK "/result", NULL);
	assert_true(reply->len <= 100000);
	assert_false(reply->ended);
	assert_true(reply->closed);
	ol_body_free(body);
}

/* --- cancel --- */

static void
test_cancel(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "DELETE " TASK, NULL);
	assert_int_equal(reply->status, 202);
	assert_string_equal(
	    a.engine.asked, "get " ASKING_ID "\ncancel " ASKING_ID "\n");
	reply = ask(&a, "DELETE " TASK, PARAMS("OUTLAST_ACCESS=app"));
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked, "cancel " ASKING_ID "\n");
	a.object.ended = true;
	a.object.state = "cancelled";
	reply = ask(&a, "DELETE " TASK, NULL);
	assert_int_equal(reply->status, 200);
	assert_non_null(strstr(reply->body, "\"state\":\"cancelled\""));
	/* Where the type does not let clients. */
	a.object.type = "report";
	reply = ask(&a, "DELETE " TASK, NULL);
	expect_problem(reply, 403, "access-too-low");
	assert_non_null(strstr(reply->body, "\\\"app\\\""));
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n");
	/* A type that is configured no more. */
	a.object.type = "gone";
	expect_problem(ask(&a, "DELETE " TASK, NULL), 403, "access-too-low");
	assert_int_equal(
	    ask(&a, "DELETE " TASK, PARAMS("OUTLAST_ACCESS=operator"))->status,
	    200);
	expect_problem(
	    ask(&a, "DELETE " TASK "?purge=yes", NULL), 400, "bad-request");
	assert_string_equal(a.engine.asked, "");
	a.engine.answers[FAKE_CANCEL].answer = OL_ENGINE_UNSURE;
	expect_problem(ask(&a, "DELETE " TASK, PARAMS("OUTLAST_ACCESS=app")),
	    503, "unsure");
}

static void
test_purge(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask(
	    &a, "DELETE " TASK "?purge=1", PARAMS("OUTLAST_ACCESS=operator"));
	assert_int_equal(reply->status, 204);
	assert_string_equal(a.engine.asked, "purge " ASKING_ID "\n");
	a.engine.answers[FAKE_PURGE].answer = OL_ENGINE_UNFINISHED;
	reply = ask(
	    &a, "DELETE " TASK "?purge=1", PARAMS("OUTLAST_ACCESS=operator"));
	expect_problem(reply, 409, "not-ended");
	assert_non_null(strstr(reply->body, "cancel it first"));
	a.engine.answers[FAKE_PURGE].answer = OL_ENGINE_UNKNOWN;
	a.engine.answers[FAKE_PURGE].object = NULL;
	reply = ask(
	    &a, "DELETE " TASK "?purge=1", PARAMS("OUTLAST_ACCESS=operator"));
	expect_problem(reply, 404, "not-found");
}

/* --- pages of other sites --- */

static void
test_cross_site(void **state)
{
	static const char *const from[] = { "HTTP_SEC_FETCH_SITE=cross-site",
		"HTTP_ORIGIN=https://evil.example" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		expect_problem(ask(&a, "POST /tasks/thumbnail",
				   PARAMS("OUTLAST_ACCESS=app", from[i])),
		    403, "cross-site");
		expect_problem(ask(&a, "DELETE " TASK,
				   PARAMS("OUTLAST_ACCESS=operator", from[i])),
		    403, "cross-site");
		expect_problem(ask(&a, "POST /x",
				   PARAMS("OUTLAST_ACCESS=operator",
				       "OUTLAST_TASK=report", from[i])),
		    403, "cross-site");
		assert_string_equal(a.engine.asked, "");
		/* Reading, and what any visitor may do. */
		assert_int_equal(ask(&a, "GET " TASK,
				     PARAMS("OUTLAST_ACCESS=operator", from[i]))
				     ->status,
		    200);
		assert_int_equal(ask(&a, "POST /x",
				     PARAMS("OUTLAST_TASK=thumbnail", from[i]))
				     ->status,
		    202);
	}
	assert_int_equal(ask(&a, "POST /tasks/thumbnail",
			     PARAMS("OUTLAST_ACCESS=app",
				 "HTTP_ORIGIN=https://www.example.org"))
			     ->status,
	    202);
}

/* --- the rest --- */

static void
test_probes(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "GET /tasks/readyz", NULL);
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "ready\n");
	a.engine.health = OL_ENGINE_DRAINING;
	a.engine.why = "stopping";
	reply = ask(&a, "GET /tasks/readyz", NULL);
	assert_int_equal(reply->status, 503);
	assert_string_equal(reply->body, "stopping\n");
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
	reply = ask(&a, "GET /tasks/livez", NULL);
	assert_int_equal(reply->status, 200);
	expect_problem(
	    ask(&a, "POST /tasks/livez", NULL), 405, "method-not-allowed");
}

static void
test_not_yet(void **state)
{
	static const char *const later[] = { "GET /tasks/", "GET /tasks",
		"GET /tasks/?state=failed", "GET /tasks/ui/",
		"GET /tasks/events", "GET /tasks/metrics",
		"GET " TASK "/events", "POST " TASK "/retry",
		"POST /tasks/queues/thumbnail/pause", "GET " TASK "/",
		"GET /tasks//" ASKING_ID, "GET /tasks/%2e", "GET /elsewhere" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		expect_problem(
		    ask(&a, later[i], PARAMS("OUTLAST_ACCESS=operator")), 404,
		    "not-found");
}

static void
test_gone(void **state)
{
	static const char *const what[] = { "POST /x", "GET " TASK,
		"GET " TASK "/result", "DELETE " TASK };
	static struct records r;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 4; i++) {
		fd = asking_connect(&a);
		asking_request(&r, what[i],
		    i == 0 ? PARAMS("OUTLAST_TASK=thumbnail") : NULL, NULL, 0);
		asking_send(&a, fd, r.data, r.len);
		close(fd);
		asking_turn(&a);
		assert_int_equal(a.engine.left, i + 1);
		assert_int_equal(fake_engine_answer(&a.engine), 0);
	}
	/* In the middle of a body. */
	fd = asking_connect(&a);
	asking_request(
	    &r, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"), "hello", 5);
	asking_send(&a, fd, r.data, r.len - 8);
	close(fd);
	asking_turn(&a);
	assert_int_equal(ol_server_requests(a.server), 0);
}

/* In the middle of a large result. */
static void
test_gone_reading(void **state)
{
	static struct records r;
	struct ol_body *body = large_body(false);
	int fd;

	(void)state;
	a.object.ended = a.object.succeeded = true;
	a.engine.answers[FAKE_RESULT].body = body;
	fd = asking_connect(&a);
	asking_request(&r, "GET " TASK "/result", NULL, NULL, 0);
	asking_send(&a, fd, r.data, r.len);
	fake_engine_answer(&a.engine);
	asking_turn(&a);
	assert_int_equal(body->references, 2);
	close(fd);
	asking_turn(&a);
	assert_int_equal(body->references, 1);
	ol_body_free(body);
}

/* A type that a reload took away while the body came. */
static void
test_reload(void **state)
{
	static struct records r;
	struct ol_conf other = a.conf;
	int fd = asking_connect(&a);
	const struct reply *reply;

	(void)state;
	TAILQ_INIT(&other.tasks);
	asking_request(
	    &r, "POST /x", PARAMS("OUTLAST_TASK=thumbnail"), "hello", 5);
	asking_send(&a, fd, r.data, r.len - 8);
	ol_api_configure(a.api, &other);
	asking_send(&a, fd, r.data + r.len - 8, 8);
	reply = asking_reply(&a, fd);
	expect_problem(reply, 500, "misconfigured");
	close(fd);
	ol_api_configure(a.api, &a.conf);
}

/* 64 KiB of parameters, and more of them than anybody sends. */
static void
test_many_params(void **state)
{
	static char big[30000];
	static char names[50][32];
	const char *more[52];
	const struct reply *reply;
	int i;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	memcpy(big, "HTTP_X=", 7);
	for (i = 0; i < 50; i++) {
		snprintf(names[i], sizeof(names[i]), "HTTP_X%d=%d", i, i);
		more[i] = names[i];
	}
	more[0] = more[1] = big;
	more[50] = NULL;
	reply = ask(&a, "GET " TASK, more);
	assert_int_equal(reply->status, 200);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_submit),
		test(test_submit_base),
		test(test_submit_context),
		test(test_submit_options),
		test(test_methods),
		test(test_submit_refused),
		test(test_misconfigured),
		test(test_log_line),
		test(test_log_flood),
		test(test_bodies),
		test(test_key),
		test(test_fingerprint),
		test(test_large_payload),
		test(test_duplicate),
		test(test_key_of_session),
		test(test_object),
		test(test_retry_after),
		test(test_object_refused),
		test(test_owner),
		test(test_session),
		test(test_result),
		test(test_no_result),
		test(test_large_result),
		test(test_broken_result),
		test(test_cancel),
		test(test_purge),
		test(test_cross_site),
		test(test_probes),
		test(test_not_yet),
		test(test_gone),
		test(test_gone_reading),
		test(test_reload),
		test(test_many_params),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
