/* Requests that wait for a task, and the page of a visitor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "asking.h"

#define TASK	     "/tasks/" ASKING_ID
#define AWAIT_RESULT "await-result " ASKING_ID "\n"
#define AWAIT_CHANGE "await-change " ASKING_ID "\n"

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
#define SUBMIT	    "OUTLAST_TASK=thumbnail"
#define NAVIGATE    "HTTP_SEC_FETCH_MODE=navigate"

/* How the task ended, for whoever waits for that. */
static void
end_as(const char *state, enum ol_engine_answer answer)
{
	static struct ol_object object;
	struct ol_engine_result result = { .answer = answer,
		.object = &object };

	object = a.object;
	object.state = state;
	object.ended = true;
	object.ended_at = object.started + 10;
	object.succeeded = strcmp(state, "succeeded") == 0;
	object.cancelled = strcmp(state, "cancelled") == 0;
	object.error_message = object.succeeded ? "" : "exit 65: <i>no";
	if (object.succeeded) {
		object.result_type = "text/plain";
		object.result_bytes = 4;
		ol_body_free(a.engine.answers[FAKE_AWAIT_RESULT].body);
		result.body = ol_body_new("done", 4);
	}
	a.engine.answers[FAKE_AWAIT_RESULT] = result;
	a.engine.answers[FAKE_RESULT] = result;
}

static void
end_fini(void)
{
	ol_body_free(a.engine.answers[FAKE_AWAIT_RESULT].body);
	a.engine.answers[FAKE_AWAIT_RESULT].body = NULL;
}

/* The seconds that it was to wait, rounded; 0: it did not. */
static int
waited(void)
{
	int64_t left = a.engine.until - ol_clock_now();

	if (strstr(a.engine.asked, "await-") == NULL)
		return 0;
	a.engine.until = 0;
	return (int)((left + OL_MSEC(999)) / OL_SEC(1));
}

/* --- how long --- */

static void
test_how_long(void **state)
{
	static const struct {
		const char *const params[4];
		int wait;
		const char *applied;
	} all[] = {
		{ { NULL }, 0, "" },
		{ { "HTTP_PREFER=wait=5", NULL }, 5, "wait=5" },
		{ { "HTTP_PREFER=wait=50", NULL }, 50, "wait=50" },
		{ { "HTTP_PREFER=wait=51", NULL }, 50, "wait=50" },
		{ { "HTTP_PREFER=wait=0", NULL }, 0, "wait=0" },
		{ { "HTTP_PREFER=wait=x", NULL }, 0, "" },
		{ { "HTTP_PREFER=x", "HTTP_PREFER=wait=7", NULL }, 7,
		    "wait=7" },
		{ { "OUTLAST_WAIT=3s", NULL }, 3, "" },
		{ { "OUTLAST_WAIT=3", NULL }, 3, "" },
		{ { "OUTLAST_WAIT=1m", NULL }, 50, "" },
		{ { "OUTLAST_WAIT=0", NULL }, 0, "" },
		{ { "OUTLAST_WAIT=", NULL }, 0, "" },
		{ { "OUTLAST_WAIT=3s", "HTTP_PREFER=wait=9", NULL }, 9,
		    "wait=9" },
		{ { "OUTLAST_WAIT=3s", "HTTP_PREFER=wait=0", NULL }, 0,
		    "wait=0" },
		{ { "OUTLAST_WAIT=3s", "HTTP_PREFER=wait=x", NULL }, 3, "" },
		{ { "OUTLAST_WAIT=3s", "HTTP_PREFER=respond-async", NULL }, 0,
		    "respond-async" },
		{ { "HTTP_PREFER=respond-async, wait=9", NULL }, 9, "wait=9" },
	};
	const struct reply *reply;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *params[8] = { SUBMIT };

		for (k = 0; all[i].params[k] != NULL; k++)
			params[k + 1] = all[i].params[k];
		reply = ask(&a, "POST /x", params);
		assert_int_equal(reply->status, 202);
		if (waited() != all[i].wait)
			fail_msg("%s: %s", all[i].params[0], a.engine.asked);
		assert_string_equal(
		    reply_header(reply, "Preference-Applied"), all[i].applied);
		assert_string_equal(reply_header(reply, "Location"), TASK);
		assert_non_null(
		    strstr(reply->body, "\"page\":\"" TASK "/page"));
	}
	/* The administrator wants nobody to wait. */
	a.conf.wait_max = 0;
	ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=9"));
	assert_int_equal(waited(), 0);
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "OUTLAST_WAIT=soon"));
	assert_int_equal(reply->status, 500);
}

