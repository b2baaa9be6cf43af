#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/access.h"
#include "api/envelope.h"
#include "base/text.h"
#include "config/values.h"

static const struct method {
	const char *name;
	unsigned method;
} methods[] = {
	{ "GET", OL_METHOD_GET },
	{ "HEAD", OL_METHOD_HEAD },
	{ "POST", OL_METHOD_POST },
	{ "PUT", OL_METHOD_PUT },
	{ "PATCH", OL_METHOD_PATCH },
	{ "DELETE", OL_METHOD_DELETE },
	{ "OPTIONS", OL_METHOD_OPTIONS },
};

enum { NMETHODS = sizeof(methods) / sizeof(methods[0]) };

void
ol_envelope_allow(unsigned set, char *buf)
{
	size_t i;

	buf[0] = '\0';
	for (i = 0; i < NMETHODS; i++) {
		if ((set & methods[i].method) == 0)
			continue;
		if (buf[0] != '\0')
			strlcat(buf, ", ", OL_ENVELOPE_ALLOW_SIZE);
		strlcat(buf, methods[i].name, OL_ENVELOPE_ALLOW_SIZE);
	}
}

bool
ol_envelope_is_name(const char *text, size_t len)
{
	size_t i = 0, n;

	if (len == 0 || len > 255)
		return false;
	while (i < len) {
		/* It refuses a backslash, for the log's sake. */
		n = text[i] == '\\' ? 1 : ol_text_printable(text + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

const char *
ol_envelope_below(const char *uri, const char *base)
{
	size_t len = strlen(base);

	/* The base "/" is that of a server of its own. */
	if (len == 1)
		len = 0;
	if (strncmp(uri, base, len) != 0 || uri[len] != '/')
		return NULL;
	return uri + len;
}

const char *
ol_envelope_param(const struct ol_envelope *e, const char *name)
{
	size_t i = e->npairs, len = strlen(name);

	while (i-- > 0)
		if (e->pairs[i].name_len == len &&
		    memcmp(e->pairs[i].name, name, len) == 0)
			return strlen(e->pairs[i].value) ==
				       e->pairs[i].value_len
				   ? e->pairs[i].value
				   : "";
	return "";
}

/* --- the parameters, one reader each; false: it has a bad value --- */

struct value {
	const char *text;
	size_t len;
};

typedef bool read_fn(struct ol_envelope *, const struct value *);

static bool
read_method(struct ol_envelope *e, const struct value *v)
{
	size_t i;

	e->method = 0;
	for (i = 0; i < NMETHODS; i++)
		if (strcmp(v->text, methods[i].name) == 0)
			e->method = methods[i].method;
	return true;
}

static bool
read_uri(struct ol_envelope *e, const struct value *v)
{
	e->uri = v->text;
	return true;
}

static bool
read_query(struct ol_envelope *e, const struct value *v)
{
	e->query = v->text;
	return true;
}

static bool
read_content_type(struct ol_envelope *e, const struct value *v)
{
	e->content_type = v->text;
	return ol_envelope_is_name(v->text, v->len);
}

static bool
read_task(struct ol_envelope *e, const struct value *v)
{
	e->task = v->text;
	return true;
}

static bool
read_access(struct ol_envelope *e, const struct value *v)
{
	return ol_access_find(v->text, &e->access) == 0;
}

static bool
read_owner(struct ol_envelope *e, const struct value *v)
{
	e->owner = v->text;
	return ol_envelope_is_name(v->text, v->len);
}

static bool
read_session(struct ol_envelope *e, const struct value *v)
{
	e->session = v->text;
	e->session_len = v->len;
	/* A browser's word, of any length: it is hashed. */
	return true;
}

/* It stands in Location: letters, digits and what RFC 3986 takes in a path. */
static bool
read_base(struct ol_envelope *e, const struct value *v)
{
	static const char taken[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~!$&'()*+,;=:@/";

	e->base = v->text;
	return v->len <= 255 && v->text[0] == '/' &&
	       (v->len == 1 || v->text[v->len - 1] != '/') &&
	       v->text[strspn(v->text, taken)] == '\0' &&
	       strstr(v->text, "//") == NULL &&
	       strstr(v->text, "/./") == NULL &&
	       strstr(v->text, "/../") == NULL;
}

static bool
read_wait(struct ol_envelope *e, const struct value *v)
{
	return ol_values_time(&e->wait, v->text) == NULL;
}

static bool
read_prefer(struct ol_envelope *e, const struct value *v)
{
	ol_prefer_read(&e->prefer, v->text);
	return true;
}

static bool
read_key(struct ol_envelope *e, const struct value *v)
{
	bool first = e->key[0] == '\0';

	e->key = v->text;
	return first;
}

static bool
read_if_none_match(struct ol_envelope *e, const struct value *v)
{
	e->if_none_match = v->text;
	return true;
}

/* What is not well-formed is as if absent (Trace Context §3.2). */
static bool
read_traceparent(struct ol_envelope *e, const struct value *v)
{
	if (strlen(v->text) == v->len && ol_text_is_traceparent(v->text))
		e->traceparent = v->text;
	return true;
}

static bool
read_purpose(struct ol_envelope *e, const struct value *v)
{
	/* A list of tokens with parameters: "prefetch;prerender". */
	if (strcasestr(v->text, "prefetch") != NULL)
		e->prefetch = true;
	return true;
}

/* Whether a list of media ranges names the type, and does not refuse it. */
static bool
accepts(const char *list, const char *type)
{
	size_t len = strlen(type);

	for (; *list != '\0'; list += strcspn(list, ",")) {
		const char *q;
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ",");
		if (n < len || strncasecmp(list, type, len) != 0 ||
		    strchr(" \t;,", list[len]) == NULL)
			continue;
		q = memmem(list, n, "q=0", 3);
		return q == NULL || q[3] == '.';
	}
	return false;
}

/* Without Sec-Fetch-*, who wants a page to show says so here. */
static bool
read_accept(struct ol_envelope *e, const struct value *v)
{
	e->accepts_html = accepts(v->text, "text/html");
	return true;
}

/* The browser's own word; a page cannot change it. */
static bool
read_fetch_mode(struct ol_envelope *e, const struct value *v)
{
	e->says_mode = true;
	e->navigates = strcasecmp(v->text, "navigate") == 0;
	return true;
}

static bool
read_fetch_other(struct ol_envelope *e, const struct value *v)
{
	(void)v;
	e->says_mode = true;
	return true;
}

/* Scripts of before Sec-Fetch-*; apps send their own name when they navigate.
 */
static bool
read_requested_with(struct ol_envelope *e, const struct value *v)
{
	if (strcasecmp(v->text, "XMLHttpRequest") == 0)
		e->says_mode = true;
	return true;
}

static bool
read_fetch_site(struct ol_envelope *e, const struct value *v)
{
	e->says_mode = true;
	if (strcasecmp(v->text, "cross-site") == 0)
		e->cross_site = true;
	if (strcasecmp(v->text, "same-origin") == 0)
		e->same_origin = true;
	return true;
}

/* Whether origin names the host that the request is for. */
static bool
is_origin_here(const struct ol_envelope *e, const char *origin)
{
	const char *there = strstr(origin, "://");
	const char *here = ol_envelope_param(e, "HTTP_HOST");
	size_t len = strlen(here);

	if (there == NULL || len == 0 || strncasecmp(there + 3, here, len) != 0)
		return false;
	there += 3 + len;
	/* Debian's fastcgi_params have "HTTP_HOST $host", without the port. */
	return *there == '\0' ||
	       (*there == ':' &&
		   strcmp(there + 1, ol_envelope_param(e, "SERVER_PORT")) == 0);
}

static bool
read_origin(struct ol_envelope *e, const struct value *v)
{
	/* One is enough, however many come. */
	if (!e->foreign_origin)
		e->foreign_origin = !is_origin_here(e, v->text);
	return true;
}

/* Whose mistake a bad value is. */
enum whose {
	SERVERS,  /* OUTLAST_*: 500 and a line in the log; never twice */
	CLIENTS,  /* 400 */
	HEADERS,  /* the same, of the Idempotency-Key */
	ANYBODYS, /* it leads nowhere: 404 */
};

#define ROW(name, whose, read) \
	{ \
		name, sizeof(name) - 1, whose, read \
	}

static const struct row {
	const char *name;
	size_t len;
	enum whose whose;
	read_fn *read;
} rows[] = {
	ROW("OUTLAST_TASK", SERVERS, read_task),
	ROW("OUTLAST_ACCESS", SERVERS, read_access),
	ROW("OUTLAST_OWNER", SERVERS, read_owner),
	ROW("OUTLAST_SESSION", SERVERS, read_session),
	ROW("OUTLAST_BASE", SERVERS, read_base),
	ROW("OUTLAST_WAIT", SERVERS, read_wait),
	ROW("REQUEST_METHOD", CLIENTS, read_method),
	ROW("DOCUMENT_URI", ANYBODYS, read_uri),
	ROW("QUERY_STRING", CLIENTS, read_query),
	ROW("CONTENT_TYPE", CLIENTS, read_content_type),
	ROW("HTTP_IDEMPOTENCY_KEY", HEADERS, read_key),
	ROW("HTTP_IF_NONE_MATCH", CLIENTS, read_if_none_match),
	ROW("HTTP_TRACEPARENT", CLIENTS, read_traceparent),
	ROW("HTTP_SEC_PURPOSE", CLIENTS, read_purpose),
	ROW("HTTP_PURPOSE", CLIENTS, read_purpose),
	ROW("HTTP_PREFER", CLIENTS, read_prefer),
	ROW("HTTP_ACCEPT", CLIENTS, read_accept),
	ROW("HTTP_SEC_FETCH_MODE", CLIENTS, read_fetch_mode),
	ROW("HTTP_SEC_FETCH_DEST", CLIENTS, read_fetch_other),
	ROW("HTTP_SEC_FETCH_USER", CLIENTS, read_fetch_other),
	ROW("HTTP_SEC_FETCH_SITE", CLIENTS, read_fetch_site),
	ROW("HTTP_X_REQUESTED_WITH", CLIENTS, read_requested_with),
	ROW("HTTP_ORIGIN", CLIENTS, read_origin),
};

enum { NROWS = sizeof(rows) / sizeof(rows[0]) };

static int
refuse(struct ol_refusal *refusal, const struct row *row,
    const struct ol_pair *pair, const char *why)
{
	switch (row->whose) {
	case SERVERS:
		/* A cookie is nobody's to read. */
		return ol_problem_refuse(refusal, OL_PROBLEM_MISCONFIGURED,
		    "fastcgi_param %s %s: \"%.100s\"", row->name, why,
		    row->read == read_session ? "…" : pair->value);
	case HEADERS:
		return ol_problem_refuse(
		    refusal, OL_PROBLEM_BAD_KEY, "%s %s", row->name, why);
	case ANYBODYS:
		return ol_problem_refuse(
		    refusal, OL_PROBLEM_NOT_FOUND, "there is no such path");
	case CLIENTS:
		break;
	}
	return ol_problem_refuse(
	    refusal, OL_PROBLEM_BAD_REQUEST, "%s %s", row->name, why);
}

static const char *
why_bad(const struct row *row)
{
	if (row->whose == HEADERS)
		return "comes twice";
	if (row->read == read_access)
		return "is none of client, app, viewer and operator";
	if (row->read == read_base)
		return "is no path such as /tasks";
	if (row->read == read_wait)
		return "is no time such as 5s";
	return "has a bad value";
}

/* seen: a bit for each row of the server's that has come with a value. */
static int
read_pair(struct ol_envelope *e, const struct ol_pair *pair, unsigned *seen,
    struct ol_refusal *refusal)
{
	static const char ours[] = "OUTLAST_";
	struct value value = { pair->value, pair->value_len };
	const struct row *row = rows;
	unsigned bit = 1;

	/* Empty is absent. */
	if (pair->value_len == 0)
		return 0;
	while (row < rows + NROWS &&
	       (row->len != pair->name_len ||
		   memcmp(row->name, pair->name, row->len) != 0)) {
		row++;
		bit <<= 1;
	}
	if (row == rows + NROWS)
		return pair->name_len >= sizeof(ours) - 1 &&
			       memcmp(pair->name, ours, sizeof(ours) - 1) == 0
			   ? ol_problem_refuse(refusal,
				 OL_PROBLEM_MISCONFIGURED,
				 "fastcgi_param %.64s: there is no such "
				 "parameter",
				 pair->name)
			   : 0;
	if (row->whose == SERVERS && (*seen & bit) != 0)
		return refuse(refusal, row, pair, "comes twice");
	*seen |= bit;
	if (strlen(pair->value) != pair->value_len && row->read != read_session)
		return refuse(refusal, row, pair, "has a NUL in its value");
	if (!row->read(e, &value))
		return refuse(refusal, row, pair, why_bad(row));
	return 0;
}

int
ol_envelope_read(struct ol_envelope *e, const struct ol_pair *pairs, size_t n,
    struct ol_refusal *refusal)
{
	unsigned seen = 0;
	size_t i;

	memset(e, 0, sizeof(*e));
	e->pairs = pairs;
	e->npairs = n;
	e->uri = e->query = e->content_type = e->task = e->owner = "";
	e->session = e->base = e->key = e->if_none_match = "";
	e->traceparent = "";
	e->access = OL_ACCESS_CLIENT;
	ol_prefer_init(&e->prefer);
	for (i = 0; i < n; i++)
		if (read_pair(e, &pairs[i], &seen, refusal) == -1)
			return -1;
	if (!e->says_mode)
		e->navigates = e->accepts_html;
	if (e->foreign_origin && !e->same_origin)
		e->cross_site = true;
	if (ol_envelope_param(e, "REQUEST_METHOD")[0] == '\0')
		return ol_problem_refuse(refusal, OL_PROBLEM_MISCONFIGURED,
		    "a request without REQUEST_METHOD; the location needs "
		    "\"include fastcgi_params;\"");
	if (e->uri[0] == '\0' && e->task[0] == '\0')
		return ol_problem_refuse(refusal, OL_PROBLEM_MISCONFIGURED,
		    "a request without DOCUMENT_URI; the location needs "
		    "\"include fastcgi_params;\"");
	return 0;
}
