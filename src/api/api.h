/*
 * The task API over FastCGI: routes, privileges, answers; see
 * outlast-tasks(7). Belongs to the loop's thread.
 */
#ifndef OL_API_API_H
#define OL_API_API_H

#include "config/conf.h"
#include "fcgi/server.h"

struct ol_api;
struct ol_engine;
struct ol_loop;

/*
 * loop and engine are borrowed; conf until the next ol_api_configure(). Opens,
 * or makes, the key of sessions in the state folder, blocking. NULL: logged.
 */
struct ol_api *ol_api_new(
    struct ol_loop *, struct ol_engine *, const struct ol_conf *conf);

/* After its servers, which free the requests, and before the engine. */
void ol_api_free(struct ol_api *);
void ol_api_configure(struct ol_api *, const struct ol_conf *conf);

/* How many requests may wait for a task at once: so that there are connections
 * left for others. At first as many as there are. */
void ol_api_limit_waits(struct ol_api *, size_t most);

/* One listener's way in. Owned by whoever owns the server. */
struct ol_door {
	struct ol_api *api;
	enum ol_access access; /* no request gets more */
};

/*
 * For ol_server_new(), with a struct ol_door as its arg. Has no on_retired:
 * who wants to know of that copies these and adds one.
 */
extern const struct ol_server_events ol_api_events;

#endif
