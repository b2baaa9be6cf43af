#include <sys/socket.h>
#include <event2/event.h>
#include <fastcgi.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop.h"
#include "fcgi/incoming.h"
#include "fcgi/peer.h"
#include "fcgi/record.h"

enum {
	/* Windows taken from one peer before others have their turn. */
	TURN = 8,
};

static void on_readable(evutil_socket_t, short, void *);
static void on_writable(evutil_socket_t, short, void *);

static int
watch(struct ol_peer *peer, short how)
{
	event_del(&peer->event);
	event_assign(&peer->event, ol_loop_base(peer->server->loop), peer->fd,
	    (short)(EV_READ | EV_PERSIST | how), on_readable, peer);
	peer->watched = event_add(&peer->event, NULL) == 0;
	return peer->watched ? 0 : -1;
}

static int
watch_room(struct ol_peer *peer)
{
	struct ol_output *output = peer->output;
	/* libevent takes one way of triggering for a descriptor. */
	short how =
	    (short)(EV_WRITE | EV_PERSIST | (peer->half_closed ? EV_ET : 0));

	if (output->event == NULL)
		output->event = event_new(ol_loop_base(peer->server->loop),
		    peer->fd, how, on_writable, peer);
	return output->event == NULL ? -1 : event_add(output->event, NULL);
}

/* What has to come next, and by when. */
static void
settle(struct ol_peer *peer, enum ol_peer_wait progressed)
{
	const struct ol_request *request = peer->request;
	enum ol_peer_wait wait = OL_PEER_CALM;

	if (peer->dead || peer->broken)
		return;
	if (peer->output != NULL && peer->output->event != NULL)
		wait = OL_PEER_REPLY;
	else if (request != NULL && request->stage == OL_REQUEST_HEAD)
		wait = OL_PEER_HEAD;
	else if (request != NULL ? request->stage == OL_REQUEST_BODY
				 : peer->rest)
		wait = OL_PEER_BODY;
	else if (peer->fresh || (request == NULL && peer->reader.have > 0))
		wait = OL_PEER_HEAD;
	if (wait != peer->wait || wait == progressed)
		ol_server_await(peer->server, peer, wait, wait == progressed);
	if (!peer->watched && watch(peer, 0) == -1)
		ol_peer_break(peer);
}

void
ol_peer_settle(struct ol_peer *peer)
{
	settle(peer, OL_PEER_CALM);
}

/*
 * The peer sends no more, but may read on. Its end stays readable for ever, so
 * only what is new wakes us from now on: its real end.
 */
static void
half_close(struct ol_peer *peer)
{
	static const unsigned char nothing[OL_RECORD_HEADER] = { FCGI_VERSION_1,
		FCGI_STDERR, 0, 1 };
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	bool waits = peer->output != NULL && peer->output->event != NULL;

	peer->half_closed = true;
	peer->keep = peer->rest = false;
	if (waits) {
		event_free(peer->output->event);
		peer->output->event = NULL;
	}
	if (watch(peer, EV_ET) == -1 || (waits && watch_room(peer) == -1)) {
		ol_peer_drop(peer, OL_GONE_CLOSED, "it cannot be watched");
		return;
	}
	/* TCP tells a half-closed peer from a gone one when something is sent:
	 * a record that says nothing. */
	if (getsockname(peer->fd, (struct sockaddr *)&name, &len) == 0 &&
	    name.ss_family != AF_UNIX)
		ol_peer_send_records(peer, nothing, sizeof(nothing));
}

static void
on_end_of_input(struct ol_peer *peer)
{
	struct pollfd end = { .fd = peer->fd };
	bool owed =
	    ol_output_pending(peer->output) > 0 ||
	    (peer->request != NULL && peer->request->stage == OL_REQUEST_WHOLE);

	if (peer->broken || !owed)
		ol_peer_drop(peer, OL_GONE_CLOSED,
		    peer->request == NULL ||
			    peer->request->stage == OL_REQUEST_WHOLE
			? NULL
			: "the web server left in the middle of a request");
	else if (poll(&end, 1, 0) == 1 && (end.revents & (POLLHUP | POLLERR)))
		ol_peer_drop(peer, OL_GONE_CLOSED, NULL);
	else if (!peer->half_closed)
		half_close(peer);
}

