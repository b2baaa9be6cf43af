#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/must.h"
#include "base/text.h"
#include "master/document.h"

void
ol_document_open(struct ol_document *d)
{
	memset(d, 0, sizeof(*d));
	d->out = ol_must(open_memstream(&d->text, &d->len));
	putc('{', d->out);
}

void
ol_document_close(struct ol_document *d)
{
	putc('}', d->out);
	if (fclose(d->out) == EOF)
		ol_must(NULL);
	d->out = NULL;
}

void
ol_document_fini(struct ol_document *d)
{
	if (d->out != NULL)
		fclose(d->out);
	free(d->text);
	memset(d, 0, sizeof(*d));
}

static void
write_string(struct ol_document *d, const char *value)
{
	size_t size = 6 * strlen(value) + 1;
	char *escaped = ol_must(malloc(size));

	ol_text_json(escaped, size, value, strlen(value));
	fprintf(d->out, "\"%s\"", escaped);
	free(escaped);
}

/* What comes before a value. */
static void
begin(struct ol_document *d, const char *key)
{
	if (d->comma)
		putc(',', d->out);
	d->comma = true;
	if (key == NULL)
		return;
	write_string(d, key);
	putc(':', d->out);
}

void
ol_document_text(struct ol_document *d, const char *key, const char *value)
{
	begin(d, key);
	write_string(d, value);
}

void
ol_document_number(struct ol_document *d, const char *key, int64_t value)
{
	begin(d, key);
	fprintf(d->out, "%lld", (long long)value);
}

void
ol_document_flag(struct ol_document *d, const char *key, bool value)
{
	begin(d, key);
	fputs(value ? "true" : "false", d->out);
}

void
ol_document_null(struct ol_document *d, const char *key)
{
	begin(d, key);
	fputs("null", d->out);
}

void
ol_document_time(struct ol_document *d, const char *key, int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[32];
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		ol_document_null(d, key);
	else
		ol_document_text(d, key, text);
}

void
ol_document_merge(struct ol_document *d, const struct ol_document *other)
{
	/* Without its braces. */
	if (other->len <= 2)
		return;
	begin(d, NULL);
	fwrite(other->text + 1, 1, other->len - 2, d->out);
}

void
ol_document_object(struct ol_document *d, const char *key)
{
	begin(d, key);
	putc('{', d->out);
	d->comma = false;
}

void
ol_document_object_end(struct ol_document *d)
{
	putc('}', d->out);
	d->comma = true;
}

void
ol_document_array(struct ol_document *d, const char *key)
{
	begin(d, key);
	putc('[', d->out);
	d->comma = false;
}

void
ol_document_array_end(struct ol_document *d)
{
	putc(']', d->out);
	d->comma = true;
}
