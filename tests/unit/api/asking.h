/*
 * The API on a server of its own over a fake engine, and a web server's end to
 * ask it. Nothing blocks.
 */
#ifndef TESTS_UNIT_API_ASKING_H
#define TESTS_UNIT_API_ASKING_H

#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "loop/loop.h"

#include "fake_engine.h"
#include "records.h"

#define ASKING_ID "01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58"

struct asking {
	struct ol_loop *loop;
	struct ol_server *server;
	struct ol_api *api;
	struct ol_door door;
	struct ol_engine engine;
	struct ol_object object; /* that of every answer */
	struct ol_conf conf;
	struct ol_conf_task thumbnail, report, replay;
	struct ol_conf_backend backend; /* of replay */
	char *context[2], *drop[1];
	char state[64]; /* a folder */
	int spool;
};

/*
 * Types: thumbnail (POST; clients may submit and cancel; 100 bytes) and report
 * (GET and POST; submitted by apps; context REQUEST_ID and REMOTE_ADDR), replay
 * (POST and GET; fastcgi_pass, drop_param HTTP_X_JUNK). Door: operator. The
 * engine says OK to everything.
 */
void asking_start(struct asking *);
void asking_stop(struct asking *);

struct reply {
	int status; /* 0: there was none */
	char head[8192];
	char *body; /* terminated */
	size_t len;
	bool ended, closed;
};

/*
 * what: "GET /tasks/x?query"; more: parameters "NAME=VALUE", or NULL. The
 * engine answers at once. Borrowed until the next call.
 */
const struct reply *ask(
    struct asking *, const char *what, const char *const *more);

/* The same with a body. */
const struct reply *ask_with(struct asking *, const char *what,
    const char *const *more, const void *body, size_t len);

/* The value of a header, or "". Borrowed until the next call. */
const char *reply_header(const struct reply *, const char *name);

/* Step by step: a connection, a request on it, what has come. */
int asking_connect(struct asking *);
void asking_send(struct asking *, int fd, const void *data, size_t len);
void asking_turn(struct asking *);
const struct reply *asking_reply(struct asking *, int fd);

/* The records of a request. */
void asking_request(struct records *, const char *what, const char *const *more,
    const void *body, size_t len);

#endif
