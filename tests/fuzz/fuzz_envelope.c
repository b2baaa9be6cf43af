/*
 * What parameters mean: whatever they are, they are read or refused with a
 * reason; nobody gets more than the web server gives, nothing that came can
 * break a header, and what is kept is what outlast-tasks(7) allows.
 *
 * The input is pairs "NAME\nVALUE\0" as they are in the corpus; NULs within a
 * value are written as "\x01".
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/options.h"
#include "api/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIRS_MAX = 64 };

static size_t
split(char *text, size_t size, struct ol_pair *pairs)
{
	char *at = text, *end = text + size;
	size_t n = 0;

	while (at < end && n < PAIRS_MAX) {
		char *stop = memchr(at, '\0', (size_t)(end - at));
		char *line, *p;

		if (stop == NULL)
			stop = end;
		line = memchr(at, '\n', (size_t)(stop - at));
		if (line == NULL)
			line = stop;
		pairs[n].name = at;
		pairs[n].name_len = (uint32_t)(line - at);
		pairs[n].value = line < stop ? line + 1 : stop;
		pairs[n].value_len = (uint32_t)(stop - pairs[n].value);
		for (p = line + 1; p < stop; p++)
			if (*p == '\x01')
				*p = '\0';
		*line = '\0';
		n++;
		at = stop + 1;
	}
	return n;
}

static void
check(bool right)
{
	if (!right)
		abort();
}

static void
check_refusal(const struct ol_refusal *refusal)
{
	check(refusal->problem > OL_PROBLEM_NONE &&
	      refusal->problem < OL_PROBLEMS);
	check(memchr(refusal->detail, '\0', sizeof(refusal->detail)) != NULL);
	check(refusal->detail[0] != '\0');
}

static void
check_envelope(const struct ol_envelope *e)
{
	check(e->access < OL_ACCESS_LEVELS);
	check(e->base[0] == '\0' || e->base[0] == '/');
	check(e->base[strcspn(e->base, "\r\n\"\\ <>%?#")] == '\0');
	check(e->owner[strcspn(e->owner, "\r\n")] == '\0');
	check(strlen(e->owner) <= 255 && strlen(e->base) <= 255);
	check(strlen(e->content_type) <= 255);
	check(e->content_type[strcspn(e->content_type, "\r\n")] == '\0');
	check(e->traceparent[0] == '\0' || strlen(e->traceparent) == 55);
	check(e->session_len <= 4096);
}

static void
check_options(const struct ol_options *options)
{
	check(options->delay >= 0 && options->due >= 0);
	check(options->delay == 0 || options->due == 0);
	check(options->priority == INT_MIN ||
	      (options->priority >= -100 && options->priority <= 100));
	check(options->owner[strcspn(options->owner, "\r\n")] == '\0');
}

static void
check_route(const struct ol_envelope *e)
{
	const char *base = e->base[0] != '\0' ? e->base : "/tasks";
	const char *path = ol_envelope_below(e->uri, base);
	char allow[OL_ENVELOPE_ALLOW_SIZE];
	struct ol_route_found found;

	if (path == NULL || ol_route_find(&found, e->method, path, e->query))
		return;
	ol_envelope_allow(found.allow, allow);
	check(allow[0] != '\0');
	if (found.route == NULL)
		return;
	check(found.route->path != NULL);
	check((found.route->methods & found.allow) != 0);
	check(found.type == NULL || strlen(found.type) <= 64);
	/* Nothing but the probes is free. */
	check(found.route->needs != 0 || strchr(path, 'z') != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ol_pair pairs[PAIRS_MAX];
	struct ol_envelope e;
	struct ol_options options;
	struct ol_refusal refusal;
	char *text = malloc(size + 1);
	size_t n;

	check(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	n = split(text, size, pairs);
	if (ol_envelope_read(&e, pairs, n, &refusal) == -1)
		check_refusal(&refusal);
	else {
		check_envelope(&e);
		check_route(&e);
		if (ol_options_read(&options, &e, &refusal) == -1)
			check_refusal(&refusal);
		else
			check_options(&options);
	}
	free(text);
	return 0;
}
