/* delay, at, priority and owner, from the query and from headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/options.h"
#include "base/clock.h"

static struct ol_options options;
static struct ol_refusal refusal;

/* header: "NAME=VALUE" without HTTP_OUTLAST_, or NULL. */
static int
read_both(const char *query, const char *header)
{
	char text[600];
	struct ol_pair pair;
	struct ol_envelope e = { .query = query };

	if (header != NULL) {
		char *equals;

		snprintf(text, sizeof(text), "HTTP_OUTLAST_%s", header);
		equals = strchr(text, '=');
		*equals = '\0';
		pair.name = text;
		pair.name_len = (uint32_t)strlen(text);
		pair.value = equals + 1;
		pair.value_len = (uint32_t)strlen(equals + 1);
		e.pairs = &pair;
		e.npairs = 1;
	}
	return ol_options_read(&options, &e, &refusal);
}

static void
test_none(void **state)
{
	(void)state;
	assert_int_equal(read_both("", NULL), 0);
	assert_true(options.delay == 0 && options.due == 0);
	assert_int_equal(options.priority, INT_MIN);
	assert_string_equal(options.owner, "");
	assert_int_equal(read_both("&&", NULL), 0);
}

static void
test_good(void **state)
{
	(void)state;
	assert_int_equal(read_both("delay=10m&priority=-100", "OWNER=me"), 0);
	assert_true(options.delay == OL_SEC(600));
	assert_int_equal(options.priority, -100);
	assert_string_equal(options.owner, "me");
	assert_int_equal(
	    read_both("owner=j%c3%b6rg+%26%20co", "PRIORITY=0"), 0);
	assert_string_equal(options.owner, "jörg & co");
	assert_int_equal(options.priority, 0);
	assert_int_equal(read_both("", "AT=1970-01-02T00:00:00Z"), 0);
	assert_true(options.due == 86400000);
	assert_int_equal(read_both("at=1970-01-02T00%3A00%3A00Z", NULL), 0);
	assert_true(options.due == 86400000);
	assert_int_equal(read_both("", "DELAY=1h30m"), 0);
	assert_true(options.delay == OL_SEC(5400));
}

static void
test_bad(void **state)
{
	static char long_owner[400];
	const struct {
		const char *query, *header, *names;
	} bad[] = {
		{ "x=1", NULL, "\"x\"" },
		{ "Delay=1", NULL, "\"Delay\"" },
		{ "delay", NULL, "\"delay\"" },
		{ "delay=", NULL, "\"delay\"" },
		{ "delay=-1", NULL, "\"delay\"" },
		{ "delay=99999d", NULL, "\"delay\"" },
		{ "delay=1&delay=2", NULL, "\"delay\"" },
		{ "delay=1", "DELAY=1", "\"delay\"" },
		{ "delay=1", "AT=2030-01-01T00:00:00Z", "\"at\"" },
		{ "at=tomorrow", NULL, "\"at\"" },
		{ "priority=101", NULL, "\"priority\"" },
		{ "priority=-101", NULL, "\"priority\"" },
		{ "priority=1e1", NULL, "\"priority\"" },
		{ "priority=+1", NULL, "\"priority\"" },
		{ "priority=%201", NULL, "\"priority\"" },
		{ "priority=99999999999999999999", NULL, "\"priority\"" },
		{ "owner=", NULL, "\"owner\"" },
		{ "owner=a%0ab", NULL, "\"owner\"" },
		{ "owner=a%00b", NULL, "\"owner\"" },
		{ "owner=%ff", NULL, "\"owner\"" },
		{ "owner=%zz", NULL, "\"owner\"" },
		{ "owner=%4", NULL, "\"owner\"" },
		{ long_owner, NULL, "\"owner\"" },
		{ "unique=payload", NULL, "not in this version" },
		{ "", "CALLBACK_URL=https://x", "not in this version" },
		{ "", "COLOUR=red", "\"OUTLAST_COLOUR\"" },
		{ "%00=1", NULL, "option" },
	};
	size_t i;

	(void)state;
	snprintf(long_owner, sizeof(long_owner), "owner=%0256d", 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_both(bad[i].query, bad[i].header) != -1)
			fail_msg("%s was taken", bad[i].query);
		assert_int_equal(refusal.problem, OL_PROBLEM_BAD_OPTION);
		if (strstr(refusal.detail, bad[i].names) == NULL)
			fail_msg("%s: %s", bad[i].query, refusal.detail);
	}
}

static void
test_times(void **state)
{
	/* Each as date -u -d TIME +%s says. */
	static const struct {
		const char *text;
		int64_t msec;
	} times[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2026-11-20T21:05:11.123Z", 1795208711123 },
		{ "2026-11-20t21:05:11.1239z", 1795208711123 },
		{ "2026-11-20 21:05:11Z", 1795208711000 },
		{ "2026-11-20T22:05:11+01:00", 1795208711000 },
		{ "2026-11-20T15:35:11-05:30", 1795208711000 },
		{ "2024-02-29T00:00:00Z", 1709164800000 },
		{ "9999-12-31T23:59:59Z", 253402300799000 },
		{ "2016-12-31T23:59:60Z", 1483228799000 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2026-02-29T00:00:00Z", -1 },
		{ "2026-13-01T00:00:00Z", -1 },
		{ "2026-00-01T00:00:00Z", -1 },
		{ "2026-01-00T00:00:00Z", -1 },
		{ "2026-01-01T24:00:00Z", -1 },
		{ "2026-01-01T00:60:00Z", -1 },
		{ "2026-01-01T00:00:61Z", -1 },
		{ "2026-01-01T00:00:00", -1 },
		{ "2026-01-01T00:00:00+24:00", -1 },
		{ "2026-01-01T00:00:00+0100", -1 },
		{ "2026-01-01T00:00:00.Z", -1 },
		{ "2026-01-01T00:00:00Zx", -1 },
		{ "2026-1-01T00:00:00Z", -1 },
		{ "-026-01-01T00:00:00Z", -1 },
		{ "2026-01-01", -1 },
		{ "", -1 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		int64_t msec = ol_options_time(times[i].text);

		if (msec != times[i].msec)
			fail_msg("%s: %lld", times[i].text, (long long)msec);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_times),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
