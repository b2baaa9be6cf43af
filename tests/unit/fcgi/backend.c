#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "backend.h"

static void
add(struct backend *b, const void *data, size_t len)
{
	size_t room = sizeof(b->told) - 1 - b->told_len;

	if (len > room)
		len = room;
	memcpy(b->told + b->told_len, data, len);
	b->told_len += len;
	b->told[b->told_len] = '\0';
}

static void __attribute__((format(printf, 3, 4)))
tell(struct backend *b, char stream, const char *fmt, ...)
{
	char word[1024];
	va_list ap;

	if (b->stream != 0 && b->stream != stream)
		add(b, " ", 1);
	if (stream == 0 || b->stream != stream) {
		va_start(ap, fmt);
		vsnprintf(word, sizeof(word), fmt, ap);
		va_end(ap);
		add(b, word, strlen(word));
	}
	b->stream = stream;
}

static void
cancel_if(struct backend *b, enum cancel_in where)
{
	struct ol_client *client = b->client;

	if (b->cancel_in != where)
		return;
	b->client = NULL;
	ol_client_cancel(client);
}

static void
on_connected(void *arg)
{
	struct backend *b = arg;

	if (b->client == NULL)
		abort();
	tell(b, 0, "connected ");
	cancel_if(b, CANCEL_CONNECTED);
}

static void
on_head(void *arg, const struct ol_reply *reply)
{
	struct backend *b = arg;
	size_t i;

	if (b->client == NULL)
		abort();
	tell(b, 0, "head:%d", reply->status);
	for (i = 0; i < reply->nheaders; i++) {
		add(b, "[", 1);
		add(b, reply->headers[i].name, strlen(reply->headers[i].name));
		add(b, "=", 1);
		add(b, reply->headers[i].value,
		    strlen(reply->headers[i].value));
		add(b, "]", 1);
	}
	add(b, " ", 1);
	cancel_if(b, CANCEL_HEAD);
}

static void
on_content(void *arg, const void *data, size_t len)
{
	struct backend *b = arg;

	if (b->client == NULL || len == 0)
		abort();
	tell(b, 'c', "content:");
	add(b, data, len);
	b->content += len;
	cancel_if(b, CANCEL_CONTENT);
}

static void
on_error_text(void *arg, const char *text, size_t len)
{
	struct backend *b = arg;

	if (b->client == NULL || len == 0)
		abort();
	tell(b, 'e', "error:");
	add(b, text, len);
	cancel_if(b, CANCEL_ERROR_TEXT);
}

static void
on_end(void *arg, enum ol_client_end how, const char *why)
{
	struct backend *b = arg;

	if (b->client == NULL || (why == NULL) != (how == OL_CLIENT_WHOLE))
		abort();
	/* To a dead end of the stack, if it is used after this. */
	snprintf(b->why, sizeof(b->why), "%s", why == NULL ? "" : why);
	b->how = (int)how;
	tell(b, 0, "end:%d(%s) ", (int)how, b->why);
	if (b->cancel_in == CANCEL_END)
		ol_client_cancel(b->client);
	b->client = NULL;
}

void
backend_start(struct backend *b)
{
	char text[128];

	memset(b, 0, sizeof(*b));
	snprintf(b->dir, sizeof(b->dir), "/tmp/outlast-client.XXXXXX");
	if (mkdtemp(b->dir) == NULL)
		abort();
	snprintf(text, sizeof(text), "unix:%s/s", b->dir);
	if (ol_addr_parse(&b->addr, text) != NULL ||
	    (b->listener = ol_addr_listen(&b->addr, 16, 0600)) == -1 ||
	    (b->loop = ol_loop_new()) == NULL)
		abort();
	b->how = -1;
}

void
backend_stop(struct backend *b)
{
	if (b->client != NULL)
		ol_client_cancel(b->client);
	ol_loop_free(b->loop);
	if (b->listener != -1)
		close(b->listener);
	if (ol_addr_path(&b->addr) != NULL)
		unlink(ol_addr_path(&b->addr));
	rmdir(b->dir);
}

void
backend_ask(struct backend *b, const struct ol_client_request *request)
{
	static const struct ol_client_events events = {
		.on_connected = on_connected,
		.on_head = on_head,
		.on_content = on_content,
		.on_error_text = on_error_text,
		.on_end = on_end,
	};
	static const struct ol_pair pair = {
		.name = "A",
		.name_len = 1,
		.value = "b",
		.value_len = 1,
	};
	const struct ol_client_request plain = { .params = &pair,
		.nparams = 1 };

	b->told_len = b->content = 0;
	b->told[0] = b->stream = 0;
	b->how = -1;
	b->client = ol_client_new(
	    b->loop, &b->addr, request == NULL ? &plain : request, &events, b);
	/* Never out of a function that the owner calls. */
	if (b->client == NULL || b->told_len != 0)
		abort();
}

void
backend_turn(struct backend *b)
{
	int i;

	/* Twice what one thing can lead to. */
	for (i = 0; i < 4; i++)
		event_base_loop(ol_loop_base(b->loop), EVLOOP_NONBLOCK);
}

int
backend_accept(struct backend *b)
{
	int64_t end = ol_clock_now() + OL_SEC(20);
	int fd = -1;

	while (fd == -1 && ol_clock_now() < end) {
		backend_turn(b);
		fd = accept4(
		    b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	if (fd == -1)
		abort();
	backend_turn(b);
	return fd;
}

bool
backend_send(struct backend *b, int fd, const void *data, size_t len)
{
	int64_t end = ol_clock_now() + OL_SEC(20);
	const char *at = data;

	while (len > 0 && ol_clock_now() < end) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n == -1 && errno != EAGAIN)
			return false;
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
		if (len > 0)
			backend_turn(b);
	}
	backend_turn(b);
	return len == 0;
}

size_t
backend_read(struct backend *b, int fd, unsigned char *out, size_t size)
{
	size_t have = 0;
	int dry = 0;

	while (have < size && dry < 3) {
		ssize_t n = recv(fd, out + have, size - have, 0);

		if (n == 0 || (n == -1 && errno != EAGAIN))
			break;
		dry = n == -1 ? dry + 1 : 0;
		if (n > 0)
			have += (size_t)n;
		backend_turn(b);
	}
	return have;
}

bool
backend_ended(struct backend *b, int seconds)
{
	int64_t end = ol_clock_now() + OL_SEC(seconds);

	while (b->how == -1 && ol_clock_now() < end)
		backend_turn(b);
	return b->how != -1;
}
