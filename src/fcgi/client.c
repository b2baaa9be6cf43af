#include <sys/socket.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <event2/event.h>
#include <errno.h>
#include <fastcgi.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/client.h"
#include "fcgi/outgoing.h"
#include "fcgi/reader.h"
#include "fcgi/record.h"
#include "loop/loop.h"

enum {
	WINDOW = 64 * 1024, /* bytes read before others have their turn */
};

struct ol_client {
	const struct ol_client_events *events;
	void *arg;
	int fd;			/* -1: there was never one, or closed */
	struct event *readable; /* owned; added when connected */
	struct event *writable; /* owned; added while something is to be sent */
	struct ol_outgoing outgoing;
	struct ol_reader reader;
	struct ol_reply reply;
	unsigned char end[sizeof(FCGI_EndRequestBody)];
	uint8_t end_have;
	int error;	  /* of connect(); 0: it was begun */
	bool connected;	  /* the socket is */
	bool begun;	  /* the owner knows that it is */
	bool headed;	  /* on_head was called */
	bool stdout_over; /* STDOUT has ended */
	bool busy;	  /* a function of ours is on the stack: do not free */
	bool over;	  /* on_end was called, or it is cancelled */
	char name[OL_ADDR_TEXT];
};

static void on_writable(evutil_socket_t, short, void *);
static void on_readable(evutil_socket_t, short, void *);

/* --- its end --- */

static void
free_client(struct ol_client *client)
{
	if (client->readable != NULL)
		event_free(client->readable);
	if (client->writable != NULL)
		event_free(client->writable);
	if (client->fd != -1)
		close(client->fd);
	ol_outgoing_fini(&client->outgoing);
	ol_reply_fini(&client->reply);
	free(client);
}

/* The end of a function that an event called. */
static void
leave(struct ol_client *client)
{
	client->busy = false;
	if (client->over)
		free_client(client);
}

/* The one ending that the owner is told of. fmt NULL: nothing is wrong. */
static void __attribute__((format(printf, 3, 4)))
finish(struct ol_client *client, enum ol_client_end how, const char *fmt, ...)
{
	char why[OL_ADDR_TEXT + 256];
	va_list ap;
	int n;

	if (client->over)
		return;
	client->over = true;
	if (fmt != NULL) {
		n = snprintf(why, sizeof(why), "%s: ", client->name);
		va_start(ap, fmt);
		vsnprintf(why + n, sizeof(why) - (size_t)n, fmt, ap);
		va_end(ap);
	}
	/* The backend's process is free before the owner goes on. */
	event_del(client->readable);
	event_del(client->writable);
	if (client->fd != -1)
		close(client->fd);
	client->fd = -1;
	client->events->on_end(client->arg, how, fmt == NULL ? NULL : why);
}

static void
unreachable(struct ol_client *client, int error)
{
	finish(client, OL_CLIENT_UNREACHABLE, "%s",
	    error == EAGAIN ? "its backlog is full" : strerror(error));
}

static void
bad(struct ol_client *client, const char *why)
{
	finish(client, OL_CLIENT_BAD, "%s", why);
}

/* --- what it replies --- */

static void
begin(struct ol_client *client)
{
	if (client->begun)
		return;
	client->begun = true;
	client->events->on_connected(client->arg);
}

/* Is this the header of a record that may come now? */
static const char *
header_fault(const struct ol_client *client)
{
	const unsigned char *header = client->reader.header;

	if (header[0] != FCGI_VERSION_1)
		return "what it sent is not FastCGI version 1";
	if (ol_record_id(header) != 1)
		return "it sent a record of a request that it was not asked";
	switch (ol_record_type(header)) {
	case OL_RECORD_STDERR:
		return NULL;
	case OL_RECORD_STDOUT:
		if (client->reader.content > 0 && client->stdout_over)
			return "its output went on behind its end";
		if (client->reader.content == 0 && !client->headed)
			return "its output ended before its headers did";
		return NULL;
	case OL_RECORD_END:
		if (client->reader.content != sizeof(client->end))
			return "its END_REQUEST record has a wrong length";
		return NULL;
	default:
		return "it sent a record of a type that no application sends";
	}
}

