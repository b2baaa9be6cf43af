/*
 * The control: plain libfcgi, as its users write it. THREADS threads, each in
 * an FCGX_Accept_r loop. Knows nothing of outlast.
 *
 *     plain [--listen PATH] [--threads N] [--mutex] [--no-drain]
 *
 * --mutex serialises FCGX_Accept_r as the library's example threaded.c does.
 * With kept connections that also serialises the waiting for the next request,
 * so the fair control is without it (accept(2) needs no lock on Linux).
 * --no-drain answers without reading the body, as many handlers do.
 */
#include <sys/types.h>
#include <err.h>
#include <getopt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include <fcgiapp.h>

#include "handler.h"

struct plain {
	int listener;
	bool mutex;
	bool drain;
	int log_fd;
	pthread_mutex_t accept;
};

static void *
serve(void *arg)
{
	struct plain *plain = arg;
	FCGX_Request request;
	int rc;

	if (FCGX_InitRequest(&request, plain->listener, 0) != 0)
		errx(71, "FCGX_InitRequest");
	for (;;) {
		if (plain->mutex)
			pthread_mutex_lock(&plain->accept);
		rc = FCGX_Accept_r(&request);
		if (plain->mutex)
			pthread_mutex_unlock(&plain->accept);
		if (rc < 0)
			break;
		handler_answer(&request, plain->drain, plain->log_fd);
		FCGX_Finish_r(&request);
	}
	return (NULL);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "listen", required_argument, NULL, 'l' },
		{ "threads", required_argument, NULL, 't' },
		{ "mutex", no_argument, NULL, 'm' },
		{ "no-drain", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct plain plain = { .drain = true,
		.accept = PTHREAD_MUTEX_INITIALIZER };
	pthread_attr_t attr;
	pthread_t thread;
	const char *path = NULL;
	int ch, i, rc, threads = 1;

	while ((ch = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (ch) {
		case 'l':
			path = optarg;
			break;
		case 't':
			threads = atoi(optarg);
			break;
		case 'm':
			plain.mutex = true;
			break;
		case 'n':
			plain.drain = false;
			break;
		default:
			return (64);
		}
	if (FCGX_Init() != 0)
		errx(71, "FCGX_Init");
	plain.log_fd = handler_log_open("TEST_REQUESTS");
	if (path != NULL && (plain.listener = FCGX_OpenSocket(path, 1000)) < 0)
		err(71, "%s", path);

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (i = 1; i < threads; i++)
		if ((rc = pthread_create(&thread, &attr, serve, &plain)) != 0)
			errc(71, rc, "pthread_create");
	serve(&plain);
	return (1);
}
