/* The listeners of the task API, a server each, as the configuration says. */
#ifndef OL_OUTLASTD_DOORS_H
#define OL_OUTLASTD_DOORS_H

#include <stdbool.h>
#include <bsd/sys/queue.h>

#include "api/api.h"
#include "config/conf.h"
#include "fcgi/server.h"
#include "loop/loop.h"

struct ol_doors_door;

struct ol_doors {
	struct ol_loop *loop;
	struct ol_server_events events;
	void (*on_empty)(void *arg); /* the last one that retired is gone */
	void *arg;
	/* Who answers, and where bodies are spooled; before the first door. */
	struct ol_api *api;
	int spool;
	TAILQ_HEAD(, ol_doors_door) list;
};

void ol_doors_init(struct ol_doors *, struct ol_loop *,
    void (*on_empty)(void *arg), void *arg);

/* Closes all, answered or not. */
void ol_doors_fini(struct ol_doors *);

/*
 * Serve on these listeners, conf->nlisten of them, and retire the others.
 * Takes the descriptors. Returns how many could not be served, each logged.
 */
int ol_doors_arrange(
    struct ol_doors *, const struct ol_conf *, const int *listeners);

/* Take no connection any more, and answer what came. */
void ol_doors_retire(struct ol_doors *);

bool ol_doors_are_gone(const struct ol_doors *);

#endif
