#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "run/reference.h"

static bool
has_scheme(const char *reference)
{
	size_t n = 0;

	if (!isalpha((unsigned char)reference[0]))
		return false;
	while (isalnum((unsigned char)reference[n]) ||
	       (reference[n] != '\0' && strchr("+-.", reference[n]) != NULL))
		n++;
	return reference[n] == ':';
}

/* What could not have been asked for, and must not get into a header. */
static bool
is_path(const char *base)
{
	const char *p;

	for (p = base; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	return base[0] == '/';
}

/* Take "." and ".." out of the path, which begins with "/" and ends at a query
 * or a fragment (RFC 3986 §5.2.4). */
static void
remove_dots(char *text)
{
	char *in = text, *out = text, *end = text + strcspn(text, "?#");

	while (in < end) {
		size_t n = 1 + strcspn(in + 1, "/?#");
		bool dot = n == 2 && in[1] == '.';
		bool dots = n == 3 && in[1] == '.' && in[2] == '.';

		if (dots)
			while (out > text && *--out != '/')
				;
		if (!dot && !dots) {
			memmove(out, in, n);
			out += n;
		} else if (in + n == end)
			*out++ = '/';
		in += n;
	}
	memmove(out, end, strlen(end) + 1);
}

char *
ol_reference_resolve(const char *base, const char *reference)
{
	size_t len = strcspn(base, "?#");
	char *resolved;

	if (reference[0] == '\0' || reference[0] == '/' ||
	    has_scheme(reference) || !is_path(base))
		return NULL;
	if (reference[0] == '#')
		len = strcspn(base, "#");
	else if (reference[0] != '?')
		while (base[len - 1] != '/')
			len--;
	if (asprintf(&resolved, "/.%.*s%s", (int)len, base, reference) == -1)
		ol_must(NULL);
	remove_dots(resolved + 2);
	/* "//name" would be another host; "/.//name" is that path. */
	if (resolved[3] != '/')
		memmove(resolved, resolved + 2, strlen(resolved + 2) + 1);
	return resolved;
}
