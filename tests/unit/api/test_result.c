/* How an ended task is answered: what a backend replied, in full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/body.h"
#include "asking.h"

#define RESULT "/tasks/" ASKING_ID "/result"

static struct asking a;

static int
start(void **state)
{
	(void)state;
	asking_start(&a);
	a.object.ended = true;
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	asking_stop(&a);
	return 0;
}

/* The task ended so; body NULL: it is empty. */
static const struct reply *
ended(const char *what, const char *state, const char *reply, const char *body)
{
	struct ol_engine_result *result = &a.engine.answers[FAKE_RESULT];
	const struct reply *got;

	a.object.state = state;
	a.object.succeeded = strcmp(state, "succeeded") == 0;
	a.object.cancelled = strcmp(state, "cancelled") == 0;
	a.object.reply = reply;
	result->answer = OL_ENGINE_OK;
	if (a.object.cancelled)
		result->answer = OL_ENGINE_GONE;
	if (body != NULL)
		result->body = ol_body_new(body, strlen(body));
	got = ask(&a, what, NULL);
	ol_body_free(result->body);
	result->body = NULL;
	return got;
}

/* How often a header stands there. */
static int
times(const struct reply *reply, const char *name)
{
	const char *line = reply->head;
	size_t len = strlen(name);
	int n = 0;

	for (; *line != '\0'; line = strstr(line, "\r\n") + 2)
		n += strncasecmp(line, name, len) == 0 && line[len] == ':';
	return n;
}

