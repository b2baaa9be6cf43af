#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <fastcgi.h>
#include <cmocka.h>

#include "fcgi/frame.h"
#include "records.h"

static const char *const params[] = { "REQUEST_METHOD=POST",
	"DOCUMENT_URI=/signup", "CONTENT_LENGTH=11", "HTTP_HOST=example.org",
	NULL };

static struct records *
fresh(void)
{
	static struct records r;

	r.len = 0;
	return &r;
}

static struct ol_frame
look(const struct records *r)
{
	/* A copy of exactly that size: the sanitizer sees a byte too far. */
	unsigned char *copy = malloc(r->len + 1);
	struct ol_frame frame;

	memcpy(copy, r->data, r->len);
	ol_frame_look(&frame, copy, r->len);
	free(copy);
	return frame;
}

static void
test_whole(void **state)
{
	struct records *r = fresh();
	struct ol_frame frame;

	(void)state;
	records_request(r, FCGI_KEEP_CONN, params, "hello=world", 11);
	frame = look(r);
	assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
	assert_true(frame.keep);
	assert_int_equal(frame.content_length, 11);
	assert_int_equal(frame.body, 11);

	r = fresh();
	records_request(r, 0, params, "", 0);
	frame = look(r);
	assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
	assert_false(frame.keep);
	assert_int_equal(frame.body, 0);
}

/* Cut anywhere, a request is never whole and never bad. */
static void
test_every_cut(void **state)
{
	struct records *r = fresh();
	struct ol_frame frame;
	enum ol_frame_verdict before = OL_FRAME_PARTIAL;
	size_t whole, cut;

	(void)state;
	records_request(r, FCGI_KEEP_CONN, params, "hello=world", 11);
	whole = r->len;
	for (cut = 0; cut < whole; cut++) {
		r->len = cut;
		frame = look(r);
		assert_true(frame.verdict == OL_FRAME_PARTIAL ||
			    frame.verdict == OL_FRAME_BODY);
		assert_true(frame.verdict >= before);
		before = frame.verdict;
	}
	assert_int_equal(before, OL_FRAME_BODY);
}

/* Parameters cut into records at every byte read the same. */
static void
test_params_cut_into_records(void **state)
{
	static unsigned char pairs[4096];
	struct records *r = fresh();
	size_t len, cut;

	(void)state;
	records_params(r, params);
	len = (size_t)r->data[4] << 8 | r->data[5];
	memcpy(pairs, r->data + sizeof(FCGI_Header), len);
	for (cut = 1; cut < len; cut++) {
		struct ol_frame frame;

		r = fresh();
		records_begin(r, FCGI_KEEP_CONN);
		records_add(r, FCGI_PARAMS, 1, pairs, cut, cut % 8);
		records_add(r, FCGI_PARAMS, 1, pairs + cut, len - cut, 0);
		records_add(r, FCGI_PARAMS, 1, NULL, 0, 0);
		records_stdin(r, "hello=world", 11);
		frame = look(r);
		assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
		assert_int_equal(frame.content_length, 11);
	}
}

static void
assert_bad(const struct records *r, const char *why)
{
	struct ol_frame frame = look(r);

	assert_int_equal(frame.verdict, OL_FRAME_BAD);
	assert_string_equal(frame.why, why);
}

