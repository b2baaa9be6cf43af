/*
 * A FastCGI backend that says what a test wants, and a client of it whose owner
 * writes down what it is told. One loop, one thread; nothing blocks.
 */
#ifndef TESTS_UNIT_FCGI_BACKEND_H
#define TESTS_UNIT_FCGI_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "fcgi/client.h"
#include "loop/loop.h"

/* In which callback the owner cancels. */
enum cancel_in {
	CANCEL_NEVER,
	CANCEL_CONNECTED,
	CANCEL_HEAD,
	CANCEL_CONTENT,
	CANCEL_ERROR_TEXT,
	CANCEL_END,
};

struct backend {
	struct ol_loop *loop;
	struct ol_addr addr;
	int listener;
	char dir[64];
	struct ol_client *client; /* NULL: it has ended, or was cancelled */
	enum cancel_in cancel_in;
	/*
	 * A word for each callback: "connected ", "head:STATUS[NAME=VALUE]… ",
	 * "content:TEXT ", "error:TEXT ", "end:HOW(WHY) ". Texts that follow
	 * each other are one word, so that their cuts do not show.
	 */
	char told[256 * 1024];
	size_t told_len;
	char stream;	/* the word that can go on */
	size_t content; /* bytes of it in all */
	char why[512];	/* of on_end */
	int how;	/* of on_end; -1: not yet */
};

/* Listens in a folder of its own; aborts when it cannot. */
void backend_start(struct backend *);
void backend_stop(struct backend *);

/* Ask with a few parameters, or with those of request. */
void backend_ask(struct backend *, const struct ol_client_request *);

/* The backend's end of the connection, non-blocking; turns until it is there.
 */
int backend_accept(struct backend *);

/* Let the loop do what is to be done now. */
void backend_turn(struct backend *);

/* Send all, with turns of the loop while the socket is full; false: the client
 * does not listen any more. */
bool backend_send(struct backend *, int fd, const void *data, size_t len);

/* Read until the client has sent a whole request or stops, at most size bytes;
 * how many. */
size_t backend_read(struct backend *, int fd, unsigned char *out, size_t size);

/* Turns until on_end; false: not within seconds. */
bool backend_ended(struct backend *, int seconds);

#endif
