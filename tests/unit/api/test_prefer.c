/* The Prefer header, as RFC 7240 has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "api/prefer.h"

static void
test_grammar(void **state)
{
	static const struct {
		const char *lines[3];
		int wait;
		bool async;
	} all[] = {
		{ { "" }, -1, false },
		{ { "wait=10" }, 10, false },
		{ { "WAIT=10" }, 10, false },
		{ { "wait=\"10\"" }, 10, false },
		{ { "wait=\"1\\0\"" }, 10, false },
		{ { " \twait \t= 10 " }, 10, false },
		{ { "wait=0" }, 0, false },
		{ { "wait=007" }, 7, false },
		{ { "wait=10; x=y" }, 10, false },
		{ { "wait=10;;x;" }, 10, false },
		{ { "wait=10 ; x=\"a,b;c\"" }, 10, false },
		{ { "respond-async" }, -1, true },
		{ { "Respond-Async, wait=3" }, 3, true },
		{ { "respond-async;x=1" }, -1, true },
		{ { "respond-async=\"\"" }, -1, true },
		{ { "return=minimal, wait=3" }, 3, false },
		{ { ",, wait=3,," }, 3, false },
		{ { "x=\"a\\\", wait=1\", wait=2" }, 2, false },
		/* Several lines are one; the first one counts. */
		{ { "respond-async", "wait=4" }, 4, true },
		{ { "wait=4", "wait=5" }, 4, false },
		{ { "wait=4, wait=5" }, 4, false },
		{ { "x", "", "wait=5" }, 5, false },
		/* As much as is believed. */
		{ { "wait=99999999999999999999" }, OL_PREFER_WAIT_MAX, false },
		{ { "wait=1000001" }, OL_PREFER_WAIT_MAX, false },
		/* Not well-formed, or not known: as if absent. */
		{ { "wait" }, -1, false },
		{ { "wait=" }, -1, false },
		{ { "wait=\"\"" }, -1, false },
		{ { "wait=-1" }, -1, false },
		{ { "wait=+1" }, -1, false },
		{ { "wait=1.5" }, -1, false },
		{ { "wait=5s" }, -1, false },
		{ { "wait=1 2" }, -1, false },
		{ { "wait=\"1" }, -1, false },
		{ { "wait=\"1\\" }, -1, false },
		{ { "wait==1" }, -1, false },
		{ { "waits=1" }, -1, false },
		{ { "x=wait=1" }, -1, false },
		{ { "x; wait=1" }, -1, false },
		{ { "x=\"wait=1\"" }, -1, false },
		{ { "respond-async=yes" }, -1, false },
		{ { "\xff, wait=1" }, 1, false },
		{ { "=1, wait=2" }, 2, false },
		{ { "\"a, wait=1\", wait=2" }, 2, false },
		{ { "wait=x, wait=2" }, 2, false },
		{ { "wait=1111111111111111111111111111111111111111111x" }, -1,
		    false },
	};
	struct ol_prefer prefer;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		ol_prefer_init(&prefer);
		for (k = 0; k < 3 && all[i].lines[k] != NULL; k++)
			ol_prefer_read(&prefer, all[i].lines[k]);
		if (prefer.wait != all[i].wait || prefer.async != all[i].async)
			fail_msg("%s: %d %d", all[i].lines[0], prefer.wait,
			    prefer.async);
	}
}

/* Whatever it is: it ends, and reads no further than the text. */
static void
test_every_prefix(void **state)
{
	static const char text[] =
	    "a=\"\\\"b\"; c=d;;\"x\\, respond-async, wait=\"7\";q, =,\"";
	struct ol_prefer prefer;
	char cut[sizeof(text)];
	size_t from, to;

	(void)state;
	for (from = 0; from < sizeof(text); from++)
		for (to = from; to < sizeof(text); to++) {
			memcpy(cut, text + from, to - from);
			cut[to - from] = '\0';
			ol_prefer_init(&prefer);
			ol_prefer_read(&prefer, cut);
			assert_true(prefer.wait == -1 || prefer.wait == 7);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_every_prefix),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
