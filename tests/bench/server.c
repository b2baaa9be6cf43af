/*
 * The server of src/fcgi under test: handler.c's answer, a 202 and 52 bytes of
 * JSON, without libfcgi.
 *
 *     server [--listen ADDRESS]   without it, on descriptor 0
 *     server --idle N      bytes of heap for each of N kept connections that
 *                          have had a request, and of N that wait for answers
 *                          (RESULT idle=BYTES parked=BYTES)
 *
 * /hold is not answered; it keeps neither parameters nor body. TERM retires
 * the server, USR1 ends it at once: the control that loses requests.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/addr.h"
#include "base/log.h"
#include "fcgi/request.h"
#include "fcgi/server.h"
#include "loop/loop.h"
#include "records.h"

static const char body[] =
    "{\"id\":\"0192f0c1-7a3e-7c55-8f21-2a1b3c4d5e6f\",\"n\":10}";

static void
on_request(struct ol_request *request, void *arg)
{
	(void)request;
	(void)arg;
}

static void
on_body(struct ol_request *request, enum ol_body_end how, void *arg)
{
	const char *uri = ol_request_param(request, "DOCUMENT_URI");

	(void)arg;
	if (how == OL_BODY_WHOLE && uri != NULL && strcmp(uri, "/hold") == 0) {
		ol_request_forget(request);
		return;
	}
	ol_request_status(request, how == OL_BODY_WHOLE ? 202 : 400);
	ol_request_header(request, "Content-Type", "application/json");
	ol_request_write(request, body, sizeof(body) - 1);
	ol_request_finish(request);
}

static void
on_gone(struct ol_request *request, enum ol_gone how, void *arg)
{
	(void)request;
	(void)how;
	(void)arg;
}

static void
on_stop(void *arg)
{
	ol_loop_stop(arg);
}

static void
on_term(void *arg)
{
	ol_server_retire(arg);
}

static void
on_retired(struct ol_server *server, void *arg)
{
	(void)server;
	ol_loop_stop(arg);
}

static struct ol_server *
start(struct ol_loop *loop, int listener)
{
	static const struct ol_server_events events = { .on_request =
							    on_request,
		.on_body = on_body,
		.on_gone = on_gone,
		.on_retired = on_retired };
	const struct ol_server_options options = { .name = "bench",
		.listener = listener,
		.folder = open("/tmp", O_DIRECTORY | O_CLOEXEC) };
	struct ol_server *server = ol_server_new(loop, &options, &events, loop);

	if (server == NULL)
		err(71, "ol_server_new");
	return server;
}

static size_t
heap(void)
{
	return mallinfo2().uordblks;
}

/* A web server with n connections, in a process of its own for its share of
 * descriptors: a request on each, and a byte to ready when all is answered. */
static void
connect_all(const struct ol_addr *addr, int n, const struct records *request,
    bool held, int ready)
{
	char got[256];
	int i, fd;

	for (i = 0; i < n; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fd == -1 || connect(fd, &addr->u.sa, addr->len) == -1 ||
		    send(fd, request->data, request->len, 0) == -1 ||
		    (!held && recv(fd, got, sizeof(got), 0) <= 0))
			err(71, "connection %d", i);
	}
	if (write(ready, "", 1) != 1)
		err(71, "pipe");
	pause();
}

/* The heap that each of n connections takes that has sent a request for uri. */
static size_t
measure(const char *uri, bool held, int n)
{
	const char *const params[] = { "REQUEST_METHOD=GET", uri, NULL };
	/* A new one: libevent keeps what it has for a descriptor. */
	struct ol_loop *loop = ol_loop_new();
	static struct records request;
	struct ol_addr addr;
	char path[64];
	struct ol_server *server;
	struct ol_watch *watch;
	int ready[2], listener;
	size_t before, each;
	pid_t child;

	snprintf(path, sizeof(path), "unix:/tmp/outlast-bench-%ld.sock",
	    (long)getpid());
	if (ol_addr_parse(&addr, path) != NULL)
		errx(70, "%s", path);
	if (loop == NULL || pipe(ready) == -1 ||
	    (listener = ol_addr_listen(&addr, 1000, 0600)) == -1)
		err(71, "listen");
	request.len = 0;
	records_request(&request, 1, params, NULL, 0);
	server = start(loop, listener);
	watch = ol_watch_new(loop, ready[0], on_stop, loop);
	before = heap();
	if ((child = fork()) == 0)
		connect_all(&addr, n, &request, held, ready[1]);
	ol_loop_run(loop);
	while (ol_server_requests(server) < (held ? (size_t)n : 0))
		event_base_loop(ol_loop_base(loop), EVLOOP_ONCE);
	if (ol_server_connections(server) != (size_t)n)
		errx(70, "some connections are gone");
	each = (heap() - before) / (size_t)n;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ol_watch_free(watch);
	ol_server_free(server);
	ol_loop_free(loop);
	close(listener);
	unlink(ol_addr_path(&addr));
	close(ready[0]);
	close(ready[1]);
	return (each);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "idle", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	struct ol_loop *loop;
	struct ol_server *server;
	struct ol_signal *term, *usr1;
	struct ol_addr addr;
	struct rlimit limit;
	const char *path = NULL, *why;
	size_t idle;
	int ch, n = 0, listener;

	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 'l':
			path = optarg;
			break;
		case 'i':
			n = atoi(optarg);
			break;
		default:
			return (64);
		}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (n > 0) {
		idle = measure("DOCUMENT_URI=/x", false, n);
		printf("RESULT idle=%zu parked=%zu\n", idle,
		    measure("DOCUMENT_URI=/hold", true, n));
		return (0);
	}
	if ((loop = ol_loop_new()) == NULL)
		err(71, "ol_loop_new");
	if (path != NULL && (why = ol_addr_parse(&addr, path)) != NULL)
		errx(64, "%s: %s", path, why);
	listener = path == NULL ? 0 : ol_addr_listen(&addr, 1000, 0666);
	if (listener == -1)
		err(71, "%s", path);
	server = start(loop, listener);
	term = ol_signal_new(loop, SIGTERM, on_term, server);
	usr1 = ol_signal_new(loop, SIGUSR1, on_stop, loop);
	ol_loop_run(loop);
	ol_signal_free(term);
	ol_signal_free(usr1);
	ol_server_free(server);
	ol_loop_free(loop);
	return (0);
}
