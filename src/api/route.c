#include <string.h>

#include "api/access.h"
#include "api/handlers.h"
#include "api/route.h"

const struct ol_route ol_routes[] = {
	{ 0, NULL, NULL, OL_MAY_SUBMIT, true, ol_submit_of_location },
	{ OL_METHOD_GET, "/livez", NULL, 0, false, ol_probe_live },
	{ OL_METHOD_GET, "/readyz", NULL, 0, false, ol_probe_ready },
	{ OL_METHOD_GET, "/{id}", NULL, OL_MAY_READ, false, ol_show_object },
	{ OL_METHOD_GET, "/{id}/result", NULL, OL_MAY_READ, false,
	    ol_result_get },
	{ OL_METHOD_GET, "/{id}/page", NULL, OL_MAY_READ, false, ol_page_show },
	{ OL_METHOD_DELETE, "/{id}", "purge=1", OL_MAY_OPERATE, true,
	    ol_cancel_purge },
	{ OL_METHOD_DELETE, "/{id}", NULL, OL_MAY_CANCEL, true,
	    ol_cancel_task },
	{ OL_METHOD_POST, "/{type}", NULL, OL_MAY_SUBMIT | OL_MAY_SUBMIT_ANY,
	    true, ol_submit_any },
};

const size_t ol_nroutes = sizeof(ol_routes) / sizeof(ol_routes[0]);

/* First words of paths that are no task types, now or in a later version. */
static const char *const reserved[] = { "queues", "pools", "schedules", "retry",
	"cancel", "ui", "events", "metrics", "livez", "readyz" };

static bool
is_type(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_-"), i;

	if (word[len] != '\0' || len == 0 || len > 64 || word[0] < 'a' ||
	    word[0] > 'z')
		return false;
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(word, reserved[i]) == 0)
			return false;
	return true;
}

/* Whether path, which begins with "/", is what pattern says. */
static bool
matches(struct ol_route_found *found, const char *pattern, const char *path)
{
	static const char id[] = "/{id}", type[] = "/{type}";
	const size_t id_len = OL_ID_TEXT_SIZE - 1;

	if (strcmp(pattern, type) == 0) {
		struct ol_id not_one;

		if (!is_type(path + 1) ||
		    ol_id_parse(&not_one, path + 1, strlen(path + 1)) == 0)
			return false;
		found->type = path + 1;
		return true;
	}
	if (strncmp(pattern, id, sizeof(id) - 1) != 0)
		return strcmp(pattern, path) == 0;
	return strlen(path) > id_len &&
	       strcmp(pattern + sizeof(id) - 1, path + 1 + id_len) == 0 &&
	       ol_id_parse(&found->id, path + 1, id_len) == 0;
}

int
ol_route_find(struct ol_route_found *found, unsigned method, const char *path,
    const char *query)
{
	size_t i;

	memset(found, 0, sizeof(*found));
	if (method == OL_METHOD_HEAD)
		method = OL_METHOD_GET;
	for (i = 0; i < ol_nroutes; i++) {
		const struct ol_route *route = &ol_routes[i];

		if (route->path == NULL || !matches(found, route->path, path))
			continue;
		found->allow |= route->methods;
		if (found->route == NULL && (route->methods & method) != 0 &&
		    (route->query == NULL || strcmp(route->query, query) == 0))
			found->route = route;
	}
	if (found->allow == 0)
		return -1;
	if ((found->allow & OL_METHOD_GET) != 0)
		found->allow |= OL_METHOD_HEAD;
	found->allow |= OL_METHOD_OPTIONS;
	return 0;
}
