/* What is recorded of a request: its parameters, as they came, and not all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/recording.h"
#include "engine/engine.h"
#include "asking.h"

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

static void
expect_problem(const struct reply *reply, int status, const char *name)
{
	char type[128];

	snprintf(type, sizeof(type), "\"urn:outlast:problem:%s\"", name);
	if (reply->status != status || strstr(reply->body, type) == NULL)
		fail_msg("%d %s, not %d %s", reply->status, reply->body, status,
		    name);
}

/* --- Through the API. --- */

static void
test_all_in_their_order(void **state)
{
	const struct reply *reply;

	(void)state;
	reply = ask_with(&a, "POST /report.php?day=1",
	    PARAMS("OUTLAST_TASK=replay", "SCRIPT_FILENAME=/srv/report.php",
		"HTTP_X_TWICE=1", "PATH_INFO=", "HTTP_COOKIE=a=b; c=d",
		"HTTP_X_TWICE=2", "CONTENT_TYPE=text/csv", "lower=x",
		"HTTP_AUTHORIZATION=Basic QQ=="),
	    "a,b\n", 4);
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked,
	    "submit replay type=text/csv recorded QUERY_STRING=day=1 "
	    "REQUEST_METHOD=POST CONTENT_LENGTH=4 DOCUMENT_URI=/report.php "
	    "REQUEST_URI=/not/to/be/used HTTP_HOST=www.example.org "
	    "SCRIPT_FILENAME=/srv/report.php HTTP_X_TWICE=1 PATH_INFO= "
	    "HTTP_COOKIE=a=b; c=d HTTP_X_TWICE=2 CONTENT_TYPE=text/csv "
	    "lower=x HTTP_AUTHORIZATION=Basic QQ== memory=4\n");
	assert_memory_equal(a.engine.payload->data, "a,b\n", 4);
	/* The secrets are nobody's to see. */
	assert_null(strstr(reply->body, "a=b"));
	assert_null(strstr(reply->body, "QQ=="));
}

static void
test_what_is_left_out(void **state)
{
	static const char *const gone[] = { "OUTLAST_OWNER=ann",
		"OUTLAST_WHATEVER=", "HTTP_IF_NONE_MATCH=\"x\"",
		"HTTP_IF_MODIFIED_SINCE=now", "HTTP_IF_RANGE=x",
		"HTTP_RANGE=bytes=0-1", "HTTP_ACCEPT_ENCODING=gzip",
		"HTTP_PREFER=respond-async", "HTTP_EXPECT=100-continue",
		"HTTP_IDEMPOTENCY_KEY=k", "HTTP_PROXY=evil:1",
		"HTTP_X_JUNK=1" };
	static const char *const kept[] = { "HTTP_IFFY=1", "HTTP_RANGER=1",
		"HTTP_ACCEPT=*/*", "HTTP_ACCEPT_LANGUAGE=de",
		"HTTP_PROXY_AUTHORIZATION=x", "HTTP_OUTLAST_DELAY=1",
		"HTTP_X_JUNKYARD=1", "HTTP_X_JUN=1", "REMOTE_USER=ann",
		"HTTPS=on" };
	const char *params[40] = { "OUTLAST_TASK=replay" };
	const char *name;
	size_t i, n = 1;

	(void)state;
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		params[n++] = gone[i];
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		params[n++] = kept[i];
	assert_int_equal(ask(&a, "GET /report.php", params)->status, 202);
	for (i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		if (strstr(a.engine.asked, gone[i]) != NULL)
			fail_msg("%s is recorded", gone[i]);
	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		name = strstr(a.engine.asked, kept[i]);
		if (name == NULL)
			fail_msg("%s is not recorded", kept[i]);
	}
	assert_null(strstr(a.engine.asked, " OUTLAST_TASK"));
}

