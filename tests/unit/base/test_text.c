#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

static void
test_escape(void **state)
{
	char out[64];

	(void)state;
	assert_int_equal(ol_text_escape(out, sizeof(out), "plain", 5), 5);
	assert_string_equal(out, "plain");
	ol_text_escape(out, sizeof(out), "a\nb\x1b[2J\\", 8);
	assert_string_equal(out, "a\\x0ab\\x1b[2J\\x5c");
	/* A letter stays; a C1 control and half a letter do not. */
	ol_text_escape(out, sizeof(out), "\xc3\xa4\xc2\x9b|\xc3", 6);
	assert_string_equal(out, "\xc3\xa4\\xc2\\x9b|\\xc3");
}

static void
test_escape_cuts_with_a_mark(void **state)
{
	char out[8];
	size_t n;

	(void)state;
	n = ol_text_escape(out, sizeof(out), "0123456", 7);
	assert_string_equal(out, "0123456");
	n = ol_text_escape(out, sizeof(out), "01234567", 8);
	assert_string_equal(out, "0123...");
	assert_int_equal(n, strlen(out));
	n = ol_text_escape(out, 2, "\n\n\n", 3);
	assert_int_equal(n, strlen(out));
	assert_in_range(n, 0, 1);
}

static void
test_json(void **state)
{
	char out[64];

	(void)state;
	ol_text_json(out, sizeof(out), "a\"b\\c\n\t\r\xc3\xa4\xff", 11);
	assert_string_equal(out, "a\\\"b\\\\c\\n\\t\\u000d\xc3\xa4?");
	/* An over-long slash and a surrogate are not UTF-8. */
	ol_text_json(out, sizeof(out), "\xc0\xaf|\xed\xa0\x80", 6);
	assert_string_equal(out, "??|???");
	ol_text_json(out, 3, "\xc3\xa4\xc3\xa4", 4);
	assert_string_equal(out, "\xc3\xa4");
}

static void
test_characters(void **state)
{
	/* The first and the last of each length, and what lies beside them. */
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{ "a", 1 },
		{ "\x7f", 1 },
		{ "\x80", 0 },
		{ "\xc1\xbf", 0 },
		{ "\xc2\x80", 2 },
		{ "\xdf\xbf", 2 },
		{ "\xdf\xc0", 0 },
		{ "\xe0\x9f\xbf", 0 },
		{ "\xe0\xa0\x80", 3 },
		{ "\xed\x9f\xbf", 3 },
		{ "\xed\xa0\x80", 0 },
		{ "\xee\x80\x80", 3 },
		{ "\xef\xbf\xbf", 3 },
		{ "\xf0\x8f\xbf\xbf", 0 },
		{ "\xf0\x90\x80\x80", 4 },
		{ "\xf4\x8f\xbf\xbf", 4 },
		{ "\xf4\x90\x80\x80", 0 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xff", 0 },
	};
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		n = strlen(cases[i].bytes);
		if (ol_text_character(cases[i].bytes, n) != cases[i].length)
			fail_msg("case %zu", i);
		if (n > 1)
			assert_int_equal(
			    ol_text_character(cases[i].bytes, n - 1), 0);
	}
	assert_int_equal(ol_text_character("", 1), 1);
}

static void
test_signal(void **state)
{
	char name[24];

	(void)state;
	assert_string_equal(
	    ol_text_signal(name, sizeof(name), SIGXCPU), "SIGXCPU");
	assert_string_equal(
	    ol_text_signal(name, sizeof(name), 40), "signal 40");
}

static void
test_nearest(void **state)
{
	static const char *const names[] = { "shutdown_delay",
		"shutdown_delay_max", "program", "pid" };

	(void)state;
	assert_string_equal(
	    ol_text_nearest("shutdown_dealy", names, 4), "shutdown_delay");
	assert_string_equal(ol_text_nearest("porgram", names, 4), "program");
	assert_null(ol_text_nearest("banana", names, 4));
	assert_null(ol_text_nearest("", names, 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_cuts_with_a_mark),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_characters),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_nearest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
