#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"

enum { END_REQUEST = 3, STDOUT = 6, STDERR = 7 };

void
answer_init(struct answer *answer, bool fcgi)
{
	answer->fcgi = fcgi;
	answer->step = fcgi ? ANSWER_HEADER : ANSWER_STATUS;
	answer->status = 0;
	answer->close = false;
	answer->chunked = false;
	answer->left = 0;
	answer->nline = 0;
	answer->nhead = 0;
	answer->content = answer->padding = 0;
	answer->nend = 0;
}

static int
number(const char *text, int base, size_t *value)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, base);
	if (end == text || errno != 0 || *text == '-' ||
	    (*end != '\0' && *end != ' ' && *end != ';'))
		return (-1);
	*value = n;
	return (0);
}

static const char *
value_of(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncasecmp(line, name, len) != 0 || line[len] != ':')
		return (NULL);
	return (line + len + 1 + strspn(line + len + 1, " \t"));
}

static enum answer_state
headers_end(struct answer *answer)
{
	if (answer->fcgi) {
		if (answer->status == 0)
			answer->status = 200;
		answer->step = ANSWER_BODY;
		return (ANSWER_MORE);
	}
	if (answer->status >= 100 && answer->status < 200) {
		answer->step = ANSWER_STATUS;
		return (ANSWER_MORE);
	}
	if (answer->status == 204 || answer->status == 304)
		return (ANSWER_DONE);
	if (answer->chunked) {
		answer->step = ANSWER_CHUNK_SIZE;
		return (ANSWER_MORE);
	}
	/* SIZE_MAX: neither a length nor chunks; nginx never does that here. */
	if (answer->left == SIZE_MAX)
		return (ANSWER_BAD);
	answer->step = ANSWER_BODY;
	return (answer->left == 0 ? ANSWER_DONE : ANSWER_MORE);
}

static enum answer_state
header(struct answer *answer)
{
	const char *value;
	size_t n;

	if (answer->nline == 0)
		return (headers_end(answer));
	if (answer->fcgi) {
		if ((value = value_of(answer->line, "Status")) != NULL) {
			if (number(value, 10, &n) == -1 || n < 100 || n > 599)
				return (ANSWER_BAD);
			answer->status = (int)n;
		}
		return (ANSWER_MORE);
	}
	if ((value = value_of(answer->line, "Content-Length")) != NULL) {
		if (number(value, 10, &answer->left) == -1)
			return (ANSWER_BAD);
	} else if ((value = value_of(answer->line, "Transfer-Encoding")) !=
		   NULL) {
		if (strcasecmp(value, "chunked") != 0)
			return (ANSWER_BAD);
		answer->chunked = true;
	} else if ((value = value_of(answer->line, "Connection")) != NULL)
		answer->close = strcasecmp(value, "close") == 0;
	return (ANSWER_MORE);
}

static enum answer_state
line_end(struct answer *answer)
{
	size_t n;

	switch (answer->step) {
	case ANSWER_STATUS:
		if (strncmp(answer->line, "HTTP/1.1 ", 9) != 0 ||
		    number(answer->line + 9, 10, &n) == -1 || n < 100 ||
		    n > 599)
			return (ANSWER_BAD);
		answer->status = (int)n;
		answer->left = SIZE_MAX;
		answer->step = ANSWER_HEADER;
		return (ANSWER_MORE);
	case ANSWER_HEADER:
		return (header(answer));
	case ANSWER_CHUNK_SIZE:
		if (number(answer->line, 16, &answer->left) == -1)
			return (ANSWER_BAD);
		answer->step =
		    answer->left == 0 ? ANSWER_TRAILER : ANSWER_CHUNK;
		return (ANSWER_MORE);
	case ANSWER_CHUNK_END:
		answer->step = ANSWER_CHUNK_SIZE;
		return (answer->nline == 0 ? ANSWER_MORE : ANSWER_BAD);
	case ANSWER_TRAILER:
		return (answer->nline == 0 ? ANSWER_DONE : ANSWER_MORE);
	case ANSWER_BODY:
	case ANSWER_CHUNK:
		break;
	}
	return (ANSWER_BAD); /* cannot happen: a body has no lines */
}

