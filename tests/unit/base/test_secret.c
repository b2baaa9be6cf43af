#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/secret.h"

static void
test_names(void **state)
{
	(void)state;
	assert_true(ol_secret_param("HTTP_COOKIE"));
	assert_true(ol_secret_param("HTTP_AUTHORIZATION"));
	assert_true(ol_secret_param("HTTP_PROXY_AUTHORIZATION"));
	assert_true(ol_secret_param("PHP_AUTH_PW"));
	assert_true(ol_secret_param("PHP_AUTH_DIGEST"));
	/* Who it is, is no secret; and a name is matched whole. */
	assert_false(ol_secret_param("REMOTE_USER"));
	assert_false(ol_secret_param("PHP_AUTH_USER"));
	assert_false(ol_secret_param("HTTP_COOKIE_CONSENT"));
	assert_false(ol_secret_param("COOKIE"));
	assert_false(ol_secret_param(""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
	};

	alarm(30);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
