/* What an attempt is told of its task: variables of a program's environment,
 * parameters of a backend's request. */
#ifndef OL_RUN_VARIABLES_H
#define OL_RUN_VARIABLES_H

#include <stdbool.h>

#include "run/run.h"

typedef void ol_variable_fn(void *arg, const char *name, const char *value);

/* Call fn for each of outlast's own; what it gets is borrowed. */
void ol_variables_each(const struct ol_run_job *, ol_variable_fn *, void *arg);

/* Whether a variable of that name is outlast's own, whoever else sets it. */
bool ol_variables_own(const char *name);

/* The value of the job's context of that name, or NULL. */
const char *ol_variables_find(const struct ol_run_job *, const char *name);

#endif
