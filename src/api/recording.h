/*
 * A request as it is recorded for its replay: its parameters in their order,
 * but for those that a later, unattended repetition must not have. Pure.
 */
#ifndef OL_API_RECORDING_H
#define OL_API_RECORDING_H

#include <stddef.h>

#include "api/envelope.h"
#include "config/conf.h"
#include "engine/object.h"

struct ol_recording {
	struct ol_object_variable *variables; /* owned; they borrow */
	size_t n;
};

/*
 * Record the parameters of the envelope, which must outlive the recording, for
 * that backend. -1: refused; there is nothing to free.
 */
int ol_recording_make(struct ol_recording *, const struct ol_envelope *,
    const struct ol_conf_backend *, struct ol_refusal *);

void ol_recording_fini(struct ol_recording *);

/* Whether a parameter of that name is recorded. */
bool ol_recording_takes(const struct ol_conf_backend *, const char *name);

/* The address that the client asked for: of a replay, what it is about. */
const char *ol_recording_uri(const struct ol_envelope *);

#endif
