#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "master/listener.h"

struct ol_listener {
	LIST_ENTRY(ol_listener) link;
	int fd;
	int refs;
	int backlog;
	struct ol_addr addr;
	struct ol_log log;
	bool activated; /* a service manager's; one reference is all's */
	bool ours;	/* the path is; dev and ino say which file */
	dev_t dev;
	ino_t ino;
};

static void
warn_backlog(const struct ol_listener *l, int backlog)
{
	FILE *f = fopen("/proc/sys/net/core/somaxconn", "re");
	int most;

	if (f == NULL)
		return;
	if (fscanf(f, "%d", &most) == 1 && backlog > most)
		ol_log_warn(&l->log,
		    "backlog %d is cut to %d by net.core.somaxconn", backlog,
		    most);
	fclose(f);
}

/*
 * The process that called listen() for whoever answers at the path: the
 * kernel keeps its pid with the socket, also when only children hold it.
 */
static pid_t
listening_pid(const struct ol_addr *addr)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	pid_t pid = 0;
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return 0;
	if (connect(fd, &addr->u.sa, addr->len) == 0 &&
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
		pid = cred.pid;
	close(fd);
	return pid;
}

static bool
take_over(const struct ol_listener *l, pid_t predecessor)
{
	const char *path = ol_addr_path(&l->addr);

	if (path == NULL || predecessor <= 0 ||
	    listening_pid(&l->addr) != predecessor)
		return false;
	ol_log_notice(&l->log,
	    "taken over from master %d, which is gone; its processes end by "
	    "themselves",
	    (int)predecessor);
	return unlink(path) == 0;
}

/* The path, if it is still the file that we made; else NULL. */
static const char *
our_path(const struct ol_listener *l)
{
	const char *path = ol_addr_path(&l->addr);
	struct stat st;

	if (!l->ours || lstat(path, &st) == -1 || !S_ISSOCK(st.st_mode) ||
	    st.st_dev != l->dev || st.st_ino != l->ino)
		return NULL;
	return path;
}

static const char *
why(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another server answers there";
	case ENOTSOCK:
		return "the path exists and is not a socket";
	default:
		return strerror(error);
	}
}

static struct ol_listener *
open_listener(const struct ol_conf_listen *conf, pid_t predecessor)
{
	struct ol_listener *l = ol_must(calloc(1, sizeof(*l)));
	const char *path;
	struct stat st;

	l->refs = 1;
	l->backlog = conf->backlog;
	l->addr = conf->addr;
	ol_log_about(&l->log, "listen %s", conf->text);
	path = ol_addr_path(&l->addr);
	l->fd = ol_addr_listen(&l->addr, conf->backlog, conf->mode);
	if (l->fd == -1 && errno == EADDRINUSE && take_over(l, predecessor))
		l->fd = ol_addr_listen(&l->addr, conf->backlog, conf->mode);
	if (l->fd == -1) {
		ol_log_error(&l->log, "cannot listen: %s", why(errno));
		goto err0;
	}
	if (path != NULL && lstat(path, &st) == 0) {
		l->ours = true;
		l->dev = st.st_dev;
		l->ino = st.st_ino;
		if (conf->gid != (gid_t)-1 &&
		    lchown(path, (uid_t)-1, conf->gid) == -1) {
			ol_log_error(&l->log, "cannot give it to group %s: %s",
			    conf->group, strerror(errno));
			goto err1;
		}
	}
	warn_backlog(l, conf->backlog);
	return l;
err1:
	unlink(path);
	close(l->fd);
err0:
	free(l);
	return NULL;
}

struct ol_listener *
ol_listener_get(struct ol_listeners *all, const struct ol_conf_listen *conf,
    pid_t predecessor)
{
	struct ol_listener *l;

	/* One whose path was lost may follow, until its processes ended. */
	LIST_FOREACH (l, all, link)
		if (l->addr.len == conf->addr.len &&
		    memcmp(&l->addr.u, &conf->addr.u, l->addr.len) == 0)
			break;
	if (l != NULL && (l->activated || ol_addr_path(&l->addr) == NULL ||
			     our_path(l) != NULL))
		return ol_listener_ref(l);
	if (l != NULL)
		ol_log_warn(
		    &l->log, "the path is not ours any more; making it anew");
	if ((l = open_listener(conf, predecessor)) != NULL)
		LIST_INSERT_HEAD(all, l, link);
	return l;
}

void
ol_listener_apply(struct ol_listener *l, const struct ol_conf_listen *conf)
{
	const char *path = our_path(l);

	if (path == NULL && ol_addr_path(&l->addr) != NULL && !l->activated)
		ol_log_warn(&l->log, "the path is not ours any more");
	if (path != NULL && chmod(path, conf->mode) == -1)
		ol_log_error(&l->log, "cannot set mode %04o: %s",
		    (unsigned)conf->mode, strerror(errno));
	if (path != NULL && lchown(path, (uid_t)-1, conf->gid) == -1)
		ol_log_error(&l->log, "cannot give it to group %s: %s",
		    conf->group, strerror(errno));
	if (conf->backlog == l->backlog)
		return;
	/* A second listen() sets only that. */
	l->backlog = conf->backlog;
	if (listen(l->fd, conf->backlog) == -1)
		ol_log_error(&l->log, "cannot set backlog %d: %s",
		    conf->backlog, strerror(errno));
	warn_backlog(l, conf->backlog);
}

struct ol_listener *
ol_listener_ref(struct ol_listener *l)
{
	l->refs++;
	return l;
}

