#include <sys/resource.h>
#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fcgi/record.h"
#include "lib/app.h"
#include "lib/conn.h"
#include "lib/error.h"
#include "loop/loop.h"

enum {
	WINDOW = 128 * 1024, /* more than OL_FRAME_PARAMS_MAX */
	/* Windows taken from one connection before others have their turn. */
	TURN = 8,
	/* Bytes of a body that earn it a second more. */
	SLOWEST = 1024,
	/* Descriptors that are not given to connections. */
	RESERVE = 32,
};

/* How often those whose request is late are looked for, while there are any. */
#define LATE_CHECK OL_MSEC(500)
#define PAUSE	   OL_MSEC(500)

static void look(struct ol_conn *);

static void
forget_partial(struct ol_conn *conn)
{
	if (!conn->partial)
		return;
	conn->partial = false;
	TAILQ_REMOVE(&conn->app->conns.partials, conn, partial_link);
}

static void
unwatch(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;

	if (!conn->watched)
		return;
	conn->watched = false;
	event_del(&conn->event);
	TAILQ_REMOVE(&conns->watched, conn, watched_link);
	conns->by_fd[conn->fd] = NULL;
}

/* The end of every connection, but for those that a request thread ends. */
static void
drop(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;

	forget_partial(conn);
	unwatch(conn);
	if (conn->fd != -1)
		close(conn->fd);
	ol_conn_forget_intake(conn);
	free(conn);
	atomic_fetch_sub(&conns->open, 1);
	if (conns->paused || atomic_load(&conns->retiring))
		ol_wake_up(conns->app->bell);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ol_conn *conn = arg;
	int state = OL_CONN_BUSY;

	(void)fd;
	/* Its end may come with its last bytes: there is no other edge. */
	if (what & EV_CLOSED)
		conn->half_closed = true;
	/* A thread has it: it hands the connection back instead of keeping
	 * quiet. Otherwise it is ours until we give it away. */
	if (atomic_compare_exchange_strong(
		&conn->state, &state, OL_CONN_BUSY_LOOK) ||
	    state == OL_CONN_BUSY_LOOK)
		return;
	look(conn);
}

/*
 * Watch edge-triggered: one epoll_ctl() in a connection's life, and bytes that
 * were peeked at do not wake us again.
 */
static int
watch(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;

	if (conn->watched)
		return 0;
	if (conn->fd >= conns->by_fd_size) {
		int size = conn->fd + 64;
		struct ol_conn **p = reallocarray(
		    conns->by_fd, (size_t)size, sizeof(*conns->by_fd));

		if (p == NULL)
			return -1;
		memset(p + conns->by_fd_size, 0,
		    (size_t)(size - conns->by_fd_size) * sizeof(*p));
		conns->by_fd = p;
		conns->by_fd_size = size;
	}
	event_assign(&conn->event, ol_loop_base(conn->app->loop), conn->fd,
	    EV_READ | EV_CLOSED | EV_PERSIST | EV_ET, on_readable, conn);
	if (event_add(&conn->event, NULL) == -1)
		return -1;
	conns->by_fd[conn->fd] = conn;
	conn->watched = true;
	TAILQ_INSERT_TAIL(&conns->watched, conn, watched_link);
	return 0;
}

static void
note_partial(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;

	if (conn->partial)
		return;
	conn->partial = true;
	if (TAILQ_EMPTY(&conns->partials))
		ol_timer_at(conns->late, ol_clock_now() + LATE_CHECK);
	TAILQ_INSERT_TAIL(&conns->partials, conn, partial_link);
}

static void
dispatch(struct ol_conn *conn)
{
	forget_partial(conn);
	if (conn->half_closed)
		conn->frame.keep = false;
	/* A connection that ends with this reply needs no loop any more. */
	if (!conn->frame.keep)
		unwatch(conn);
	atomic_store(&conn->state, OL_CONN_BUSY);
	ol_requests_queue(&conn->app->requests, conn);
}

