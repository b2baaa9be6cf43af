/* Which path leads where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "api/route.h"

#define ID "01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58"

static void
test_found(void **state)
{
	static const struct {
		unsigned method;
		const char *path, *query, *route;
	} good[] = {
		{ OL_METHOD_GET, "/livez", "", "/livez" },
		{ OL_METHOD_HEAD, "/readyz", "", "/readyz" },
		{ OL_METHOD_GET, "/" ID, "x=1", "/{id}" },
		{ OL_METHOD_GET, "/01936B2E-5C7A-7D31-9F2B-3A6C1D0E4F58", "",
		    "/{id}" },
		{ OL_METHOD_HEAD, "/" ID "/result", "", "/{id}/result" },
		{ OL_METHOD_DELETE, "/" ID, "", "/{id}" },
		{ OL_METHOD_POST, "/thumbnail", "", "/{type}" },
		{ OL_METHOD_POST, "/a_b-1", "", "/{type}" },
	};
	struct ol_route_found found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ol_route_find(&found, good[i].method,
				     good[i].path, good[i].query),
		    0);
		assert_non_null(found.route);
		assert_string_equal(found.route->path, good[i].route);
	}
	assert_string_equal(found.type, "a_b-1");
}

static void
test_purge(void **state)
{
	struct ol_route_found found, other;

	(void)state;
	assert_int_equal(
	    ol_route_find(&found, OL_METHOD_DELETE, "/" ID, "purge=1"), 0);
	assert_int_equal(
	    ol_route_find(&other, OL_METHOD_DELETE, "/" ID, "purge=0"), 0);
	assert_ptr_not_equal(found.route, other.route);
	assert_string_equal(found.route->query, "purge=1");
}

static void
test_lost(void **state)
{
	static const char *const lost[] = { "/", "//", "//" ID, "/" ID "/",
		"/" ID "//result", "/" ID "/result/", "/" ID "/RESULT",
		"/" ID "/events", "/" ID "/retry", "/" ID "x", "/livez/",
		"/./livez", "/Livez", "/ui", "/ui/", "/events", "/metrics",
		"/queues", "/queues/x/pause", "/pools", "/schedules", "/retry",
		"/cancel", "/thumbnail/", "/thumbnail/x", "/Thumbnail",
		"/1thumbnail", "/thumb%6eail", "/%2e", "/thumb nail",
		"/01936b2e-5c7a-4d31-9f2b-3a6c1d0e4f58",
		"/01936b2e5c7a7d319f2b3a6c1d0e4f58",
		"/01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f5",
		"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa" };
	static const unsigned methods[] = { OL_METHOD_GET, OL_METHOD_POST,
		OL_METHOD_DELETE, OL_METHOD_OPTIONS, 0 };
	struct ol_route_found found;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(lost) / sizeof(lost[0]); i++)
		for (k = 0; k < 5; k++)
			if (ol_route_find(&found, methods[k], lost[i], "") !=
			    -1)
				fail_msg("%s was found", lost[i]);
}

static void
test_allow(void **state)
{
	static const struct {
		const char *path, *allow;
	} paths[] = {
		{ "/livez", "GET, HEAD, OPTIONS" },
		{ "/" ID, "GET, HEAD, DELETE, OPTIONS" },
		{ "/" ID "/result", "GET, HEAD, OPTIONS" },
		{ "/thumbnail", "POST, OPTIONS" },
	};
	char allow[OL_ENVELOPE_ALLOW_SIZE];
	struct ol_route_found found;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(
		    ol_route_find(&found, OL_METHOD_PATCH, paths[i].path, ""),
		    0);
		assert_null(found.route);
		ol_envelope_allow(found.allow, allow);
		assert_string_equal(allow, paths[i].allow);
	}
	/* All of them fit. */
	ol_envelope_allow(~0u, allow);
	assert_string_equal(
	    allow, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_purge),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_allow),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
