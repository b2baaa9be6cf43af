/* Variables in one piece of memory, and their secrets in another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "engine/context.h"

#define BYTES(text) ((struct ol_bytes){ text, sizeof(text) - 1 })

static const struct ol_object_variable variables[] = {
	{ "REQUEST_METHOD", "POST" },
	{ "HTTP_COOKIE", "a=b" },
	{ "EMPTY", "" },
	{ "HTTP_COOKIE", "" },
	{ "PHP_AUTH_PW", "open" },
	{ "HTTP_COOKIE", "c=d" },
	{ "LAST", "x" },
};

enum { N = sizeof(variables) / sizeof(variables[0]) };

static void
test_there_and_back(void **state)
{
	struct ol_context c;
	struct ol_run_variable *back;
	size_t i, n;

	(void)state;
	ol_context_pack(&c, variables, N);
	assert_null(memmem(c.variables, c.variables_size, "a=b", 3));
	assert_null(memmem(c.variables, c.variables_size, "open", 4));
	assert_non_null(memmem(c.secrets, c.secrets_size, "a=b", 3));
	back = ol_context_unpack(
	    (struct ol_bytes){ c.variables, c.variables_size },
	    (struct ol_bytes){ c.secrets, c.secrets_size }, &n);
	assert_int_equal(n, N);
	for (i = 0; i < N; i++) {
		assert_string_equal(back[i].name, variables[i].name);
		assert_string_equal(back[i].value, variables[i].value);
	}
	free(back);
	/* Erased: their places are empty. */
	back = ol_context_unpack(
	    (struct ol_bytes){ c.variables, c.variables_size },
	    (struct ol_bytes){ NULL, 0 }, &n);
	assert_int_equal(n, N);
	assert_string_equal(back[0].value, "POST");
	assert_string_equal(back[1].name, "HTTP_COOKIE");
	assert_string_equal(back[1].value, "");
	assert_string_equal(back[4].value, "");
	assert_string_equal(back[6].value, "x");
	free(back);
	ol_context_fini(&c);
	assert_null(c.secrets);
}

static void
test_nothing(void **state)
{
	const struct ol_object_variable plain = { "A", "b" };
	struct ol_context c;
	size_t n = 7;

	(void)state;
	ol_context_pack(&c, NULL, 0);
	assert_null(c.variables);
	assert_null(c.secrets);
	assert_null(ol_context_unpack(
	    (struct ol_bytes){ NULL, 0 }, (struct ol_bytes){ NULL, 0 }, &n));
	assert_int_equal(n, 0);
	ol_context_fini(&c);
	ol_context_pack(&c, &plain, 1);
	assert_int_equal(c.variables_size, 4);
	assert_null(c.secrets);
	ol_context_fini(&c);
}

/* Somebody has edited the database; or an older outlast, which knew fewer
 * secrets, wrote it. */
static void
test_bytes_that_are_not_ours(void **state)
{
	const struct ol_bytes none = { NULL, 0 };
	const struct ol_bytes bad[] = { BYTES("A"), BYTES("A\0b"), BYTES("\0"),
		BYTES("A\0b\0C\0"), BYTES("A\0b\0C") };
	struct ol_run_variable *back;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		n = 7;
		assert_null(ol_context_unpack(bad[i], none, &n));
		assert_int_equal(n, 0);
		back = ol_context_unpack(BYTES("A\0b\0"), bad[i], &n);
		assert_int_equal(n, 1);
		assert_string_equal(back[0].value, "b");
		free(back);
	}
	/* Of another order: each stays where its name is, or away. */
	back = ol_context_unpack(BYTES("HTTP_COOKIE\0\0PHP_AUTH_PW\0\0"),
	    BYTES("PHP_AUTH_PW\0open\0HTTP_COOKIE\0a=b\0"), &n);
	assert_int_equal(n, 2);
	assert_string_equal(back[0].value, "");
	assert_string_equal(back[1].value, "open");
	free(back);
	back = ol_context_unpack(BYTES("HTTP_COOKIE\0old\0B\0c\0"), none, &n);
	assert_int_equal(n, 2);
	assert_string_equal(back[0].value, "old");
	free(back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_bytes_that_are_not_ours),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
