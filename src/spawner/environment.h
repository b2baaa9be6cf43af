/* The environment of a program: all of it is made here, nothing is inherited.
 */
#ifndef OL_SPAWNER_ENVIRONMENT_H
#define OL_SPAWNER_ENVIRONMENT_H

#include <stddef.h>

#include "config/conf.h"

struct ol_environment {
	const char *env; /* of the attempt, from the engine: run/spawn.h */
	size_t env_size;
	const char *home;     /* the directory that it starts in */
	const char *scratch;  /* its TMPDIR */
	const char *notify;   /* path of its notify socket */
	const char *instance; /* by which its processes are found */
};

/*
 * What a later line sets, an earlier one does not change:
 *
 * - ours: TMPDIR, NOTIFY_SOCKET, OUTLAST_NOTIFY, OUTLAST_INSTANCE;
 * - of the engine's those that describe the attempt, by their names;
 * - conf's env;
 * - PATH, HOME, LANG;
 * - of the engine's those that conf's context names, unless they steer the
 *   dynamic linker: their values come from the web.
 *
 * The engine's others are passed over. The caller frees it.
 */
char **ol_environment_new(
    const struct ol_conf_task *, const struct ol_environment *);
void ol_environment_free(char **);

#endif
