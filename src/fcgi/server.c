#include <sys/resource.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "fcgi/peer.h"

enum {
	/* Connections accepted before others have their turn. */
	TURN = 32,
	/* Bytes a second: who is slower than that makes no progress. */
	SLOWEST = 1024,
};

/* How long to wait when there are no descriptors. */
#define PAUSE OL_MSEC(500)

/* --- the stack, and what is freed behind it --- */

void
ol_server_enter(struct ol_server *server)
{
	server->depth++;
}

void
ol_server_leave(struct ol_server *server)
{
	struct ol_peer *peer;
	struct ol_request *request;

	if (--server->depth > 0)
		return;
	while ((request = SLIST_FIRST(&server->spent)) != NULL) {
		SLIST_REMOVE_HEAD(&server->spent, link);
		ol_peer_free_request(request);
	}
	while ((peer = TAILQ_FIRST(&server->dead)) != NULL) {
		TAILQ_REMOVE(&server->dead, peer, link);
		ol_peer_free(peer);
	}
}

/* --- the one timer --- */

static void
arm(struct ol_server *server, int64_t when)
{
	if (when >= server->armed)
		return;
	server->armed = when;
	ol_timer_at(server->timer, when);
}

static void
leave_list(struct ol_server *server, struct ol_peer *peer)
{
	if (peer->wait != OL_PEER_CALM)
		TAILQ_REMOVE(&server->waits[peer->wait - 1], peer, wait_link);
	peer->wait = OL_PEER_CALM;
}

void
ol_server_await(struct ol_server *server, struct ol_peer *peer,
    enum ol_peer_wait wait, bool progressed)
{
	if (wait == peer->wait && (!progressed || wait == OL_PEER_CALM ||
				      peer->moved < server->enough[wait - 1]))
		return;
	leave_list(server, peer);
	peer->moved = 0;
	if (wait == OL_PEER_CALM)
		return;
	/* One limit for all of a list: its order is that of the dues. */
	peer->wait = (uint8_t)wait;
	peer->due = ol_clock_after(ol_clock_now(), server->limit[wait - 1]);
	TAILQ_INSERT_TAIL(&server->waits[wait - 1], peer, wait_link);
	arm(server, peer->due);
}

static void
resume_accepting(struct ol_server *server)
{
	server->resume = OL_NEVER;
	if (!server->retiring)
		event_add(server->accept, NULL);
}

static void
on_timer(void *arg)
{
	static const char *const late[OL_PEER_WAITS] = {
		"its request did not come in time",
		"no more of the body came in time",
		"it did not read its answer in time",
	};
	struct ol_server *server = arg;
	int64_t now = ol_clock_now();
	struct ol_peer *peer;
	int i;

	server->armed = OL_NEVER;
	ol_server_enter(server);
	for (i = 0; i < OL_PEER_WAITS; i++) {
		while ((peer = TAILQ_FIRST(&server->waits[i])) != NULL &&
		       peer->due <= now)
			ol_peer_drop(peer, OL_GONE_LATE, late[i]);
		if (peer != NULL)
			arm(server, peer->due);
	}
	if (server->resume <= now)
		resume_accepting(server);
	arm(server, server->resume);
	if (server->retiring && server->connections == 0 && !server->retired) {
		server->retired = true;
		if (server->events->on_retired != NULL)
			server->events->on_retired(server, server->arg);
	}
	ol_server_leave(server);
}

void
ol_server_bury(struct ol_server *server, struct ol_peer *peer)
{
	peer->dead = true;
	leave_list(server, peer);
	TAILQ_REMOVE(&server->peers, peer, link);
	TAILQ_INSERT_TAIL(&server->dead, peer, link);
	server->connections--;
	if (server->resume != OL_NEVER)
		server->resume = 0;
	if (server->resume == 0 || server->retiring)
		arm(server, 0);
}

/* --- accepting --- */

static void
pause_accepting(struct ol_server *server, const char *why)
{
	int64_t now = ol_clock_now();

	event_del(server->accept);
	server->resume = now + PAUSE;
	arm(server, server->resume);
	if (server->complained == 0 || now - server->complained > OL_SEC(10)) {
		server->complained = now;
		ol_log_warn(&server->log,
		    "accepting pauses with %zu connections open: %s",
		    server->connections, why);
	}
}