void
ol_peer_look(struct ol_peer *peer)
{
	unsigned char *window = peer->server->window;
	bool came = false;
	int turn;

	for (turn = 0; turn < TURN && !peer->dead; turn++) {
		ssize_t n =
		    recv(peer->fd, window, OL_SERVER_WINDOW, MSG_DONTWAIT);

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n == -1) {
			ol_peer_drop(peer, OL_GONE_CLOSED, NULL);
			break;
		}
		if (n == 0) {
			on_end_of_input(peer);
			break;
		}
		came = true;
		if (peer->wait != OL_PEER_REPLY)
			peer->moved += (uint32_t)n;
		ol_incoming_take(peer, window, (size_t)n);
		if (n < OL_SERVER_WINDOW)
			break;
	}
	settle(peer, came ? OL_PEER_BODY : OL_PEER_CALM);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ol_peer *peer = arg;
	struct ol_server *server = peer->server;

	(void)fd;
	(void)what;
	ol_server_enter(server);
	if (peer->broken)
		ol_peer_drop(peer, OL_GONE_CLOSED, NULL);
	else
		ol_peer_look(peer);
	ol_server_leave(server);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ol_peer *peer = arg;
	struct ol_server *server = peer->server;
	struct ol_request *request;

	(void)fd;
	(void)what;
	ol_server_enter(server);
	ol_peer_send(peer);
	request = peer->dead ? NULL : peer->request;
	if (request != NULL && request->full && !peer->broken &&
	    ol_output_pending(peer->output) < server->options.low_water) {
		request->full = false;
		request->turn = 0;
		if (server->events->on_drained != NULL)
			server->events->on_drained(request, server->arg);
	}
	settle(peer, OL_PEER_REPLY);
	ol_server_leave(server);
}

void
ol_peer_await_room(struct ol_peer *peer)
{
	if (ol_peer_output(peer) == NULL)
		return;
	if (watch_room(peer) == -1)
		ol_peer_break(peer);
	else
		ol_peer_settle(peer);
}

struct ol_output *
ol_peer_output(struct ol_peer *peer)
{
	if (peer->dead || peer->broken)
		return NULL;
	if (peer->output == NULL && (peer->output = ol_output_new()) == NULL)
		ol_peer_break(peer);
	return peer->output;
}

void
ol_peer_break(struct ol_peer *peer)
{
	peer->broken = true;
	ol_output_free(peer->output);
	peer->output = NULL;
	/* The loop drops it: no callback runs in what the owner has called. */
	event_active(&peer->event, EV_READ, 0);
}

/*
 * Its last answer is out, and it goes on sending a body that nobody wants.
 * nginx passes on what it holds of an answer only when it sees the end of the
 * connection, and ours comes when the body has ended: tell it now.
 */
static void
say_no_more(struct ol_peer *peer)
{
	if (peer->request == NULL && !peer->keep && peer->rest)
		shutdown(peer->fd, SHUT_WR);
}

void
ol_peer_send(struct ol_peer *peer)
{
	bool over = peer->request == NULL && !peer->keep && !peer->rest;
	enum ol_output_sent how;
	size_t sent;

	if (peer->dead || peer->broken)
		return;
	if (peer->output != NULL) {
		how = ol_output_send(peer->output, peer->fd, &sent);
		/* What is read meanwhile is no progress of an answer. */
		if (peer->wait == OL_PEER_REPLY)
			peer->moved += (uint32_t)sent;
		switch (how) {
		case OL_OUTPUT_EMPTY:
			ol_output_free(peer->output);
			peer->output = NULL;
			say_no_more(peer);
			break;
		case OL_OUTPUT_BLOCKED:
			if (watch_room(peer) == 0)
				return;
			/* FALLTHROUGH */
		case OL_OUTPUT_BROKEN:
			ol_peer_break(peer);
			return;
		}
	}
	if (over)
		ol_peer_drop(peer, OL_GONE_CLOSED, NULL);
}

