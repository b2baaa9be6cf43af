/* What a backend is sent, and what its reply means: nothing runs here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "run/command.h"
#include "run/params.h"
#include "run/reference.h"
#include "run/response.h"
#include "run/spawn.h"
#include "task/retry.h"

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

/* --- parameters ---------------------------------------------------------- */

static char name_of_type[] = "report";
static char param_names[3][32] = { "HTTP_HOST", "SCRIPT_FILENAME", "NEW" };
static char param_values[3][32] = { "shop.example", "/srv/mine.php", "" };

static struct ol_conf_env params[] = {
	{ param_names[0], param_values[0] },
	{ param_names[1], param_values[1] },
	{ param_names[2], param_values[2] },
};

static struct ol_conf_backend backend;
static struct ol_conf_task conf = {
	.name = name_of_type, .backend = &backend, .timeout = OL_SEC(60)
};

static const struct ol_run_variable recorded[] = {
	{ "QUERY_STRING", "a=b&c" },
	{ "CONTENT_LENGTH", "" },
	{ "HTTP_HOST", "one" },
	{ "OUTLAST_TASK_ID", "forged" },
	{ "OUTLAST_X", "forged" },
	{ "HTTP_X", "1" },
	{ "HTTP_HOST", "two" },
	{ "NOTIFY_SOCKET", "/forged" },
	{ "TRACEPARENT", "forged" },
	{ "HTTP_TRACEPARENT", TRACE },
	{ "HTTP_COOKIE", "s=1" },
	{ "HTTP_X", "2" },
};

static struct ol_run_job
job_of(bool whole, size_t ncontext, const struct ol_run_variable *context)
{
	return (struct ol_run_job){ .conf = &conf,
		.attempt = 3,
		.owner = "anna",
		.content_type = "text/plain",
		.context = context,
		.ncontext = ncontext,
		.recorded = whole };
}

/* "NAME=value|…" of what is sent, without what differs each time. */
static char *
sent(const struct ol_run_job *job, const char *notify)
{
	struct ol_params p;
	const char *why = NULL;
	char *text;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	if (ol_params_make(&p, job, notify, &why) == -1)
		fprintf(out, "! %s", why);
	for (i = 0; i < p.n; i++) {
		assert_int_equal(p.list[i].name_len, strlen(p.list[i].name));
		assert_int_equal(p.list[i].value_len, strlen(p.list[i].value));
		if (strcmp(p.list[i].name, "OUTLAST_TASK_ID") == 0) {
			assert_int_equal(
			    p.list[i].value_len, OL_ID_TEXT_SIZE - 1);
			fputs("ID|", out);
		} else if (strcmp(p.list[i].name, "OUTLAST_DEADLINE") == 0)
			fputs("DEADLINE|", out);
		else
			fprintf(out, "%s=%s|", p.list[i].name, p.list[i].value);
	}
	ol_params_fini(&p);
	fclose(out);
	return text;
}

static void
assert_sent(
    const struct ol_run_job *job, const char *notify, const char *expected)
{
	char *text = sent(job, notify);

	assert_string_equal(text, expected);
	free(text);
}

#define OWN(size) \
	"ID|OUTLAST_TASK_TYPE=report|OUTLAST_ATTEMPT=3|DEADLINE|" \
	"OUTLAST_OWNER=anna|OUTLAST_CONTENT_TYPE=text/plain|" \
	"OUTLAST_PAYLOAD_SIZE=" size "|"

static void
test_recorded(void **state)
{
	struct ol_run_job job =
	    job_of(true, sizeof(recorded) / sizeof(recorded[0]), recorded);
	struct ol_body body = { .fd = -1, .data = "hello", .size = 5 };

	(void)state;
	backend = (struct ol_conf_backend){ 0 };
	/* As it came, in its order, doubles too; but what is ours is ours. */
	assert_sent(&job, "/n",
	    "QUERY_STRING=a=b&c|CONTENT_LENGTH=|HTTP_HOST=one|HTTP_X=1|"
	    "HTTP_HOST=two|HTTP_TRACEPARENT=" TRACE "|HTTP_COOKIE=s=1|"
	    "HTTP_X=2|" OWN("0") "TRACEPARENT=" TRACE "|OUTLAST_NOTIFY=/n|"
				 "NOTIFY_SOCKET=/n|");
	/* The configuration's word takes the place of all of that name. */
	backend.params = params;
	backend.nparams = 3;
	job.payload = &body;
	assert_sent(&job, NULL,
	    "QUERY_STRING=a=b&c|CONTENT_LENGTH=5|HTTP_HOST=shop.example|"
	    "HTTP_X=1|HTTP_TRACEPARENT=" TRACE "|HTTP_COOKIE=s=1|HTTP_X=2|"
	    "SCRIPT_FILENAME=/srv/mine.php|NEW=|" OWN("5") "TRACEPARENT=" TRACE
							   "|");
	backend.nparams = 0;
}