/* --- a submit that waits --- */

static void
test_in_time(void **state)
{
	const struct reply *reply;

	(void)state;
	end_as("succeeded", OL_ENGINE_OK);
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_string_equal(a.engine.asked, "submit thumbnail\n" AWAIT_RESULT);
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "done");
	assert_string_equal(reply_header(reply, "Content-Type"), "text/plain");
	assert_string_equal(reply_header(reply, "Outlast-State"), "succeeded");
	assert_string_equal(
	    reply_header(reply, "Preference-Applied"), "wait=5");
	assert_string_equal(reply_header(reply, "Outlast-Duplicate"), "");
	/* Of the first one with that key. */
	a.engine.answers[FAKE_SUBMIT].answer = OL_ENGINE_DUPLICATE;
	reply = ask(&a, "POST /x",
	    PARAMS(SUBMIT, "HTTP_PREFER=wait=5", "HTTP_IDEMPOTENCY_KEY=k"));
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "done");
	assert_string_equal(reply_header(reply, "Outlast-Duplicate"), "1");
	end_fini();
}

static void
test_other_ends(void **state)
{
	static const struct {
		const char *state;
		enum ol_engine_answer answer;
		int status;
	} all[] = {
		{ "failed", OL_ENGINE_OK, 502 },
		{ "poisoned", OL_ENGINE_OK, 502 },
		{ "cancelled", OL_ENGINE_GONE, 410 },
	};
	const struct reply *reply;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		end_as(all[i].state, all[i].answer);
		reply =
		    ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
		assert_int_equal(reply->status, all[i].status);
		assert_string_equal(
		    reply_header(reply, "Outlast-State"), all[i].state);
		assert_string_equal(reply_header(reply, "Content-Type"),
		    "application/problem+json");
	}
}

static void
test_not_in_time(void **state)
{
	struct ol_engine_result *said = &a.engine.answers[FAKE_AWAIT_RESULT];
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 202);
	assert_string_equal(reply_header(reply, "Location"), TASK);
	/* It is stored, whether the store works now or not. */
	said->answer = OL_ENGINE_NOT_TAKEN;
	said->why = "the store does not answer now";
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 202);
	/* Erased meanwhile. */
	said->answer = OL_ENGINE_UNKNOWN;
	said->object = NULL;
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 404);
	/* What is refused waits for nothing. */
	a.engine.answers[FAKE_SUBMIT].answer = OL_ENGINE_FULL;
	a.engine.answers[FAKE_SUBMIT].object = NULL;
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 503);
	assert_int_equal(waited(), 0);
}

