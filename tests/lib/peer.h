/* The web server's end of a FastCGI connection, blocking, for tests. */
#ifndef TESTS_LIB_PEER_H
#define TESTS_LIB_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "records.h"

struct reply {
	char text[64 * 1024]; /* FCGI_STDOUT, cut at this size, terminated */
	size_t len;
	bool ended;   /* FCGI_END_REQUEST came */
	bool nothing; /* an empty FCGI_STDERR came after it */
	bool closed;  /* then, or instead, the connection was closed */
};

/* A listening socket at path. */
int peer_listen(const char *path);

/* A connection to path; retried for 5 s while nobody listens. */
int peer_connect(const char *path);

/* Send all; false when the other end is gone. */
bool peer_send(int fd, const struct records *r);

/*
 * Read up to END_REQUEST, and then what comes within ms. Fails the test's
 * expectations only through what it finds.
 */
void peer_read(int fd, struct reply *reply, int ms);

/* GET uri on fd; flags as in BEGIN_REQUEST. */
void peer_get(int fd, const char *uri, unsigned flags, struct reply *reply);

/* True when fd has something to read, or its end, within ms. */
bool peer_readable(int fd, int ms);

#endif