static void
test_status_headers_and_bytes(void **state)
{
	const struct reply *r;

	(void)state;
	r = ended("GET " RESULT, "succeeded",
	    "201\nSet-Cookie: a=1; path=/\nContent-Type: text/csv; "
	    "charset=utf-8\nX-Powered-By: PHP/8.2\nset-cookie: b=2\n"
	    "Content-Disposition: attachment; filename=\"r:1.csv\"\n"
	    "Empty:\n",
	    "a,b\n");
	assert_int_equal(r->status, 201);
	assert_string_equal(
	    reply_header(r, "Content-Type"), "text/csv; charset=utf-8");
	assert_string_equal(reply_header(r, "X-Powered-By"), "PHP/8.2");
	assert_string_equal(reply_header(r, "Content-Disposition"),
	    "attachment; filename=\"r:1.csv\"");
	assert_int_equal(times(r, "Empty"), 1);
	assert_int_equal(times(r, "Set-Cookie"), 2);
	assert_true(strstr(r->head, "a=1; path=/\r\n") <
		    strstr(r->head, "set-cookie: b=2\r\n"));
	assert_string_equal(reply_header(r, "Content-Length"), "4");
	assert_memory_equal(r->body, "a,b\n", 4);
	assert_int_equal(r->len, 4);
	/* Ours. */
	assert_string_equal(reply_header(r, "Outlast-Task-Id"), ASKING_ID);
	assert_string_equal(reply_header(r, "Outlast-State"), "succeeded");
	assert_string_equal(
	    reply_header(r, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(reply_header(r, "Cache-Control"), "no-store");
	assert_int_equal(times(r, "Content-Security-Policy"), 0);
}

/* What the backend says of its answer is not said twice, nor twisted. */
static void
test_headers_that_are_ours(void **state)
{
	const struct reply *r;

	(void)state;
	r = ended("GET " RESULT, "succeeded",
	    "200\ncache-control: max-age=60\nX-Content-Type-Options: sniff\n"
	    "Content-Length: 99\nconnection: close\nTransfer-Encoding: chunked\n"
	    "Status: 500\nOutlast-State: running\nTrailer: x\n"
	    "Outlast-Duplicate: 1\npreference-applied: wait=9\n"
	    "Content-Security-Policy: default-src 'self'\n",
	    "x");
	assert_int_equal(r->status, 200);
	assert_int_equal(times(r, "Cache-Control"), 1);
	assert_string_equal(reply_header(r, "Cache-Control"), "max-age=60");
	assert_int_equal(times(r, "X-Content-Type-Options"), 1);
	assert_string_equal(
	    reply_header(r, "X-Content-Type-Options"), "nosniff");
	assert_int_equal(times(r, "Content-Length"), 1);
	assert_string_equal(reply_header(r, "Content-Length"), "1");
	assert_int_equal(times(r, "Connection"), 0);
	assert_int_equal(times(r, "Transfer-Encoding"), 0);
	assert_int_equal(times(r, "Trailer"), 0);
	assert_int_equal(times(r, "Status"), 1);
	assert_int_equal(times(r, "Outlast-State"), 1);
	assert_int_equal(times(r, "Outlast-Duplicate"), 0);
	assert_int_equal(times(r, "Preference-Applied"), 0);
	assert_string_equal(
	    reply_header(r, "Content-Security-Policy"), "default-src 'self'");
}

static void
test_replies_of_each_status(void **state)
{
	static const int statuses[] = { 200, 302, 307, 401, 404, 422, 500, 503,
		599 };
	const struct reply *r;
	char reply[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		snprintf(
		    reply, sizeof(reply), "%d\nLocation: /next\n", statuses[i]);
		r = ended("GET " RESULT,
		    statuses[i] < 400 ? "succeeded" : "failed", reply, "bytes");
		assert_int_equal(r->status, statuses[i]);
		assert_string_equal(reply_header(r, "Location"), "/next");
		assert_string_equal(reply_header(r, "Outlast-State"),
		    statuses[i] < 400 ? "succeeded" : "failed");
		assert_memory_equal(r->body, "bytes", 5);
		assert_int_equal(times(r, "Content-Security-Policy"), 0);
	}
	r = ended("GET " RESULT, "poisoned", "500\n", NULL);
	assert_int_equal(r->status, 500);
	assert_string_equal(reply_header(r, "Content-Length"), "0");
	assert_int_equal(r->len, 0);
}

static void
test_replies_without_content(void **state)
{
	static const char *const replies[] = { "204\nX-A: 1\n",
		"304\nX-A: 1\n" };
	const struct reply *r;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		r = ended("GET " RESULT, "succeeded", replies[i], "a bug");
		assert_int_equal(r->status, atoi(replies[i]));
		assert_string_equal(reply_header(r, "X-A"), "1");
		assert_int_equal(times(r, "Content-Length"), 0);
		assert_int_equal(r->len, 0);
		assert_true(r->ended);
	}
	r = ended("HEAD " RESULT, "succeeded", "200\nX-A: 1\n", "12345");
	assert_int_equal(r->status, 200);
	assert_string_equal(reply_header(r, "Content-Length"), "5");
	assert_int_equal(r->len, 0);
}

static void
test_ends_without_a_reply(void **state)
{
	const struct reply *r;

	(void)state;
	a.object.error_message = "the backend cannot be reached";
	r = ended("GET " RESULT, "failed", "", NULL);
	assert_int_equal(r->status, 502);
	assert_non_null(strstr(r->body, "task-failed"));
	assert_non_null(strstr(r->body, "cannot be reached"));
	assert_int_equal(
	    ended("GET " RESULT, "poisoned", "", NULL)->status, 502);
	r = ended("GET " RESULT, "cancelled", "", NULL);
	assert_int_equal(r->status, 410);
	assert_non_null(strstr(r->body, "task-cancelled"));
	r = ended("GET " RESULT, "cancelled", "200\n", NULL);
	assert_int_equal(r->status, 410);
	assert_non_null(strstr(r->body, "task-cancelled"));
	/* A program's: in a sandbox. */
	a.object.result_type = "text/html";
	r = ended("GET " RESULT, "succeeded", "", "<p>");
	assert_int_equal(r->status, 200);
	assert_string_equal(reply_header(r, "Content-Type"), "text/html");
	assert_string_equal(
	    reply_header(r, "Content-Security-Policy"), "sandbox");
	assert_string_equal(reply_header(r, "Cache-Control"), "no-store");
}

/* Its bytes are not kept any more, or never were. */
static void
test_a_result_that_is_gone(void **state)
{
	const struct reply *r;

	(void)state;
	a.object.state = "failed";
	a.object.reply = "404\n";
	a.engine.answers[FAKE_RESULT].answer = OL_ENGINE_GONE;
	r = ask(&a, "GET " RESULT, NULL);
	assert_int_equal(r->status, 410);
	assert_non_null(strstr(r->body, "result-gone"));
}

/* Somebody has edited the database: nothing is taken for a status or header. */
static void
test_replies_that_are_none(void **state)
{
	static const char *const replies[] = { "200", "99\n", "600\n", "x\n",
		"\n", "-5\nA: b\n" };
	const struct reply *r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		r = ended("GET " RESULT, "succeeded", replies[i], "x");
		assert_int_equal(r->status, 200);
		assert_string_equal(
		    reply_header(r, "Content-Security-Policy"), "sandbox");
	}
	r = ended("GET " RESULT, "succeeded",
	    "200\nno colon\n: no name\nX: a\rSet-Cookie: b\nGood: 1\ncut: of",
	    "x");
	assert_int_equal(r->status, 200);
	assert_string_equal(reply_header(r, "Good"), "1");
	assert_int_equal(times(r, "X"), 0);
	assert_int_equal(times(r, "Set-Cookie"), 0);
	assert_int_equal(times(r, "cut"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_status_headers_and_bytes),
		TEST(test_headers_that_are_ours),
		TEST(test_replies_of_each_status),
		TEST(test_replies_without_content),
		TEST(test_ends_without_a_reply),
		TEST(test_a_result_that_is_gone),
		TEST(test_replies_that_are_none),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
