/* The end of what a program writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "run/tail.h"

static void
test_tail(void **state)
{
	struct ol_tail tail;
	char all[5000], piece[40];
	size_t total = 0, len, n, want;
	unsigned seed = 4711;
	const char *text;
	int i;

	(void)state;
	for (i = 0; i < (int)sizeof(all); i++)
		all[i] = (char)('a' + i % 23);
	ol_tail_init(&tail, 1500);
	text = ol_tail_text(&tail, &len);
	assert_int_equal(len, 0);
	assert_non_null(text);
	while (total < sizeof(all) - sizeof(piece)) {
		seed = seed * 1103515245 + 12345;
		n = seed / 65536 % sizeof(piece);
		memcpy(piece, all + total, n);
		ol_tail_add(&tail, piece, n);
		total += n;
		want = total < 1500 ? total : 1500;
		if (seed / 65536 % 3 != 0)
			continue;
		text = ol_tail_text(&tail, &len);
		assert_int_equal(len, want);
		assert_memory_equal(text, all + total - want, want);
	}
	ol_tail_add(&tail, all, sizeof(all));
	text = ol_tail_text(&tail, &len);
	assert_int_equal(len, 1500);
	assert_memory_equal(text, all + sizeof(all) - 1500, 1500);
	ol_tail_fini(&tail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tail),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
