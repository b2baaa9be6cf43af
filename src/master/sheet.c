#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "master/sheet.h"

/* --- Writing. --- */

static int64_t
get(const struct ol_sheet_field *f, const void *record)
{
	const char *at = (const char *)record + f->offset;

	switch (f->kind) {
	case OL_SHEET_I64:
		return *(const int64_t *)(const void *)at;
	case OL_SHEET_INT:
		return *(const int *)(const void *)at;
	case OL_SHEET_UNSIGNED:
		return *(const unsigned *)(const void *)at;
	default:
		return *(const bool *)(const void *)at;
	}
}

static void
write_text(FILE *out, const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	for (; *c != '\0'; c++)
		if (*c <= ' ' || *c == '%' || *c > '~')
			fprintf(out, "%%%02x", *c);
		else
			putc(*c, out);
}

void
ol_sheet_write(FILE *out, const char *word, const struct ol_sheet_field *f,
    const void *record)
{
	fputs(word, out);
	for (; f->kind != OL_SHEET_END; f++) {
		fprintf(out, " %s=", f->name);
		if (f->kind == OL_SHEET_CHARS)
			write_text(out, (const char *)record + f->offset);
		else
			fprintf(out, "%" PRId64, get(f, record));
	}
	putc('\n', out);
}

/* --- Reading. --- */

void
ol_sheet_open(struct ol_sheet *s, char *text)
{
	*s = (struct ol_sheet){ .next = text };
}

bool
ol_sheet_is(const struct ol_sheet *s, const char *word)
{
	size_t len = strlen(word);

	return strncmp(s->next, word, len) == 0 &&
	       (s->next[len] == ' ' || s->next[len] == '\n');
}

int
ol_sheet_fault(struct ol_sheet *s, const char *fmt, ...)
{
	int n = snprintf(s->why, sizeof(s->why), "line %u: ", s->line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why + n, sizeof(s->why) - (size_t)n, fmt, ap);
	va_end(ap);
	return -1;
}

/* As it is written, and no other way: "-0", "+1" and "01" are no numbers. */
static bool
read_number(const char *text, int64_t *value)
{
	char again[24];
	char *end;

	errno = 0;
	*value = strtoll(text, &end, 10);
	snprintf(again, sizeof(again), "%" PRId64, *value);
	return errno == 0 && *end == '\0' && strcmp(again, text) == 0;
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
read_text(const char *text, char *to, size_t most)
{
	size_t n = 0;
	int byte;

	for (; *text != '\0'; text++) {
		byte = (unsigned char)*text;
		if (byte <= ' ' || byte > '~')
			return false;
		if (byte == '%') {
			if (digit(text[1]) == -1 || digit(text[2]) == -1)
				return false;
			byte = digit(text[1]) * 16 + digit(text[2]);
			text += 2;
		}
		if (byte == '\0' || n == most)
			return false;
		to[n++] = (char)byte;
	}
	to[n] = '\0';
	return true;
}

static int
read_field(struct ol_sheet *s, const struct ol_sheet_field *f, char *text,
    void *record)
{
	size_t len = strlen(f->name);
	char *at = (char *)record + f->offset;
	int64_t value;

	if (strncmp(text, f->name, len) != 0 || text[len] != '=')
		return ol_sheet_fault(s, "\"%s=\" is missing", f->name);
	text += len + 1;
	if (f->kind == OL_SHEET_CHARS)
		return read_text(text, at, (size_t)f->max)
			   ? 0
			   : ol_sheet_fault(
				 s, "\"%s\" is no such text", f->name);
	if (!read_number(text, &value) || value < f->min || value > f->max)
		return ol_sheet_fault(s,
		    "\"%s\" is not a number from %" PRId64 " to %" PRId64,
		    f->name, f->min, f->max);
	if (f->kind == OL_SHEET_I64)
		*(int64_t *)(void *)at = value;
	else if (f->kind == OL_SHEET_INT)
		*(int *)(void *)at = (int)value;
	else if (f->kind == OL_SHEET_UNSIGNED)
		*(unsigned *)(void *)at = (unsigned)value;
	else
		*(bool *)(void *)at = value != 0;
	return 0;
}

int
ol_sheet_read(struct ol_sheet *s, const char *word,
    const struct ol_sheet_field *f, void *record)
{
	char *line = s->next, *text, *end = strchr(line, '\n');

	s->line++;
	if (end == NULL)
		return ol_sheet_fault(s, "it ends before \"%s\"", word);
	*end = '\0';
	s->next = end + 1;
	text = strsep(&line, " ");
	if (strcmp(text, word) != 0)
		return ol_sheet_fault(s, "it is not \"%s\"", word);
	for (; f->kind != OL_SHEET_END; f++) {
		if ((text = strsep(&line, " ")) == NULL)
			return ol_sheet_fault(s, "\"%s=\" is missing", f->name);
		if (read_field(s, f, text, record) == -1)
			return -1;
	}
	return line == NULL ? 0 : ol_sheet_fault(s, "there is too much in it");
}

int
ol_sheet_close(struct ol_sheet *s)
{
	s->line++;
	return *s->next == '\0' ? 0
				: ol_sheet_fault(s, "it goes on after the end");
}