/* A location's request to another type is none: only what it names travels. */
static void
test_programs_record_nothing(void **state)
{
	(void)state;
	ask(&a, "POST /x",
	    PARAMS("OUTLAST_TASK=report", "OUTLAST_ACCESS=app",
		"REQUEST_ID=abc", "HTTP_COOKIE=s"));
	assert_string_equal(a.engine.asked, "submit report REQUEST_ID=abc\n");
}

static void
test_submitted_without_a_location(void **state)
{
	static char post[] = "POST", uri[] = "/report.php";
	const struct reply *reply;

	(void)state;
	reply = ask(&a, "POST /tasks/replay", PARAMS("OUTLAST_ACCESS=app"));
	expect_problem(reply, 422, "no-request");
	assert_non_null(strstr(reply->body, "OUTLAST_TASK"));
	assert_string_equal(a.engine.asked, "");
	/* With a request in its block, the payload is all of it. */
	a.backend.method = post;
	a.backend.uri = uri;
	reply = ask_with(&a, "POST /tasks/replay",
	    PARAMS("OUTLAST_ACCESS=app", "HTTP_COOKIE=mine"), "{}", 2);
	assert_int_equal(reply->status, 202);
	assert_string_equal(a.engine.asked, "submit replay memory=2\n");
	/* A location's is recorded all the same. */
	ask(&a, "GET /x", PARAMS("OUTLAST_TASK=replay"));
	assert_non_null(strstr(a.engine.asked, " recorded "));
}

static void
test_it_never_submits(void **state)
{
	static const char *const whats[] = { "HEAD /x", "OPTIONS /x" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    ask(&a, whats[i], PARAMS("OUTLAST_TASK=replay"))->status,
		    204);
		assert_string_equal(a.engine.asked, "");
	}
	ask(&a, "GET /x",
	    PARAMS("OUTLAST_TASK=replay", "HTTP_SEC_PURPOSE=prefetch"));
	assert_string_equal(a.engine.asked, "");
	ask(&a, "PUT /x", PARAMS("OUTLAST_TASK=replay"));
	assert_string_equal(a.engine.asked, "");
}

static void
test_too_large(void **state)
{
	static char cookie[70000];
	const struct reply *reply;

	(void)state;
	memset(cookie, 'c', sizeof(cookie) - 1);
	memcpy(cookie, "HTTP_COOKIE=", 12);
	reply = ask(&a, "GET /x", PARAMS("OUTLAST_TASK=replay", cookie));
	expect_problem(reply, 431, "headers-too-large");
	assert_non_null(strstr(reply->body, "drop_param"));
	assert_string_equal(a.engine.asked, "");
	/* Not recorded: not too large. */
	memcpy(cookie, "HTTP_X_JUNK=", 12);
	reply = ask(&a, "GET /x", PARAMS("OUTLAST_TASK=replay", cookie));
	assert_int_equal(reply->status, 202);
	cookie[65000] = '\0';
	memcpy(cookie, "HTTP_COOKIE=", 12);
	reply = ask(&a, "GET /x", PARAMS("OUTLAST_TASK=replay", cookie));
	assert_int_equal(reply->status, 202);
}

/* --- One key, one request. --- */

static void
hash_of(const char *what, const char *type, const char *cookie,
    const char *body, uint8_t *hash)
{
	char content_type[64], cookies[64], uri[128];

	snprintf(content_type, sizeof(content_type), "CONTENT_TYPE=%s", type);
	snprintf(cookies, sizeof(cookies), "HTTP_COOKIE=%s", cookie);
	snprintf(uri, sizeof(uri), "REQUEST_URI=%s", strchr(what, ' ') + 1);
	ask_with(&a, what,
	    PARAMS("OUTLAST_TASK=replay", "HTTP_IDEMPOTENCY_KEY=k", uri,
		content_type, cookies),
	    body, strlen(body));
	assert_non_null(strstr(a.engine.asked, " key=k"));
	memcpy(hash, a.engine.key_hash, 32);
}

