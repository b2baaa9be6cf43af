#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fcgi/reply.h"

enum {
	FIRST_SIZE = 1024, /* most heads fit */
};

/* One line of the head, without what ends it. */
struct line {
	char *at;
	size_t len;
};

void
ol_reply_init(struct ol_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
}

void
ol_reply_fini(struct ol_reply *reply)
{
	free(reply->text);
	free(reply->headers);
	memset(reply, 0, sizeof(*reply));
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A token's (RFC 9110 §5.6.2). */
static bool
is_name(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static size_t
name_length(const struct line *line)
{
	size_t n = 0;

	while (n < line->len && is_name(line->at[n]))
		n++;
	return n;
}

/* The name is name, whatever its case. */
static bool
is_named(const struct line *line, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(line->at, name, len) == 0;
}

/* A status and, behind a blank, a phrase; NULL or what is wrong with it. */
static const char *
read_status(const char *at, size_t len, int *out)
{
	int status;

	if (len < 3 || !is_digit(at[0]) || !is_digit(at[1]) ||
	    !is_digit(at[2]) || (len > 3 && !is_blank(at[3])))
		return "its status is not a number of three digits";
	status = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
	if (status < 200 || status > 599)
		return "its status is not one of 200 to 599";
	*out = status;
	return NULL;
}

static bool
is_status_line(const struct ol_reply *reply, const struct line *line)
{
	return line->at == reply->text && line->len > 5 &&
	       memcmp(line->at, "HTTP/", 5) == 0;
}

/*
 * "HTTP/1.1 404 Not Found", which PHP sends with cgi.rfc2616_headers. nginx
 * skips it and says 200; it is the application's word, so it counts here.
 */
static const char *
read_status_line(const struct line *line, int *out)
{
	size_t n = 5;

	while (n < line->len && !is_blank(line->at[n]))
		n++;
	while (n < line->len && is_blank(line->at[n]))
		n++;
	return read_status(line->at + n, line->len - n, out);
}

/* The value of a header whose name has n bytes, without blanks around it. */
static struct line
value_of(const struct line *line, size_t n)
{
	struct line value = { line->at + n + 1, line->len - n - 1 };

	while (value.len > 0 && is_blank(*value.at)) {
		value.at++;
		value.len--;
	}
	while (value.len > 0 && is_blank(value.at[value.len - 1]))
		value.len--;
	return value;
}

/* What is wrong with a whole line of the head, or NULL. */
static const char *
fault_of(const struct ol_reply *reply, const struct line *line)
{
	size_t i, n = name_length(line);
	struct line value;
	int status;

	for (i = 0; i < line->len; i++)
		if (is_control(line->at[i]) && line->at[i] != '\t')
			return "there is a control character in its headers";
	if (is_status_line(reply, line))
		return read_status_line(line, &status);
	if (is_blank(line->at[0]))
		return "a header is folded onto a second line";
	if (n == line->len)
		return "a line of its headers has no colon";
	if (n == 0 || line->at[n] != ':')
		return "the name of a header holds what no name may hold";
	if (!is_named(line, n, "Status"))
		return NULL;
	value = value_of(line, n);
	return read_status(value.at, value.len, &status);
}

/* The line that ends at end, which is its line feed. */
static struct line
line_before(const struct ol_reply *reply, char *end)
{
	char *start = reply->text;
	struct line line;
	size_t before = (size_t)(end - reply->text);

	if (before > 0) {
		char *feed = memrchr(reply->text, '\n', before);

		if (feed != NULL)
			start = feed + 1;
	}
	line = (struct line){ start, (size_t)(end - start) };
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* All lines are in order: name what is in them, in place. */
static int
take_apart(struct ol_reply *reply)
{
	char *at = reply->text, *end = reply->text + reply->len, *feed;
	int named = 0, from_line = 0;
	size_t lines = 0, n;
	struct line line, value;

	for (feed = at; (feed = memchr(feed, '\n', (size_t)(end - feed)));
	     feed++)
		lines++;
	reply->headers = calloc(lines, sizeof(*reply->headers));
	if (reply->headers == NULL)
		return -1;
	for (; at < end; at = feed + 1) {
		feed = memchr(at, '\n', (size_t)(end - at));
		line = (struct line){ at, (size_t)(feed - at) };
		if (line.len > 0 && at[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			break;
		if (is_status_line(reply, &line)) {
			read_status_line(&line, &from_line);
			continue;
		}
		n = name_length(&line);
		value = value_of(&line, n);
		if (is_named(&line, n, "Status")) {
			read_status(value.at, value.len, &named);
			continue;
		}
		line.at[n] = '\0';
		value.at[value.len] = '\0';
		reply->headers[reply->nheaders++] =
		    (struct ol_reply_header){ line.at, value.at };
	}
	reply->status = named != 0				     ? named
			: from_line != 0			     ? from_line
			: ol_reply_header(reply, "Location") != NULL ? 302
								     : 200;
	return 0;
}

/* Room for len bytes more. */
static int
reserve(struct ol_reply *reply, size_t len)
{
	size_t size = reply->size == 0 ? FIRST_SIZE : reply->size;
	char *text;

	while (size - reply->len < len)
		size *= 2;
	if (size == reply->size)
		return 0;
	if ((text = realloc(reply->text, size)) == NULL)
		return -1;
	reply->text = text;
	reply->size = size;
	return 0;
}

enum ol_reply_taken
ol_reply_take(struct ol_reply *reply, const char *data, size_t len,
    size_t *used, const char **why)
{
	const char *feed;
	struct line line;
	size_t n;

	for (*used = 0; *used < len; *used += n) {
		feed = memchr(data + *used, '\n', len - *used);
		n = feed == NULL ? len - *used
				 : (size_t)(feed - data) - *used + 1;
		if (n > OL_REPLY_HEAD_MAX - reply->len) {
			*why = "its headers are longer than 64 KiB";
			return OL_REPLY_BAD;
		}
		if (reserve(reply, n) == -1)
			goto nomem;
		memcpy(reply->text + reply->len, data + *used, n);
		reply->len += n;
		if (feed == NULL)
			continue;
		line = line_before(reply, reply->text + reply->len - 1);
		if (line.len > 0) {
			if ((*why = fault_of(reply, &line)) != NULL)
				return OL_REPLY_BAD;
			continue;
		}
		*used += n;
		if (take_apart(reply) == -1)
			goto nomem;
		return OL_REPLY_HEAD;
	}
	return OL_REPLY_MORE;
nomem:
	*why = "there is no memory for its headers";
	return OL_REPLY_BAD;
}

const char *
ol_reply_header(const struct ol_reply *reply, const char *name)
{
	size_t i;

	for (i = 0; i < reply->nheaders; i++)
		if (strcasecmp(reply->headers[i].name, name) == 0)
			return reply->headers[i].value;
	return NULL;
}