/* Nothing has come: the connection is between requests. */
static void
rest(struct ol_conn *conn)
{
	unsigned char nothing[OL_RECORD_HEADER];

	if (watch(conn) == -1) {
		ol_error_tell(conn->app, OL_ERROR_PROCESS,
		    "cannot watch a connection: %s", strerror(errno));
		drop(conn);
		return;
	}
	/*
	 * nginx closes an idle cached connection on any readable byte; one
	 * that it has just used again sees a record that says nothing.
	 */
	if (atomic_load(&conn->app->conns.retiring)) {
		ol_record_header(nothing, OL_RECORD_STDERR, 0);
		send(conn->fd, nothing, sizeof(nothing),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	}
}

static void
refuse(struct ol_conn *conn)
{
	ol_error_tell(conn->app, OL_ERROR_REQUEST,
	    "closed a connection that sent no proper request: %s",
	    conn->frame.why);
	drop(conn);
}

/* Take what has come of a request in pieces, up to a turn's worth. */
static void
collect(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;
	int turn;

	for (turn = 0; turn < TURN; turn++) {
		ssize_t n = recv(conn->fd, conns->window, WINDOW, MSG_DONTWAIT);

		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			break;
		if (n <= 0) {
			ol_error_tell(conn->app, OL_ERROR_REQUEST,
			    "the web server left in the middle of a request");
			drop(conn);
			return;
		}
		if (turn == 0)
			conn->since = ol_clock_now();
		ol_intake_take(
		    conn->intake, &conn->frame, conns->window, (size_t)n);
		if (conn->frame.verdict == OL_FRAME_BAD) {
			refuse(conn);
			return;
		}
		if (conn->frame.verdict == OL_FRAME_WHOLE) {
			dispatch(conn);
			return;
		}
	}
	note_partial(conn);
	if (watch(conn) == -1)
		drop(conn);
	else if (turn == TURN)
		event_active(&conn->event, EV_READ, 0);
}

/* See what a connection that is ours has to offer, and act on it. */
static void
look(struct ol_conn *conn)
{
	struct ol_conns *conns = &conn->app->conns;
	ssize_t n;

	if (conn->intake != NULL) {
		collect(conn);
		return;
	}
	n = recv(conn->fd, conns->window, WINDOW, MSG_PEEK | MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR)) {
		rest(conn);
		return;
	}
	if (n <= 0) {
		drop(conn);
		return;
	}
	ol_frame_look(&conn->frame, conns->window, (size_t)n);
	switch (conn->frame.verdict) {
	case OL_FRAME_WHOLE:
		dispatch(conn);
		break;
	case OL_FRAME_BAD:
		refuse(conn);
		break;
	case OL_FRAME_BODY:
	case OL_FRAME_PARTIAL:
		if ((conn->intake = malloc(sizeof(*conn->intake))) == NULL) {
			drop(conn);
			break;
		}
		ol_intake_init(conn->intake, conns->app->options.max_body);
		conn->began = ol_clock_now();
		collect(conn);
		break;
	}
}

/*
 * A request has its time in all, and more for each piece of a body, so that a
 * slow upload may end and a byte a second may not; and it may not pause.
 */
static bool
is_late(const struct ol_conn *conn, int64_t now, int64_t limit)
{
	int64_t earned = OL_SEC(conn->frame.body / SLOWEST);

	return now - conn->since >= limit ||
	       now - conn->began >= limit + earned;
}

static void
on_late_check(void *arg)
{
	struct ol_conns *conns = arg;
	int64_t now = ol_clock_now();
	int limit_ms = conns->app->options.request_timeout_ms;
	struct ol_conn *conn, *next;

	TAILQ_FOREACH_SAFE (conn, &conns->partials, partial_link, next) {
		if (!is_late(conn, now, OL_MSEC(limit_ms)))
			continue;
		ol_error_tell(conns->app, OL_ERROR_REQUEST,
		    conn->intake->head_whole
			? "closed a connection: its body comes too slowly "
			  "(limit %d ms)"
			: "closed a connection: its request did not come in "
			  "%d ms",
		    limit_ms);
		drop(conn);
	}
	if (!TAILQ_EMPTY(&conns->partials))
		ol_timer_at(conns->late, now + LATE_CHECK);
}

static void
pause_accepting(struct ol_conns *conns, const char *why)
{
	int64_t now = ol_clock_now();

	event_del(conns->accept);
	conns->paused = true;
	ol_timer_at(conns->resume, now + PAUSE);
	if (conns->complained == 0 || now - conns->complained > OL_SEC(10)) {
		conns->complained = now;
		ol_error_tell(conns->app, OL_ERROR_PROCESS,
		    "accepting pauses with %zu connections open: %s",
		    ol_conns_open(conns), why);
	}
}

static void
on_resume(void *arg)
{
	struct ol_conns *conns = arg;

	if (!conns->paused || !conns->accepting)
		return;
	conns->paused = false;
	ol_timer_cancel(conns->resume);
	event_add(conns->accept, NULL);
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct ol_conns *conns = arg;
	struct timeval tv;
	struct ol_conn *conn;
	int fd;

	(void)what;
	if (ol_conns_open(conns) >= conns->max) {
		pause_accepting(conns, "the limit of descriptors is near");
		return;
	}
	/* One per wake-up: other processes share the listener. libfcgi needs
	 * the connection blocking, the loop asks with MSG_DONTWAIT. */
	if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accepting(conns, strerror(errno));
		return;
	}
	if ((conn = calloc(1, sizeof(*conn))) == NULL) {
		close(fd);
		return;
	}
	conn->app = conns->app;
	conn->fd = fd;
	atomic_init(&conn->state, OL_CONN_IDLE);
	atomic_fetch_add(&conns->open, 1);
	/* The number of a connection that libfcgi closed: see OL_CONN_GONE. */
	if (fd < conns->by_fd_size && conns->by_fd[fd] != NULL)
		unwatch(conns->by_fd[fd]);
	tv.tv_sec = conns->app->options.reply_timeout_ms / 1000;
	tv.tv_usec = conns->app->options.reply_timeout_ms % 1000 * 1000;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	look(conn);
}