static void
test_bad(void **state)
{
	static const unsigned char get_values[] = "\x0e\x00"
						  "FCGI_MAX_CONNS";
	static const unsigned char authorizer[8] = { 0, FCGI_AUTHORIZER };
	static const unsigned char huge[] = { 0xc0, 0, 0, 0, 0xc0, 0, 0, 0,
		'x' };
	static const unsigned char cut_pair[] = { 3, 5, 'a', 'b' };
	static const char *const no_number[] = { "CONTENT_LENGTH=1x", NULL };
	static const char *const too_large[] = {
		"CONTENT_LENGTH=1234567890123456789", NULL
	};
	struct records *r;

	(void)state;
	r = fresh();
	records_begin(r, 0);
	r->data[0] = 2;
	assert_bad(r, "the FastCGI version is not 1");

	r = fresh();
	records_add(
	    r, FCGI_GET_VALUES, 0, get_values, sizeof(get_values) - 1, 0);
	assert_bad(r, "a management record");

	r = fresh();
	records_params(r, params);
	assert_bad(r, "a record out of turn");

	r = fresh();
	records_begin(r, 0);
	records_add(r, FCGI_ABORT_REQUEST, 1, NULL, 0, 0);
	assert_bad(r, "a record out of turn");

	r = fresh();
	records_begin(r, 0);
	records_add(r, FCGI_PARAMS, 2, NULL, 0, 0);
	assert_bad(r, "a record of another request");

	r = fresh();
	records_begin(r, 0);
	records_begin(r, 0);
	assert_bad(r, "a record out of turn");

	r = fresh();
	records_add(r, FCGI_BEGIN_REQUEST, 1, authorizer, 8, 0);
	assert_bad(r, "the role is not responder");

	r = fresh();
	records_add(r, FCGI_BEGIN_REQUEST, 1, authorizer, 7, 0);
	assert_bad(r, "BEGIN_REQUEST has a wrong length");

	r = fresh();
	records_begin(r, 0);
	records_add(r, FCGI_PARAMS, 1, huge, sizeof(huge), 0);
	assert_bad(r, "a parameter is longer than its record");

	r = fresh();
	records_begin(r, 0);
	records_add(r, FCGI_PARAMS, 1, cut_pair, sizeof(cut_pair), 0);
	records_add(r, FCGI_PARAMS, 1, NULL, 0, 0);
	assert_bad(r, "the last parameter is cut short");

	r = fresh();
	records_begin(r, 0);
	records_params(r, no_number);
	assert_bad(r, "CONTENT_LENGTH is not a number");

	r = fresh();
	records_begin(r, 0);
	records_params(r, too_large);
	assert_bad(r, "CONTENT_LENGTH is too large");

	r = fresh();
	records_request(r, FCGI_KEEP_CONN, params, "hello=world", 11);
	records_begin(r, 0);
	assert_bad(r, "bytes behind the request");
}

static void
test_params_are_bounded(void **state)
{
	static unsigned char pad[60000];
	struct records *r = fresh();
	unsigned char length[8] = { 0x80, 1, 0, 0, 0x80, 1, 0, 0 };

	(void)state;
	records_begin(r, 0);
	records_add(r, FCGI_PARAMS, 1, length, sizeof(length), 0);
	records_add(r, FCGI_PARAMS, 1, pad, sizeof(pad), 0);
	assert_int_equal(look(r).verdict, OL_FRAME_PARTIAL);
	records_add(r, FCGI_PARAMS, 1, pad, sizeof(pad), 0);
	assert_bad(r, "the parameters are too large");
}

/* The first one counts, as for FCGX_GetParam(); an empty one is none. */
static void
test_content_length(void **state)
{
	static const char *const twice[] = { "CONTENT_LENGTH=7",
		"CONTENT_LENGTH=8", "CONTENT_LENGTI=9", NULL };
	static const char *const empty[] = { "CONTENT_LENGTH=", NULL };
	static const char *const none[] = { "HTTP_CONTENT_LENGTH=9", NULL };
	struct records *r = fresh();

	(void)state;
	records_begin(r, 0);
	records_params(r, twice);
	assert_int_equal(look(r).content_length, 7);
	r = fresh();
	records_begin(r, 0);
	records_params(r, empty);
	assert_int_equal(look(r).content_length, -1);
	r = fresh();
	records_begin(r, 0);
	records_params(r, none);
	assert_int_equal(look(r).content_length, -1);
}

/* No bytes whatever make it read too far or hang (seed printed). */
static void
test_random(void **state)
{
	unsigned seed = (unsigned)time(NULL), i, j;
	struct records *r;

	(void)state;
	print_message("seed %u\n", seed);
	srand(seed);
	for (i = 0; i < 20000; i++) {
		r = fresh();
		records_request(r, FCGI_KEEP_CONN, params, "hello=world", 11);
		for (j = 0; j <= i % 4; j++)
			r->data[(size_t)rand() % r->len] =
			    (unsigned char)rand();
		if (i % 3 == 0)
			r->len = (size_t)rand() % r->len;
		look(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_every_cut),
		cmocka_unit_test(test_params_cut_into_records),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_params_are_bounded),
		cmocka_unit_test(test_content_length),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
