#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fastcgi.h>
#include <cmocka.h>

#include "fcgi/intake.h"
#include "records.h"

static const char *const params[] = { "REQUEST_METHOD=POST",
	"DOCUMENT_URI=/signup", "CONTENT_LENGTH=11", NULL };

static struct records r;

/* Take r in pieces of the given size; the last verdict. */
static struct ol_frame
take(struct ol_intake *intake, size_t piece, size_t max_body)
{
	struct ol_frame frame = { .verdict = OL_FRAME_PARTIAL };
	size_t at, n;

	ol_intake_init(intake, max_body);
	for (at = 0; at < r.len; at += n) {
		unsigned char *copy;

		n = r.len - at < piece ? r.len - at : piece;
		copy = malloc(n);
		memcpy(copy, r.data + at, n);
		ol_intake_take(intake, &frame, copy, n);
		free(copy);
		if (frame.verdict == OL_FRAME_BAD)
			break;
		/* Whole only with the last byte. */
		assert_int_equal(
		    frame.verdict == OL_FRAME_WHOLE, at + n == r.len);
	}
	return frame;
}

static void
test_pieces_of_every_size(void **state)
{
	struct ol_intake intake;
	struct ol_frame frame;
	size_t piece;

	(void)state;
	r.len = 0;
	records_begin(&r, FCGI_KEEP_CONN);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 1, "hello", 5, 3);
	records_add(&r, FCGI_STDIN, 1, "=world", 6, 2);
	records_add(&r, FCGI_STDIN, 1, NULL, 0, 0);
	for (piece = 1; piece <= r.len; piece++) {
		frame = take(&intake, piece, 1000);
		assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
		assert_true(frame.keep);
		assert_int_equal(frame.content_length, 11);
		assert_int_equal(frame.body, 11);
		assert_int_equal(intake.body_len, 11);
		assert_memory_equal(intake.body, "hello=world", 11);
		assert_int_equal(intake.head_len, frame.head);
		assert_memory_equal(intake.head, r.data, intake.head_len);
		ol_intake_fini(&intake);
	}
}

/* Padding behind the last record belongs to the request. */
static void
test_padded_end(void **state)
{
	struct ol_intake intake;

	(void)state;
	r.len = 0;
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 1, NULL, 0, 7);
	assert_int_equal(take(&intake, 1, 1000).verdict, OL_FRAME_WHOLE);
	assert_int_equal(intake.body_len, 0);
	ol_intake_fini(&intake);
}

static void
test_large_bodies(void **state)
{
	static unsigned char body[200000];
	struct ol_intake intake;
	struct ol_frame frame;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(body); i++)
		body[i] = (unsigned char)(i * 7);
	r.len = 0;
	records_request(&r, 0, params, body, sizeof(body));
	frame = take(&intake, 5000, sizeof(body));
	assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
	assert_false(intake.too_large);
	assert_int_equal(intake.body_len, sizeof(body));
	assert_memory_equal(intake.body, body, sizeof(body));
	ol_intake_fini(&intake);
	/* One byte more than is taken: counted, not kept. */
	frame = take(&intake, 5000, sizeof(body) - 1);
	assert_int_equal(frame.verdict, OL_FRAME_WHOLE);
	assert_true(intake.too_large);
	assert_int_equal(frame.body, sizeof(body));
	assert_null(intake.body);
	ol_intake_fini(&intake);
}

static void
assert_bad(const char *why)
{
	struct ol_intake intake;
	struct ol_frame frame;
	size_t piece;

	for (piece = 1; piece <= r.len; piece += 13) {
		frame = take(&intake, piece, 1000);
		assert_int_equal(frame.verdict, OL_FRAME_BAD);
		assert_string_equal(frame.why, why);
		ol_intake_fini(&intake);
	}
}

static void
test_bad(void **state)
{
	(void)state;
	r.len = 0;
	records_begin(&r, 0);
	records_params(&r, params);
	records_begin(&r, 0);
	assert_bad("a record out of turn");
	r.len = 0;
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 2, "x", 1, 0);
	assert_bad("a record of another request");
	r.len = 0;
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_GET_VALUES, 0, "x", 1, 0);
	assert_bad("a management record");
	r.len = 0;
	records_begin(&r, 0);
	records_params(&r, params);
	records_add(&r, FCGI_STDIN, 1, "x", 1, 0);
	r.data[r.len - 9] = 9;
	assert_bad("the FastCGI version is not 1");
	r.len = 0;
	records_params(&r, params);
	assert_bad("a record out of turn");
}

static void
test_bytes_behind(void **state)
{
	struct ol_intake intake;
	struct ol_frame frame;

	(void)state;
	r.len = 0;
	records_request(&r, 0, params, "hello=world", 11);
	ol_intake_init(&intake, 1000);
	ol_intake_take(&intake, &frame, r.data, r.len - 1);
	assert_int_equal(frame.verdict, OL_FRAME_BODY);
	r.data[r.len] = 1;
	ol_intake_take(&intake, &frame, r.data + r.len - 1, 2);
	assert_int_equal(frame.verdict, OL_FRAME_BAD);
	assert_string_equal(frame.why, "bytes behind the request");
	ol_intake_fini(&intake);
}

static void
test_head_is_bounded(void **state)
{
	static unsigned char pad[60000];
	unsigned char length[8] = { 0x80, 1, 0x80, 0, 0x80, 0, 0, 1 };
	struct ol_intake intake;
	struct ol_frame frame;

	(void)state;
	r.len = 0;
	records_begin(&r, 0);
	records_add(&r, FCGI_PARAMS, 1, length, sizeof(length), 0);
	records_add(&r, FCGI_PARAMS, 1, pad, sizeof(pad), 0);
	records_add(&r, FCGI_PARAMS, 1, pad, sizeof(pad), 0);
	frame = take(&intake, 1000, 1000);
	assert_int_equal(frame.verdict, OL_FRAME_BAD);
	assert_string_equal(frame.why, "the parameters are too large");
	ol_intake_fini(&intake);
	frame = take(&intake, r.len, 1000);
	assert_int_equal(frame.verdict, OL_FRAME_BAD);
	ol_intake_fini(&intake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_of_every_size),
		cmocka_unit_test(test_padded_end),
		cmocka_unit_test(test_large_bodies),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bytes_behind),
		cmocka_unit_test(test_head_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
