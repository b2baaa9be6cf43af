/*
 * The language of the control socket, which outlastctl(1) speaks and the master
 * answers. A request is one packet: a verb, and where it takes one, a space and
 * the name of a pool. An answer is one JSON object, in one or more packets of a
 * mark and a piece of the text.
 */
#ifndef OL_BASE_CONTROL_H
#define OL_BASE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

enum {
	OL_CONTROL_REQUEST_MAX = 512, /* bytes of a request */
	OL_CONTROL_PACKET_MAX = 8192, /* of a packet of an answer, with mark */
	OL_CONTROL_POOL_SIZE = 64,    /* of a name, with its NUL */
};

/* The first byte of each packet of an answer. */
#define OL_CONTROL_MORE '+'
#define OL_CONTROL_LAST '.'

enum ol_control_verb {
	OL_CONTROL_STATUS,
	OL_CONTROL_POOLS,
	OL_CONTROL_POOL,
	OL_CONTROL_RECYCLE,
	OL_CONTROL_STOP,
	OL_CONTROL_START,
	OL_CONTROL_RELOAD,
	OL_CONTROL_VERBS
};

struct ol_control_request {
	enum ol_control_verb verb;
	char pool[OL_CONTROL_POOL_SIZE]; /* "": the verb takes none */
};

const char *ol_control_name(enum ol_control_verb);

/* Whether it changes anything: who may only read is refused. */
bool ol_control_changes(enum ol_control_verb);

/* Whether it is about one pool. */
bool ol_control_takes_pool(enum ol_control_verb);

/*
 * Read one request of len bytes. NULL, or a static sentence saying what is
 * wrong with it; then *request is undefined.
 */
const char *ol_control_parse(
    struct ol_control_request *request, const char *data, size_t len);

/* Write it to buf[OL_CONTROL_REQUEST_MAX]; returns the length. */
size_t ol_control_format(char *buf, const struct ol_control_request *);

#endif
