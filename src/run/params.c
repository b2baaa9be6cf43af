#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "run/params.h"
#include "run/variables.h"

/* --- the list ------------------------------------------------------------ */

static void
append(struct ol_params *p, const char *name, const char *value)
{
	if (p->n == p->room) {
		p->room = p->room == 0 ? 64 : p->room * 2;
		p->list =
		    ol_must(reallocarray(p->list, p->room, sizeof(*p->list)));
	}
	p->list[p->n++] = (struct ol_pair){
		.name = name,
		.name_len = (uint32_t)strlen(name),
		.value = value,
		.value_len = (uint32_t)strlen(value),
	};
}

static struct ol_pair *
find(const struct ol_params *p, const char *name)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strcmp(p->list[i].name, name) == 0)
			return &p->list[i];
	return NULL;
}

/* In the place of the first of that name, the only one then; or behind all. */
static void
set(struct ol_params *p, const char *name, const char *value)
{
	struct ol_pair *first = find(p, name);
	size_t i, n;

	if (first == NULL) {
		append(p, name, value);
		return;
	}
	first->value = value;
	first->value_len = (uint32_t)strlen(value);
	n = i = (size_t)(first - p->list) + 1;
	for (; i < p->n; i++)
		if (strcmp(p->list[i].name, name) != 0)
			p->list[n++] = p->list[i];
	p->n = n;
}

/* A copy of the text that lives as long as the list. */
static const char *
keep(struct ol_params *p, const char *text)
{
	p->texts =
	    ol_must(reallocarray(p->texts, p->ntexts + 1, sizeof(*p->texts)));
	p->texts[p->ntexts] = ol_must(strdup(text));
	return p->texts[p->ntexts++];
}

static void
on_variable(void *arg, const char *name, const char *value)
{
	struct ol_params *p = arg;

	append(p, name, keep(p, value));
}

/* --- what is in it ------------------------------------------------------- */

static void
add_recorded(struct ol_params *p, const struct ol_run_job *job)
{
	size_t i;

	for (i = 0; i < job->ncontext; i++)
		if (!ol_variables_own(job->context[i].name))
			append(p, job->context[i].name, job->context[i].value);
}

/*
 * Whether a visitor's value of that name could choose what the backend runs:
 * for a request of our own these are the configuration's alone.
 */
static bool
is_ours_to_choose(const char *name)
{
	static const char *const names[] = { "SCRIPT_FILENAME", "SCRIPT_NAME",
		"DOCUMENT_ROOT", "DOCUMENT_URI", "PATH_INFO", "PATH_TRANSLATED",
		"CONTEXT_DOCUMENT_ROOT", "REQUEST_METHOD", "REQUEST_URI",
		"QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH", "FCGI_ROLE" };
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "PHP_", 4) == 0;
}

/* What a web server would have said of a request by the block's words. */
static void
add_request(struct ol_params *p, const struct ol_run_job *job)
{
	const struct ol_conf_backend *backend = job->conf->backend;
	size_t len = strcspn(backend->uri, "?"), i;
	const char *path, *query = backend->uri + len, *name;
	char *copy = ol_must(strndup(backend->uri, len));

	path = keep(p, copy);
	free(copy);
	append(p, "GATEWAY_INTERFACE", "CGI/1.1");
	append(p, "SERVER_SOFTWARE", "outlast");
	append(p, "SERVER_PROTOCOL", "HTTP/1.1");
	append(p, "SERVER_NAME", "localhost");
	append(p, "SERVER_ADDR", "127.0.0.1");
	append(p, "SERVER_PORT", "80");
	append(p, "REMOTE_ADDR", "127.0.0.1");
	append(p, "REMOTE_PORT", "0");
	append(p, "HTTP_HOST", "localhost");
	append(p, "REQUEST_SCHEME", "http");
	append(p, "REQUEST_METHOD", backend->method);
	append(p, "REQUEST_URI", backend->uri);
	append(p, "DOCUMENT_URI", path);
	append(p, "SCRIPT_NAME", path);
	append(p, "QUERY_STRING", *query == '?' ? query + 1 : query);
	append(p, "CONTENT_TYPE",
	    backend->content_type != NULL ? backend->content_type
					  : job->content_type);
	append(p, "CONTENT_LENGTH", "");
	for (i = 0; i < job->ncontext; i++) {
		name = job->context[i].name;
		/* The visitor's address, say, instead of ours. */
		if (!ol_variables_own(name) && !is_ours_to_choose(name))
			set(p, name, job->context[i].value);
	}
}

/* The body's true size: what nginx said of a chunked one is nothing. */
static void
set_length(struct ol_params *p, const struct ol_body *payload)
{
	const struct ol_pair *length = find(p, "CONTENT_LENGTH");
	char text[24];

	/* Without a body, nginx says nothing or 0: either is true. */
	if (payload == NULL || payload->size == 0) {
		if (length != NULL && length->value_len > 0)
			set(p, "CONTENT_LENGTH", "0");
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, payload->size);
	set(p, "CONTENT_LENGTH", keep(p, text));
}

static void
add_own(struct ol_params *p, const struct ol_run_job *job, const char *notify)
{
	const char *trace = ol_variables_find(
	    job, job->recorded ? "HTTP_TRACEPARENT" : "TRACEPARENT");

	ol_variables_each(job, on_variable, p);
	if (trace != NULL && ol_text_is_traceparent(trace))
		append(p, "TRACEPARENT", trace);
	if (notify != NULL) {
		append(p, "OUTLAST_NOTIFY", notify);
		append(p, "NOTIFY_SOCKET", notify);
	}
}

int
ol_params_make(struct ol_params *params, const struct ol_run_job *job,
    const char *notify, const char **why)
{
	const struct ol_conf_backend *backend = job->conf->backend;
	size_t i;

	*params = (struct ol_params){ 0 };
	if (job->recorded)
		add_recorded(params, job);
	else if (backend->method != NULL)
		add_request(params, job);
	else {
		*why =
		    "it was submitted without a request to replay, and its "
		    "task block has none: add \"request METHOD URI;\" there, "
		    "and retry it";
		return -1;
	}
	for (i = 0; i < backend->nparams; i++)
		set(params, backend->params[i].name, backend->params[i].value);
	set_length(params, job->payload);
	add_own(params, job, notify);
	return 0;
}

const char *
ol_params_value(const struct ol_params *params, const char *name)
{
	const struct ol_pair *pair = find(params, name);

	return pair != NULL ? pair->value : NULL;
}

void
ol_params_fini(struct ol_params *params)
{
	size_t i;

	for (i = 0; i < params->ntexts; i++)
		free(params->texts[i]);
	free(params->texts);
	free(params->list);
	*params = (struct ol_params){ 0 };
}
