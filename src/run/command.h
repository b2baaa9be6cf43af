/* The message that asks the spawner to start an attempt. */
#ifndef OL_RUN_COMMAND_H
#define OL_RUN_COMMAND_H

#include <stddef.h>
#include <stdint.h>

#include "run/run.h"

/*
 * The caller frees it. NULL: the environment is longer than OL_SPAWN_ENV_MAX.
 * Variables of the context whose names are none are passed over.
 */
unsigned char *ol_command_new(
    uint64_t tag, uint32_t generation, const struct ol_run_job *, size_t *len);

#endif
