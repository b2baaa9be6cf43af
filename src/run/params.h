/*
 * The parameters of the request that a backend gets: the recorded ones, or
 * those of the block's request; those that the block sets; outlast's own, which
 * nothing else can set. Pure, but for the clock in OUTLAST_DEADLINE.
 */
#ifndef OL_RUN_PARAMS_H
#define OL_RUN_PARAMS_H

#include <stddef.h>

#include "fcgi/pairs.h"
#include "run/run.h"

struct ol_params {
	struct ol_pair *list; /* owned; in their order */
	size_t n, room;
	char **texts; /* owned; what was made for it */
	size_t ntexts;
};

/*
 * *params for the job, whose texts it borrows. notify: the path of its notify
 * socket, borrowed, too; NULL: there is none. 0, or -1 when there is no
 * request to be sent, with a static sentence in *why. Fini is due both ways.
 */
int ol_params_make(struct ol_params *params, const struct ol_run_job *job,
    const char *notify, const char **why);

/* The value of the first of that name, or NULL; borrowed. */
const char *ol_params_value(const struct ol_params *, const char *name);

void ol_params_fini(struct ol_params *);

#endif
