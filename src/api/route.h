/* The one table of routes: methods, path, privilege, handler. */
#ifndef OL_API_ROUTE_H
#define OL_API_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "api/envelope.h"
#include "base/id.h"

struct ol_exchange;

struct ol_route {
	unsigned methods; /* a set; 0: those of the location's task type */
	/*
	 * Below the base: "/livez", "/{id}", "/{id}/result", "/{type}".
	 * NULL: any, in a location with OUTLAST_TASK.
	 */
	const char *path;
	const char *query; /* exactly this; NULL: any */
	unsigned needs;	   /* OL_MAY_*; of several, all */
	bool changes;	   /* something: refused to pages of other sites */
	/* Answers, or takes the exchange to where that will be done. */
	void (*handler)(struct ol_exchange *);
};

extern const struct ol_route ol_routes[];
extern const size_t ol_nroutes;

/* What a path names. */
struct ol_route_found {
	const struct ol_route *route; /* NULL: method is not allowed */
	unsigned allow;		      /* methods of the path, for Allow */
	struct ol_id id;	      /* of {id} */
	const char *type;	      /* of {type}; points into the path */
};

/*
 * The route of a request that is in no location with a task type; path is
 * below the base. A route for GET takes HEAD, too. -1: there is no such path.
 */
int ol_route_find(struct ol_route_found *, unsigned method, const char *path,
    const char *query);

#endif
