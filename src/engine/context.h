/*
 * The variables that travel with a task, as the store keeps them: name, NUL,
 * value, NUL, one after the other. The values of secret parameters
 * (base/secret.h) are kept apart, as the same pairs in the same order, and are
 * empty in their places: what is left when they are erased can be shown.
 */
#ifndef OL_ENGINE_CONTEXT_H
#define OL_ENGINE_CONTEXT_H

#include "engine/object.h"
#include "run/run.h"
#include "store/row.h"

/* Owned; each data is NULL when there are none. */
struct ol_context {
	char *variables, *secrets;
	size_t variables_size, secrets_size;
};

void ol_context_pack(
    struct ol_context *, const struct ol_object_variable *, size_t n);

/* Overwrites the secrets. */
void ol_context_fini(struct ol_context *);

/*
 * *n variables in their order, each secret in its place, for free(); they point
 * into both. NULL with *n 0: there are none, or the bytes are not such. Secrets
 * that are gone, or not such, are empty values.
 */
struct ol_run_variable *ol_context_unpack(
    struct ol_bytes variables, struct ol_bytes secrets, size_t *n);

#endif
