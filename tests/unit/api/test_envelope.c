/* What the parameters say, and whose mistake a bad one is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/envelope.h"

enum { MOST = 16 };

struct read {
	struct ol_pair pairs[MOST];
	struct ol_envelope e;
	struct ol_refusal refusal;
	int result;
};

/* "NAME=VALUE" strings up to NULL, behind a GET of /tasks/x. */
static void
envelope(struct read *r, const char *const *params)
{
	static const char *const before[] = { "REQUEST_METHOD=GET",
		"DOCUMENT_URI=/tasks/x", "HTTP_HOST=www.example.org" };
	static char text[MOST][8192];
	size_t n = 0;

	for (n = 0; n < MOST && (n < 3 || params[n - 3] != NULL); n++) {
		char *equals;

		strlcpy(text[n], n < 3 ? before[n] : params[n - 3],
		    sizeof(text[n]));
		equals = strchr(text[n], '=');
		*equals = '\0';
		r->pairs[n].name = text[n];
		r->pairs[n].value = equals + 1;
		r->pairs[n].name_len = (uint32_t)strlen(text[n]);
		r->pairs[n].value_len = (uint32_t)strlen(equals + 1);
	}
	memset(&r->refusal, 0, sizeof(r->refusal));
	r->result = ol_envelope_read(&r->e, r->pairs, n, &r->refusal);
}

static void
envelope_of(struct read *r, const char *param)
{
	const char *params[] = { param, NULL };

	envelope(r, params);
}

static void
test_words(void **state)
{
	static const char *const all[] = { "OUTLAST_TASK=thumbnail",
		"OUTLAST_ACCESS=app", "OUTLAST_OWNER=jörg \\ \"x\"",
		"OUTLAST_SESSION=abc", "OUTLAST_BASE=/ops/tasks",
		"QUERY_STRING=a=b", "CONTENT_TYPE=text/plain; charset=utf-8",
		"HTTP_IDEMPOTENCY_KEY=k", "HTTP_IF_NONE_MATCH=\"x\"",
		"HTTP_OUTLAST_TASK=other", NULL };
	struct read r;

	(void)state;
	envelope(&r, all);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.e.method, OL_METHOD_GET);
	assert_string_equal(r.e.uri, "/tasks/x");
	assert_string_equal(r.e.task, "thumbnail");
	assert_int_equal(r.e.access, OL_ACCESS_APP);
	assert_string_equal(r.e.owner, "jörg \\ \"x\"");
	assert_string_equal(r.e.session, "abc");
	assert_int_equal(r.e.session_len, 3);
	assert_string_equal(r.e.base, "/ops/tasks");
	assert_string_equal(r.e.query, "a=b");
	assert_string_equal(r.e.key, "k");
	assert_string_equal(r.e.if_none_match, "\"x\"");
	assert_string_equal(
	    ol_envelope_param(&r.e, "HTTP_HOST"), "www.example.org");
	assert_string_equal(ol_envelope_param(&r.e, "HTTP_HOS"), "");
}

/* Empty is absent: nginx sends a variable without a value like that. */
static void
test_empty(void **state)
{
	static const char *const empty[] = { "OUTLAST_ACCESS=", "OUTLAST_TASK=",
		"OUTLAST_OWNER=", "OUTLAST_OWNER=me", "OUTLAST_SESSION=",
		"OUTLAST_BASE=", "OUTLAST_NONSENSE=", "HTTP_ORIGIN=", NULL };
	struct read r;

	(void)state;
	envelope(&r, empty);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.e.access, OL_ACCESS_CLIENT);
	assert_string_equal(r.e.task, "");
	assert_string_equal(r.e.owner, "me");
	assert_int_equal(r.e.session_len, 0);
	assert_false(r.e.cross_site);
}

