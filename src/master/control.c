#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "master/control.h"

enum { BACKLOG = 128 };

/* When there is no descriptor for a peer, until the next try. */
static const int64_t accept_again = OL_SEC(1);

/* One connection: it asks, or reads the answer. */
struct peer {
	LIST_ENTRY(peer) link;
	struct ol_control *control;
	int fd;
	bool operates; /* may change things */
	char by[64];
	int64_t deadline;
	struct ol_watch *watch;
	bool writing; /* what watch waits for */
	struct ol_document answer;
	size_t sent;
};

struct ol_control {
	struct ol_loop *loop;
	struct ol_log log;
	ol_control_fn *fn;
	void *arg;
	uid_t uid;
	struct ol_addr addr;
	dev_t dev;
	ino_t ino;
	int fd;
	struct ol_watch *watch; /* NULL: no more peers for now */
	int64_t accept_due;	/* after a failure; OL_NEVER */
	struct ol_timer *timer;
	LIST_HEAD(, peer) peers;
	int npeers, nreaders;
	bool closing; /* nobody is accepted any more */
};

static void accept_more(struct ol_control *);

/* The timer is for the next deadline of all. */
static void
set_timer(struct ol_control *c)
{
	int64_t next = c->accept_due;
	struct peer *p;

	LIST_FOREACH (p, &c->peers, link)
		if (p->deadline < next)
			next = p->deadline;
	ol_timer_at(c->timer, next);
}

static void
drop(struct peer *p)
{
	struct ol_control *c = p->control;

	LIST_REMOVE(p, link);
	c->npeers--;
	c->nreaders -= !p->operates;
	ol_watch_free(p->watch);
	close(p->fd);
	ol_document_fini(&p->answer);
	free(p);
	accept_more(c);
}

/* --- A request and its answer. --- */

static void on_readable(void *arg);
static void on_writable(void *arg);

/* -1: the connection is of no use any more. */
static int
wait_to(struct peer *p, bool write)
{
	if (p->watch != NULL && p->writing == write)
		return 0;
	ol_watch_free(p->watch);
	p->writing = write;
	p->watch =
	    write ? ol_watch_new_write(p->control->loop, p->fd, on_writable, p)
		  : ol_watch_new(p->control->loop, p->fd, on_readable, p);
	return p->watch == NULL ? -1 : 0;
}

/* Send what the peer takes. -1: it is gone. */
static int
send_on(struct peer *p)
{
	char packet[OL_CONTROL_PACKET_MAX];
	size_t left, len;

	while ((left = p->answer.len - p->sent) > 0) {
		len = left < sizeof(packet) - 1 ? left : sizeof(packet) - 1;
		packet[0] = len == left ? OL_CONTROL_LAST : OL_CONTROL_MORE;
		memcpy(packet + 1, p->answer.text + p->sent, len);
		if (send(p->fd, packet, len + 1, MSG_NOSIGNAL | MSG_DONTWAIT) ==
		    -1)
			return errno == EAGAIN || errno == EINTR
				   ? wait_to(p, true)
				   : -1;
		p->sent += len;
	}
	ol_document_fini(&p->answer);
	p->deadline = ol_clock_after(ol_clock_now(), OL_CONTROL_PATIENCE);
	return wait_to(p, false);
}

void
ol_control_refuse(
    struct ol_document *answer, const char *kind, const char *message)
{
	ol_document_flag(answer, "ok", false);
	ol_document_object(answer, "error");
	ol_document_text(answer, "kind", kind);
	ol_document_text(answer, "message", message);
	ol_document_object_end(answer);
}

static void
answer(struct peer *p, const char *data, size_t len)
{
	struct ol_control *c = p->control;
	struct ol_control_request request;
	const char *wrong = ol_control_parse(&request, data, len);

	ol_document_open(&p->answer);
	p->sent = 0;
	if (wrong != NULL)
		ol_control_refuse(&p->answer, "usage", wrong);
	else if (ol_control_changes(request.verb) && !p->operates)
		ol_control_refuse(&p->answer, "permission",
		    "only root and the daemon's user may change anything");
	else
		c->fn(c->arg, &request, p->by, &p->answer);
	ol_document_close(&p->answer);
	p->deadline = ol_clock_after(ol_clock_now(), OL_CONTROL_PATIENCE);
}

static void
on_readable(void *arg)
{
	struct peer *p = arg;
	struct ol_control *c = p->control;
	char data[OL_CONTROL_REQUEST_MAX + 1];
	ssize_t n;

	/* Descriptors that come with it are not taken: the kernel has them. */
	n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT | MSG_TRUNC);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(p);
		return;
	}
	if ((size_t)n > OL_CONTROL_REQUEST_MAX)
		n = OL_CONTROL_REQUEST_MAX + 1;
	answer(p, data, (size_t)n);
	if (send_on(p) == -1)
		drop(p);
	set_timer(c);
}

static void
on_writable(void *arg)
{
	struct peer *p = arg;
	struct ol_control *c = p->control;

	if (send_on(p) == -1)
		drop(p);
	set_timer(c);
}