void
ol_peer_send_records(struct ol_peer *peer, const void *records, size_t len)
{
	struct ol_output *output = ol_peer_output(peer);

	if (output == NULL)
		return;
	ol_output_close_record(output);
	if (ol_output_add(output, records, len) == -1)
		ol_peer_break(peer);
	else
		ol_peer_send(peer);
}

void
ol_peer_retire(struct ol_peer *peer)
{
	unsigned char nothing[OL_RECORD_HEADER];

	if (peer->request != NULL || !peer->keep)
		return;
	ol_record_header(nothing, OL_RECORD_STDERR, 0);
	ol_peer_send_records(peer, nothing, sizeof(nothing));
}

void
ol_peer_end_request(struct ol_peer *peer, int protocol)
{
	struct ol_request *request = peer->request;
	struct ol_server *server = peer->server;
	struct ol_output *output = ol_peer_output(peer);
	unsigned char end[OL_RECORD_HEADER + OL_RECORD_END_SIZE];

	peer->request = NULL;
	peer->rest = request->stage != OL_REQUEST_WHOLE;
	peer->rest_id = request->id;
	SLIST_INSERT_HEAD(&server->spent, request, link);
	if (request->told)
		server->requests--;
	if (output == NULL)
		return;
	ol_output_close_record(output);
	/* The end of a stream that was begun, and of the request. */
	ol_record_header_for(end, OL_RECORD_STDOUT, request->id, 0);
	ol_record_end(end + OL_RECORD_HEADER, request->id, protocol);
	if (ol_output_add(output, request->begun ? end : end + OL_RECORD_HEADER,
		request->begun ? sizeof(end) : OL_RECORD_END_SIZE) == -1)
		ol_peer_break(peer);
	else if (server->retiring && peer->keep)
		ol_peer_retire(peer);
	else
		ol_peer_send(peer);
	ol_peer_settle(peer);
}

/* --- the endings --- */

void
ol_peer_drop(struct ol_peer *peer, enum ol_gone how, const char *why)
{
	struct ol_request *request = peer->request;
	struct ol_server *server = peer->server;

	if (peer->dead)
		return;
	if (why != NULL)
		ol_log_info(&server->log, "closed a connection: %s", why);
	/* Also when it is not added: it may be active. */
	event_del(&peer->event);
	ol_output_free(peer->output);
	peer->output = NULL;
	close(peer->fd);
	peer->request = NULL;
	ol_server_bury(server, peer);
	if (request == NULL)
		return;
	SLIST_INSERT_HEAD(&server->spent, request, link);
	if (!request->told)
		return;
	server->requests--;
	server->events->on_gone(request, how, server->arg);
}

void
ol_peer_free_content(struct ol_request *request)
{
	struct ol_request_content *content = request->content;

	if (content == NULL)
		return;
	request->content = NULL;
	free(content->head);
	free(content->pairs);
	ol_spool_fini(&content->spool);
	free(content);
}

void
ol_peer_free_request(struct ol_request *request)
{
	ol_peer_free_content(request);
	free(request);
}

void
ol_peer_free(struct ol_peer *peer)
{
	if (peer->collecting)
		free(peer->record.collected);
	free(peer);
}

struct ol_peer *
ol_peer_new(struct ol_server *server, int fd)
{
	struct ol_peer *peer = calloc(1, sizeof(*peer));

	if (peer == NULL)
		return NULL;
	peer->server = server;
	peer->fd = fd;
	peer->fresh = true;
	/* Kept, until its first request says else. */
	peer->keep = true;
	event_assign(&peer->event, ol_loop_base(server->loop), fd,
	    EV_READ | EV_PERSIST, on_readable, peer);
	return peer;
}
