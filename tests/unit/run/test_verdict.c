/* What the end of a program means. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "run/verdict.h"

#define EXIT(n) ((n) << 8)

static void
test_verdicts(void **state)
{
	static const struct {
		struct ol_verdict verdict;
		enum ol_outcome outcome;
		bool crashed;
		const char *kind;
	} cases[] = {
		{ { .status = EXIT(0) }, OL_OUTCOME_OK, false, NULL },
		{ { .status = EXIT(0), .timed_out = true }, OL_OUTCOME_OK,
		    false, NULL },
		{ { .status = EXIT(0), .stopped = true }, OL_OUTCOME_OK, false,
		    NULL },
		{ { .status = EXIT(0), .too_large = true }, OL_OUTCOME_FAIL,
		    false, "result_too_large" },
		{ { .status = EXIT(0), .unkept = ENOSPC }, OL_OUTCOME_RETRY,
		    false, "refused" },
		{ { .status = EXIT(1) }, OL_OUTCOME_RETRY, false, "exit" },
		{ { .status = EXIT(127) }, OL_OUTCOME_RETRY, false, "exit" },
		{ { .status = EXIT(75) }, OL_OUTCOME_RETRY, false, "exit" },
		{ { .status = EXIT(64) }, OL_OUTCOME_FAIL, false, "exit" },
		{ { .status = EXIT(65) }, OL_OUTCOME_FAIL, false, "exit" },
		{ { .status = EXIT(66) }, OL_OUTCOME_RETRY, false, "exit" },
		{ { .status = EXIT(78) }, OL_OUTCOME_FAIL, false, "exit" },
		{ { .status = EXIT(65), .timed_out = true }, OL_OUTCOME_RETRY,
		    false, "timeout" },
		{ { .status = SIGTERM, .timed_out = true }, OL_OUTCOME_RETRY,
		    false, "timeout" },
		{ { .status = SIGTERM, .stopped = true },
		    OL_OUTCOME_INTERRUPTED, false, "signal" },
		{ { .status = SIGKILL, .stopped = true },
		    OL_OUTCOME_INTERRUPTED, false, "signal" },
		{ { .status = SIGSEGV, .stopped = true }, OL_OUTCOME_LOST, true,
		    "signal" },
		{ { .status = SIGTERM }, OL_OUTCOME_LOST, true, "signal" },
		{ { .status = SIGKILL }, OL_OUTCOME_LOST, true, "signal" },
		{ { .status = SIGABRT | 0x80 }, OL_OUTCOME_LOST, true,
		    "signal" },
		{ { .status = SIGKILL, .too_large = true, .stopped = true },
		    OL_OUTCOME_FAIL, false, "result_too_large" },
	};
	struct ol_run_end end;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&end, 0xff, sizeof(end));
		ol_verdict_reach(&cases[i].verdict, &end);
		if (end.ending.outcome != cases[i].outcome ||
		    end.ending.crashed != cases[i].crashed ||
		    end.ending.unreachable || end.ending.delay != -1)
			fail_msg(
			    "case %zu: outcome %d", i, (int)end.ending.outcome);
		if (cases[i].kind == NULL)
			assert_null(end.kind);
		else
			assert_string_equal(end.kind, cases[i].kind);
		assert_true(memchr(end.message, 0, 100) != NULL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