/* The call is given up, and nothing else. */
static void
test_gone(void **state)
{
	static struct records r;
	static const char *const what[] = { "POST /x", "GET " TASK "/result",
		"GET " TASK };
	struct ol_engine_call *call;
	size_t i;
	int fd;

	(void)state;
	for (i = 0; i < 3; i++) {
		fd = asking_connect(&a);
		asking_request(&r, what[i],
		    PARAMS("HTTP_PREFER=wait=5", i == 0 ? SUBMIT : "X=",
			"HTTP_IF_NONE_MATCH=\"running-1--1-811c9dc5\""),
		    NULL, 0);
		asking_send(&a, fd, r.data, r.len);
		/* The first answer; it waits now. */
		call = TAILQ_FIRST(&a.engine.calls);
		assert_non_null(call);
		fake_engine_answer_one(&a.engine);
		assert_non_null(TAILQ_FIRST(&a.engine.calls));
		assert_int_equal(waited(), 5);
		a.engine.asked[0] = '\0';
		close(fd);
		asking_turn(&a);
		assert_int_equal(a.engine.left, i + 1);
		assert_null(TAILQ_FIRST(&a.engine.calls));
		assert_string_equal(a.engine.asked, "");
	}
}

/* A connection on which somebody asks for the result, and would wait. */
static int
ask_to_wait(void)
{
	static struct records r;
	int fd = asking_connect(&a);

	a.engine.asked[0] = '\0';
	asking_request(&r, "GET " TASK "/result",
	    PARAMS("HTTP_PREFER=wait=5", "OUTLAST_ACCESS=operator"), NULL, 0);
	asking_send(&a, fd, r.data, r.len);
	return fd;
}

/* Some connections are for those who do not wait. */
static void
test_too_many(void **state)
{
	static const char waits[] = "get " ASKING_ID "\n";
	static const char does_not[] = "result " ASKING_ID "\n";
	const struct reply *reply;
	int fd[3], i;

	(void)state;
	ol_api_limit_waits(a.api, 2);
	for (i = 0; i < 3; i++) {
		fd[i] = ask_to_wait();
		assert_string_equal(a.engine.asked, i < 2 ? waits : does_not);
	}
	close(fd[0]);
	asking_turn(&a);
	close(fd[2]);
	fd[0] = ask_to_wait();
	assert_string_equal(a.engine.asked, waits);
	close(fd[0]);
	close(fd[1]);
	asking_turn(&a);
	assert_null(TAILQ_FIRST(&a.engine.calls));
	ol_api_limit_waits(a.api, 0);
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 202);
	assert_int_equal(waited(), 0);
	assert_string_equal(
	    reply_header(reply, "Preference-Applied"), "wait=0");
	ol_api_limit_waits(a.api, 1);
	for (i = 0; i < 3; i++) {
		ask(&a, "POST /x", PARAMS(SUBMIT, "HTTP_PREFER=wait=5"));
		assert_int_equal(waited(), 5);
	}
	ol_api_limit_waits(a.api, SIZE_MAX);
}

/* --- the object and the result --- */

static void
test_long_poll(void **state)
{
	static const char known[] =
	    "HTTP_IF_NONE_MATCH=\"running-1--1-811c9dc5\"";
	struct ol_object changed = a.object;
	const struct reply *reply;

	(void)state;
	/* Nothing changes. */
	reply = ask(&a, "GET " TASK, PARAMS(known, "HTTP_PREFER=wait=30"));
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n" AWAIT_CHANGE);
	assert_int_equal(waited(), 30);
	assert_int_equal(reply->status, 304);
	assert_string_equal(
	    reply_header(reply, "ETag"), "\"running-1--1-811c9dc5\"");
	assert_string_equal(
	    reply_header(reply, "Preference-Applied"), "wait=30");
	/* Something does. */
	changed.progress = 45;
	a.engine.answers[FAKE_AWAIT_CHANGE].answer = OL_ENGINE_OK;
	a.engine.answers[FAKE_AWAIT_CHANGE].object = &changed;
	reply = ask(&a, "GET " TASK, PARAMS(known, "HTTP_PREFER=wait=30"));
	assert_int_equal(reply->status, 200);
	assert_non_null(strstr(reply->body, "\"percent\":45"));
	/* It had changed before; nothing is known; nobody asked to wait. */
	reply = ask(&a, "GET " TASK,
	    PARAMS("HTTP_IF_NONE_MATCH=\"x\"", "HTTP_PREFER=wait=30"));
	assert_int_equal(reply->status, 200);
	assert_int_equal(waited(), 0);
	reply = ask(&a, "GET " TASK, PARAMS("HTTP_PREFER=wait=30"));
	assert_int_equal(reply->status, 200);
	assert_int_equal(waited(), 0);
	assert_string_equal(reply_header(reply, "Preference-Applied"), "");
	reply = ask(&a, "GET " TASK, PARAMS(known, "OUTLAST_WAIT=5s"));
	assert_int_equal(reply->status, 304);
	assert_int_equal(waited(), 0);
	/* What has ended does not change. */
	a.object.ended = true;
	reply = ask(&a, "GET " TASK, PARAMS(known, "HTTP_PREFER=wait=30"));
	assert_int_equal(reply->status, 304);
	assert_int_equal(waited(), 0);
	/* Not to be seen: not to be waited for. */
	a.object.ended = false;
	a.object.owner = "jane";
	reply = ask(&a, "GET " TASK, PARAMS(known, "HTTP_PREFER=wait=30"));
	assert_int_equal(reply->status, 404);
	assert_int_equal(waited(), 0);
}

