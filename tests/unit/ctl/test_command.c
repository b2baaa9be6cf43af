#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/command.h"

static const struct ol_command *
find(const char *line, int *used, const char **nearest)
{
	static char copy[128];
	char *words[8], *rest = copy, *word;
	int n = 0;

	strlcpy(copy, line, sizeof(copy));
	while ((word = strsep(&rest, " ")) != NULL && n < 8)
		words[n++] = word;
	return ol_command_find(n, words, used, nearest);
}

static void
test_every_row(void **state)
{
	const struct ol_command *row;
	const char *nearest;
	char line[128];
	size_t i;
	int used;

	(void)state;
	for (i = 0; (row = ol_command_row(i)) != NULL; i++) {
		snprintf(line, sizeof(line), "%s one two", row->words);
		assert_ptr_equal(find(line, &used, &nearest), row);
		assert_int_equal(used, strchr(row->words, ' ') != NULL ? 2 : 1);
		assert_true(row->least <= row->most);
		assert_true(*row->help != '\0');
		assert_non_null(row->fn);
	}
	assert_true(i > 0);
}

static void
test_typos(void **state)
{
	static const char *const lines[][2] = {
		{ "stats", "status" },
		{ "relod", "reload" },
		{ "pool lst", "pool list" },
		{ "pools list", "pool list" },
		{ "pool recycel shop", "pool recycle" },
		{ "notfy --x", "notify" },
		{ "frobnicate", NULL },
		{ "pool", NULL },
	};
	const char *nearest;
	size_t i;
	int used;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_null(find(lines[i][0], &used, &nearest));
		if (lines[i][1] == NULL)
			assert_null(nearest);
		else {
			assert_non_null(nearest);
			assert_string_equal(nearest, lines[i][1]);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row),
		cmocka_unit_test(test_typos),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
