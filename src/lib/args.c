#include <sys/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "lib/app.h"

/* sd_listen_fds(3) */
#define LISTEN_FDS_START 3
#define BACKLOG		 1000

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
		if (value == NULL) {
			ol_error_tell(app, OL_ERROR_PROCESS,
			    "--listen wants an address, such as "
			    "unix:app.sock or 127.0.0.1:9000");
			return OL_EINVAL;
		}
		if ((why = ol_addr_parse(&addr, value)) != NULL) {
			ol_error_tell(app, OL_ERROR_PROCESS, "--listen %s: %s",
			    value, why);
			return OL_EINVAL;
		}
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

int
ol_app_listener(struct ol_app *app, bool *own)
{
	struct ol_addr addr;
	const char *why;
	int fd;

	*own = app->listen != NULL;
	if (app->listen != NULL) {
		if ((why = ol_addr_parse(&addr, app->listen)) != NULL) {
			ol_error_tell(
			    app, OL_ERROR_PROCESS, "%s: %s", app->listen, why);
			return -1;
		}
		if ((fd = ol_addr_listen(&addr, BACKLOG, 0660)) == -1)
			ol_error_tell(app, OL_ERROR_PROCESS,
			    "cannot listen on %s: %s", app->listen,
			    errno == EADDRINUSE ? "another server answers there"
						: strerror(errno));
		return fd;
	}
	if ((fd = systemd_listener()) != -1)
		return fd;
	if (is_listening(STDIN_FILENO))
		return STDIN_FILENO;
	ol_error_tell(app, OL_ERROR_PROCESS,
	    "nowhere to listen: give --listen unix:app.sock, or start me with "
	    "outlastd, systemd or spawn-fcgi");
	return -1;
}
