#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "config/conf.h"
#include "config/values.h"

static void
test_time(void **state)
{
	static const struct {
		const char *text;
		int64_t value;
	} good[] = {
		{ "0", 0 },
		{ "90", OL_SEC(90) },
		{ "500ms", OL_MSEC(500) },
		{ "90s", OL_SEC(90) },
		{ "10m", OL_SEC(600) },
		{ "2h", OL_SEC(7200) },
		{ "7d", OL_SEC(7 * 86400) },
		{ "1h30m", OL_SEC(5400) },
		{ "1d2h3m4s5ms", OL_SEC(93784) + OL_MSEC(5) },
		{ "1m30", OL_SEC(90) },
		{ "99999999999999999999d", INT64_MAX },
		{ "9223372037s", INT64_MAX },
	};
	static const char *const bad[] = { "", "s", "-1s", "1x", "1S", "1 s",
		"1.5s", "30m1h", "1s1s", "1ms1", "1s5", "90sec", "1h m", "0x10",
		"+5s" };
	int64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(ol_values_time(&value, good[i].text));
		assert_true(value == good[i].value);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		value = 42;
		assert_non_null(ol_values_time(&value, bad[i]));
		assert_true(value == 42);
	}
}

static void
test_time_format(void **state)
{
	static const struct {
		int64_t value;
		const char *text;
	} forms[] = {
		{ 0, "0s" },
		{ OL_MSEC(500), "500ms" },
		{ OL_SEC(90), "1m30s" },
		{ OL_SEC(86400) + OL_MSEC(1), "1d1ms" },
		{ OL_SEC(29 * 3600), "1d5h" },
	};
	char buf[OL_VALUES_TIME_SIZE];
	int64_t value;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		ol_values_time_format(buf, sizeof(buf), forms[i].value);
		assert_string_equal(buf, forms[i].text);
		assert_null(ol_values_time(&value, buf));
		assert_true(value == forms[i].value);
	}
	/* The longest form there is. */
	ol_values_time_format(buf, sizeof(buf), INT64_MAX);
	assert_string_equal(buf, "106751d23h47m16s854ms");
}

static void
test_number(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_null(ol_values_number(&value, "0017"));
	assert_true(value == 17);
	assert_null(ol_values_number(&value, "9223372036854775807"));
	assert_true(value == INT64_MAX);
	assert_null(ol_values_number(&value, "9223372036854775808"));
	assert_true(value == INT64_MAX);
	assert_non_null(ol_values_number(&value, ""));
	assert_non_null(ol_values_number(&value, "-1"));
	assert_non_null(ol_values_number(&value, "4k"));
	assert_non_null(ol_values_number(&value, " 4"));
}

static void
test_integer(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_null(ol_values_integer(&value, "17"));
	assert_true(value == 17);
	assert_null(ol_values_integer(&value, "-17"));
	assert_true(value == -17);
	assert_null(ol_values_integer(&value, "-9223372036854775808"));
	assert_true(value == -INT64_MAX);
	assert_non_null(ol_values_integer(&value, "-"));
	assert_non_null(ol_values_integer(&value, "--1"));
	assert_non_null(ol_values_integer(&value, "+1"));
	assert_non_null(ol_values_integer(&value, ""));
}

