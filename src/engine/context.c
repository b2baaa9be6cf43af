#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/secret.h"
#include "engine/context.h"
#include "engine/engine.h"

_Static_assert((int)OL_ENGINE_CONTEXT_MAX == (int)OL_ROW_CONTEXT_MAX,
    "what the store takes of a context");

static void
add(char **data, size_t *size, const char *text)
{
	size_t len = strlen(text) + 1;

	memcpy(*data + *size, text, len);
	*size += len;
}

void
ol_context_pack(
    struct ol_context *c, const struct ol_object_variable *variables, size_t n)
{
	size_t i, room = 0, secret = 0;

	*c = (struct ol_context){ 0 };
	for (i = 0; i < n; i++) {
		size_t name = strlen(variables[i].name) + 1;
		size_t value = strlen(variables[i].value) + 1;

		room += name + value;
		if (ol_secret_param(variables[i].name))
			secret += name + value;
	}
	if (room > 0)
		c->variables = ol_must(malloc(room));
	if (secret > 0)
		c->secrets = ol_must(malloc(secret));
	for (i = 0; i < n; i++) {
		const char *name = variables[i].name;
		const char *value = variables[i].value;

		add(&c->variables, &c->variables_size, name);
		if (ol_secret_param(name)) {
			add(&c->secrets, &c->secrets_size, name);
			add(&c->secrets, &c->secrets_size, value);
			value = "";
		}
		add(&c->variables, &c->variables_size, value);
	}
}

void
ol_context_fini(struct ol_context *c)
{
	if (c->secrets != NULL)
		explicit_bzero(c->secrets, c->secrets_size);
	free(c->secrets);
	free(c->variables);
	*c = (struct ol_context){ 0 };
}

/* Whether they are pairs; how many. */
static size_t
pairs_of(struct ol_bytes bytes)
{
	const char *at = bytes.data;
	size_t i, texts = 0;

	for (i = 0; i < bytes.size; i++)
		texts += at[i] == '\0';
	return texts % 2 != 0 || texts == 0 || at[bytes.size - 1] != '\0'
		   ? 0
		   : texts / 2;
}

static const char *
next(const char **at)
{
	const char *text = *at;

	*at += strlen(text) + 1;
	return text;
}

struct ol_run_variable *
ol_context_unpack(struct ol_bytes bytes, struct ol_bytes secrets, size_t *n)
{
	const char *at = bytes.data, *secret = secrets.data, *value;
	size_t i, left = pairs_of(secrets);
	struct ol_run_variable *variables;

	if ((*n = pairs_of(bytes)) == 0)
		return NULL;
	variables = ol_must(calloc(*n, sizeof(*variables)));
	for (i = 0; i < *n; i++) {
		variables[i].name = next(&at);
		variables[i].value = next(&at);
		if (left == 0 || strcmp(secret, variables[i].name) != 0)
			continue;
		next(&secret);
		value = next(&secret);
		variables[i].value = value;
		left--;
	}
	return variables;
}
