/* A flood of lines: some of them, and then how many there were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/quota.h"

static char path[] = "/tmp/outlast-quota-XXXXXX";

/* The log so far, without what stands before the messages. */
static void
expect_log(const char *wanted)
{
	char text[4096] = "", line[512];
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		strlcat(text, strstr(line, "test: ") + 6, sizeof(text));
	fclose(f);
	assert_string_equal(text, wanted);
}

static void
test_flood(void **state)
{
	const int64_t begin = OL_SEC(1000000);
	struct ol_quota quota = { .since = 0 };
	struct ol_log log;
	int i;

	(void)state;
	ol_log_about(&log, "test");
	for (i = 0; i < OL_QUOTA_LINES; i++)
		assert_true(ol_quota_take(&quota, &log, begin + i));
	for (i = 0; i < 1000; i++)
		assert_false(ol_quota_take(&quota, &log, begin + OL_SEC(5)));
	assert_false(ol_quota_take(&quota, &log, begin + OL_QUOTA_TIME - 1));
	expect_log("");
	assert_true(ol_quota_take(&quota, &log, begin + OL_QUOTA_TIME));
	expect_log("1001 lines such as the next were left out\n");
	for (i = 1; i < OL_QUOTA_LINES; i++)
		assert_true(ol_quota_take(&quota, &log, begin + OL_SEC(11)));
	assert_false(ol_quota_take(&quota, &log, begin + OL_SEC(11)));
	/* Now and then one is no flood. */
	for (i = 2; i < 40; i++)
		assert_true(
		    ol_quota_take(&quota, &log, begin + i * OL_SEC(11)));
	expect_log("1001 lines such as the next were left out\n"
		   "1 lines such as the next were left out\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_flood) };
	const struct ol_log_sink sink = {
		.target = OL_LOG_FILE, .path = path, .level = OL_LOG_INFO
	};
	int failed, fd;

	alarm(60);
	if ((fd = mkstemp(path)) == -1 || ol_log_open(&sink, 1, NULL) == -1)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ol_log_close();
	unlink(path);
	return failed;
}
