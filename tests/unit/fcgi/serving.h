/*
 * A server on a loop of its own, whose owner writes down what it is told, and
 * the web server's ends of its connections. Nothing blocks.
 */
#ifndef TESTS_UNIT_FCGI_SERVING_H
#define TESTS_UNIT_FCGI_SERVING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi/request.h"
#include "fcgi/server.h"
#include "loop/loop.h"

#include "records.h"

/* What the owner does. */
enum manner {
	ANSWERS,       /* when the body has come */
	ANSWERS_EARLY, /* as soon as the parameters are there */
	HOLDS,	       /* nothing: the test answers for it */
	CANCELS,       /* in on_request */
	BEGINS,	       /* sends a status in on_request, and holds then */
};

struct serving {
	struct ol_loop *loop;
	struct ol_server *server;
	struct ol_server_options options;
	enum manner manner;
	struct ol_request *held; /* the last one, until it is gone */
	unsigned drained;
	char told[64 * 1024]; /* a line for each callback */
	size_t told_len;
};

/* The FNV-1a hash that told shows of bytes. */
uint64_t serving_hash(const void *data, size_t len);

/* options as set before; the folder is /tmp, no listener, unless set. */
void serving_start(struct serving *);
void serving_stop(struct serving *);

/* A connection of the server's; the other end, non-blocking. */
int serving_connect(struct serving *);

/* Let the loop do what is to be done now. */
void serving_turn(struct serving *);

/* The same for ms. */
void serving_wait(struct serving *, int ms);

/* Send bytes, with turns of the loop while the socket is full. */
void serving_send(struct serving *, int fd, const void *data, size_t len);

/*
 * Everything that came, as text: "out1:TEXT" "err1:TEXT" "end1:PROTOCOL"
 * "values:…" "unknown:TYPE" "eof", each followed by a space; records of a
 * stream that follow each other are one word, so that their cuts do not show.
 * Borrowed until the next call.
 */
const char *serving_got(struct serving *, int fd);

/* "200 and a hash": what ANSWERS answers to request id with that body. */
const char *serving_answer(unsigned id, const void *body, size_t len);

#endif
