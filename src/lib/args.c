#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "lib/app.h"

/* sd_listen_fds(3) */
#define LISTEN_FDS_START 3
#define BACKLOG		 1000

/*
 * Tell what is wrong with an argument, now or, when nobody listens yet, as the
 * first thing in ol_app_run().
 */
static int
bad_argument(struct ol_app *app, const char *value, const char *why)
{
	snprintf(app->bad_argument, sizeof(app->bad_argument),
	    "--listen%s%s: %s", *value != '\0' ? " " : "", value, why);
	if (app->on_error != NULL)
		ol_error_tell(app, OL_ERROR_PROCESS, "%s", app->bad_argument);
	return OL_EINVAL;
}

int
ol_app_args(struct ol_app *app, int *argc, char **argv)
{
	static const char name[] = "--listen";
	const char *value, *why;
	struct ol_addr addr;
	int from, to = 1;

	for (from = 1; from < *argc; from++) {
		if (strcmp(argv[from], "--") == 0)
			break;
		if (strncmp(argv[from], name, sizeof(name) - 1) != 0 ||
		    (argv[from][sizeof(name) - 1] != '\0' &&
			argv[from][sizeof(name) - 1] != '=')) {
			argv[to++] = argv[from];
			continue;
		}
		value = argv[from][sizeof(name) - 1] == '='
			    ? argv[from] + sizeof(name)
			    : argv[++from];
		if (value == NULL)
			return bad_argument(app, "",
			    "wants an address, such as unix:app.sock or "
			    "127.0.0.1:9000");
		if ((why = ol_addr_parse(&addr, value)) != NULL)
			return bad_argument(app, value, why);
		free(app->listen);
		if ((app->listen = strdup(value)) == NULL)
			return OL_ENOMEM;
	}
	while (from < *argc)
		argv[to++] = argv[from++];
	argv[to] = NULL;
	*argc = to;
	return 0;
}

static bool
is_listening(int fd)
{
	socklen_t len = sizeof(int);
	int listening = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) ==
		   0 &&
	       listening != 0;
}

/* The first socket that systemd passed to this process, or -1. */
static int
systemd_listener(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int fd = -1;

	if (pid != NULL && fds != NULL && atol(pid) == (long)getpid() &&
	    atoi(fds) > 0 && is_listening(LISTEN_FDS_START)) {
		fd = LISTEN_FDS_START;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	/* Not our children's. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return fd;
}

/*
 * Descriptor 0, if it listens: moved out of the way, because a program that an
 * item starts would have the socket as its standard input.
 */
static int
inherited_listener(void)
{
	int fd, null;

	if (!is_listening(STDIN_FILENO) ||
	    (fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)) == -1)
		return -1;
	if ((null = open("/dev/null", O_RDWR | O_CLOEXEC)) == -1 ||
	    dup2(null, STDIN_FILENO) == -1) {
		close(fd);
		fd = -1;
	}
	if (null != -1)
		close(null);
	return fd;
}

int
ol_app_listener(struct ol_app *app)
{
	struct ol_addr addr;
	int fd;

	if (app->bad_argument[0] != '\0') {
		ol_error_tell(app, OL_ERROR_PROCESS, "%s", app->bad_argument);
		return -1;
	}
	if (app->listen != NULL) {
		ol_addr_parse(&addr, app->listen);
		if ((fd = ol_addr_listen(&addr, BACKLOG, 0660)) == -1)
			ol_error_tell(app, OL_ERROR_PROCESS,
			    "cannot listen on %s: %s", app->listen,
			    errno == EADDRINUSE ? "another server answers there"
						: strerror(errno));
		return fd;
	}
	if ((fd = systemd_listener()) != -1 ||
	    (fd = inherited_listener()) != -1)
		return fd;
	ol_error_tell(app, OL_ERROR_PROCESS,
	    "nowhere to listen: give --listen unix:app.sock, or start me with "
	    "outlastd, systemd or spawn-fcgi");
	return -1;
}
