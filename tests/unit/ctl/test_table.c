#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/table.h"

static void
check(bool terminal, bool colour, const char *expected)
{
	static const char *const heads[] = { "POOL", "STATE", NULL };
	struct ol_table *table = ol_table_new(heads);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ol_table_cell(table, "shop");
	ol_table_cell(table, "failed");
	ol_table_cell(table, "b\xc3\xa4"
			     "ckerei");
	ol_table_cell(table, "\033[2J\n%s", "x\t");
	ol_table_print(table, out, terminal, colour);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
	ol_table_free(table);
}

static void
test_pipe(void **state)
{
	(void)state;
	check(false, false,
	    "POOL\tSTATE\nshop\tfailed\n"
	    "b\xc3\xa4"
	    "ckerei\t\\x1b[2J\\x0ax\\x09\n");
}

static void
test_terminal(void **state)
{
	(void)state;
	check(true, false,
	    "POOL      STATE\nshop      failed\n"
	    "b\xc3\xa4"
	    "ckerei  \\x1b[2J\\x0ax\\x09\n");
}

static void
test_colour(void **state)
{
	(void)state;
	check(true, true,
	    "\033[1mPOOL\033[0m      \033[1mSTATE\033[0m\n"
	    "shop      \033[31mfailed\033[0m\n"
	    "b\xc3\xa4"
	    "ckerei  \\x1b[2J\\x0ax\\x09\n");
}

static void
test_no_colour(void **state)
{
	(void)state;
	/* Not a terminal, whatever the environment says. */
	unsetenv("NO_COLOR");
	assert_false(ol_table_has_colour(tmpfile()));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_no_colour),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