int
ol_server_adopt(struct ol_server *server, int fd)
{
	struct ol_peer *peer = ol_peer_new(server, fd);

	if (peer == NULL)
		return -1;
	server->connections++;
	TAILQ_INSERT_TAIL(&server->peers, peer, link);
	ol_server_enter(server);
	/* The request is often there already. */
	ol_peer_look(peer);
	ol_server_leave(server);
	return 0;
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct ol_server *server = arg;
	int fd, turn;

	(void)what;
	for (turn = 0; turn < TURN && !server->retiring; turn++) {
		if (server->connections >= server->options.max_connections) {
			pause_accepting(
			    server, "the limit of descriptors is near");
			return;
		}
		fd =
		    accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM)
				pause_accepting(server, strerror(errno));
			return;
		}
		if (ol_server_adopt(server, fd) == -1)
			close(fd);
	}
}

static int
begin_accepting(struct ol_server *server)
{
	int listener = server->options.listener;
	int flags = fcntl(listener, F_GETFL);

	if (flags == -1 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	server->accept = event_new(ol_loop_base(server->loop), listener,
	    EV_READ | EV_PERSIST, on_accept, server);
	return server->accept == NULL ? -1 : event_add(server->accept, NULL);
}

/* --- the life of a server --- */

static size_t
connections_possible(size_t spare)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return limit.rlim_cur > 2 * spare ? (size_t)limit.rlim_cur - spare
					  : (size_t)limit.rlim_cur / 2 + 1;
}

static void
fill_in(struct ol_server_options *options)
{
	if (options->spare_descriptors == 0)
		options->spare_descriptors = 32;
	if (options->max_connections == 0)
		options->max_connections =
		    connections_possible(options->spare_descriptors);
	if (options->max_body == 0)
		options->max_body = 1024 * 1024;
	if (options->max_ignored == 0)
		options->max_ignored = 1024 * 1024;
	/* The counter of it is small. */
	if (options->max_ignored > INT32_MAX)
		options->max_ignored = INT32_MAX;
	if (options->high_water == 0)
		options->high_water = 64 * 1024;
	if (options->low_water == 0)
		options->low_water = options->high_water / 4;
}

static void
set_limit(struct ol_server *server, enum ol_peer_wait wait, int ms)
{
	if (ms == 0)
		ms = 60000;
	server->limit[wait - 1] = OL_MSEC(ms);
	server->enough[wait - 1] = (uint32_t)((int64_t)ms * SLOWEST / 1000);
}

struct ol_server *
ol_server_new(struct ol_loop *loop, const struct ol_server_options *options,
    const struct ol_server_events *events, void *arg)
{
	struct ol_server *server = calloc(1, sizeof(*server));
	int i;

	if (server == NULL)
		return NULL;
	server->loop = loop;
	server->options = *options;
	fill_in(&server->options);
	server->events = events;
	server->arg = arg;
	ol_log_about(&server->log, "fastcgi %s", options->name);
	server->options.name = server->log.about;
	server->armed = server->resume = OL_NEVER;
	set_limit(server, OL_PEER_HEAD, options->head_timeout_ms);
	set_limit(server, OL_PEER_BODY, options->body_timeout_ms);
	set_limit(server, OL_PEER_REPLY, options->reply_timeout_ms);
	TAILQ_INIT(&server->peers);
	TAILQ_INIT(&server->dead);
	SLIST_INIT(&server->spent);
	for (i = 0; i < OL_PEER_WAITS; i++)
		TAILQ_INIT(&server->waits[i]);
	if ((server->window = malloc(OL_SERVER_WINDOW)) == NULL)
		goto err0;
	if ((server->timer = ol_timer_new(loop, on_timer, server)) == NULL)
		goto err1;
	if (options->listener != -1 && begin_accepting(server) == -1)
		goto err2;
	return server;

err2:
	if (server->accept != NULL)
		event_free(server->accept);
	ol_timer_free(server->timer);
err1:
	free(server->window);
err0:
	free(server);
	return NULL;
}

void
ol_server_free(struct ol_server *server)
{
	struct ol_peer *peer;

	if (server == NULL)
		return;
	ol_server_enter(server);
	while ((peer = TAILQ_FIRST(&server->peers)) != NULL) {
		if (peer->request != NULL)
			peer->request->told = false;
		ol_peer_drop(peer, OL_GONE_CLOSED, NULL);
	}
	ol_server_leave(server);
	if (server->accept != NULL)
		event_free(server->accept);
	ol_timer_free(server->timer);
	free(server->window);
	free(server);
}

void
ol_server_retire(struct ol_server *server)
{
	struct ol_peer *peer, *next;

	if (server->accept != NULL)
		event_del(server->accept);
	server->retiring = true;
	ol_server_enter(server);
	TAILQ_FOREACH_SAFE (peer, &server->peers, link, next)
		ol_peer_retire(peer);
	ol_server_leave(server);
	arm(server, 0);
}

size_t
ol_server_connections(const struct ol_server *server)
{
	return server->connections;
}

size_t
ol_server_requests(const struct ol_server *server)
{
	return server->requests;
}