/* A change that leaves everything as it was is none: it goes on waiting. */
static void
test_long_poll_goes_on(void **state)
{
	static struct records r;
	struct ol_engine_result *said = &a.engine.answers[FAKE_AWAIT_CHANGE];
	struct ol_object changed = a.object;
	int fd = asking_connect(&a), i;

	(void)state;
	asking_request(&r, "GET " TASK,
	    PARAMS("HTTP_IF_NONE_MATCH=\"running-1--1-811c9dc5\"",
		"HTTP_PREFER=wait=30"),
	    NULL, 0);
	asking_send(&a, fd, r.data, r.len);
	said->answer = OL_ENGINE_OK;
	for (i = 0; i < 4; i++)
		fake_engine_answer_one(&a.engine);
	assert_string_equal(a.engine.asked,
	    "get " ASKING_ID
	    "\n" AWAIT_CHANGE AWAIT_CHANGE AWAIT_CHANGE AWAIT_CHANGE);
	changed.state = "retrying";
	said->object = &changed;
	fake_engine_answer_one(&a.engine);
	assert_int_equal(asking_reply(&a, fd)->status, 200);
	close(fd);
	asking_turn(&a);
}

static void
test_result_waits(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "GET " TASK "/result", PARAMS("HTTP_PREFER=wait=5"));
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n" AWAIT_RESULT);
	assert_int_equal(waited(), 5);
	assert_int_equal(reply->status, 409);
	end_as("succeeded", OL_ENGINE_OK);
	reply = ask(&a, "GET " TASK "/result",
	    PARAMS("HTTP_PREFER=wait=5", "OUTLAST_ACCESS=app"));
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "done");
	reply = ask(&a, "HEAD " TASK "/result", PARAMS("HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 200);
	assert_int_equal(reply->len, 0);
	reply = ask(&a, "GET " TASK "/result", PARAMS("OUTLAST_WAIT=5s"));
	assert_int_equal(waited(), 0);
	a.object.owner = "jane";
	reply = ask(&a, "GET " TASK "/result", PARAMS("HTTP_PREFER=wait=5"));
	assert_int_equal(reply->status, 404);
	assert_int_equal(waited(), 0);
	end_fini();
}

/* --- browsers --- */

static void
test_navigation(void **state)
{
	static const struct {
		const char *const params[3];
		bool navigates;
	} all[] = {
		{ { NAVIGATE, NULL }, true },
		{ { "HTTP_SEC_FETCH_MODE=NAVIGATE", NULL }, true },
		{ { NAVIGATE, "HTTP_ACCEPT=*/*", NULL }, true },
		{ { "HTTP_ACCEPT=text/html", NULL }, true },
		{ { "HTTP_ACCEPT=image/png, Text/HTML;q=0.9", NULL }, true },
		{ { "HTTP_ACCEPT=text/html,application/xhtml+xml,*/*;q=0.8",
		      NULL },
		    true },
		/* A browser inside of an app. */
		{ { "HTTP_X_REQUESTED_WITH=org.example.app",
		      "HTTP_ACCEPT=text/html", NULL },
		    true },
		{ { "HTTP_ACCEPT=*/*", NULL }, false },
		{ { "HTTP_X_REQUESTED_WITH=XMLHttpRequest",
		      "HTTP_ACCEPT=text/html, */*; q=0.01", NULL },
		    false },
		{ { "HTTP_ACCEPT=text/*", NULL }, false },
		{ { "HTTP_ACCEPT=text/html-x", NULL }, false },
		{ { "HTTP_ACCEPT=x-text/html", NULL }, false },
		{ { "HTTP_ACCEPT=text/html;q=0", NULL }, false },
		{ { "HTTP_SEC_FETCH_MODE=cors", "HTTP_ACCEPT=text/html", NULL },
		    false },
		{ { "HTTP_SEC_FETCH_SITE=none", "HTTP_ACCEPT=text/html", NULL },
		    false },
		{ { "HTTP_SEC_FETCH_DEST=empty", "HTTP_ACCEPT=text/html",
		      NULL },
		    false },
		{ { NULL }, false },
	};
	const struct reply *reply;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const char *params[8] = { SUBMIT };

		for (k = 0; all[i].params[k] != NULL; k++)
			params[k + 1] = all[i].params[k];
		reply = ask(&a, "POST /x", params);
		if (reply->status != (all[i].navigates ? 303 : 202))
			fail_msg("%s: %d", all[i].params[0], reply->status);
		assert_string_equal(reply_header(reply, "Location"),
		    all[i].navigates ? TASK "/page" : TASK);
		assert_string_equal(
		    reply_header(reply, "Outlast-Task-Id"), ASKING_ID);
	}
	/* After its wait; in time, it is the result. */
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, NAVIGATE, "OUTLAST_WAIT=5s"));
	assert_int_equal(waited(), 5);
	assert_int_equal(reply->status, 303);
	end_as("succeeded", OL_ENGINE_OK);
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, NAVIGATE, "OUTLAST_WAIT=5s"));
	assert_int_equal(reply->status, 200);
	end_fini();
	end_as("failed", OL_ENGINE_OK);
	reply = ask(&a, "POST /x", PARAMS(SUBMIT, NAVIGATE, "OUTLAST_WAIT=5s"));
	assert_int_equal(reply->status, 502);
	assert_string_equal(
	    reply_header(reply, "Content-Type"), "text/html; charset=utf-8");
	/* A prefetch is no visit. */
	reply = ask(&a, "POST /x",
	    PARAMS(SUBMIT, NAVIGATE, "HTTP_SEC_PURPOSE=prefetch"));
	assert_int_equal(reply->status, 204);
	assert_string_equal(a.engine.asked, "");
}