/* The text of a reply: HTTP's bytes, or what is inside FCGI_STDOUT. */
static enum answer_state
feed_text(struct answer *answer, const char *data, size_t len)
{
	enum answer_state state = ANSWER_MORE;
	size_t n;

	while (len > 0) {
		if (state == ANSWER_DONE)
			return (ANSWER_BAD);
		if (answer->step == ANSWER_BODY && answer->fcgi)
			return (ANSWER_MORE);
		if (answer->step == ANSWER_BODY ||
		    answer->step == ANSWER_CHUNK) {
			n = len < answer->left ? len : answer->left;
			data += n;
			len -= n;
			answer->left -= n;
			if (answer->left > 0)
				return (ANSWER_MORE);
			if (answer->step == ANSWER_BODY)
				state = ANSWER_DONE;
			else
				answer->step = ANSWER_CHUNK_END;
			continue;
		}
		if (*data == '\n') {
			if (answer->nline > 0 &&
			    answer->line[answer->nline - 1] == '\r')
				answer->nline--;
			answer->line[answer->nline] = '\0';
			state = line_end(answer);
			answer->nline = 0;
			if (state == ANSWER_BAD)
				return (ANSWER_BAD);
		} else {
			if (answer->nline == sizeof(answer->line) - 1)
				return (ANSWER_BAD);
			answer->line[answer->nline++] = *data;
		}
		data++;
		len--;
	}
	return (state);
}

static int
record_begins(struct answer *answer)
{
	const uint8_t *head = answer->head;

	if (head[0] != 1 || head[2] != 0 || head[3] != 1)
		return (-1);
	if (head[1] != END_REQUEST && head[1] != STDOUT && head[1] != STDERR)
		return (-1);
	answer->content = (size_t)head[4] << 8 | head[5];
	answer->padding = head[6];
	if (head[1] == END_REQUEST && answer->content != 8)
		return (-1);
	return (0);
}

static enum answer_state
feed_records(struct answer *answer, const char *data, size_t len)
{
	size_t n;

	while (len > 0) {
		if (answer->nhead < 8) {
			answer->head[answer->nhead++] = (uint8_t)*data++;
			len--;
			if (answer->nhead == 8 && record_begins(answer) == -1)
				return (ANSWER_BAD);
		} else if (answer->content > 0) {
			n = len < answer->content ? len : answer->content;
			if (answer->head[1] == STDOUT &&
			    feed_text(answer, data, n) == ANSWER_BAD)
				return (ANSWER_BAD);
			if (answer->head[1] == END_REQUEST) {
				memcpy(answer->end + answer->nend, data, n);
				answer->nend += n;
			}
			data += n;
			len -= n;
			answer->content -= n;
		} else {
			n = len < answer->padding ? len : answer->padding;
			data += n;
			len -= n;
			answer->padding -= n;
		}
		if (answer->nhead < 8 || answer->content > 0 ||
		    answer->padding > 0)
			continue;
		answer->nhead = 0;
		if (answer->head[1] != END_REQUEST)
			continue;
		/* Complete only with its headers and protocolStatus 0. */
		if (answer->step != ANSWER_BODY || answer->end[4] != 0)
			return (ANSWER_BAD);
		if (len == 0)
			return (ANSWER_DONE);
		/* An empty FCGI_STDERR behind it: the peer retires. */
		if (len <= 8 && memcmp(data, "\1\7\0\1\0\0\0\0", len) == 0) {
			answer->close = true;
			return (ANSWER_DONE);
		}
		return (ANSWER_BAD);
	}
	return (ANSWER_MORE);
}

enum answer_state
answer_feed(struct answer *answer, const char *data, size_t len)
{
	return (answer->fcgi ? feed_records(answer, data, len)
			     : feed_text(answer, data, len));
}
