#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "outlastd/closed.h"

struct ol_closed_door {
	LIST_ENTRY(ol_closed_door) link;
	struct ol_closed *closed;
	struct ol_server *server;
	uint32_t number;
	int listener;
	int64_t retry;
	bool retiring;
};

static void
on_request(struct ol_request *request, void *arg)
{
	(void)arg;
	/* It is thrown away, but read: who is still sending hears no answer. */
	ol_request_limit_body(request, 1);
}

static void
on_body(struct ol_request *request, enum ol_body_end end, void *arg)
{
	static const char problem[] =
	    "{\"type\":\"urn:outlast:problem:pool-stopped\","
	    "\"title\":\"The application does not run\","
	    "\"status\":503,"
	    "\"hint\":\"it was stopped, or crashed too often; "
	    "the log of outlastd says which\"}\n";
	struct ol_closed_door *door = arg;
	int64_t left = door->retry - ol_clock_now();
	char seconds[24];

	(void)end;
	snprintf(seconds, sizeof(seconds), "%lld",
	    left > OL_SEC(1) ? (long long)((left - 1) / OL_SEC(1) + 1) : 1);
	ol_request_status(request, 503);
	ol_request_header(request, "Content-Type", "application/problem+json");
	ol_request_header(request, "Cache-Control", "no-store");
	ol_request_header(request, "Retry-After", seconds);
	ol_request_write(request, problem, sizeof(problem) - 1);
	ol_request_finish(request);
}

/* Nothing is waited for but the body. */
static void
on_gone(struct ol_request *request, enum ol_gone gone, void *arg)
{
	(void)request;
	(void)gone;
	(void)arg;
}

static void
free_door(void *object)
{
	struct ol_closed_door *door = object;

	ol_server_free(door->server);
	close(door->listener);
	free(door);
}

static void
on_retired(struct ol_server *server, void *arg)
{
	struct ol_closed_door *door = arg;

	(void)server;
	LIST_REMOVE(door, link);
	ol_loop_defer_free(door->closed->loop, free_door, door);
}

static const struct ol_server_events events = {
	.on_request = on_request,
	.on_body = on_body,
	.on_gone = on_gone,
	.on_retired = on_retired,
};

void
ol_closed_init(struct ol_closed *closed, struct ol_loop *loop)
{
	closed->loop = loop;
	LIST_INIT(&closed->doors);
}

void
ol_closed_fini(struct ol_closed *closed)
{
	struct ol_closed_door *door;

	while ((door = LIST_FIRST(&closed->doors)) != NULL) {
		LIST_REMOVE(door, link);
		free_door(door);
	}
}

static struct ol_closed_door *
find(const struct ol_closed *closed, uint32_t number)
{
	struct ol_closed_door *door;

	LIST_FOREACH (door, &closed->doors, link)
		if (!door->retiring && door->number == number)
			return door;
	return NULL;
}

void
ol_closed_add(
    struct ol_closed *closed, uint32_t number, int listener, int64_t retry)
{
	struct ol_closed_door *door = find(closed, number);
	const struct ol_server_options options = {
		.name = "a stopped pool",
		.listener = listener,
		.folder = -1,
		.max_connections = 256,
		.max_ignored = INT32_MAX,
	};

	if (door != NULL) {
		door->retry = retry;
		close(listener);
		return;
	}
	door = ol_must(calloc(1, sizeof(*door)));
	door->closed = closed;
	door->number = number;
	door->listener = listener;
	door->retry = retry;
	door->server = ol_server_new(closed->loop, &options, &events, door);
	if (door->server == NULL) {
		ol_log_error(NULL, "cannot answer for a stopped pool: %s",
		    strerror(errno));
		free_door(door);
		return;
	}
	LIST_INSERT_HEAD(&closed->doors, door, link);
}

void
ol_closed_remove(struct ol_closed *closed, uint32_t number)
{
	struct ol_closed_door *door = find(closed, number);

	if (door == NULL)
		return;
	door->retiring = true;
	ol_server_retire(door->server);
}