int
ol_conns_init(struct ol_conns *conns, struct ol_app *app)
{
	struct rlimit limit;

	*conns = (struct ol_conns){ .app = app, .listener = -1 };
	TAILQ_INIT(&conns->watched);
	TAILQ_INIT(&conns->partials);
	STAILQ_INIT(&conns->returned);
	atomic_init(&conns->open, 0);
	atomic_init(&conns->retiring, false);
	conns->max = SIZE_MAX;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		conns->max = limit.rlim_cur > 2 * RESERVE
				 ? (size_t)limit.rlim_cur - RESERVE
				 : (size_t)limit.rlim_cur / 2 + 1;
	conns->resume = ol_timer_new(app->loop, on_resume, conns);
	conns->late = ol_timer_new(app->loop, on_late_check, conns);
	conns->window = malloc(WINDOW);
	if (conns->resume == NULL || conns->late == NULL ||
	    conns->window == NULL) {
		ol_timer_free(conns->resume);
		ol_timer_free(conns->late);
		free(conns->window);
		return -1;
	}
	pthread_mutex_init(&conns->lock, NULL);
	return 0;
}

static void
close_listener(struct ol_conns *conns)
{
	if (conns->accept != NULL)
		event_free(conns->accept);
	conns->accept = NULL;
	conns->accepting = false;
	if (conns->listener != -1)
		close(conns->listener);
	conns->listener = -1;
}

void
ol_conns_fini(struct ol_conns *conns)
{
	struct ol_conn *conn;

	/* Not looked at again: there is no thread for a new request. */
	while ((conn = STAILQ_FIRST(&conns->returned)) != NULL) {
		STAILQ_REMOVE_HEAD(&conns->returned, queue_link);
		if (conn->end == OL_CONN_GONE) {
			unwatch(conn);
			conn->fd = -1;
		}
		drop(conn);
	}
	while ((conn = TAILQ_FIRST(&conns->watched)) != NULL)
		drop(conn);
	close_listener(conns);
	ol_timer_free(conns->resume);
	ol_timer_free(conns->late);
	free(conns->window);
	free(conns->by_fd);
	pthread_mutex_destroy(&conns->lock);
}

int
ol_conns_accept(struct ol_conns *conns, int listener)
{
	int flags = fcntl(listener, F_GETFL);

	conns->listener = listener;
	if (flags == -1 || fcntl(listener, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	conns->accept = event_new(ol_loop_base(conns->app->loop), listener,
	    EV_READ | EV_PERSIST, on_accept, conns);
	if (conns->accept == NULL || event_add(conns->accept, NULL) == -1)
		return -1;
	conns->accepting = true;
	return 0;
}

void
ol_conns_retire(struct ol_conns *conns)
{
	struct ol_conn *conn, *next;

	close_listener(conns);
	atomic_store(&conns->retiring, true);
	TAILQ_FOREACH_SAFE (conn, &conns->watched, watched_link, next)
		on_readable(conn->fd, EV_READ, conn);
}

void
ol_conns_take_back(struct ol_conns *conns)
{
	struct ol_conn_queue back = STAILQ_HEAD_INITIALIZER(back);
	struct ol_conn *conn;

	pthread_mutex_lock(&conns->lock);
	STAILQ_CONCAT(&back, &conns->returned);
	pthread_mutex_unlock(&conns->lock);
	while ((conn = STAILQ_FIRST(&back)) != NULL) {
		STAILQ_REMOVE_HEAD(&back, queue_link);
		atomic_store(&conn->state, OL_CONN_IDLE);
		switch (conn->end) {
		case OL_CONN_KEPT:
			look(conn);
			break;
		case OL_CONN_GONE:
			unwatch(conn);
			conn->fd = -1;
			drop(conn);
			break;
		case OL_CONN_SPENT:
			drop(conn);
			break;
		}
	}
	if (conns->paused && ol_conns_open(conns) < conns->max)
		on_resume(conns);
}

void
ol_conn_forget_intake(struct ol_conn *conn)
{
	if (conn->intake == NULL)
		return;
	ol_intake_fini(conn->intake);
	free(conn->intake);
	conn->intake = NULL;
}

size_t
ol_conns_open(const struct ol_conns *conns)
{
	return atomic_load(&conns->open);
}

void
ol_conn_return(struct ol_conn *conn, enum ol_conn_end end)
{
	struct ol_conns *conns = &conn->app->conns;
	int state = OL_CONN_BUSY;

	if (end == OL_CONN_KEPT && conn->watched &&
	    !atomic_load(&conns->retiring) &&
	    atomic_compare_exchange_strong(&conn->state, &state, OL_CONN_IDLE))
		return;
	if (end == OL_CONN_SPENT && !conn->watched) {
		/* The loop does not know of it: no need to wake it. */
		close(conn->fd);
		free(conn);
		atomic_fetch_sub(&conns->open, 1);
		if (atomic_load(&conns->retiring) ||
		    ol_conns_open(conns) + 1 >= conns->max)
			ol_wake_up(conns->app->bell);
		return;
	}
	conn->end = end;
	pthread_mutex_lock(&conns->lock);
	STAILQ_INSERT_TAIL(&conns->returned, conn, queue_link);
	pthread_mutex_unlock(&conns->lock);
	ol_wake_up(conns->app->bell);
}