static void
test_base(void **state)
{
	static const char *const good[] = { "/tasks", "/ops/tasks", "/~me/t.a",
		"/...", "/.hidden", "/a:b@c" };
	static const char *const bad[] = { "", "tasks", "/", "/tasks/", "//",
		"/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a b", "/a%20b",
		"/a?b", "/a#b", "/a\\b", "/\xc3\xa4", "/a\nb" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (ol_values_base(good[i]) != NULL)
			fail_msg("refused: %s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ol_values_base(bad[i]) == NULL)
			fail_msg("taken: %s", bad[i]);
}

static void
test_type(void **state)
{
	static const char *const good[] = { "image/jpeg",
		"application/vnd.api+json", "text/plain;charset=utf-8",
		"text/plain; a=\"b c\"" };
	static const char *const bad[] = { "", "jpeg", "/jpeg", "image/",
		"image/jpeg/x", "image jpeg", "text/plain charset=utf-8",
		"text/plain;\r\nX: y", "text/plain; a=\x7f",
		"text/plain; a=\xc3\xa4", "te(xt/plain" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (ol_values_type(good[i]) != NULL)
			fail_msg("refused: %s", good[i]);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ol_values_type(bad[i]) == NULL)
			fail_msg("taken: %s", bad[i]);
}

static void
test_size_format(void **state)
{
	static const struct {
		int64_t size;
		const char *text;
	} sizes[] = { { 0, "0" }, { 1, "1" }, { 1023, "1023" }, { 1024, "1k" },
		{ 1025, "1025" }, { 1 << 20, "1m" }, { 1536, "1536" },
		{ (int64_t)1 << 40, "1024g" },
		{ INT64_MAX, "9223372036854775807" } };
	char text[24];
	int64_t back;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ol_values_size_format(text, sizeof(text), sizes[i].size);
		assert_string_equal(text, sizes[i].text);
		assert_null(ol_values_size(&back, text));
		assert_true(back == sizes[i].size);
	}
}

static void
test_size(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_null(ol_values_size(&value, "100"));
	assert_true(value == 100);
	assert_null(ol_values_size(&value, "64k"));
	assert_true(value == 65536);
	assert_null(ol_values_size(&value, "10M"));
	assert_true(value == 10485760);
	assert_null(ol_values_size(&value, "2g"));
	assert_true(value == 2147483648);
	assert_null(ol_values_size(&value, "9999999999999g"));
	assert_true(value == INT64_MAX);
	assert_non_null(ol_values_size(&value, "k"));
	assert_non_null(ol_values_size(&value, "1kb"));
	assert_non_null(ol_values_size(&value, "1t"));
	assert_non_null(ol_values_size(&value, ""));
}

static void
test_clock(void **state)
{
	static const struct {
		const char *text, *back;
	} good[] = {
		{ "03:00", "03:00" },
		{ "23:59,00:00,12:30", "00:00,12:30,23:59" },
		{ "00:00,01:00,02:00,03:00,04:00,05:00,06:00,07:00,08:00,09:00,"
		  "10:00,11:00,12:00,13:00,14:00,15:00,16:00,17:00,18:00,19:00,"
		  "20:00,21:00,22:00,23:00",
		    NULL },
	};
	static const char *const bad[] = { "", "3:00", "03:0", "24:00", "03:60",
		"03:00,", ",03:00", "03:00,03:00", "03:00 ", "03.00", "-3:00",
		"03:00;04:00",
		"00:00,01:00,02:00,03:00,04:00,05:00,06:00,07:00,08:00,09:00,"
		"10:00,11:00,12:00,13:00,14:00,15:00,16:00,17:00,18:00,19:00,"
		"20:00,21:00,22:00,23:00,23:30" };
	char text[OL_VALUES_CLOCK_SIZE];
	struct ol_conf_clock clock = { .n = 7 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_non_null(ol_values_clock(&clock, bad[i]));
		assert_int_equal(clock.n, 7);
	}
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_null(ol_values_clock(&clock, good[i].text));
		ol_values_clock_format(text, sizeof(text), &clock);
		assert_string_equal(
		    text, good[i].back != NULL ? good[i].back : good[i].text);
	}
}

static void
test_mode(void **state)
{
	mode_t mode = 0;

	(void)state;
	assert_null(ol_values_mode(&mode, "0660"));
	assert_int_equal(mode, 0660);
	assert_null(ol_values_mode(&mode, "777"));
	assert_int_equal(mode, 0777);
	assert_non_null(ol_values_mode(&mode, "0668"));
	assert_non_null(ol_values_mode(&mode, "1777"));
	assert_non_null(ol_values_mode(&mode, "66"));
	assert_non_null(ol_values_mode(&mode, "00660"));
	assert_non_null(ol_values_mode(&mode, "rw-"));
	assert_non_null(ol_values_mode(&mode, ""));
	assert_int_equal(mode, 0777);
}

static void
test_switch(void **state)
{
	bool value = false;

	(void)state;
	assert_null(ol_values_switch(&value, "on"));
	assert_true(value);
	assert_null(ol_values_switch(&value, "off"));
	assert_false(value);
	assert_non_null(ol_values_switch(&value, "yes"));
	assert_non_null(ol_values_switch(&value, "On"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_time_format),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_integer),
		cmocka_unit_test(test_base),
		cmocka_unit_test(test_type),
		cmocka_unit_test(test_size_format),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
