#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "config/diagnostic.h"

/* A longer line is cut to so many bytes before and after the caret. */
enum { SHOWN_WHOLE = 120, SHOWN_BEFORE = 50, SHOWN_AFTER = 50 };

struct message {
	struct ol_place place;
	char *text;
	struct message *notes; /* in the order of being told */
	size_t nnotes;
	size_t order;
	bool warning;
};

struct ol_diagnostics {
	struct message *errors;
	size_t n;	 /* kept */
	size_t count;	 /* told */
	size_t warnings; /* told, and kept */
};

struct ol_diagnostics *
ol_diagnostic_new(void)
{
	return ol_must(calloc(1, sizeof(struct ol_diagnostics)));
}

static void
free_message(struct message *m)
{
	size_t i;

	for (i = 0; i < m->nnotes; i++)
		free(m->notes[i].text);
	free(m->notes);
	free(m->text);
}

void
ol_diagnostic_free(struct ol_diagnostics *d)
{
	size_t i;

	if (d == NULL)
		return;
	for (i = 0; i < d->n; i++)
		free_message(&d->errors[i]);
	free(d->errors);
	free(d);
}

__attribute__((format(printf, 4, 0))) static void
append(struct message **list, size_t *n, struct ol_place place, const char *fmt,
    va_list ap)
{
	struct message *m;
	char *text;

	if (vasprintf(&text, fmt, ap) == -1)
		text = NULL;
	ol_must(text);
	*list = ol_must(reallocarray(*list, *n + 1, sizeof(**list)));
	m = &(*list)[*n];
	*m = (struct message){ .place = place, .text = text, .order = *n };
	(*n)++;
}

void
ol_diagnostic_error(
    struct ol_diagnostics *d, struct ol_place place, const char *fmt, ...)
{
	va_list ap;

	if (d == NULL || d->count++ >= OL_DIAGNOSTIC_MAX)
		return;
	va_start(ap, fmt);
	append(&d->errors, &d->n, place, fmt, ap);
	va_end(ap);
}

void
ol_diagnostic_warning(
    struct ol_diagnostics *d, struct ol_place place, const char *fmt, ...)
{
	va_list ap;

	if (d == NULL || d->warnings >= OL_DIAGNOSTIC_MAX)
		return;
	d->warnings++;
	va_start(ap, fmt);
	append(&d->errors, &d->n, place, fmt, ap);
	va_end(ap);
	d->errors[d->n - 1].warning = true;
}

void
ol_diagnostic_note(
    struct ol_diagnostics *d, struct ol_place place, const char *fmt, ...)
{
	struct message *m;
	va_list ap;

	if (d == NULL || d->n == 0 || d->count + d->warnings > d->n)
		return;
	m = &d->errors[d->n - 1];
	va_start(ap, fmt);
	append(&m->notes, &m->nnotes, place, fmt, ap);
	va_end(ap);
}

size_t
ol_diagnostic_count(const struct ol_diagnostics *d)
{
	return d->count;
}

struct ol_quote
ol_diagnostic_quote(const char *word)
{
	struct ol_quote quote;

	ol_text_escape(quote.text, sizeof(quote.text), word, strlen(word));
	return quote;
}