void
ol_listener_unref(struct ol_listener *l)
{
	const char *path;

	if (l == NULL || --l->refs > 0)
		return;
	if ((path = our_path(l)) != NULL && unlink(path) == -1)
		ol_log_warn(&l->log, "cannot remove it: %s", strerror(errno));
	LIST_REMOVE(l, link);
	close(l->fd);
	free(l);
}

int
ol_listener_fd(const struct ol_listener *l)
{
	return l->fd;
}

int
ol_listeners_number(
    const struct ol_listeners *all, const struct ol_listener *listener)
{
	const struct ol_listener *l;
	int n = 0;

	LIST_FOREACH (l, all, link) {
		if (l == listener)
			return n;
		n++;
	}
	return -1;
}

struct ol_handover_listener *
ol_listeners_save(const struct ol_listeners *all, size_t *n)
{
	struct ol_handover_listener *saved = NULL, *one;
	const struct ol_listener *l;

	*n = 0;
	LIST_FOREACH (l, all, link) {
		saved = ol_must(reallocarray(saved, *n + 1, sizeof(*saved)));
		one = &saved[(*n)++];
		*one = (struct ol_handover_listener){
			.fd = l->fd,
			.backlog = l->backlog,
			.activated = l->activated,
			.ours = l->ours,
			.dev = (int64_t)l->dev,
			.ino = (int64_t)l->ino,
		};
		ol_addr_text(&l->addr, one->address, sizeof(one->address));
	}
	return saved;
}

/* --- From a service manager. --- */

/* NULL: it is no listening socket of a kind that we know. */
static struct ol_listener *
activate(int fd)
{
	struct ol_listener *l = ol_must(calloc(1, sizeof(*l)));
	struct ol_addr addr = { .len = sizeof(addr.u) };
	char text[OL_ADDR_TEXT];
	socklen_t len = sizeof(int);
	int on = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == -1 || !on ||
	    getsockname(fd, &addr.u.sa, &addr.len) == -1 ||
	    (addr.u.sa.sa_family != AF_UNIX && addr.u.sa.sa_family != AF_INET &&
		addr.u.sa.sa_family != AF_INET6))
		goto err;
	ol_addr_text(&addr, text, sizeof(text));
	/* As the configuration would have it, to be compared with. */
	if (ol_addr_parse(&l->addr, text) != NULL)
		goto err;
	l->refs = 1;
	l->fd = fd;
	l->backlog = -1;
	l->activated = true;
	ol_log_about(&l->log, "listen %s", text);
	return l;
err:
	free(l);
	return NULL;
}

void
ol_listeners_activate(struct ol_listeners *all)
{
	enum { FIRST = 3, MOST = 1000 };
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
	int i, n = 0;

	if (pid != NULL && count != NULL && atoll(pid) == getpid())
		n = atoi(count);
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	for (i = 0; i < n && i < MOST; i++) {
		struct ol_listener *l;

		if (fcntl(FIRST + i, F_SETFD, FD_CLOEXEC) == -1)
			continue;
		if ((l = activate(FIRST + i)) != NULL) {
			LIST_INSERT_HEAD(all, l, link);
			continue;
		}
		ol_log_warn(NULL,
		    "descriptor %d of LISTEN_FDS is no listening stream "
		    "socket; closing it",
		    FIRST + i);
		close(FIRST + i);
	}
}

void
ol_listeners_warn(const struct ol_listeners *all)
{
	const struct ol_listener *l;

	LIST_FOREACH (l, all, link)
		if (l->activated && l->refs == 1)
			ol_log_warn(&l->log,
			    "came from the service manager, and nothing in the "
			    "configuration listens there");
}

void
ol_listeners_release(struct ol_listeners *all)
{
	struct ol_listener *l, *next;

	LIST_FOREACH_SAFE (l, all, link, next)
		if (l->activated) {
			l->activated = false;
			ol_listener_unref(l);
		}
}

/* --- To another master. --- */

/* NULL: logged. */
static struct ol_listener *
resume(const struct ol_handover_listener *from)
{
	struct ol_listener *l = ol_must(calloc(1, sizeof(*l)));
	const char *wrong = ol_addr_parse(&l->addr, from->address);
	int on = 0;
	socklen_t len = sizeof(on);

	l->refs = 1;
	l->fd = from->fd;
	l->backlog = from->backlog;
	l->activated = from->activated;
	l->ours = from->ours;
	l->dev = (dev_t)from->dev;
	l->ino = (ino_t)from->ino;
	ol_log_about(&l->log, "listen %s", from->address);
	if (wrong == NULL &&
	    (getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == -1 ||
		!on))
		wrong = "the descriptor that came is no listening socket";
	if (wrong == NULL)
		return l;
	ol_log_error(&l->log, "cannot be taken over: %s", wrong);
	free(l);
	return NULL;
}

struct ol_listener **
ol_listeners_resume(
    struct ol_listeners *all, const struct ol_handover_listener *from, size_t n)
{
	struct ol_listener **listeners =
	    ol_must(calloc(n + 1, sizeof(struct ol_listener *)));
	size_t i;

	/* From the last: each goes in front of the others. */
	for (i = n; i > 0; i--) {
		listeners[i - 1] = resume(&from[i - 1]);
		if (listeners[i - 1] == NULL) {
			free(listeners);
			return NULL;
		}
		LIST_INSERT_HEAD(all, listeners[i - 1], link);
		if (from[i - 1].activated)
			ol_listener_ref(listeners[i - 1]);
	}
	return listeners;
}
