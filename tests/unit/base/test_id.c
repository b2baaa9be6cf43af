#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/id.h"

static void
make(struct ol_id_source *source, uint64_t msec, struct ol_id *id)
{
	assert_int_equal(ol_id_new(source, msec, id), 0);
}

static uint64_t
msec_of(const struct ol_id *id)
{
	uint64_t msec = 0;
	int i;

	for (i = 0; i < 6; i++)
		msec = msec << 8 | id->bytes[i];
	return msec;
}

static void
test_fields_are_those_of_the_rfc(void **state)
{
	struct ol_id_source source = { 0 };
	struct ol_id id;
	char text[OL_ID_TEXT_SIZE];

	(void)state;
	/* The time of the example in RFC 9562, appendix A.6. */
	make(&source, 0x017f22e279b0, &id);
	ol_id_format(&id, text);
	assert_memory_equal(text, "017f22e2-79b0-7", 15);
	assert_int_equal(id.bytes[6] >> 4, 7);
	assert_int_equal(id.bytes[8] >> 6, 2);
}

static void
test_each_is_greater(void **state)
{
	struct ol_id_source source = { 0 };
	struct ol_id last, id;
	int i;

	(void)state;
	make(&source, 1000, &last);
	/* More than fit into a millisecond, then a clock that goes back. */
	for (i = 0; i < 20000; i++) {
		make(&source, i < 10000 ? 1000 : 990, &id);
		assert_true(ol_id_compare(&last, &id) < 0);
		last = id;
	}
	assert_int_equal(msec_of(&id), 1000 + 20000 / 4096);
	make(&source, 2000, &id);
	assert_int_equal(msec_of(&id), 2000);
}

static void
test_the_end_is_random(void **state)
{
	struct ol_id_source source = { 0 };
	struct ol_id id;
	uint8_t zeros[8] = { 0 }, ones[8] = { 0 };
	int i, j;

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (i = 0; i < 200; i++) {
		make(&source, 1, &id);
		for (j = 0; j < 8; j++) {
			zeros[j] |= id.bytes[8 + j];
			ones[j] &= id.bytes[8 + j];
		}
	}
	/* Each bit was seen both ways, but for the variant. */
	assert_int_equal(zeros[0], 0xbf);
	assert_int_equal(ones[0], 0x80);
	for (j = 1; j < 8; j++) {
		assert_int_equal(zeros[j], 0xff);
		assert_int_equal(ones[j], 0);
	}
}

static void
test_text_there_and_back(void **state)
{
	static const char lower[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
	static const char upper[] = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
	struct ol_id a, b;
	char text[OL_ID_TEXT_SIZE];

	(void)state;
	assert_int_equal(ol_id_parse(&a, lower, 36), 0);
	assert_int_equal(ol_id_parse(&b, upper, 36), 0);
	assert_int_equal(ol_id_compare(&a, &b), 0);
	assert_int_equal(a.bytes[15], 0x8f);
	ol_id_format(&a, text);
	assert_string_equal(text, lower);
}

static void
test_what_is_no_id(void **state)
{
	static const char good[] = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
	struct ol_id id = { { 42 } };
	size_t i;

	(void)state;
	for (i = 0; i < 36; i++)
		assert_int_equal(ol_id_parse(&id, good, i), -1);
	assert_int_equal(ol_id_parse(&id, good, 37), -1);
	for (i = 0; i < 36; i++) {
		char bad[37];

		memcpy(bad, good, sizeof(bad));
		bad[i] = 'g';
		assert_int_equal(ol_id_parse(&id, bad, 36), -1);
		bad[i] = '\0';
		assert_int_equal(ol_id_parse(&id, bad, 36), -1);
	}
	assert_int_equal(
	    ol_id_parse(&id, "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", 36), -1);
	assert_int_equal(
	    ol_id_parse(&id, "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f", 36), -1);
	assert_int_equal(id.bytes[0], 42);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_are_those_of_the_rfc),
		cmocka_unit_test(test_each_is_greater),
		cmocka_unit_test(test_the_end_is_random),
		cmocka_unit_test(test_text_there_and_back),
		cmocka_unit_test(test_what_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
