#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "base/must.h"
#include "base/text.h"
#include "engine/failure.h"

void
ol_failure_fini(struct ol_failure *failure)
{
	free(failure->text);
	*failure = (struct ol_failure){ .exit = -1 };
}

void
ol_failure_set(
    struct ol_failure *failure, const char *kind, const char *fmt, ...)
{
	va_list ap;

	ol_failure_fini(failure);
	failure->kind = kind;
	va_start(ap, fmt);
	vsnprintf(failure->message, sizeof(failure->message), fmt, ap);
	va_end(ap);
}

/* A JSON string of the bytes: what is not UTF-8, and NUL, is replaced. */
static json_t *
string(const char *text, size_t size)
{
	static const char unknown[] = "\xef\xbf\xbd";
	char *copy = ol_must(malloc(size * 3 + 1));
	size_t i, n, len = 0;
	json_t *json;

	for (i = 0; i < size; i += n) {
		n = ol_text_character(text + i, size - i);
		if (n > 0 && text[i] != '\0') {
			memcpy(copy + len, text + i, n);
			len += n;
		} else {
			memcpy(copy + len, unknown, 3);
			len += 3;
			n = 1;
		}
	}
	json = ol_must(json_stringn(copy, len));
	free(copy);
	return json;
}

/* With the last most bytes of the standard error. */
static char *
dump(const struct ol_failure *failure, size_t most, size_t *len)
{
	const char *text = failure->text;
	size_t size = failure->size;
	json_t *json = ol_must(json_object());
	char name[32], *out;

	json_object_set_new(
	    json, "kind", string(failure->kind, strlen(failure->kind)));
	json_object_set_new(json, "message",
	    string(failure->message, strlen(failure->message)));
	if (failure->exit >= 0)
		json_object_set_new(json, "exit", json_integer(failure->exit));
	if (failure->signal > 0) {
		ol_text_signal(name, sizeof(name), failure->signal);
		json_object_set_new(json, "signal", json_string(name));
	}
	if (size > most) {
		text += size - most;
		size = most;
		/* Not from the middle of a character. */
		while (size > 0 && (*text & 0xc0) == 0x80) {
			text++;
			size--;
		}
	}
	if (size > 0)
		json_object_set_new(json, "stderr", string(text, size));
	out = ol_must(json_dumps(json, JSON_COMPACT));
	*len = strlen(out);
	json_decref(json);
	return out;
}

char *
ol_failure_write(const struct ol_failure *failure, size_t *len)
{
	size_t most = OL_FAILURE_TEXT;
	char *out;

	*len = 0;
	if (failure->kind == NULL)
		return NULL;
	/* Control bytes are six characters each. */
	for (out = dump(failure, most, len); *len > OL_ROW_ERROR_MAX;
	     out = dump(failure, most, len)) {
		free(out);
		most /= 2;
	}
	return out;
}

static const char *
member(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text != NULL ? text : "";
}

void
ol_failure_read(struct ol_failure_view *view, struct ol_bytes bytes)
{
	json_t *json = NULL;
	const json_t *status;

	if (bytes.size > 0)
		json = json_loadb(bytes.data, bytes.size, 0, NULL);
	view->json = json;
	view->kind = member(json, "kind");
	view->message = member(json, "message");
	view->signal = member(json, "signal");
	view->text = member(json, "stderr");
	view->exit = -1;
	status = json_object_get(json, "exit");
	if (json_is_integer(status) && json_integer_value(status) >= 0 &&
	    json_integer_value(status) <= 255)
		view->exit = (int)json_integer_value(status);
}

void
ol_failure_view_fini(struct ol_failure_view *view)
{
	json_decref(view->json);
	view->json = NULL;
}