/* The body's size is what it is, whatever was recorded. */
static void
test_content_length(void **state)
{
	static const struct ol_run_variable wrong[] = {
		{ "CONTENT_LENGTH", "77" },
	};
	struct ol_body body = { .fd = -1, .data = "hello", .size = 5 };
	struct ol_body empty = { .fd = -1, .data = "", .size = 0 };
	struct ol_run_job job = job_of(true, 1, wrong);

	(void)state;
	job.payload = &body;
	assert_sent(&job, NULL, "CONTENT_LENGTH=5|" OWN("5"));
	job.payload = &empty;
	assert_sent(&job, NULL, "CONTENT_LENGTH=0|" OWN("0"));
	job.payload = NULL;
	assert_sent(&job, NULL, "CONTENT_LENGTH=0|" OWN("0"));
	job.ncontext = 0;
	assert_sent(&job, NULL, OWN("0"));
	job.payload = &body;
	assert_sent(&job, NULL, "CONTENT_LENGTH=5|" OWN("5"));
}

#define SERVER \
	"GATEWAY_INTERFACE=CGI/1.1|SERVER_SOFTWARE=outlast|" \
	"SERVER_PROTOCOL=HTTP/1.1|SERVER_NAME=localhost|" \
	"SERVER_ADDR=127.0.0.1|SERVER_PORT=80|"

/* Nothing that came with a submit chooses the script. */
static void
test_not_recorded(void **state)
{
	static char method[] = "PUT", uri[] = "/a/b.php?x=%20&y";
	static char type[] = "application/json";
	static const struct ol_run_variable context[] = {
		{ "REMOTE_ADDR", "192.0.2.7" },
		{ "REQUEST_ID", "77" },
		{ "SCRIPT_FILENAME", "/etc/passwd" },
		{ "DOCUMENT_ROOT", "/" },
		{ "PATH_INFO", "/x" },
		{ "REQUEST_URI", "/other" },
		{ "REQUEST_METHOD", "DELETE" },
		{ "QUERY_STRING", "q" },
		{ "CONTENT_TYPE", "x/y" },
		{ "PHP_VALUE", "auto_prepend_file=/tmp/x" },
		{ "OUTLAST_OWNER", "eve" },
		{ "TRACEPARENT", TRACE },
	};
	struct ol_body body = { .fd = -1, .data = "{}", .size = 2 };
	struct ol_run_job job =
	    job_of(false, sizeof(context) / sizeof(context[0]), context);

	(void)state;
	backend = (struct ol_conf_backend){
		.params = params, .nparams = 2, .method = method, .uri = uri
	};
	job.payload = &body;
	assert_sent(&job, "/n",
	    SERVER "REMOTE_ADDR=192.0.2.7|REMOTE_PORT=0|HTTP_HOST=shop.example|"
		   "REQUEST_SCHEME=http|REQUEST_METHOD=PUT|"
		   "REQUEST_URI=/a/b.php?x=%20&y|DOCUMENT_URI=/a/b.php|"
		   "SCRIPT_NAME=/a/b.php|QUERY_STRING=x=%20&y|"
		   "CONTENT_TYPE=text/plain|CONTENT_LENGTH=2|REQUEST_ID=77|"
		   "SCRIPT_FILENAME=/srv/mine.php|" OWN(
		       "2") "TRACEPARENT=" TRACE
			    "|OUTLAST_NOTIFY=/n|NOTIFY_SOCKET=/n|");
	/* The block's type of content, and a URI without a query. */
	backend.content_type = type;
	backend.nparams = 0;
	uri[8] = '\0';
	job.ncontext = 0;
	job.payload = NULL;
	assert_sent(&job, NULL,
	    SERVER "REMOTE_ADDR=127.0.0.1|REMOTE_PORT=0|HTTP_HOST=localhost|"
		   "REQUEST_SCHEME=http|REQUEST_METHOD=PUT|"
		   "REQUEST_URI=/a/b.php|DOCUMENT_URI=/a/b.php|"
		   "SCRIPT_NAME=/a/b.php|QUERY_STRING=|"
		   "CONTENT_TYPE=application/json|CONTENT_LENGTH=|" OWN("0"));
	/* There is none. */
	backend.method = NULL;
	{
		char *text = sent(&job, NULL);

		assert_non_null(strstr(text, "! it was submitted without"));
		free(text);
	}
}