static void
take_header(struct ol_client *client)
{
	const char *why = header_fault(client);

	if (why != NULL)
		bad(client, why);
	else if (ol_record_type(client->reader.header) == OL_RECORD_STDOUT &&
		 client->reader.content == 0)
		client->stdout_over = true;
}

static void
take_stdout(struct ol_client *client, const unsigned char *piece, size_t n)
{
	const char *why = NULL;
	size_t used = 0;

	begin(client);
	if (client->over)
		return;
	if (!client->headed) {
		switch (ol_reply_take(
		    &client->reply, (const char *)piece, n, &used, &why)) {
		case OL_REPLY_MORE:
			return;
		case OL_REPLY_BAD:
			bad(client, why);
			return;
		case OL_REPLY_HEAD:
			break;
		}
		client->headed = true;
		client->events->on_head(client->arg, &client->reply);
	}
	if (!client->over && used < n)
		client->events->on_content(client->arg, piece + used, n - used);
}

/* END_REQUEST is whole. What may stand behind it is not looked at. */
static void
end_request(struct ol_client *client)
{
	FCGI_EndRequestBody body;
	/* Not a byte of an answer: the application was not asked. */
	bool untouched = !client->headed && client->reply.len == 0;

	memcpy(&body, client->end, sizeof(body));
	if (body.protocolStatus == FCGI_OVERLOADED && untouched)
		finish(client, OL_CLIENT_UNREACHABLE, "it is overloaded");
	else if (body.protocolStatus == FCGI_CANT_MPX_CONN)
		bad(client, "it says that it has a request already");
	else if (body.protocolStatus == FCGI_UNKNOWN_ROLE)
		bad(client, "it does not know the role of a responder");
	else if (body.protocolStatus != FCGI_REQUEST_COMPLETE)
		finish(client, OL_CLIENT_BAD,
		    "it ended the request with protocol status %u",
		    body.protocolStatus);
	else if (!client->headed)
		bad(client, "it ended the request without whole headers");
	else
		finish(client, OL_CLIENT_WHOLE, NULL);
}

static void
take_content(struct ol_client *client, const unsigned char *piece, size_t n)
{
	switch (ol_record_type(client->reader.header)) {
	case OL_RECORD_STDOUT:
		take_stdout(client, piece, n);
		break;
	case OL_RECORD_STDERR:
		begin(client);
		if (!client->over)
			client->events->on_error_text(
			    client->arg, (const char *)piece, n);
		break;
	default:
		memcpy(client->end + client->end_have, piece, n);
		client->end_have = (uint8_t)(client->end_have + n);
		if (client->end_have == sizeof(client->end))
			end_request(client);
	}
}

static void
take(struct ol_client *client, const unsigned char *data, size_t len)
{
	const unsigned char *piece;
	size_t n;

	while (!client->over) {
		switch (
		    ol_reader_take(&client->reader, &data, &len, &piece, &n)) {
		case OL_READER_MORE:
			return;
		case OL_READER_HEADER:
			take_header(client);
			break;
		case OL_READER_CONTENT:
			take_content(client, piece, n);
			break;
		case OL_READER_END:
			break;
		}
	}
}

/*
 * No more will come. An application that has ended its output has said all, as
 * nginx sees it, too: only END_REQUEST is missing.
 */
static void
on_closed(struct ol_client *client, int error)
{
	const char *how =
	    error == 0 ? "it closed the connection" : strerror(error);

	if (client->stdout_over)
		finish(client, OL_CLIENT_WHOLE, NULL);
	else if (!client->begun)
		finish(client, OL_CLIENT_UNREACHABLE,
		    "%s before the request was sent", how);
	else
		finish(client, OL_CLIENT_CLOSED, "%s %s", how,
		    client->headed	    ? "before the end of its reply"
		    : client->reply.len > 0 ? "within its headers"
					    : "without a reply");
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ol_client *client = arg;
	unsigned char window[WINDOW];
	ssize_t n;

	(void)what;
	n = recv(fd, window, sizeof(window), 0);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	client->busy = true;
	if (n > 0)
		take(client, window, (size_t)n);
	else
		on_closed(client, n == 0 ? 0 : errno);
	leave(client);
}

