#include <string.h>
#include <strings.h>

#include "api/prefer.h"

enum { VALUE_SIZE = 32 };

/* One preference; a text that is longer than any we know ends in "?". */
struct preference {
	char name[VALUE_SIZE], value[VALUE_SIZE];
};

void
ol_prefer_init(struct ol_prefer *prefer)
{
	prefer->wait = -1;
	prefer->async = false;
}

static const char *
skip_space(const char *at)
{
	return at + strspn(at, " \t");
}

static const char *
read_token(char *dst, const char *at)
{
	static const char taken[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$%&'*+-.^_`|~";
	size_t len = strspn(at, taken);
	size_t n = len < VALUE_SIZE - 1 ? len : VALUE_SIZE - 1;

	memcpy(dst, at, n);
	dst[n] = '\0';
	if (n < len)
		dst[n - 1] = '?';
	return at + len;
}

/* A quoted string, from behind its first quote; NULL: it does not end. */
static const char *
read_quoted(char *dst, const char *at)
{
	size_t n = 0;

	for (; *at != '"'; at++) {
		if (*at == '\\')
			at++;
		if (*at == '\0')
			return NULL;
		if (n < VALUE_SIZE - 1)
			dst[n++] = *at;
		else
			dst[n - 1] = '?';
	}
	dst[n] = '\0';
	return at + 1;
}

/* "name", "name=value"; NULL: neither. */
static const char *
read_pair(struct preference *p, const char *at)
{
	p->value[0] = '\0';
	at = read_token(p->name, at);
	if (p->name[0] == '\0')
		return NULL;
	at = skip_space(at);
	if (*at != '=')
		return at;
	at = skip_space(at + 1);
	at = *at == '"' ? read_quoted(p->value, at + 1)
			: read_token(p->value, at);
	return at == NULL ? NULL : skip_space(at);
}

/* One with its parameters, which we do not know; NULL: it is none. */
static const char *
read_preference(struct preference *p, const char *at)
{
	struct preference parameter;

	at = read_pair(p, at);
	while (at != NULL && *at == ';') {
		at = skip_space(at + 1);
		if (*at != ';' && *at != ',' && *at != '\0')
			at = read_pair(&parameter, at);
	}
	return at != NULL && (*at == ',' || *at == '\0') ? at : NULL;
}

/* Behind what is not well-formed: the next comma that is not quoted. */
static const char *
next_one(const char *at)
{
	bool quoted = false;

	for (; *at != '\0' && (quoted || *at != ','); at++)
		if (*at == '"')
			quoted = !quoted;
		else if (quoted && *at == '\\' && at[1] != '\0')
			at++;
	return at;
}

static void
take(struct ol_prefer *prefer, const struct preference *p)
{
	size_t len = strlen(p->value), i;
	int wait = 0;

	/* RFC 7240 §4.1: with a value it is another preference's mistake. */
	if (strcasecmp(p->name, "respond-async") == 0 && len == 0)
		prefer->async = true;
	if (strcasecmp(p->name, "wait") != 0 || prefer->wait >= 0 || len == 0 ||
	    strspn(p->value, "0123456789") != len)
		return;
	for (i = 0; i < len && wait < OL_PREFER_WAIT_MAX; i++)
		wait = wait * 10 + (p->value[i] - '0');
	prefer->wait = wait < OL_PREFER_WAIT_MAX ? wait : OL_PREFER_WAIT_MAX;
}

void
ol_prefer_read(struct ol_prefer *prefer, const char *line)
{
	const char *at = line, *end;
	struct preference p;

	while (*(at += strspn(at, " \t,")) != '\0') {
		end = read_preference(&p, at);
		if (end != NULL)
			take(prefer, &p);
		at = end != NULL ? end : next_one(at);
	}
}