/* A type that has a program now: it gets of a whole request what it names. */
static void
test_program_of_recorded(void **state)
{
	static char host[] = "HTTP_HOST", query[] = "QUERY_STRING";
	static char *names[] = { host, query };
	struct ol_conf_task task = { .name = name_of_type,
		.timeout = OL_SEC(60),
		.context = names,
		.ncontext = 2 };
	struct ol_run_job job =
	    job_of(true, sizeof(recorded) / sizeof(recorded[0]), recorded);
	unsigned char *message;
	struct ol_spawn start;
	const char *at;
	size_t len;
	int n = 0;

	(void)state;
	job.conf = &task;
	message = ol_command_new(1, 1, &job, &len);
	assert_non_null(message);
	assert_int_equal(ol_spawn_parse(&start, message, len, OL_SPAWN_FDS), 0);
	for (at = start.env; at < start.env + start.env_size;
	     at += strlen(at) + 1) {
		if (strncmp(at, "OUTLAST_", 8) == 0)
			assert_null(strstr(at, "forged"));
		else if (strncmp(at, "HTTP_HOST=", 10) != 0)
			assert_string_equal(at, "QUERY_STRING=a=b&c");
		n++;
	}
	/* Seven of ours, one and two of these. */
	assert_int_equal(n, 7 + 3);
	free(message);
	/* Of another submit, all that travels with it. */
	job.recorded = false;
	message = ol_command_new(1, 1, &job, &len);
	assert_non_null(message);
	assert_int_equal(ol_spawn_parse(&start, message, len, OL_SPAWN_FDS), 0);
	assert_true(start.env_size > 300);
	free(message);
}

/* --- replies ------------------------------------------------------------- */

static void
read_reply(struct ol_reply *reply, const char *text)
{
	const char *why = NULL;
	size_t used;

	ol_reply_init(reply);
	if (ol_reply_take(reply, text, strlen(text), &used, &why) !=
	    OL_REPLY_HEAD)
		fail_msg("%s: %s", text, why);
}

static void
assert_judged(int status, enum ol_outcome outcome, bool has_kind)
{
	struct ol_run_end end;
	struct ol_reply reply;
	char text[64];

	snprintf(text, sizeof(text), "Status: %d X\n\n", status);
	read_reply(&reply, text);
	memset(&end, 0xff, sizeof(end));
	ol_response_judge(&reply, 0, &end);
	if (end.ending.outcome != outcome || end.ending.delay != -1 ||
	    end.ending.crashed || end.ending.unreachable)
		fail_msg("%d: %d", status, (int)end.ending.outcome);
	if (has_kind)
		assert_string_equal(end.kind, "status");
	else
		assert_null(end.kind);
	snprintf(text, sizeof(text), "replied %d", status);
	assert_non_null(strstr(end.message, text));
	ol_reply_fini(&reply);
}

