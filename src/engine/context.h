/* The variables that travel with a task, as the store keeps them: name, NUL,
 * value, NUL, one after the other. */
#ifndef OL_ENGINE_CONTEXT_H
#define OL_ENGINE_CONTEXT_H

#include "engine/object.h"
#include "run/run.h"
#include "store/row.h"

/* For free(); NULL with *size 0 when there are none. */
char *ol_context_pack(
    const struct ol_object_variable *, size_t n, size_t *size);

/*
 * *n variables, for free(); they point into bytes. NULL with *n 0: there are
 * none, or bytes are not such.
 */
struct ol_run_variable *ol_context_unpack(struct ol_bytes, size_t *n);

#endif
