#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/json.h"
#include "base/text.h"

void
ol_json_fini(struct ol_json *json)
{
	free(json->text);
	memset(json, 0, sizeof(*json));
}

static bool
reserve(struct ol_json *json, size_t len)
{
	size_t size = json->size == 0 ? 4096 : json->size;
	char *p;

	if (json->failed)
		return false;
	if (len <= json->size - json->len)
		return true;
	while (size - json->len < len)
		size *= 2;
	if ((p = realloc(json->text, size)) == NULL) {
		json->failed = true;
		return false;
	}
	json->text = p;
	json->size = size;
	return true;
}

static void
put(struct ol_json *json, const char *text, size_t len)
{
	if (!reserve(json, len))
		return;
	memcpy(json->text + json->len, text, len);
	json->len += len;
}

/* How many bytes at text need no escape. */
static size_t
plain(const char *text)
{
	size_t n = 0;

	while (text[n] >= 0x20 && text[n] < 0x7f && text[n] != '"' &&
	       text[n] != '\\')
		n++;
	return n;
}

static void
put_string(struct ol_json *json, const char *text)
{
	size_t len = plain(text);

	/* Most are short and have nothing to escape. */
	if (text[len] == '\0' && reserve(json, len + 2)) {
		json->text[json->len++] = '"';
		memcpy(json->text + json->len, text, len);
		json->len += len;
		json->text[json->len++] = '"';
		return;
	}
	len += strlen(text + len);
	/* The longest escape has six characters. */
	if (!reserve(json, len * 6 + 3))
		return;
	json->text[json->len++] = '"';
	json->len += ol_text_json(
	    json->text + json->len, json->size - json->len - 1, text, len);
	json->text[json->len++] = '"';
}

static void
put_number(struct ol_json *json, int64_t n)
{
	char digits[24], *at = digits + sizeof(digits);
	uint64_t rest = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (n < 0)
		*--at = '-';
	put(json, at, (size_t)(digits + sizeof(digits) - at));
}

/* --- members; name is a literal that needs no escapes --- */

static void
name(struct ol_json *json, const char *member)
{
	if (json->comma)
		put(json, ",\"", 2);
	else
		put(json, "\"", 1);
	put(json, member, strlen(member));
	put(json, "\":", 2);
	json->comma = true;
}

static void
open_object(struct ol_json *json, const char *member)
{
	if (member != NULL)
		name(json, member);
	put(json, "{", 1);
	json->comma = false;
}

static void
close_object(struct ol_json *json)
{
	put(json, "}", 1);
	json->comma = true;
}

static void
null(struct ol_json *json, const char *member)
{
	name(json, member);
	put(json, "null", 4);
}

static void
number(struct ol_json *json, const char *member, int64_t n)
{
	name(json, member);
	put_number(json, n);
}

static void
string(struct ol_json *json, const char *member, const char *text)
{
	name(json, member);
	put_string(json, text);
}

static void
string_or_null(struct ol_json *json, const char *member, const char *text)
{
	if (text == NULL || text[0] == '\0')
		null(json, member);
	else
		string(json, member, text);
}

