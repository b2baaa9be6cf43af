#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "engine/context.h"

char *
ol_context_pack(
    const struct ol_object_variable *variables, size_t n, size_t *size)
{
	size_t i, len, at = 0;
	char *packed;

	*size = 0;
	for (i = 0; i < n; i++)
		*size +=
		    strlen(variables[i].name) + strlen(variables[i].value) + 2;
	if (*size == 0)
		return NULL;
	packed = ol_must(malloc(*size));
	for (i = 0; i < n; i++) {
		len = strlen(variables[i].name) + 1;
		memcpy(packed + at, variables[i].name, len);
		at += len;
		len = strlen(variables[i].value) + 1;
		memcpy(packed + at, variables[i].value, len);
		at += len;
	}
	return packed;
}

struct ol_run_variable *
ol_context_unpack(struct ol_bytes bytes, size_t *n)
{
	const char *at = bytes.data, *end = at + bytes.size;
	struct ol_run_variable *variables;
	size_t i, texts = 0;

	*n = 0;
	for (i = 0; i < bytes.size; i++)
		texts += at[i] == '\0';
	if (texts < 2 || texts % 2 != 0 || end[-1] != '\0')
		return NULL;
	variables = ol_must(calloc(texts / 2, sizeof(*variables)));
	while (at < end) {
		variables[*n].name = at;
		at += strlen(at) + 1;
		variables[*n].value = at;
		at += strlen(at) + 1;
		(*n)++;
	}
	return variables;
}
