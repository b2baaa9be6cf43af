#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fcgi/record.h"
#include "serving.h"

static void __attribute__((format(printf, 2, 3)))
tell(struct serving *s, const char *fmt, ...)
{
	va_list ap;
	size_t room = sizeof(s->told) - s->told_len;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->told + s->told_len, room, fmt, ap);
	va_end(ap);
	s->told_len += (size_t)n < room ? (size_t)n : room - 1;
}

static uint64_t
hash_more(uint64_t hash, const unsigned char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3;
	return hash;
}

uint64_t
serving_hash(const void *data, size_t len)
{
	return hash_more(0xcbf29ce484222325, data, len);
}

/* The body's hash, wherever it is. */
static uint64_t
body_hash(struct ol_request *request)
{
	uint64_t hash = serving_hash(NULL, 0);
	unsigned char buf[65536];
	int fd = ol_request_take_body(request);
	off_t at = 0;
	ssize_t n;

	if (fd == -1)
		return serving_hash(ol_request_body(request),
		    (size_t)ol_request_body_length(request));
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		hash = hash_more(hash, buf, (size_t)n);
		at += n;
	}
	close(fd);
	return hash;
}

static void
answer(struct ol_request *request, int status, uint64_t hash)
{
	char text[32];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)hash);
	ol_request_status(request, status);
	ol_request_header(request, "X-Hash", text);
	ol_request_write(request, text, strlen(text));
	ol_request_finish(request);
}

static void
on_request(struct ol_request *request, void *arg)
{
	struct serving *s = arg;
	const struct ol_pair *pairs;
	size_t n, i;

	pairs = ol_request_params(request, &n);
	tell(s, "request");
	for (i = 0; i < n; i++)
		tell(s, " %u=%u:%016llx:%016llx", pairs[i].name_len,
		    pairs[i].value_len,
		    (unsigned long long)serving_hash(
			pairs[i].name, pairs[i].name_len + 1),
		    (unsigned long long)serving_hash(
			pairs[i].value, pairs[i].value_len + 1));
	tell(
	    s, " length %lld\n", (long long)ol_request_content_length(request));
	s->held = request;
	switch (s->manner) {
	case ANSWERS_EARLY:
		s->held = NULL;
		answer(request, 200, 0);
		break;
	case CANCELS:
		s->held = NULL;
		ol_request_cancel(request);
		break;
	case BEGINS:
		ol_request_status(request, 200);
		ol_request_flush(request);
		break;
	case ANSWERS:
	case HOLDS:
		break;
	}
}

static void
on_body(struct ol_request *request, enum ol_body_end how, void *arg)
{
	static const int status[] = { [OL_BODY_WHOLE] = 200,
		[OL_BODY_TOO_LARGE] = 413,
		[OL_BODY_WRONG] = 400,
		[OL_BODY_NO_ROOM] = 503 };
	struct serving *s = arg;
	uint64_t hash = 0;

	tell(s, "body %d %llu\n", (int)how,
	    (unsigned long long)(how == OL_BODY_WHOLE
				     ? ol_request_body_length(request)
				     : 0));
	if (s->manner != ANSWERS)
		return;
	s->held = NULL;
	if (how == OL_BODY_WHOLE)
		hash = body_hash(request);
	answer(request, status[how], hash);
}

static void
on_drained(struct ol_request *request, void *arg)
{
	struct serving *s = arg;

	(void)request;
	s->drained++;
}

static void
on_gone(struct ol_request *request, enum ol_gone how, void *arg)
{
	struct serving *s = arg;

	tell(s, "gone %d\n", (int)how);
	if (s->held == request)
		s->held = NULL;
}

static void
on_retired(struct ol_server *server, void *arg)
{
	(void)server;
	tell(arg, "retired\n");
}

void
serving_start(struct serving *s)
{
	static const struct ol_server_events events = {
		.on_request = on_request,
		.on_body = on_body,
		.on_drained = on_drained,
		.on_gone = on_gone,
		.on_retired = on_retired,
	};

	if (s->options.listener == 0)
		s->options.listener = -1;
	if (s->options.folder == 0)
		s->options.folder = open("/tmp", O_DIRECTORY | O_CLOEXEC);
	if (s->options.name == NULL)
		s->options.name = "test";
	if ((s->loop = ol_loop_new()) == NULL ||
	    (s->server = ol_server_new(s->loop, &s->options, &events, s)) ==
		NULL)
		abort();
}