/* --- Connections. --- */

static void
add(struct ol_control *c, int fd)
{
	struct ucred cred = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(cred);
	struct peer *p;
	bool operates;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1) {
		close(fd);
		return;
	}
	operates = cred.uid == 0 || cred.uid == geteuid() ||
		   (c->uid != (uid_t)-1 && cred.uid == c->uid);
	if (!operates && c->nreaders == OL_CONTROL_READERS) {
		close(fd);
		return;
	}
	p = ol_must(calloc(1, sizeof(*p)));
	p->control = c;
	p->fd = fd;
	p->operates = operates;
	p->deadline = ol_clock_after(ol_clock_now(), OL_CONTROL_PATIENCE);
	snprintf(p->by, sizeof(p->by), "uid %u, pid %d", (unsigned)cred.uid,
	    (int)cred.pid);
	LIST_INSERT_HEAD(&c->peers, p, link);
	c->npeers++;
	c->nreaders += !operates;
	if (wait_to(p, false) == -1)
		drop(p);
}

static void
on_connect(void *arg)
{
	struct ol_control *c = arg;
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1)
		add(c, fd);
	else if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	else {
		/* Or it would be told again at once, for ever. */
		ol_log_warn(&c->log, "cannot accept: %s", strerror(errno));
		c->accept_due = ol_clock_after(ol_clock_now(), accept_again);
	}
	if (c->npeers == OL_CONTROL_PEERS || c->accept_due != OL_NEVER) {
		ol_watch_free(c->watch);
		c->watch = NULL;
	}
	set_timer(c);
}

/* There may be room again. */
static void
accept_more(struct ol_control *c)
{
	if (c->closing || c->watch != NULL || c->npeers == OL_CONTROL_PEERS ||
	    c->accept_due != OL_NEVER)
		return;
	c->watch = ol_watch_new(c->loop, c->fd, on_connect, c);
	if (c->watch == NULL)
		c->accept_due = ol_clock_after(ol_clock_now(), accept_again);
}

static void
on_timer(void *arg)
{
	struct ol_control *c = arg;
	int64_t now = ol_clock_now();
	struct peer *p, *next;

	LIST_FOREACH_SAFE (p, &c->peers, link, next)
		if (now >= p->deadline)
			drop(p);
	if (now >= c->accept_due)
		c->accept_due = OL_NEVER;
	accept_more(c);
	set_timer(c);
}

/* --- Start and end. --- */

static const char *
why(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another server answers there: name another path with "
		       "\"control\"";
	case ENOTSOCK:
		return "the path exists and is not a socket";
	default:
		return strerror(error);
	}
}

/* Whose the path is. -1: logged. */
static int
give_away(struct ol_control *c, const struct ol_conf_listen *conf)
{
	const char *path = ol_addr_path(&c->addr);
	uid_t owner = geteuid() == 0 ? c->uid : (uid_t)-1;
	struct stat st;

	if (lstat(path, &st) == -1) {
		ol_log_error(&c->log, "it is gone: %s", strerror(errno));
		return -1;
	}
	c->dev = st.st_dev;
	c->ino = st.st_ino;
	if (lchown(path, owner, conf->gid) == 0)
		return 0;
	ol_log_error(&c->log, "cannot give it to %s: %s",
	    conf->group != NULL ? conf->group : "its user", strerror(errno));
	return -1;
}

struct ol_control *
ol_control_open(struct ol_loop *loop, const struct ol_conf_listen *conf,
    uid_t uid, ol_control_fn *fn, void *arg)
{
	struct ol_control *c = ol_must(calloc(1, sizeof(*c)));

	c->loop = loop;
	c->fn = fn;
	c->arg = arg;
	c->uid = uid;
	c->addr = conf->addr;
	c->accept_due = OL_NEVER;
	LIST_INIT(&c->peers);
	ol_log_about(&c->log, "control %s", conf->text);
	c->fd = ol_addr_listen_packets(&c->addr, BACKLOG, conf->mode);
	if (c->fd == -1) {
		ol_log_error(&c->log, "cannot listen: %s", why(errno));
		goto err;
	}
	if (give_away(c, conf) == -1)
		goto err;
	c->timer = ol_timer_new(loop, on_timer, c);
	c->watch = ol_watch_new(loop, c->fd, on_connect, c);
	if (c->timer != NULL && c->watch != NULL)
		return c;
	ol_log_error(&c->log, "cannot watch it: %s", strerror(errno));
err:
	ol_control_close(c);
	return NULL;
}

void
ol_control_close(struct ol_control *c)
{
	const char *path;
	struct stat st;

	if (c == NULL)
		return;
	c->closing = true;
	while (!LIST_EMPTY(&c->peers))
		drop(LIST_FIRST(&c->peers));
	path = ol_addr_path(&c->addr);
	if (c->ino != 0 && lstat(path, &st) == 0 && st.st_dev == c->dev &&
	    st.st_ino == c->ino)
		unlink(path);
	ol_watch_free(c->watch);
	ol_timer_free(c->timer);
	if (c->fd != -1)
		close(c->fd);
	free(c);
}