static void
test_refused(void **state)
{
	static char long_owner[400], long_type[400];
	const struct {
		const char *param;
		enum ol_problem problem;
	} bad[] = {
		{ "OUTLAST_NONSENSE=1", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_WAIT=soon", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_WAIT=-1s", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_=x", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_TASKS=x", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_ACCESS=root", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_ACCESS=Client", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_OWNER=a\nb", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_OWNER=a\xff", OL_PROBLEM_MISCONFIGURED },
		{ long_owner, OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=tasks", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/tasks/", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/a//b", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/a/../b", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/a\r\nX: y", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/a\"b", OL_PROBLEM_MISCONFIGURED },
		{ "OUTLAST_BASE=/a%2fb", OL_PROBLEM_MISCONFIGURED },
		{ "CONTENT_TYPE=a\r\nb", OL_PROBLEM_BAD_REQUEST },
		{ long_type, OL_PROBLEM_BAD_REQUEST },
	};
	struct read r;
	size_t i;

	(void)state;
	snprintf(long_owner, sizeof(long_owner), "OUTLAST_OWNER=%0256d", 1);
	snprintf(long_type, sizeof(long_type), "CONTENT_TYPE=%0256d", 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		envelope_of(&r, bad[i].param);
		if (r.result != -1 || r.refusal.problem != bad[i].problem)
			fail_msg("%s: %d", bad[i].param, r.result);
		/* It names the parameter. */
		if (bad[i].problem == OL_PROBLEM_MISCONFIGURED) {
			char name[64];

			strlcpy(name, bad[i].param, sizeof(name));
			name[strcspn(name, "=")] = '\0';
			assert_non_null(strstr(r.refusal.detail, name));
		}
	}
}

static void
test_twice(void **state)
{
	static const char *const owners[] = { "OUTLAST_OWNER=a",
		"OUTLAST_OWNER=a", NULL };
	static const char *const keys[] = { "HTTP_IDEMPOTENCY_KEY=a",
		"HTTP_IDEMPOTENCY_KEY=a", NULL };
	static const char *const methods[] = { "REQUEST_METHOD=POST", NULL };
	struct read r;

	(void)state;
	envelope(&r, owners);
	assert_int_equal(r.result, -1);
	assert_int_equal(r.refusal.problem, OL_PROBLEM_MISCONFIGURED);
	assert_non_null(strstr(r.refusal.detail, "OUTLAST_OWNER comes twice"));
	envelope(&r, keys);
	assert_int_equal(r.result, -1);
	assert_int_equal(r.refusal.problem, OL_PROBLEM_BAD_KEY);
	/* Others: the last one, as with PHP. */
	envelope(&r, methods);
	assert_int_equal(r.result, 0);
	assert_int_equal(r.e.method, OL_METHOD_POST);
}

static void
test_missing(void **state)
{
	struct ol_pair uri = { "DOCUMENT_URI", "/tasks/x", 12, 8 };
	struct ol_pair method = { "REQUEST_METHOD", "GET", 14, 3 };
	struct ol_refusal refusal;
	struct ol_envelope e;

	(void)state;
	assert_int_equal(ol_envelope_read(&e, NULL, 0, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_MISCONFIGURED);
	assert_int_equal(ol_envelope_read(&e, &uri, 1, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_MISCONFIGURED);
	assert_int_equal(ol_envelope_read(&e, &method, 1, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_MISCONFIGURED);
}

static void
test_nul(void **state)
{
	struct ol_pair pairs[] = { { "REQUEST_METHOD", "GET", 14, 3 },
		{ "DOCUMENT_URI", "/tasks/\0x", 12, 9 } };
	struct ol_pair session[] = { { "REQUEST_METHOD", "GET", 14, 3 },
		{ "DOCUMENT_URI", "/tasks/x", 12, 8 },
		{ "OUTLAST_SESSION", "a\0b", 15, 3 } };
	struct ol_refusal refusal;
	struct ol_envelope e;

	(void)state;
	assert_int_equal(ol_envelope_read(&e, pairs, 2, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_NOT_FOUND);
	assert_int_equal(ol_envelope_read(&e, session, 3, &refusal), 0);
	assert_int_equal(e.session_len, 3);
	session[2].name = "OUTLAST_OWNER";
	session[2].name_len = 13;
	assert_int_equal(ol_envelope_read(&e, session, 3, &refusal), -1);
	assert_int_equal(refusal.problem, OL_PROBLEM_MISCONFIGURED);
}

static void
test_cross_site(void **state)
{
	static const struct {
		const char *param;
		bool cross;
	} sites[] = {
		{ "HTTP_SEC_FETCH_SITE=cross-site", true },
		{ "HTTP_SEC_FETCH_SITE=same-site", false },
		{ "HTTP_SEC_FETCH_SITE=same-origin", false },
		{ "HTTP_SEC_FETCH_SITE=none", false },
		{ "HTTP_ORIGIN=https://www.example.org", false },
		{ "HTTP_ORIGIN=https://WWW.Example.ORG", false },
		{ "HTTP_ORIGIN=https://evil.example", true },
		{ "HTTP_ORIGIN=https://www.example.org.evil.example", true },
		{ "HTTP_ORIGIN=https://www.example.org:8443", true },
		{ "HTTP_ORIGIN=null", true },
	};
	struct read r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		envelope_of(&r, sites[i].param);
		assert_int_equal(r.result, 0);
		if (r.e.cross_site != sites[i].cross)
			fail_msg("%s", sites[i].param);
	}
}

/* Where a host is without its port, and what a browser knows better. */
static void
test_cross_site_port(void **state)
{
	static const struct {
		const char *params[5];
		bool cross;
	} sites[] = {
		{ { "SERVER_PORT=8080",
		      "HTTP_ORIGIN=http://www.example.org:8080" },
		    false },
		{ { "SERVER_PORT=8080",
		      "HTTP_ORIGIN=http://www.example.org:80" },
		    true },
		{ { "SERVER_PORT=80",
		      "HTTP_ORIGIN=http://www.example.org:80.evil.example" },
		    true },
		{ { "SERVER_PORT=80",
		      "HTTP_ORIGIN=http://www.example.org:80@evil.example" },
		    true },
		{ { "SERVER_PORT=8080", "HTTP_HOST=[::1]",
		      "HTTP_ORIGIN=http://[::1]:8080" },
		    false },
		{ { "SERVER_PORT=", "HTTP_ORIGIN=http://www.example.org:" },
		    false },
		{ { "HTTP_HOST=a.example:99", "HTTP_ORIGIN=http://a.example" },
		    true },
		/* A port that was mapped on its way. */
		{ { "HTTP_ORIGIN=http://www.example.org:99",
		      "HTTP_SEC_FETCH_SITE=same-origin" },
		    false },
		{ { "HTTP_ORIGIN=http://www.example.org:99",
		      "HTTP_SEC_FETCH_SITE=same-site" },
		    true },
		{ { "HTTP_ORIGIN=http://www.example.org",
		      "HTTP_SEC_FETCH_SITE=cross-site" },
		    true },
		/* More than one. */
		{ { "HTTP_ORIGIN=http://evil.example",
		      "HTTP_ORIGIN=http://www.example.org" },
		    true },
	};
	struct read r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		envelope(&r, sites[i].params);
		assert_int_equal(r.result, 0);
		if (r.e.cross_site != sites[i].cross)
			fail_msg("%zu: %s", i, sites[i].params[1]);
	}
}

static void
test_prefetch(void **state)
{
	struct read r;

	(void)state;
	envelope_of(&r, "HTTP_SEC_PURPOSE=prefetch;prerender");
	assert_true(r.e.prefetch);
	envelope_of(&r, "HTTP_PURPOSE=prefetch");
	assert_true(r.e.prefetch);
	envelope_of(&r, "HTTP_PURPOSE=");
	assert_false(r.e.prefetch);
}

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define SPAN  "b7ad6b7169203331"

static void
test_traceparent(void **state)
{
	static const char *const bad[] = {
		"HTTP_TRACEPARENT=01-" TRACE "-" SPAN "-01",
		"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01-x",
		"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-0",
		"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-0G",
		"HTTP_TRACEPARENT=00-00000000000000000000000000000000-" SPAN
		"-01",
		"HTTP_TRACEPARENT=00-" TRACE "-0000000000000000-01",
		"HTTP_TRACEPARENT=00-0AF7651916CD43DD8448EB211C80319C-" SPAN
		"-01",
		"HTTP_TRACEPARENT=00-" TRACE "-" SPAN "_01",
		"HTTP_TRACEPARENT=00_" TRACE "_" SPAN "_01",
		"HTTP_TRACEPARENT=x",
	};
	struct read r;
	size_t i;

	(void)state;
	envelope_of(&r, "HTTP_TRACEPARENT=00-" TRACE "-" SPAN "-01");
	assert_string_equal(r.e.traceparent, "00-" TRACE "-" SPAN "-01");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		envelope_of(&r, bad[i]);
		assert_int_equal(r.result, 0);
		assert_string_equal(r.e.traceparent, "");
	}
}

static void
test_below(void **state)
{
	(void)state;
	assert_string_equal(ol_envelope_below("/tasks/x", "/tasks"), "/x");
	assert_string_equal(ol_envelope_below("/tasks/", "/tasks"), "/");
	assert_string_equal(ol_envelope_below("/x", "/"), "/x");
	assert_string_equal(ol_envelope_below("/tasks//x", "/tasks"), "//x");
	assert_null(ol_envelope_below("/tasks", "/tasks"));
	assert_null(ol_envelope_below("/tasksx", "/tasks"));
	assert_null(ol_envelope_below("/other/tasks/x", "/tasks"));
	assert_null(ol_envelope_below("", "/"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_cross_site),
		cmocka_unit_test(test_cross_site_port),
		cmocka_unit_test(test_prefetch),
		cmocka_unit_test(test_traceparent),
		cmocka_unit_test(test_below),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
