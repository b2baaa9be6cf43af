#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/text.h"
#include "ctl/table.h"

struct ol_table {
	char **cells; /* the heads first */
	size_t ncells, columns;
};

static void
add(struct ol_table *t, char *cell)
{
	t->cells =
	    ol_must(reallocarray(t->cells, t->ncells + 1, sizeof(*t->cells)));
	t->cells[t->ncells++] = cell;
}

struct ol_table *
ol_table_new(const char *const *heads)
{
	struct ol_table *t = ol_must(calloc(1, sizeof(*t)));

	for (; heads[t->columns] != NULL; t->columns++)
		add(t, ol_must(strdup(heads[t->columns])));
	return t;
}

void
ol_table_free(struct ol_table *t)
{
	if (t == NULL)
		return;
	while (t->ncells > 0)
		free(t->cells[--t->ncells]);
	free(t->cells);
	free(t);
}

void
ol_table_cell(struct ol_table *t, const char *fmt, ...)
{
	char raw[512], cell[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	ol_text_escape(cell, sizeof(cell), raw, strlen(raw));
	add(t, ol_must(strdup(cell)));
}

/* As many as a terminal shows: continuation bytes are none. */
static size_t
width(const char *cell)
{
	size_t n = 0;

	for (; *cell != '\0'; cell++)
		n += (*cell & 0xc0) != 0x80;
	return n;
}

static const char *
colour_of(const char *cell, bool head)
{
	static const struct {
		const char *word, *colour;
	} colours[] = {
		{ "running", "\033[32m" },
		{ "ready", "\033[32m" },
		{ "starting", "\033[33m" },
		{ "stopped", "\033[33m" },
		{ "leaving", "\033[33m" },
		{ "failed", "\033[31m" },
	};
	size_t i;

	if (head)
		return "\033[1m";
	for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++)
		if (strcmp(cell, colours[i].word) == 0)
			return colours[i].colour;
	return NULL;
}

void
ol_table_print(const struct ol_table *t, FILE *out, bool terminal, bool colour)
{
	size_t *widths = ol_must(calloc(t->columns, sizeof(*widths)));
	const char *on;
	size_t i, w;

	for (i = 0; i < t->ncells; i++)
		if ((w = width(t->cells[i])) > widths[i % t->columns])
			widths[i % t->columns] = w;
	for (i = 0; i < t->ncells; i++) {
		bool last = i % t->columns == t->columns - 1;

		on = colour ? colour_of(t->cells[i], i < t->columns) : NULL;
		fprintf(out, "%s%s%s", on != NULL ? on : "", t->cells[i],
		    on != NULL ? "\033[0m" : "");
		if (last)
			putc('\n', out);
		else if (!terminal)
			putc('\t', out);
		else
			fprintf(out, "%*s",
			    (int)(widths[i % t->columns] - width(t->cells[i]) +
				  2),
			    "");
	}
	free(widths);
}

bool
ol_table_is_terminal(FILE *out)
{
	return isatty(fileno(out)) == 1;
}

bool
ol_table_has_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return ol_table_is_terminal(out) && (no == NULL || *no == '\0') &&
	       (term == NULL || strcmp(term, "dumb") != 0);
}
