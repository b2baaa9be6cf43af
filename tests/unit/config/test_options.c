#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/conf.h"
#include "config/draft.h"
#include "config/options.h"

static void
test_rows_are_whole(void **state)
{
	const struct ol_option *option;
	size_t i;

	(void)state;
	for (i = 0; (option = ol_options_row(i)) != NULL; i++) {
		assert_ptr_equal(
		    ol_options_find_in(option->name, option->context), option);
		assert_int_equal(ol_options_index(option), i);
		assert_in_range(option->context, 1, OL_IN_ANY);
		assert_true(option->syntax[0] != '\0');
		assert_true(option->help[0] != '\0');
		assert_true(option->least <= option->most);
		assert_true(option->min <= option->max);
		if (option->kind == OL_KIND_SET)
			assert_non_null(option->parameters);
	}
	assert_int_equal(i, ol_options_size());
	assert_in_range(i, 40, OL_DRAFT_OPTIONS_MAX);
}

static void
test_nearest_minds_the_context(void **state)
{
	(void)state;
	assert_string_equal(
	    ol_options_nearest("shutdown_dealy", OL_IN_POOL)->name,
	    "shutdown_delay");
	assert_string_equal(
	    ol_options_nearest("pol", OL_IN_MAIN)->name, "pool");
	assert_null(ol_options_nearest("pol", OL_IN_POOL));
	assert_null(ol_options_nearest("webhook", OL_IN_ANY));
}

/* Six fields a line, none empty: other tools read this. */
static void
test_print(void **state)
{
	char *text, *line, *rest;
	size_t size, lines = 0;
	FILE *out;

	(void)state;
	out = open_memstream(&text, &size);
	ol_conf_print_table(out);
	fclose(out);
	assert_non_null(strstr(text,
	    "\nprocesses\tpool\tNUMBER\t1\treloadable\thow many processes "
	    "serve at once\n"));
	assert_non_null(strstr(text, "\npid\tmain\tPATH\t"
				     "/run/outlast/outlastd.pid\t-\t"));
	assert_non_null(strstr(text, "\nshutdown_delay_max\tmain,pool\tTIME\t"
				     "shutdown_delay\treloadable\t"));
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
		int fields = 0;
		char *field;

		while ((field = strsep(&line, "\t")) != NULL) {
			assert_true(*field != '\0');
			fields++;
		}
		assert_int_equal(fields, 6);
		lines++;
	}
	assert_int_equal(lines, ol_options_size());
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_whole),
		cmocka_unit_test(test_nearest_minds_the_context),
		cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
