/*
 * The control for a recycle: a process that does what everybody would do when
 * it is replaced. It stops accepting, looks (MSG_PEEK) whether an idle kept
 * connection has a request, and closes it when not. Plain libfcgi with poll(2),
 * one thread; it says READY=1 and STOPPING=1, so outlastd can run it. Requests
 * that nginx sends between the look and the close are lost. A request for
 * /crash crashes it.
 *
 *     closing [--listen PATH]
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "base/notify.h"
#include "handler.h"

#define MAX_CONNECTIONS 2048

static volatile sig_atomic_t stopping;

struct closing {
	nfds_t n;
	int notify;
	struct pollfd fds[1 + MAX_CONNECTIONS];
	FCGX_Request requests[1 + MAX_CONNECTIONS];
};

static void
on_term(int signo)
{
	(void)signo;
	stopping = 1;
}

static void
drop(struct closing *closing, nfds_t i)
{
	/* Streams point at their request only between accept and finish. */
	closing->n--;
	closing->fds[i] = closing->fds[closing->n];
	closing->requests[i] = closing->requests[closing->n];
}

static void
take(struct closing *closing)
{
	int fd;

	fd = accept4(closing->fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd == -1)
		return;
	if (closing->n == 1 + MAX_CONNECTIONS) {
		close(fd);
		return;
	}
	closing->fds[closing->n] = (struct pollfd){ fd, POLLIN, 0 };
	FCGX_InitRequest(&closing->requests[closing->n], -1, 0);
	closing->requests[closing->n].ipcFd = fd;
	closing->requests[closing->n].detached = 1;
	closing->n++;
}

static void
answer(struct closing *closing, nfds_t i)
{
	FCGX_Request *request = &closing->requests[i];
	const char *uri;

	request->keepConnection = 1;
	if (FCGX_Accept_r(request) != 0) {
		drop(closing, i);
		return;
	}
	uri = FCGX_GetParam("DOCUMENT_URI", request->envp);
	if (uri != NULL && strcmp(uri, "/crash") == 0)
		handler_crash();
	handler_answer(request, true, -1);
	FCGX_Finish_r(request);
	if (request->ipcFd == -1)
		drop(closing, i);
}

static void
retire(struct closing *closing)
{
	char byte;
	nfds_t i;

	if (closing->notify != -1)
		ol_notify_send(closing->notify, "STOPPING=1");
	while (closing->n > 1)
		for (i = closing->n - 1; i > 0; i--) {
			if (recv(closing->fds[i].fd, &byte, 1,
				MSG_PEEK | MSG_DONTWAIT) == 1) {
				answer(closing, i);
				continue;
			}
			close(closing->fds[i].fd);
			drop(closing, i);
		}
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	struct closing *closing;
	const char *name;
	nfds_t i;
	int listener = 0;

	if (argc == 3 && strcmp(argv[1], "--listen") == 0) {
		if ((listener = FCGX_OpenSocket(argv[2], 1000)) < 0)
			err(71, "%s", argv[2]);
	} else if (argc != 1)
		errx(64, "usage: closing [--listen PATH]");
	if (FCGX_Init() != 0 || (closing = calloc(1, sizeof(*closing))) == NULL)
		errx(71, "out of memory");
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (fcntl(listener, F_SETFL, O_NONBLOCK) == -1)
		err(71, "listener");
	closing->fds[0] = (struct pollfd){ listener, POLLIN, 0 };
	closing->n = 1;
	closing->notify = -1;
	if ((name = getenv("NOTIFY_SOCKET")) != NULL) {
		if ((closing->notify = ol_notify_connect(name)) == -1)
			err(71, "%s", name);
		ol_notify_send(closing->notify, "READY=1");
	}

	while (!stopping) {
		if (poll(closing->fds, closing->n, 100) == -1) {
			if (errno == EINTR)
				continue;
			err(71, "poll");
		}
		for (i = closing->n - 1; i > 0; i--)
			if (closing->fds[i].revents != 0)
				answer(closing, i);
		if (closing->fds[0].revents != 0)
			take(closing);
	}
	retire(closing);
	free(closing);
	return (0);
}