static char *
put_digits(char *at, int value, int n)
{
	int i;

	for (i = n - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	return at + n;
}

size_t
ol_json_time(char *buf, int64_t msec)
{
	time_t seconds = (time_t)(msec / 1000);
	struct tm tm;
	char *at = buf;

	/* Beyond the year 9999 there is no RFC 3339. */
	if (msec < 0 || seconds > 253402300799 ||
	    gmtime_r(&seconds, &tm) == NULL)
		return ol_json_time(buf, 253402300799999);
	at = put_digits(at, tm.tm_year + 1900, 4);
	*at++ = '-';
	at = put_digits(at, tm.tm_mon + 1, 2);
	*at++ = '-';
	at = put_digits(at, tm.tm_mday, 2);
	*at++ = 'T';
	at = put_digits(at, tm.tm_hour, 2);
	*at++ = ':';
	at = put_digits(at, tm.tm_min, 2);
	*at++ = ':';
	at = put_digits(at, tm.tm_sec, 2);
	*at++ = '.';
	at = put_digits(at, (int)(msec % 1000), 3);
	*at++ = 'Z';
	*at = '\0';
	return (size_t)(at - buf);
}

static void
moment(struct ol_json *json, const char *member, int64_t msec)
{
	char text[OL_JSON_TIME_SIZE];
	size_t len;

	if (msec == 0) {
		null(json, member);
		return;
	}
	len = ol_json_time(text, msec);
	name(json, member);
	put(json, "\"", 1);
	put(json, text, len);
	put(json, "\"", 1);
}

static void
address(struct ol_json *json, const char *member, const char *base,
    const char *id, const char *rest)
{
	name(json, member);
	put(json, "\"", 1);
	/* Checked where it was read: nothing in it needs an escape. */
	put(json, base, base[1] == '\0' ? 0 : strlen(base));
	put(json, "/", 1);
	put(json, id, OL_ID_TEXT_SIZE - 1);
	put(json, rest, strlen(rest));
	put(json, "\"", 1);
}

static void
progress(struct ol_json *json, const struct ol_object *object)
{
	if (object->progress < 0) {
		null(json, "progress");
		return;
	}
	open_object(json, "progress");
	number(json, "percent", object->progress);
	string(json, "text", object->progress_text);
	close_object(json);
}

static void
error(struct ol_json *json, const struct ol_object *object)
{
	if (object->error_kind[0] == '\0') {
		null(json, "error");
		return;
	}
	open_object(json, "error");
	string(json, "kind", object->error_kind);
	string(json, "message", object->error_message);
	if (object->error_exit < 0)
		null(json, "exit");
	else
		number(json, "exit", object->error_exit);
	string_or_null(json, "signal", object->error_signal);
	string_or_null(json, "stderr", object->error_text);
	close_object(json);
}

static void
begin(struct ol_json *json)
{
	json->len = 0;
	json->failed = json->comma = false;
	open_object(json, NULL);
}

void
ol_json_object(
    struct ol_json *json, const struct ol_object *object, const char *base)
{
	char id[OL_ID_TEXT_SIZE];

	ol_id_format(&object->id, id);
	begin(json);
	string(json, "id", id);
	string(json, "type", object->type);
	string(json, "state", object->state);
	progress(json, object);
	number(json, "attempt", object->attempt);
	number(json, "attempts_max", object->attempts_max);
	moment(json, "created", object->created);
	moment(json, "started", object->started);
	moment(json, "ended", object->ended_at);
	moment(json, "due", object->due);
	string_or_null(json, "owner", object->owner);
	error(json, object);
	if (object->result_bytes < 0)
		null(json, "result");
	else {
		open_object(json, "result");
		string(json, "type", object->result_type);
		number(json, "bytes", object->result_bytes);
		address(json, "href", base, id, "/result");
		close_object(json);
	}
	open_object(json, "links");
	address(json, "self", base, id, "");
	address(json, "result", base, id, "/result");
	address(json, "page", base, id, "/page");
	close_object(json);
	close_object(json);
	put(json, "\n", 1);
}

void
ol_json_problem(struct ol_json *json, const struct ol_problem_kind *kind,
    const char *detail, const char *instance)
{
	char type[64];

	snprintf(type, sizeof(type), "urn:outlast:problem:%s", kind->name);
	begin(json);
	string(json, "type", type);
	string(json, "title", kind->title);
	number(json, "status", kind->status);
	if (detail[0] != '\0')
		string(json, "detail", detail);
	if (kind->hint != NULL)
		string(json, "hint", kind->hint);
	if (instance[0] != '\0')
		string(json, "instance", instance);
	close_object(json);
	put(json, "\n", 1);
}