static void
test_fingerprint(void **state)
{
	uint8_t first[32], other[32];

	(void)state;
	hash_of("POST /a?b=1", "text/x", "c=1", "body", first);
	/* A session that was renewed between two tries is the same client's. */
	hash_of("POST /a?b=1", "text/x", "c=2", "body", other);
	assert_memory_equal(first, other, 32);
	hash_of("GET /a?b=1", "text/x", "c=1", "body", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /a?b=2", "text/x", "c=1", "body", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /c?b=1", "text/x", "c=1", "body", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /a?b=1", "text/y", "c=1", "body", other);
	assert_memory_not_equal(first, other, 32);
	hash_of("POST /a?b=1", "text/x", "c=1", "bodY", other);
	assert_memory_not_equal(first, other, 32);
}

/* --- Alone. --- */

static struct ol_pair
pair(const char *name, size_t name_len, const char *value, size_t value_len)
{
	struct ol_pair pair = { .name = name,
		.value = value,
		.name_len = (uint32_t)name_len,
		.value_len = (uint32_t)value_len };

	return pair;
}

static void
test_bad_parameters(void **state)
{
	const struct {
		struct ol_pair pair;
		const char *detail; /* NULL: none */
	} cases[] = {
		{ pair("", 0, "x", 1), "a parameter without a name" },
		{ pair("", 0, "", 0), "a parameter without a name" },
		{ pair("A\0B", 3, "x", 1),
		    "a parameter with a NUL in its name: A" },
		{ pair("HTTP_X", 6, "x\0y", 3),
		    "a parameter with a NUL in its value: HTTP_X" },
		{ pair("HTTP_X", 6, "x\x01\xff", 3), NULL },
		{ pair("OUTLAST_SESSION", 15, "x\0y", 3), NULL },
	};
	const struct ol_conf_backend backend = { .text = NULL };
	struct ol_recording recording;
	struct ol_refusal refusal;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct ol_envelope e = { .pairs = &cases[i].pair,
			.npairs = 1 };
		int made =
		    ol_recording_make(&recording, &e, &backend, &refusal);

		assert_int_equal(made, cases[i].detail != NULL ? -1 : 0);
		if (made == 0) {
			ol_recording_fini(&recording);
			continue;
		}
		assert_int_equal(refusal.problem, OL_PROBLEM_BAD_REQUEST);
		assert_string_equal(refusal.detail, cases[i].detail);
	}
}

/* To the byte. */
static void
test_the_most(void **state)
{
	const struct ol_conf_backend backend = { .text = NULL };
	char *value = malloc(OL_ENGINE_CONTEXT_MAX);
	struct ol_pair pairs[2] = { pair("B", 1, "", 0) };
	const struct ol_envelope e = { .pairs = pairs, .npairs = 2 };
	struct ol_recording recording;
	struct ol_refusal refusal;
	size_t most = OL_ENGINE_CONTEXT_MAX - 3 - 3;

	(void)state;
	memset(value, 'v', OL_ENGINE_CONTEXT_MAX);
	value[most] = '\0';
	pairs[1] = pair("A", 1, value, most);
	assert_int_equal(
	    ol_recording_make(&recording, &e, &backend, &refusal), 0);
	assert_int_equal(recording.n, 2);
	assert_ptr_equal(recording.variables[1].value, value);
	ol_recording_fini(&recording);
	value[most] = 'v';
	value[most + 1] = '\0';
	pairs[1] = pair("A", 1, value, most + 1);
	assert_int_equal(
	    ol_recording_make(&recording, &e, &backend, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_HEADERS_TOO_LARGE);
	assert_string_equal(refusal.detail,
	    "its parameters have 65537 bytes, 65536 are recorded at most");
	free(value);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_in_their_order),
		TEST(test_what_is_left_out),
		TEST(test_programs_record_nothing),
		TEST(test_submitted_without_a_location),
		TEST(test_it_never_submits),
		TEST(test_too_large),
		TEST(test_fingerprint),
		cmocka_unit_test(test_bad_parameters),
		cmocka_unit_test(test_the_most),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