/* --- the page --- */

static void
expect_page(const struct reply *reply, int status)
{
	const char *policy = reply_header(reply, "Content-Security-Policy");

	assert_int_equal(reply->status, status);
	assert_string_equal(
	    reply_header(reply, "Content-Type"), "text/html; charset=utf-8");
	policy = reply_header(reply, "Content-Security-Policy");
	assert_int_equal(strncmp(policy, "default-src 'none'; ", 20), 0);
	assert_null(strstr(policy, "unsafe"));
	assert_string_equal(reply_header(reply, "Cache-Control"), "no-store");
	assert_int_equal(
	    atoi(reply_header(reply, "Content-Length")), reply->len);
	assert_true(reply->len < 6 * 1024);
	assert_non_null(strstr(reply->body, "<html lang=\"en\">"));
	/* Nothing from elsewhere. */
	assert_null(strstr(reply->body, "http://"));
	assert_null(strstr(reply->body, "https://"));
	assert_null(strstr(reply->body, "src="));
	assert_null(strstr(reply->body, "thumbnail"));
}

static void
test_page(void **state)
{
	static const struct {
		const char *state;
		int attempt, progress;
		int64_t due;
		const char *title, *words;
		bool moves;
	} all[] = {
		{ "ready", 0, -1, 0, "Waiting for its turn", "as soon as",
		    false },
		{ "ready", 1, -1, 0, "Waiting for its turn", "interrupted",
		    false },
		{ "scheduled", 0, -1, 1763673311123, "Not begun yet",
		    "It begins at <time datetime=\"2025-11-20T21:15:11.123Z\">"
		    "2025-11-20 21:15 UTC</time>",
		    false },
		{ "running", 1, -1, 0, "In progress", "takes a moment", true },
		{ "running", 2, 0, 0, "0 % – In progress",
		    "This is attempt 2 of 4.", false },
		{ "running", 1, 45, 0, "45 % – In progress", "value=\"45\"",
		    false },
		{ "retrying", 2, 45, 1763673311123, "Trying again soon",
		    "Attempt 2 of 4 did not work out", false },
		{ "parked", 0, -1, 0, "On hold", "paused", false },
	};
	const struct reply *reply;
	char title[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		a.object.state = all[i].state;
		a.object.attempt = (uint32_t)all[i].attempt;
		a.object.progress = all[i].progress;
		a.object.due = all[i].due;
		reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
		expect_page(reply, 200);
		snprintf(
		    title, sizeof(title), "<title>%s</title>", all[i].title);
		if (strstr(reply->body, title) == NULL ||
		    strstr(reply->body, all[i].words) == NULL)
			fail_msg("%s: %s", title, reply->body);
		assert_int_equal(
		    strstr(reply->body, " value=\"") == NULL, all[i].moves);
		assert_non_null(
		    strstr(reply->body, "<progress role=\"progressbar\""));
		assert_non_null(strstr(
		    reply->body, "<noscript><meta http-equiv=\"refresh\""));
		assert_non_null(strstr(reply->body, "Submitted <time"));
	}
	/* For whoever asks; and it is only a look. */
	expect_page(ask(&a, "GET " TASK "/page", NULL), 200);
	expect_page(
	    ask(&a, "GET " TASK "/page", PARAMS("HTTP_PURPOSE=prefetch")), 200);
	assert_string_equal(a.engine.asked, "get " ASKING_ID "\n");
	reply = ask(&a, "HEAD " TASK "/page", NULL);
	assert_int_equal(reply->status, 200);
	assert_int_equal(reply->len, 0);
	reply = ask(&a, "POST " TASK "/page", NULL);
	assert_int_equal(reply->status, 405);
	/* What is known of it stands in it, for the long poll. */
	a.object.state = "running";
	a.object.progress = -1;
	a.object.attempt = 1;
	reply = ask(&a, "GET " TASK "/page", NULL);
	assert_non_null(strstr(
	    reply->body, "data-etag=\"&quot;running-1--1-811c9dc5&quot;\""));
}