void
serving_stop(struct serving *s)
{
	ol_server_free(s->server);
	ol_loop_free(s->loop);
	if (s->options.folder != -1)
		close(s->options.folder);
}

int
serving_connect(struct serving *s)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) == -1 ||
	    ol_server_adopt(s->server, pair[0]) == -1)
		abort();
	return pair[1];
}

void
serving_turn(struct serving *s)
{
	int i;

	/* Twice what one thing can lead to. */
	for (i = 0; i < 4; i++)
		event_base_loop(ol_loop_base(s->loop), EVLOOP_NONBLOCK);
}

void
serving_wait(struct serving *s, int ms)
{
	int64_t end = ol_clock_now() + OL_MSEC(ms);

	while (ol_clock_now() < end) {
		serving_turn(s);
		usleep(1000);
	}
}

void
serving_send(struct serving *s, int fd, const void *data, size_t len)
{
	const char *at = data;
	int stuck = 0;

	while (len > 0 && stuck < 100) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
			stuck = 0;
		} else if (errno != EAGAIN)
			return; /* it has closed */
		else
			stuck++;
		if (n == -1)
			serving_turn(s);
	}
	serving_turn(s);
}

struct text {
	char data[2 * 1024 * 1024];
	size_t len;
};

static void
add(struct text *text, const void *data, size_t len)
{
	if (len > sizeof(text->data) - 1 - text->len)
		len = sizeof(text->data) - 1 - text->len;
	memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

static void
add_word(struct text *text, const char *fmt, ...)
{
	char word[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(word, sizeof(word), fmt, ap);
	va_end(ap);
	add(text, word, strlen(word));
}

/* One record as a word; *stream is the word that can go on. */
static void
add_record(struct text *text, const unsigned char *record, unsigned *stream)
{
	unsigned type = ol_record_type(record), id = ol_record_id(record);
	const unsigned char *content = record + OL_RECORD_HEADER;
	size_t len = ol_record_content(record);
	unsigned word = type << 16 | id;

	if (*stream != 0 && *stream != word)
		add(text, " ", 1);
	switch (type) {
	case OL_RECORD_STDOUT:
	case OL_RECORD_STDERR:
		if (*stream != word)
			add_word(text,
			    "%s%u:", type == OL_RECORD_STDOUT ? "out" : "err",
			    id);
		add(text, content, len);
		*stream = word;
		return;
	case OL_RECORD_END:
		add_word(text, "end%u:%u ", id, content[4]);
		break;
	case OL_RECORD_GET_VALUES_RESULT:
		add(text, "values:", 7);
		add(text, content, len);
		add(text, " ", 1);
		break;
	case OL_RECORD_UNKNOWN_TYPE:
		add_word(text, "unknown:%u ", content[0]);
		break;
	default:
		add_word(text, "WRONG:%u ", type);
	}
	*stream = 0;
}

const char *
serving_got(struct serving *s, int fd)
{
	static unsigned char data[8 * 1024 * 1024];
	static struct text text;
	unsigned stream = 0;
	size_t len = 0, at = 0;
	ssize_t n;
	int dry = 0;

	text.len = 0;
	text.data[0] = '\0';
	while (dry < 3) {
		n = recv(fd, data + len, sizeof(data) - len, 0);
		if (n == 0 || (n == -1 && errno != EAGAIN))
			break;
		if (n == -1)
			dry++;
		else
			len += (size_t)n;
		serving_turn(s);
	}
	while (len - at >= OL_RECORD_HEADER &&
	       len - at >= ol_record_length(data + at)) {
		add_record(&text, data + at, &stream);
		at += ol_record_length(data + at);
	}
	if (stream != 0)
		add(&text, " ", 1);
	if (at < len)
		add(&text, "CUT ", 4);
	if (dry < 3)
		add(&text, "eof ", 4);
	return text.data;
}

const char *
serving_answer(unsigned id, const void *body, size_t len)
{
	static char text[256];
	unsigned long long hash = serving_hash(body, len);

	snprintf(text, sizeof(text),
	    "out%u:Status: 200 OK\r\nX-Hash: %016llx\r\n\r\n%016llx end%u:0 ",
	    id, hash, hash, id);
	return text;
}
