#include <netinet/in.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/conf.h"
#include "config/draft.h"
#include "config/kind_backend.h"
#include "config/kind_words.h"
#include "config/kinds.h"
#include "config/reader.h"
#include "config/values.h"

enum {
	PARAMS_MAX = 256,
	NAME_MAX_LENGTH = 128,
	METHOD_MAX = 32,
	URI_MAX = 2048,
};

static struct ol_conf_backend *
backend_of(const struct ol_setting *s)
{
	struct ol_conf_task *task = s->target;

	if (task->backend == NULL)
		task->backend = ol_must(calloc(1, sizeof(*task->backend)));
	return task->backend;
}

static const char *
text_of(const struct ol_setting *s, size_t word)
{
	return s->directive->words[word].text;
}

/* --- where it is --------------------------------------------------------- */

/* What is wrong with the address of a backend, or NULL. */
static const char *
check_address(struct ol_addr *addr, const char *text)
{
	const char *path, *wrong;

	if (strchr(text, '$') != NULL)
		return "variables of nginx do not exist here; write the "
		       "address itself";
	if (text[0] == '/')
		return "write \"unix:\" before the path of a socket";
	if (strncmp(text, "unix:", 5) != 0 && isalpha((unsigned char)text[0]))
		return "host names are not looked up: write the address in "
		       "numbers, such as 127.0.0.1:9000, or unix:PATH";
	if ((wrong = ol_addr_parse(addr, text)) != NULL)
		return wrong;
	if ((path = ol_addr_path(addr)) != NULL)
		return path[0] != '/' ? "write an absolute path after \"unix:\""
				      : NULL;
	if (addr->u.sa.sa_family == AF_INET &&
	    addr->u.in.sin_addr.s_addr == htonl(INADDR_ANY))
		return "nobody is at the address of all: write that of the "
		       "backend, such as 127.0.0.1:9000";
	return NULL;
}

static int
set_pass(const struct ol_setting *s)
{
	struct ol_conf_backend *backend = backend_of(s);
	struct ol_addr addr = { 0 };
	const char *wrong = check_address(&addr, text_of(s, 1));

	if (wrong != NULL)
		return ol_kind_words_invalid(s, 1, wrong);
	backend->addr = addr;
	ol_kind_value_replace(&backend->text, text_of(s, 1));
	return 0;
}

/* --- parameters ---------------------------------------------------------- */

static bool
is_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n > 0 && n <= NAME_MAX_LENGTH && name[n] == '\0';
}

/* What is wrong with the name of a parameter to be set, or NULL. */
static const char *
check_name(const char *name)
{
	if (!is_name(name))
		return "write at most 128 capital letters, digits and \"_\"";
	if (strncmp(name, "OUTLAST_", 8) == 0 ||
	    strcmp(name, "NOTIFY_SOCKET") == 0 ||
	    strcmp(name, "TRACEPARENT") == 0)
		return "outlastd sets this parameter itself; use another name";
	if (strcmp(name, "CONTENT_LENGTH") == 0)
		return "outlastd sets this parameter to the size of the body; "
		       "remove the line";
	return NULL;
}

/* Whether text has something like "$request_uri" or "${host}". */
static bool
has_variable(const char *text)
{
	const char *at = text;

	while ((at = strchr(at, '$')) != NULL)
		if (isalpha((unsigned char)*++at) || *at == '{' || *at == '_')
			return true;
	return false;
}

static int
set_param(const struct ol_setting *s)
{
	struct ol_conf_backend *backend = backend_of(s);
	const char *name = text_of(s, 1), *value = text_of(s, 2), *wrong;

	if ((wrong = check_name(name)) != NULL)
		return ol_kind_words_invalid(s, 1, wrong);
	if (has_variable(value))
		return ol_kind_words_invalid(s, 2,
		    "variables of nginx do not exist here; write the value "
		    "itself, or remove the line: a recorded request has what "
		    "nginx set");
	if (backend->nparams == PARAMS_MAX)
		return ol_kind_words_invalid(
		    s, 1, "write at most 256 parameters");
	backend->params = ol_must(reallocarray(
	    backend->params, backend->nparams + 1, sizeof(*backend->params)));
	backend->params[backend->nparams++] = (struct ol_conf_env){
		.name = ol_must(strdup(name)),
		.value = ol_must(strdup(value)),
	};
	return 0;
}

static int
drop_one(const struct ol_setting *s, size_t word)
{
	struct ol_conf_backend *backend = backend_of(s);
	const char *name = text_of(s, word);
	size_t i;

	if (!is_name(name))
		return ol_kind_words_invalid(s, word,
		    "write at most 128 capital letters, digits and \"_\"; a "
		    "header is called HTTP_… there");
	for (i = 0; i < backend->ndrop; i++)
		if (strcmp(backend->drop[i], name) == 0)
			return ol_kind_words_invalid(
			    s, word, "write each name once");
	if (backend->ndrop == PARAMS_MAX)
		return ol_kind_words_invalid(
		    s, word, "write at most 256 names");
	backend->drop = ol_must(reallocarray(
	    backend->drop, backend->ndrop + 1, sizeof(*backend->drop)));
	backend->drop[backend->ndrop++] = ol_must(strdup(name));
	return 0;
}

static int
set_drop(const struct ol_setting *s)
{
	size_t i;
	int rc = 0;

	for (i = 1; i < s->directive->nwords; i++)
		if (drop_one(s, i) == -1)
			rc = -1;
	return rc;
}

/* --- the request --------------------------------------------------------- */

static const char *
check_uri(const char *uri)
{
	const char *p;

	if (has_variable(uri))
		return "variables of nginx do not exist here; write the URI "
		       "itself";
	if (uri[0] != '/')
		return "write a URI that begins with \"/\", perhaps with "
		       "?name=value";
	for (p = uri; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return "write a URI as a request has it: without "
			       "spaces and \"#\", other characters as %HH";
	return p - uri > URI_MAX ? "write at most 2048 characters" : NULL;
}

static int
set_request(const struct ol_setting *s)
{
	struct ol_conf_backend *backend = backend_of(s);
	const char *method = text_of(s, 1), *wrong;
	size_t n = strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	if (n == 0 || n > METHOD_MAX || method[n] != '\0')
		return ol_kind_words_invalid(
		    s, 1, "write a method of HTTP, such as POST");
	if ((wrong = check_uri(text_of(s, 2))) != NULL)
		return ol_kind_words_invalid(s, 2, wrong);
	if (s->directive->nwords > 3) {
		if ((wrong = ol_values_type(text_of(s, 3))) != NULL)
			return ol_kind_words_invalid(s, 3, wrong);
		ol_kind_value_replace(&backend->content_type, text_of(s, 3));
	}
	ol_kind_value_replace(&backend->method, method);
	ol_kind_value_replace(&backend->uri, text_of(s, 2));
	return 0;
}

int
ol_kind_backend_set(const struct ol_setting *s)
{
	switch (s->option->kind) {
	case OL_KIND_BACKEND:
		return set_pass(s);
	case OL_KIND_PARAM:
		return set_param(s);
	case OL_KIND_DROP:
		return set_drop(s);
	case OL_KIND_REQUEST:
		return set_request(s);
	default:
		return -1;
	}
}

void
ol_kind_backend_free(struct ol_conf_backend *backend)
{
	size_t i;

	if (backend == NULL)
		return;
	ol_draft_free_env(backend->params, backend->nparams);
	for (i = 0; i < backend->ndrop; i++)
		free(backend->drop[i]);
	free(backend->drop);
	free(backend->text);
	free(backend->method);
	free(backend->uri);
	free(backend->content_type);
	free(backend);
}
