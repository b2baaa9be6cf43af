#include <sys/resource.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "outlastd/doors.h"

enum {
	/* Store, logs, channels and what libraries open for a moment. */
	OWN_DESCRIPTORS = 64,
	/* Of an attempt: three pipes, payload, result, notify socket. */
	ATTEMPT_DESCRIPTORS = 6,
};

/* One listener. */
struct ol_doors_door {
	struct ol_door door; /* first: the API is given this */
	TAILQ_ENTRY(ol_doors_door) link;
	struct ol_doors *doors;
	struct ol_server *server;
	char *text;	    /* its address, as written */
	size_t connections; /* that it may have */
	int listener;
	bool retiring;
};

static void
free_door(void *object)
{
	struct ol_doors_door *door = object;

	ol_server_free(door->server);
	close(door->listener);
	free(door->text);
	free(door);
}

static void
on_retired(struct ol_server *server, void *arg)
{
	struct ol_doors_door *door = arg;
	struct ol_doors *doors = door->doors;

	(void)server;
	TAILQ_REMOVE(&doors->list, door, link);
	ol_loop_defer_free(doors->loop, free_door, door);
	if (TAILQ_EMPTY(&doors->list))
		doors->on_empty(doors->arg);
}

static void
retire(struct ol_doors_door *door)
{
	if (door->retiring)
		return;
	door->retiring = true;
	ol_server_retire(door->server);
}

/* How many connections each of n servers may have. */
static size_t
share(const struct ol_conf *conf, size_t n)
{
	const struct ol_conf_task *task;
	struct rlimit limit = { .rlim_cur = 1024 };
	size_t all, spare = OWN_DESCRIPTORS;

	getrlimit(RLIMIT_NOFILE, &limit);
	all = (size_t)limit.rlim_cur;
	TAILQ_FOREACH (task, &conf->tasks, link)
		spare += (size_t)task->concurrency * ATTEMPT_DESCRIPTORS;
	if (spare > all / 2)
		spare = all / 2;
	/* Each may have a body's file open: a payload that comes, or a result
	 * that nobody reads. */
	return (all - spare) / 2 / (n > 0 ? n : 1);
}

/* Takes listener. -1 with errno set. */
static int
open_door(struct ol_doors *doors, const struct ol_conf *conf,
    const struct ol_conf_listen *listen, int listener)
{
	struct ol_doors_door *door = ol_must(calloc(1, sizeof(*door)));
	const struct ol_server_options options = {
		.name = listen->text,
		.listener = listener,
		.folder = doors->spool,
		.max_connections = share(conf, conf->nlisten),
		/* nginx sees a 413 only when it can send all of the body; how
		 * much that is, is client_max_body_size. */
		.max_ignored = INT32_MAX,
	};

	door->door.api = doors->api;
	door->door.access = listen->access;
	door->doors = doors;
	door->listener = listener;
	door->connections = options.max_connections;
	door->text = ol_must(strdup(listen->text));
	door->server =
	    ol_server_new(doors->loop, &options, &doors->events, door);
	if (door->server == NULL) {
		int saved = errno;

		free_door(door);
		errno = saved;
		return -1;
	}
	TAILQ_INSERT_TAIL(&doors->list, door, link);
	return 0;
}

static struct ol_doors_door *
find_door(struct ol_doors *doors, const char *text)
{
	struct ol_doors_door *door;

	TAILQ_FOREACH (door, &doors->list, link)
		if (!door->retiring && strcmp(door->text, text) == 0)
			return door;
	return NULL;
}

static bool
is_listed(const struct ol_conf *conf, const char *text)
{
	size_t i;

	for (i = 0; i < conf->nlisten; i++)
		if (strcmp(conf->listen[i].text, text) == 0)
			return true;
	return false;
}

/* A listener that was made anew is another one at the same address. */
static bool
same_socket(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int
ol_doors_arrange(
    struct ol_doors *doors, const struct ol_conf *conf, const int *listeners)
{
	struct ol_doors_door *door, *next;
	size_t i, least = SIZE_MAX;
	int failed = 0;

	TAILQ_FOREACH_SAFE (door, &doors->list, link, next)
		if (!is_listed(conf, door->text))
			retire(door);
	for (i = 0; i < conf->nlisten; i++) {
		const struct ol_conf_listen *listen = &conf->listen[i];

		door = find_door(doors, listen->text);
		if (door != NULL && same_socket(door->listener, listeners[i])) {
			door->door.access = listen->access;
			close(listeners[i]);
			continue;
		}
		if (door != NULL)
			retire(door);
		if (open_door(doors, conf, listen, listeners[i]) == -1) {
			ol_log_error(NULL, "cannot serve on %s: %s",
			    listen->text, strerror(errno));
			failed++;
		}
	}
	TAILQ_FOREACH (door, &doors->list, link)
		if (!door->retiring && door->connections < least)
			least = door->connections;
	/* Also when all of them come through one door. */
	ol_api_limit_waits(doors->api, least - least / 4);
	return failed;
}

void
ol_doors_init(struct ol_doors *doors, struct ol_loop *loop,
    void (*on_empty)(void *arg), void *arg)
{
	*doors = (struct ol_doors){
		.loop = loop,
		.events = ol_api_events,
		.on_empty = on_empty,
		.arg = arg,
	};
	doors->events.on_retired = on_retired;
	TAILQ_INIT(&doors->list);
}

void
ol_doors_fini(struct ol_doors *doors)
{
	struct ol_doors_door *door;

	while ((door = TAILQ_FIRST(&doors->list)) != NULL) {
		TAILQ_REMOVE(&doors->list, door, link);
		free_door(door);
	}
}

void
ol_doors_retire(struct ol_doors *doors)
{
	struct ol_doors_door *door, *next;

	TAILQ_FOREACH_SAFE (door, &doors->list, link, next)
		retire(door);
}

bool
ol_doors_are_gone(const struct ol_doors *doors)
{
	return TAILQ_EMPTY(&doors->list);
}