/* The longest words, and those that would be more than words. */
static void
test_page_words(void **state)
{
	static const char *const evil[] = { "<script>alert(1)</script>",
		"</p><img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>",
		"' onmouseover='alert(1)", "</title></style></script>", "<!--",
		"&lt;script&gt;", "]]>", "<\xc0\xbcscript>", "\xff\xfe<b>",
		"javascript:alert(1)" };
	static char plain[8192], words[4096];
	const struct reply *reply;
	size_t i, tags = 0, n;
	const char *at;

	(void)state;
	a.object.progress = 45;
	a.object.progress_text = "x";
	reply = ask(&a, "GET " TASK "/page", NULL);
	strlcpy(plain, reply->body, sizeof(plain));
	for (at = plain; *at != '\0'; at++)
		tags += *at == '<' || *at == '>' || *at == '"' || *at == '\'';
	for (i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		a.object.progress_text = evil[i];
		reply = ask(&a, "GET " TASK "/page", NULL);
		assert_int_equal(reply->status, 200);
		/* Not one more of what HTML is made of. */
		for (n = 0, at = reply->body; *at != '\0'; at++)
			n += *at == '<' || *at == '>' || *at == '"' ||
			     *at == '\'';
		if (n != tags)
			fail_msg("%s: %s", evil[i], reply->body);
	}
	memset(words, '"', sizeof(words) - 1);
	a.object.progress_text = words;
	reply = ask(&a, "GET " TASK "/page", NULL);
	assert_int_equal(reply->status, 200);
	assert_non_null(strstr(reply->body, "</html>\n"));
}

