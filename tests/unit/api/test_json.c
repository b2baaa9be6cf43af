/* What is answered is JSON, and says what it should: Jansson is the judge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "fake_engine.h"

static json_t *
parse(const struct ol_json *json)
{
	json_error_t error;
	json_t *value;

	assert_false(json->failed);
	assert_int_equal(json->text[json->len - 1], '\n');
	value =
	    json_loadb(json->text, json->len, JSON_REJECT_DUPLICATES, &error);
	if (value == NULL)
		fail_msg("%s in %.*s", error.text, (int)json->len, json->text);
	return value;
}

/* The text of a member, "" when it is null. */
static const char *
text(const json_t *value, const char *member)
{
	json_t *found = json_object_get(value, member);

	assert_non_null(found);
	if (json_is_null(found))
		return "";
	assert_true(json_is_string(found));
	return json_string_value(found);
}

static json_int_t
integer(const json_t *value, const char *member)
{
	json_t *found = json_object_get(value, member);

	assert_true(json_is_integer(found));
	return json_integer_value(found);
}

static void
test_new(void **state)
{
	static const char *const null[] = { "progress", "ended", "due", "owner",
		"error", "result" };
	struct ol_json json = { 0 };
	struct ol_object object;
	json_t *value, *links;
	size_t i;

	(void)state;
	fake_object_init(&object);
	ol_json_object(&json, &object, "/tasks");
	value = parse(&json);
	assert_string_equal(
	    text(value, "id"), "01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58");
	assert_string_equal(text(value, "type"), "thumbnail");
	assert_string_equal(text(value, "state"), "running");
	assert_int_equal(integer(value, "attempt"), 1);
	assert_int_equal(integer(value, "attempts_max"), 4);
	assert_string_equal(text(value, "created"), "2025-11-20T21:15:11.123Z");
	assert_string_equal(text(value, "started"), "2025-11-20T21:15:11.200Z");
	for (i = 0; i < sizeof(null) / sizeof(null[0]); i++)
		assert_true(json_is_null(json_object_get(value, null[i])));
	links = json_object_get(value, "links");
	assert_string_equal(
	    text(links, "self"), "/tasks/01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58");
	assert_string_equal(text(links, "result"),
	    "/tasks/01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58/result");
	assert_int_equal(json_object_size(value), 14);
	json_decref(value);
	/* At the root of a server of its own. */
	ol_json_object(&json, &object, "/");
	value = parse(&json);
	assert_string_equal(text(json_object_get(value, "links"), "self"),
	    "/01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58");
	json_decref(value);
	ol_json_fini(&json);
}

static void
test_full(void **state)
{
	struct ol_json json = { 0 };
	struct ol_object object;
	json_t *value, *part;

	(void)state;
	fake_object_init(&object);
	object.progress = 45;
	object.progress_text = "drawing \"page\" 3\n";
	object.owner = "jörg \\";
	object.ended_at = object.due = 253402300799999;
	object.error_kind = "exit";
	object.error_message = "exit 1";
	object.error_exit = 1;
	object.error_text = "\x01\xff<script>";
	object.result_type = "image/jpeg";
	object.result_bytes = INT64_MAX;
	ol_json_object(&json, &object, "/tasks");
	value = parse(&json);
	part = json_object_get(value, "progress");
	assert_int_equal(integer(part, "percent"), 45);
	assert_string_equal(text(part, "text"), "drawing \"page\" 3\n");
	assert_string_equal(text(value, "owner"), "jörg \\");
	assert_string_equal(text(value, "ended"), "9999-12-31T23:59:59.999Z");
	part = json_object_get(value, "error");
	assert_string_equal(text(part, "kind"), "exit");
	assert_int_equal(integer(part, "exit"), 1);
	assert_string_equal(text(part, "signal"), "");
	assert_string_equal(text(part, "stderr"), "\x01?<script>");
	part = json_object_get(value, "result");
	assert_string_equal(text(part, "type"), "image/jpeg");
	assert_true(integer(part, "bytes") == INT64_MAX);
	assert_string_equal(text(part, "href"),
	    "/tasks/01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58/result");
	json_decref(value);
	ol_json_fini(&json);
}

