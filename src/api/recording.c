#include <stdlib.h>
#include <string.h>

#include "api/recording.h"
#include "engine/engine.h"

/* Whether name is one of those; "X_*" are all that begin with X_. */
static bool
is_one_of(const char *name, const char *const *names, size_t n)
{
	size_t i, len;

	for (i = 0; i < n; i++) {
		len = strlen(names[i]) - 1;
		if (names[i][len] == '*' ? strncmp(name, names[i], len) == 0
					 : strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

bool
ol_recording_takes(const struct ol_conf_backend *backend, const char *name)
{
	/*
	 * The first are for us. Of the others, the client does not get the
	 * answer whose condition, part or coding it asked for; HTTP_PROXY is
	 * taken for a setting by too many programs.
	 */
	static const char *const never[] = { "OUTLAST_*", "HTTP_IF_*",
		"HTTP_RANGE", "HTTP_ACCEPT_ENCODING", "HTTP_PREFER",
		"HTTP_EXPECT", "HTTP_IDEMPOTENCY_KEY", "HTTP_PROXY" };

	return !is_one_of(name, never, sizeof(never) / sizeof(never[0])) &&
	       !is_one_of(
		   name, (const char *const *)backend->drop, backend->ndrop);
}

/* NULL, or what is wrong with a parameter. */
static const char *
fault_of(const struct ol_pair *pair)
{
	if (pair->name_len == 0)
		return "without a name";
	if (strlen(pair->name) != pair->name_len)
		return "with a NUL in its name";
	if (strlen(pair->value) != pair->value_len)
		return "with a NUL in its value";
	return NULL;
}

int
ol_recording_make(struct ol_recording *recording, const struct ol_envelope *e,
    const struct ol_conf_backend *backend, struct ol_refusal *refusal)
{
	const char *fault;
	size_t i, size = 0;

	*recording = (struct ol_recording){ 0 };
	recording->variables =
	    calloc(e->npairs + 1, sizeof(*recording->variables));
	if (recording->variables == NULL)
		return ol_problem_refuse(refusal, OL_PROBLEM_UNAVAILABLE,
		    "there is no memory for it");
	for (i = 0; i < e->npairs; i++) {
		const struct ol_pair *pair = &e->pairs[i];

		if (!ol_recording_takes(backend, pair->name))
			continue;
		if ((fault = fault_of(pair)) != NULL) {
			ol_recording_fini(recording);
			return ol_problem_refuse(refusal,
			    OL_PROBLEM_BAD_REQUEST, "a parameter %s%s%.64s",
			    fault, pair->name[0] == '\0' ? "" : ": ",
			    pair->name);
		}
		recording->variables[recording->n].name = pair->name;
		recording->variables[recording->n++].value = pair->value;
		size += (size_t)pair->name_len + pair->value_len + 2;
	}
	if (size <= OL_ENGINE_CONTEXT_MAX)
		return 0;
	ol_recording_fini(recording);
	return ol_problem_refuse(refusal, OL_PROBLEM_HEADERS_TOO_LARGE,
	    "its parameters have %zu bytes, %d are recorded at most", size,
	    (int)OL_ENGINE_CONTEXT_MAX);
}

void
ol_recording_fini(struct ol_recording *recording)
{
	free(recording->variables);
	*recording = (struct ol_recording){ 0 };
}

const char *
ol_recording_uri(const struct ol_envelope *e)
{
	const char *uri = ol_envelope_param(e, "REQUEST_URI");

	return uri[0] != '\0' ? uri : e->uri;
}