/* --- the request --- */

/* The connection is there, or there will be none: its error, or 0. */
static int
connect_error(struct ol_client *client)
{
	socklen_t len = sizeof(client->error);

	if (client->error == 0 && getsockopt(client->fd, SOL_SOCKET, SO_ERROR,
				      &client->error, &len) == -1)
		client->error = errno;
	return client->error;
}

static void
send_more(struct ol_client *client)
{
	enum ol_outgoing_sent how;
	size_t sent;
	int error;

	how = ol_outgoing_send(&client->outgoing, client->fd, &sent);
	error = errno;
	if (sent > 0)
		begin(client);
	if (client->over || how == OL_OUTGOING_MORE)
		return;
	if (how == OL_OUTGOING_FAULT) {
		finish(client, OL_CLIENT_NO_BODY,
		    "the body of the request cannot be read: %s",
		    strerror(error));
		return;
	}
	/* One that takes no more may have said something: that is read. */
	event_del(client->writable);
	ol_outgoing_fini(&client->outgoing);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ol_client *client = arg;
	int error;

	(void)fd;
	(void)what;
	client->busy = true;
	if (!client->connected) {
		if ((error = connect_error(client)) != 0) {
			unreachable(client, error);
			goto out;
		}
		client->connected = true;
		if (event_add(client->readable, NULL) == -1) {
			unreachable(client, ENOMEM);
			goto out;
		}
	}
	send_more(client);
out:
	leave(client);
}

/* --- the life of a client --- */

/* -1 with errno set: no descriptor. Any other failure is for the loop. */
static int
begin_connecting(struct ol_client *client, const struct ol_addr *addr)
{
	int on = 1;

	client->fd = socket(addr->u.sa.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (client->fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM ||
		    errno == ENOBUFS)
			return -1;
		client->error = errno;
		return 0;
	}
	/* What is sent is sent in large pieces: no need to wait for more. */
	if (ol_addr_path(addr) == NULL)
		setsockopt(
		    client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(client->fd, &addr->u.sa, addr->len) == -1 &&
	    errno != EINPROGRESS && errno != EINTR)
		client->error = errno;
	return 0;
}

static int
watch(struct ol_client *client, struct ol_loop *loop)
{
	struct event_base *base = ol_loop_base(loop);

	client->readable = event_new(
	    base, client->fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable = event_new(
	    base, client->fd, EV_WRITE | EV_PERSIST, on_writable, client);
	if (client->readable == NULL || client->writable == NULL)
		return -1;
	if (client->error == 0)
		return event_add(client->writable, NULL);
	event_active(client->writable, EV_WRITE, 0);
	return 0;
}

struct ol_client *
ol_client_new(struct ol_loop *loop, const struct ol_addr *addr,
    const struct ol_client_request *request,
    const struct ol_client_events *events, void *arg)
{
	struct ol_client *client = calloc(1, sizeof(*client));
	int saved;

	if (client == NULL)
		return NULL;
	client->events = events;
	client->arg = arg;
	client->fd = -1;
	ol_reply_init(&client->reply);
	ol_addr_text(addr, client->name, sizeof(client->name));
	if (ol_outgoing_init(&client->outgoing, request->params,
		request->nparams, request->body) == -1)
		goto err;
	if (begin_connecting(client, addr) == -1)
		goto err;
	if (watch(client, loop) == -1) {
		errno = ENOMEM;
		goto err;
	}
	return client;

err:
	saved = errno;
	free_client(client);
	errno = saved;
	return NULL;
}

void
ol_client_cancel(struct ol_client *client)
{
	unsigned char abort_record[OL_RECORD_HEADER];

	if (client->over)
		return;
	client->over = true;
	/* A best effort: a closed connection says the same. */
	if (ol_outgoing_between(&client->outgoing)) {
		ol_record_header(abort_record, OL_RECORD_ABORT, 0);
		send(client->fd, abort_record, sizeof(abort_record),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	if (!client->busy)
		free_client(client);
}