static void
test_statuses(void **state)
{
	static const int passing[] = { 408, 425, 429 };
	enum ol_outcome outcome;
	int status;
	size_t i;

	(void)state;
	for (status = 200; status < 600; status++) {
		outcome = status < 400	 ? OL_OUTCOME_OK
			  : status < 500 ? OL_OUTCOME_FAIL
					 : OL_OUTCOME_RETRY;
		for (i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
			if (status == passing[i])
				outcome = OL_OUTCOME_RETRY;
		assert_judged(status, outcome, status >= 400);
	}
}

static int64_t
delay_of(const char *after, time_t now)
{
	struct ol_run_end end = { 0 };
	struct ol_reply reply;
	char text[128];

	snprintf(text, sizeof(text), "Status: 503\nRetry-After: %s\n\n", after);
	read_reply(&reply, text);
	ol_response_judge(&reply, now, &end);
	ol_reply_fini(&reply);
	return end.ending.delay == -1 ? -1 : end.ending.delay / OL_SEC(1);
}

static void
test_retry_after(void **state)
{
	const time_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
	const int64_t most = OL_RETRY_MAX / OL_SEC(1);

	(void)state;
	assert_int_equal(delay_of("120", now), 120);
	assert_int_equal(delay_of("0", now), 1);
	assert_true(delay_of("99999999999999999999999", now) == most);
	assert_int_equal(delay_of("Sun, 06 Nov 1994 08:50:37 GMT", now), 60);
	assert_int_equal(delay_of("Sunday, 06-Nov-94 08:50:37 GMT", now), 60);
	assert_int_equal(delay_of("Sun Nov  6 08:50:37 1994", now), 60);
	/* It has been. */
	assert_int_equal(delay_of("Sun, 06 Nov 1994 08:00:00 GMT", now), 1);
	assert_true(delay_of("Sun, 06 Nov 2094 08:00:00 GMT", now) == most);
	assert_int_equal(delay_of("-5", now), -1);
	assert_int_equal(delay_of("1.5", now), -1);
	assert_int_equal(delay_of("soon", now), -1);
	assert_int_equal(delay_of("Sun, 06 Nov 1994 08:50:37 CET", now), -1);
	assert_int_equal(delay_of("", now), -1);
}

static void
test_kept_headers(void **state)
{
	struct ol_reply reply;
	char *text;

	(void)state;
	read_reply(&reply,
	    "Status: 404 Not Found\r\nX-A: 1\r\nset-cookie: a=b\r\n"
	    "Content-Length: 5\r\nConnection: close\r\nKeep-Alive: x\r\n"
	    "transfer-encoding: chunked\r\nSet-Cookie: c=d\r\nTrailer: x\r\n"
	    "Upgrade: h2c\r\nContent-Type: text/plain\r\nX-Empty:\r\n\r\n");
	text = ol_response_text(&reply, "/shop/slow.php?a=b");
	assert_string_equal(text, "404\nX-A: 1\nset-cookie: a=b\n"
				  "Set-Cookie: c=d\n"
				  "Content-Type: text/plain\nX-Empty: \n");
	free(text);
	ol_reply_fini(&reply);
}

static void
assert_resolved(const char *base, const char *reference, const char *expected)
{
	char *got = ol_reference_resolve(base, reference);

	if (expected == NULL)
		assert_null(got);
	else
		assert_string_equal(got, expected);
	free(got);
}

static void
test_references(void **state)
{
	static const char base[] = "/shop/slow.php?a=b/c";

	(void)state;
	assert_resolved(base, "done.php", "/shop/done.php");
	assert_resolved(
	    base, "done.php?x=../y#z/..", "/shop/done.php?x=../y#z/..");
	assert_resolved(base, "?x=1", "/shop/slow.php?x=1");
	assert_resolved(base, "#end", "/shop/slow.php?a=b/c#end");
	assert_resolved(base, ".", "/shop/");
	assert_resolved(base, "./a/./b/", "/shop/a/b/");
	assert_resolved(base, "..", "/");
	assert_resolved(base, "../x", "/x");
	assert_resolved(base, "../../../x", "/x");
	assert_resolved(base, "a/../..?q", "/?q");
	assert_resolved(base, "..a/.b/c..", "/shop/..a/.b/c..");
	assert_resolved(base, "a:b", NULL);
	assert_resolved(base, "1:b", "/shop/1:b");
	assert_resolved("/", "x", "/x");
	assert_resolved("/a//b", "x", "/a//x");
	/* These mean the same everywhere. */
	assert_resolved(base, "/x", NULL);
	assert_resolved(base, "//other.example/x", NULL);
	assert_resolved(base, "https://shop.example/x", NULL);
	assert_resolved(base, "", NULL);
	/* What a visitor made up leads to no other host, and into no header. */
	assert_resolved("//evil.example/slow.php", "x", "/.//evil.example/x");
	assert_resolved("/a/slow.php", "..//evil.example", "/.//evil.example");
	assert_resolved("/a\r\nX: y", "x", NULL);
	assert_resolved("http://shop.example/a", "x", NULL);
	assert_resolved("*", "x", NULL);
	assert_resolved("", "x", NULL);
}

static void
test_kept_references(void **state)
{
	struct ol_reply reply;
	char *text;

	(void)state;
	read_reply(&reply,
	    "location: done.php\r\nContent-Location: ?x\r\nX-A: done.php\r\n"
	    "\r\n");
	text = ol_response_text(&reply, "/shop/slow.php?a=b");
	assert_string_equal(text, "302\nlocation: /shop/done.php\n"
				  "Content-Location: /shop/slow.php?x\n"
				  "X-A: done.php\n");
	free(text);
	text = ol_response_text(&reply, "");
	assert_non_null(strstr(text, "\nlocation: done.php\n"));
	free(text);
	ol_reply_fini(&reply);
}

static int64_t
length_of(const char *text)
{
	struct ol_reply reply;
	int64_t length;

	read_reply(&reply, text);
	length = ol_response_length(&reply);
	ol_reply_fini(&reply);
	return length;
}

static void
test_promised_length(void **state)
{
	(void)state;
	assert_int_equal(length_of("content-length: 17\n\n"), 17);
	assert_int_equal(length_of("Content-Length: 0\n\n"), 0);
	assert_int_equal(length_of("X: y\n\n"), -1);
	assert_int_equal(length_of("Content-Length:\n\n"), -1);
	assert_int_equal(length_of("Content-Length: 1 2\n\n"), -1);
	assert_int_equal(length_of("Content-Length: -1\n\n"), -1);
	assert_int_equal(
	    length_of("Content-Length: 99999999999999999999\n\n"), -1);
	assert_int_equal(
	    length_of("Status: 304 X\nContent-Length: 17\n\n"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_not_recorded),
		cmocka_unit_test(test_program_of_recorded),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_retry_after),
		cmocka_unit_test(test_kept_headers),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_kept_references),
		cmocka_unit_test(test_promised_length),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
