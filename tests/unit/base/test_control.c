#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/control.h"

static void
test_all_verbs(void **state)
{
	struct ol_control_request request, again;
	char packet[OL_CONTROL_REQUEST_MAX];
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < OL_CONTROL_VERBS; i++) {
		memset(&request, 0, sizeof(request));
		request.verb = (enum ol_control_verb)i;
		if (ol_control_takes_pool(request.verb))
			strlcpy(
			    request.pool, "my-shop_2", sizeof(request.pool));
		len = ol_control_format(packet, &request);
		memset(&again, 0x55, sizeof(again));
		assert_null(ol_control_parse(&again, packet, len));
		assert_int_equal(again.verb, request.verb);
		assert_string_equal(again.pool, request.pool);
	}
}

/* Who may only read must not get at what changes. */
static void
test_privileges(void **state)
{
	(void)state;
	assert_false(ol_control_changes(OL_CONTROL_STATUS));
	assert_false(ol_control_changes(OL_CONTROL_POOLS));
	assert_false(ol_control_changes(OL_CONTROL_POOL));
	assert_true(ol_control_changes(OL_CONTROL_RECYCLE));
	assert_true(ol_control_changes(OL_CONTROL_STOP));
	assert_true(ol_control_changes(OL_CONTROL_START));
	assert_true(ol_control_changes(OL_CONTROL_RELOAD));
}

static void
test_rubbish(void **state)
{
	static const char *const wrong[] = { "", " ", "statu", "statuss",
		"STATUS", "status ", "status shop", "pool", "pool ", "pool  a",
		"pool a b", "pool a ", "pool a\n", "pool ../a", "pool a.b",
		"pool \xc3\xa4", " pool a", "pool\ta", "reload x", "status\n" };
	struct ol_control_request request;
	char overlong[OL_CONTROL_REQUEST_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_non_null(
		    ol_control_parse(&request, wrong[i], strlen(wrong[i])));
	assert_non_null(ol_control_parse(&request, "status\0", 7));
	assert_non_null(ol_control_parse(&request, "pool a\0b", 8));
	memset(overlong, 'a', sizeof(overlong));
	memcpy(overlong, "pool ", 5);
	for (i = 6; i <= sizeof(overlong); i++)
		assert_true((ol_control_parse(&request, overlong, i) == NULL) ==
			    (i - 5 < OL_CONTROL_POOL_SIZE));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_verbs),
		cmocka_unit_test(test_privileges),
		cmocka_unit_test(test_rubbish),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
