#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/answer.h"
#include "api/handlers.h"
#include "base/must.h"

/* --- a request: who asks, for what, and whether it may --- */

/* Copy what is needed longer than the parameters. */
static int
keep(struct ol_exchange *x)
{
	const struct ol_envelope *e = &x->question->envelope;
	const char *base = e->base[0] != '\0' ? e->base : x->api->conf->base;
	size_t base_size = strlen(base) + 1, owner_size = strlen(e->owner) + 1;
	size_t match_size = strlen(e->if_none_match) + 1;
	char *at = malloc(base_size + owner_size + match_size);

	if (at == NULL)
		return -1;
	x->kept = at;
	x->base = memcpy(at, base, base_size);
	x->owner = memcpy(at + base_size, e->owner, owner_size);
	x->if_none_match =
	    memcpy(at + base_size + owner_size, e->if_none_match, match_size);
	return 0;
}

/* The route for the request; -1: refused, or answered without one. */
static int
find_route(struct ol_exchange *x, struct ol_refusal *refusal)
{
	const struct ol_envelope *e = &x->question->envelope;
	const char *path = ol_envelope_below(e->uri, x->base);
	struct ol_route_found found;

	if (e->task[0] != '\0') {
		x->route = &ol_routes[0];
		return 0;
	}
	if (path == NULL)
		return ol_problem_refuse(refusal, OL_PROBLEM_NOT_FOUND,
		    "this location submits nothing (it has no fastcgi_param "
		    "OUTLAST_TASK), and the path is not below \"%s\"",
		    x->base);
	if (ol_route_find(&found, e->method, path, e->query) == -1)
		return ol_problem_refuse(
		    refusal, OL_PROBLEM_NOT_FOUND, "there is no such path");
	if (found.route == NULL && e->method != OL_METHOD_OPTIONS)
		ol_problem_refuse(refusal, OL_PROBLEM_METHOD,
		    "this path does not take that method");
	refusal->allow = found.allow;
	if (found.route == NULL)
		return -1;
	x->route = found.route;
	x->id = found.id;
	x->question->type = found.type;
	return 0;
}

/* May it do what the route does? */
static int
check_access(const struct ol_exchange *x, enum ol_access door,
    struct ol_refusal *refusal)
{
	const struct ol_envelope *e = &x->question->envelope;
	unsigned needs = x->route->needs;

	if ((needs & ~x->may) != 0)
		return ol_problem_refuse(refusal, OL_PROBLEM_ACCESS,
		    "this takes access \"%s\"; the location gives \"%s\", the "
		    "listen at most \"%s\"",
		    ol_access_missing(needs), ol_access_name(e->access),
		    ol_access_name(door));
	if (x->route->changes && e->cross_site &&
	    (x->may & OL_MAY_ABOVE_CLIENT) != 0)
		return ol_problem_refuse(refusal, OL_PROBLEM_CROSS_SITE,
		    "it comes from a page of another site");
	return 0;
}

/* -1: refused, or, with OL_PROBLEM_NONE, OPTIONS. */
static int
understand(
    struct ol_exchange *x, enum ol_access door, struct ol_refusal *refusal)
{
	struct ol_envelope *e = &x->question->envelope;
	const struct ol_pair *pairs;
	size_t n;

	pairs = ol_request_params(x->request, &n);
	if (ol_envelope_read(e, pairs, n, refusal) == -1)
		return -1;
	x->head_only = e->method == OL_METHOD_HEAD;
	x->may = ol_access_set(e->access) & ol_access_set(door);
	x->navigates = e->navigates;
	x->has_session = e->session_len > 0;
	if (keep(x) == -1 ||
	    (x->has_session && ol_session_hash(x->api->sessions, e->session,
				   e->session_len, x->session) == -1))
		return ol_problem_refuse(refusal, OL_PROBLEM_UNAVAILABLE,
		    "there is no memory for it");
	if (find_route(x, refusal) == -1)
		return -1;
	return check_access(x, door, refusal);
}

static void
on_request(struct ol_request *request, void *arg)
{
	struct ol_door *door = arg;
	struct ol_api *api = door->api;
	struct ol_exchange *x = ol_must(calloc(1, sizeof(*x)));
	struct ol_refusal refusal = { .problem = OL_PROBLEM_NONE };

	x->api = api;
	x->request = request;
	x->waits = -1;
	x->question = ol_must(malloc(sizeof(*x->question)));
	x->base = x->owner = x->if_none_match = "";
	LIST_INSERT_HEAD(&api->exchanges, x, link);
	ol_request_set_data(request, x);
	if (understand(x, door->access, &refusal) == 0)
		x->route->handler(x);
	else if (refusal.problem == OL_PROBLEM_NONE)
		ol_answer_allow(x, refusal.allow);
	else
		ol_answer_refusal(x, &refusal, NULL);
}

/* --- and then --- */

static void
on_body(struct ol_request *request, enum ol_body_end end, void *arg)
{
	(void)arg;
	/* Of others, the body was forgotten. */
	ol_submit_body(ol_request_data(request), end);
}

static void
on_drained(struct ol_request *request, void *arg)
{
	(void)arg;
	ol_result_drained(ol_request_data(request));
}

static void
on_gone(struct ol_request *request, enum ol_gone how, void *arg)
{
	(void)how;
	(void)arg;
	ol_exchange_leave(ol_request_data(request));
}

/* One piece of one payload. */
static void
on_turn(void *arg)
{
	struct ol_api *api = arg;
	struct ol_exchange *x = TAILQ_FIRST(&api->reading);

	if (x != NULL)
		ol_submit_read_on(x);
	if (!TAILQ_EMPTY(&api->reading))
		ol_wake_up(api->turn);
}

const struct ol_server_events ol_api_events = {
	.on_request = on_request,
	.on_body = on_body,
	.on_drained = on_drained,
	.on_gone = on_gone,
};

/* --- the API --- */

struct ol_api *
ol_api_new(
    struct ol_loop *loop, struct ol_engine *engine, const struct ol_conf *conf)
{
	struct ol_api *api = ol_must(calloc(1, sizeof(*api)));

	api->engine = engine;
	api->conf = conf;
	api->waits_max = SIZE_MAX;
	LIST_INIT(&api->exchanges);
	TAILQ_INIT(&api->reading);
	ol_log_about(&api->log, "api");
	api->sessions = ol_session_key_open(conf->state);
	if (api->sessions == NULL) {
		free(api);
		return NULL;
	}
	if (ol_page_policy(api->page_policy) == -1) {
		ol_session_key_close(api->sessions);
		free(api);
		return NULL;
	}
	api->turn = ol_must(ol_wake_new(loop, on_turn, api));
	return api;
}

void
ol_api_free(struct ol_api *api)
{
	struct ol_exchange *x;

	if (api == NULL)
		return;
	while ((x = LIST_FIRST(&api->exchanges)) != NULL)
		ol_exchange_leave(x);
	ol_wake_free(api->turn);
	ol_session_key_close(api->sessions);
	ol_json_fini(&api->json);
	free(api);
}

void
ol_api_configure(struct ol_api *api, const struct ol_conf *conf)
{
	api->conf = conf;
}

void
ol_api_limit_waits(struct ol_api *api, size_t most)
{
	api->waits_max = most;
}
