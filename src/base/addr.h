/*
 * Where to listen: "unix:/run/outlast/shop.sock", "127.0.0.1:9000",
 * "[::1]:9000" or "*:9000" (every IPv4 address).
 */
#ifndef OL_BASE_ADDR_H
#define OL_BASE_ADDR_H

#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>

struct ol_addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_un un;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} u;
};

/*
 * Read text into *addr. Returns NULL, or a static sentence saying what is
 * wrong with it. No name is looked up: hosts are numbers.
 */
const char *ol_addr_parse(struct ol_addr *addr, const char *text);

/* The path of a unix address, else NULL. Borrowed from addr. */
const char *ol_addr_path(const struct ol_addr *);

/* Write the address as it is read, "unix:PATH" or "HOST:PORT"; returns dst.
 * OL_ADDR_TEXT bytes are enough for each. */
#define OL_ADDR_TEXT 128
const char *ol_addr_text(const struct ol_addr *, char *dst, size_t size);

/*
 * A new listening socket, close-on-exec and non-blocking, or -1 with errno
 * set. A unix path that exists is taken over only when a connect to it is
 * refused, that is, when its server is gone: errno EADDRINUSE if one answers,
 * ENOTSOCK if it is no socket. mode is that of the unix socket file.
 */
int ol_addr_listen(const struct ol_addr *, int backlog, mode_t mode);

/* The same for packets (SOCK_SEQPACKET), of a unix address. */
int ol_addr_listen_packets(const struct ol_addr *, int backlog, mode_t mode);

#endif