/* Whatever the strings are, it is JSON, and what is UTF-8 comes back whole. */
static void
test_strings(void **state)
{
	unsigned seed = (unsigned)time(NULL), trial;
	struct ol_json json = { 0 };
	struct ol_object object;
	char bytes[9000];
	json_t *value;
	size_t i, len;

	(void)state;
	print_message("seed %u\n", seed);
	fake_object_init(&object);
	object.error_kind = "exit";
	for (trial = 0; trial < 500; trial++) {
		len = (size_t)rand_r(&seed) % (sizeof(bytes) - 1);
		for (i = 0; i < len; i++)
			bytes[i] =
			    (char)(trial % 2 == 0 ? rand_r(&seed) % 255 + 1
						  : rand_r(&seed) % 127 + 1);
		bytes[len] = '\0';
		object.error_text = object.owner = bytes;
		ol_json_object(&json, &object, "/tasks");
		value = parse(&json);
		if (trial % 2 == 1)
			assert_string_equal(text(value, "owner"), bytes);
		json_decref(value);
	}
	ol_json_fini(&json);
}

static void
test_problem(void **state)
{
	const struct ol_problem_kind *kind =
	    ol_problem_kind(OL_PROBLEM_QUEUE_FULL);
	struct ol_json json = { 0 };
	json_t *value;

	(void)state;
	ol_json_problem(&json, kind, "so \"many\"", "/tasks/x");
	value = parse(&json);
	assert_string_equal(
	    text(value, "type"), "urn:outlast:problem:queue-full");
	assert_int_equal(integer(value, "status"), 503);
	assert_string_equal(text(value, "title"), kind->title);
	assert_string_equal(text(value, "detail"), "so \"many\"");
	assert_string_equal(text(value, "hint"), kind->hint);
	assert_string_equal(text(value, "instance"), "/tasks/x");
	json_decref(value);
	ol_json_problem(&json, ol_problem_kind(OL_PROBLEM_NOT_FOUND), "", "");
	value = parse(&json);
	assert_int_equal(json_object_size(value), 3);
	json_decref(value);
	ol_json_fini(&json);
}

/* Every problem has all that it needs, and a name of its own. */
static void
test_kinds(void **state)
{
	int i, k;

	(void)state;
	for (i = OL_PROBLEM_NONE + 1; i < OL_PROBLEMS; i++) {
		const struct ol_problem_kind *kind =
		    ol_problem_kind((enum ol_problem)i);

		assert_non_null(kind->name);
		assert_non_null(kind->title);
		assert_in_range(kind->status, 400, 503);
		assert_true(strlen(kind->name) < 40);
		for (k = OL_PROBLEM_NONE + 1; k < i; k++)
			assert_string_not_equal(kind->name,
			    ol_problem_kind((enum ol_problem)k)->name);
	}
}

static void
test_time(void **state)
{
	unsigned seed = 7;
	char got[OL_JSON_TIME_SIZE], wanted[64];
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		time_t t = (time_t)rand_r(&seed) * 100;
		struct tm tm;

		ol_json_time(got, (int64_t)t * 1000 + 7);
		strftime(wanted, sizeof(wanted), "%Y-%m-%dT%H:%M:%S.007Z",
		    gmtime_r(&t, &tm));
		assert_string_equal(got, wanted);
	}
	assert_int_equal(ol_json_time(got, INT64_MAX), 24);
	assert_string_equal(got, "9999-12-31T23:59:59.999Z");
	ol_json_time(got, -1);
	assert_string_equal(got, "9999-12-31T23:59:59.999Z");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_problem),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_time),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