static int
compare(const void *left, const void *right)
{
	const struct message *a = left, *b = right;
	unsigned from_a = a->place.source ? a->place.source->order : 0;
	unsigned from_b = b->place.source ? b->place.source->order : 0;

	if (from_a != from_b)
		return from_a < from_b ? -1 : 1;
	if (a->place.line != b->place.line)
		return a->place.line < b->place.line ? -1 : 1;
	if (a->place.column != b->place.column)
		return a->place.column < b->place.column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/*
 * The character at s as shown; *taken is how many bytes it was. Returns the
 * columns that it takes.
 */
static size_t
show(char out[5], const char *s, size_t left, size_t *taken)
{
	*taken = *s == '\t' || *s == '\\' ? 1 : ol_text_printable(s, left);
	if (*taken == 0) {
		*taken = 1;
		return ol_text_escape(out, 5, s, 1);
	}
	memcpy(out, s, *taken);
	out[*taken] = '\0';
	return 1;
}

/*
 * The line of place and the caret under it. What cannot be shown is escaped; a
 * tab stays one
 * in both lines, so that the caret stands right whatever a tab's width is.
 */
static void
print_excerpt(FILE *out, const struct ol_place *place, const char *mark,
    const char *plain)
{
	const char *text = place->source->text;
	size_t size = place->source->size;
	size_t at = place->offset < size ? place->offset : size;
	size_t start = at, end = at, from, to, i, n, width = 0;
	char shown[5];

	while (start > 0 && text[start - 1] != '\n')
		start--;
	while (end < size && text[end] != '\n')
		end++;
	if (end > start && text[end - 1] == '\r')
		end--;
	if (at > end)
		at = end;
	from = start;
	to = end;
	if (end - start > SHOWN_WHOLE) {
		if (at - start > SHOWN_BEFORE)
			from = at - SHOWN_BEFORE;
		if (end - at > SHOWN_AFTER)
			to = at + SHOWN_AFTER;
	}

	fprintf(out, "%6u | %s", place->line, from > start ? "..." : "");
	for (i = from; i < to; i += n) {
		show(shown, text + i, to - i, &n);
		fputs(shown, out);
	}
	fprintf(out, "%s\n       | %s", to < end ? "..." : "",
	    from > start ? "   " : "");
	for (i = from; i < at; i += n) {
		size_t columns = show(shown, text + i, at - i, &n);

		if (text[i] == '\t')
			putc('\t', out);
		else
			fprintf(out, "%*s", (int)columns, "");
	}
	for (i = at; i < at + place->width && i < to; i += n)
		width += show(shown, text + i, to - i, &n);
	fputs(mark, out);
	putc('^', out);
	for (i = 1; i < width; i++)
		putc('~', out);
	fprintf(out, "%s\n", plain);
}

static void
print_message(FILE *out, const struct message *m, const char *what,
    const char *colours[3])
{
	const struct ol_place *place = &m->place, *from;

	fputs(colours[0], out);
	if (place->source != NULL) {
		char name[512];

		ol_text_escape(name, sizeof(name), place->source->name,
		    strlen(place->source->name));
		fprintf(out, "%s:", name);
		if (place->line > 0)
			fprintf(out, "%u:%u:", place->line, place->column);
		putc(' ', out);
	}
	fprintf(out, "%s%s%s: %s\n", colours[1], what, colours[2], m->text);
	if (place->source == NULL)
		return;
	if (place->line > 0)
		print_excerpt(out, place, colours[1], colours[2]);
	for (from = &place->source->from; from->source != NULL;
	     from = &from->source->from) {
		char name[512];

		ol_text_escape(name, sizeof(name), from->source->name,
		    strlen(from->source->name));
		fprintf(
		    out, "       … included from %s:%u\n", name, from->line);
	}
}

void
ol_diagnostic_print(struct ol_diagnostics *d, FILE *out, bool colour)
{
	const char *errors[3] = { "", "", "" }, *notes[3] = { "", "", "" };
	const char *warnings[3] = { "", "", "" };
	size_t i, k;

	if (colour) {
		errors[0] = notes[0] = warnings[0] = "\033[1m";
		errors[1] = "\033[1;31m";
		notes[1] = "\033[1;36m";
		warnings[1] = "\033[1;33m";
		errors[2] = notes[2] = warnings[2] = "\033[0m";
	}
	if (d->n > 0)
		qsort(d->errors, d->n, sizeof(*d->errors), compare);
	for (i = 0; i < d->n; i++) {
		const struct message *m = &d->errors[i];

		print_message(out, m, m->warning ? "warning" : "error",
		    m->warning ? warnings : errors);
		for (k = 0; k < m->nnotes; k++)
			print_message(out, &m->notes[k], "note", notes);
	}
	if (d->count + d->warnings > d->n)
		fprintf(out, "%zu more errors are not shown\n",
		    d->count + d->warnings - d->n);
}