static void
test_page_ended(void **state)
{
	static const struct {
		const char *state;
		enum ol_engine_answer answer;
		int status;
		const char *title;
	} all[] = {
		{ "failed", OL_ENGINE_OK, 502, "This did not work" },
		{ "poisoned", OL_ENGINE_OK, 502, "This did not work" },
		{ "cancelled", OL_ENGINE_GONE, 410, "This was cancelled" },
	};
	const struct reply *reply;
	size_t i;

	(void)state;
	a.object.ended = true;
	for (i = 0; i < 3; i++) {
		end_as(all[i].state, all[i].answer);
		reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
		expect_page(reply, all[i].status);
		assert_non_null(strstr(reply->body, all[i].title));
		assert_non_null(strstr(reply->body, ASKING_ID));
		/* Why is the operator's to know. */
		assert_null(strstr(reply->body, "exit 65"));
		assert_string_equal(
		    reply_header(reply, "Outlast-State"), all[i].state);
		reply = ask(&a, "GET " TASK "/page", NULL);
		assert_int_equal(reply->status, all[i].status);
		assert_string_equal(reply_header(reply, "Content-Type"),
		    "application/problem+json");
	}
	end_as("succeeded", OL_ENGINE_OK);
	reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
	assert_int_equal(reply->status, 200);
	assert_string_equal(reply->body, "done");
	a.engine.answers[FAKE_RESULT].answer = OL_ENGINE_GONE;
	reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
	expect_page(reply, 410);
	end_fini();
}

static void
test_page_refused(void **state)
{
	const struct reply *reply;

	(void)state;
	a.object.owner = "jane";
	reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
	expect_page(reply, 404);
	assert_null(strstr(reply->body, ASKING_ID));
	reply = ask(
	    &a, "GET " TASK "/page", PARAMS(NAVIGATE, "OUTLAST_OWNER=jane"));
	expect_page(reply, 200);
	a.engine.answers[FAKE_GET].answer = OL_ENGINE_NOT_TAKEN;
	a.engine.answers[FAKE_GET].object = NULL;
	reply = ask(&a, "GET " TASK "/page", PARAMS(NAVIGATE));
	expect_page(reply, 503);
	assert_string_equal(reply_header(reply, "Retry-After"), "1");
	a.engine.answers[FAKE_SUBMIT].answer = OL_ENGINE_FULL;
	a.engine.answers[FAKE_SUBMIT].object = NULL;
	expect_page(ask(&a, "POST /x", PARAMS(SUBMIT, NAVIGATE)), 503);
}

#define test(fn) cmocka_unit_test_setup_teardown(fn, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_how_long),
		test(test_in_time),
		test(test_other_ends),
		test(test_not_in_time),
		test(test_gone),
		test(test_too_many),
		test(test_long_poll),
		test(test_long_poll_goes_on),
		test(test_result_waits),
		test(test_navigation),
		test(test_page),
		test(test_page_words),
		test(test_page_ended),
		test(test_page_refused),
	};

	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
