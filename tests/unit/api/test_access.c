/*
 * Every level of access × every route of the table, as location and as door:
 * what comes of it, and that a refusal names what is missing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/access.h"
#include "api/route.h"
#include "asking.h"

/* Who may, written down by hand: c a v o, as conf.h orders them. */
static const struct expected {
	const char *what;
	const char *more; /* a parameter, or NULL */
	const char *levels;
	const char *missing;
	int status;	   /* when it may */
	const char *first; /* missing before that: the route's, not the type's
			    */
} expected[] = {
	{ "POST /thumb", "OUTLAST_TASK=thumbnail", "ca o", "client", 202 },
	{ "POST /report", "OUTLAST_TASK=report", " a o", "app", 202, "client" },
	{ "GET /tasks/livez", NULL, "cavo", "", 200 },
	{ "GET /tasks/readyz", NULL, "cavo", "", 200 },
	{ "GET /tasks/" ASKING_ID, NULL, "cavo", "", 200 },
	{ "GET /tasks/" ASKING_ID "/result", NULL, "cavo", "", 200 },
	{ "GET /tasks/" ASKING_ID "/page", NULL, "cavo", "", 200 },
	{ "DELETE /tasks/" ASKING_ID "?purge=1", NULL, "   o", "operator",
	    204 },
	{ "DELETE /tasks/" ASKING_ID, NULL, "ca o", "client", 202 },
	{ "POST /tasks/thumbnail", NULL, " a o", "app", 202 },
	{ "POST /tasks/report", NULL, " a o", "app", 202 },
};

enum { NEXPECTED = sizeof(expected) / sizeof(expected[0]) };

static const char letters[] = "cavo";

static void
check(struct asking *a, const struct expected *e, int location, int door)
{
	char access[64];
	const char *more[] = { access, e->more, NULL };
	const struct reply *reply;
	bool may = strchr(e->levels, letters[location]) != NULL &&
		   strchr(e->levels, letters[door]) != NULL;

	snprintf(access, sizeof(access), "OUTLAST_ACCESS=%s",
	    ol_access_name((enum ol_access)location));
	a->door.access = (enum ol_access)door;
	reply = ask(a, e->what, more);
	if (reply->status != (may ? e->status : 403))
		fail_msg("%s with %s through %s: %d", e->what,
		    ol_access_name((enum ol_access)location),
		    ol_access_name((enum ol_access)door), reply->status);
	if (!may) {
		bool first =
		    e->first != NULL &&
		    (location == OL_ACCESS_VIEWER || door == OL_ACCESS_VIEWER);

		snprintf(access, sizeof(access), "takes access \\\"%s\\\"",
		    first ? e->first : e->missing);
		assert_non_null(strstr(reply->body, access));
		assert_string_equal(a->engine.asked, "");
		assert_string_equal(reply_header(reply, "Content-Type"),
		    "application/problem+json");
	}
}

static void
test_matrix(void **state)
{
	struct asking a;
	int location, door;
	size_t i;

	(void)state;
	asking_start(&a);
	a.object.succeeded = true;
	for (i = 0; i < NEXPECTED; i++)
		for (location = 0; location < OL_ACCESS_LEVELS; location++)
			for (door = 0; door < OL_ACCESS_LEVELS; door++)
				check(&a, &expected[i], location, door);
	asking_stop(&a);
}

/* Every row of the table is in the matrix. */
static void
test_whole(void **state)
{
	size_t i, k, n = 0;

	(void)state;
	for (i = 0; i < ol_nroutes; i++)
		for (k = 0; k < NEXPECTED; k++) {
			const char *path = strchr(expected[k].what, ' ') + 1;
			char below[256];
			struct ol_route_found found;
			unsigned method =
			    expected[k].what[0] == 'G'	 ? OL_METHOD_GET
			    : expected[k].what[0] == 'P' ? OL_METHOD_POST
							 : OL_METHOD_DELETE;
			char *query;

			if (expected[k].more != NULL) {
				if (ol_routes[i].path != NULL)
					continue;
				n++;
				break;
			}
			strlcpy(below, path + strlen("/tasks"), sizeof(below));
			if ((query = strchr(below, '?')) != NULL)
				*query++ = '\0';
			if (ol_route_find(&found, method, below,
				query == NULL ? "" : query) == 0 &&
			    found.route == &ol_routes[i]) {
				n++;
				break;
			}
		}
	assert_int_equal(n, ol_nroutes);
}

/* No level but app and operator holds more than it says. */
static void
test_sets(void **state)
{
	unsigned client = ol_access_set(OL_ACCESS_CLIENT);
	unsigned app = ol_access_set(OL_ACCESS_APP);
	unsigned viewer = ol_access_set(OL_ACCESS_VIEWER);
	unsigned operator= ol_access_set(OL_ACCESS_OPERATOR);
	enum ol_access access;

	(void)state;
	assert_int_equal(client & ~app, 0);
	assert_int_equal((client | app | viewer) & ~operator, 0);
	assert_int_equal(app & viewer, OL_MAY_READ | OL_MAY_READ_ALL);
	assert_int_equal(client & viewer, OL_MAY_READ);
	assert_int_equal(operator& ~(client | app | viewer), OL_MAY_OPERATE);
	assert_int_equal(ol_access_find("viewer", &access), 0);
	assert_int_equal(access, OL_ACCESS_VIEWER);
	assert_int_equal(ol_access_find("Viewer", &access), -1);
	assert_int_equal(ol_access_find("", &access), -1);
	assert_int_equal(ol_access_to_submit(OL_ACCESS_VIEWER) & OL_MAY_OPERATE,
	    OL_MAY_OPERATE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matrix),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_sets),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
