#include <sys/stat.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"

static const char *
parse_unix(struct ol_addr *addr, const char *path)
{
	size_t n = strlen(path);

	if (n == 0)
		return "the path after \"unix:\" is missing";
	if (n >= sizeof(addr->u.un.sun_path))
		return "the socket path is longer than 107 bytes";
	addr->u.un.sun_family = AF_UNIX;
	memcpy(addr->u.un.sun_path, path, n + 1);
	addr->len = sizeof(addr->u.un);
	return NULL;
}

const char *
ol_addr_parse(struct ol_addr *addr, const char *text)
{
	char host[INET6_ADDRSTRLEN + 3], *end;
	const char *colon;
	unsigned long port;
	size_t n;

	memset(addr, 0, sizeof(*addr));
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(addr, text + 5);
	if ((colon = strrchr(text, ':')) == NULL)
		return "an address is unix:PATH or HOST:PORT";
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || errno != 0 ||
	    port == 0 || port > 65535)
		return "the port is a number from 1 to 65535";
	n = (size_t)(colon - text);
	if (n >= sizeof(host))
		return "the host is not a numeric address";
	memcpy(host, text, n);
	host[n] = '\0';
	if (strcmp(host, "*") == 0)
		strcpy(host, "0.0.0.0");
	if (host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &addr->u.in6.sin6_addr) != 1)
			return "the host is not a numeric address";
		addr->u.in6.sin6_family = AF_INET6;
		addr->u.in6.sin6_port = htons((uint16_t)port);
		addr->len = sizeof(addr->u.in6);
		return NULL;
	}
	if (inet_pton(AF_INET, host, &addr->u.in.sin_addr) != 1)
		return "the host is not a numeric address";
	addr->u.in.sin_family = AF_INET;
	addr->u.in.sin_port = htons((uint16_t)port);
	addr->len = sizeof(addr->u.in);
	return NULL;
}

const char *
ol_addr_path(const struct ol_addr *addr)
{
	return addr->u.sa.sa_family == AF_UNIX ? addr->u.un.sun_path : NULL;
}

const char *
ol_addr_text(const struct ol_addr *addr, char *dst, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	switch (addr->u.sa.sa_family) {
	case AF_UNIX:
		snprintf(dst, size, "unix:%s", addr->u.un.sun_path);
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &addr->u.in6.sin6_addr, host, sizeof(host));
		snprintf(
		    dst, size, "[%s]:%u", host, ntohs(addr->u.in6.sin6_port));
		break;
	default:
		inet_ntop(AF_INET, &addr->u.in.sin_addr, host, sizeof(host));
		snprintf(dst, size, "%s:%u", host, ntohs(addr->u.in.sin_port));
	}
	return dst;
}

/* Remove what a dead server left at the path; 0 when the path is free. */
static int
clear_path(const struct ol_addr *addr, int type)
{
	const char *path = ol_addr_path(addr);
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return -1;
	}
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	rc = connect(fd, &addr->u.sa, addr->len);
	if (rc == -1 && errno == ECONNREFUSED)
		rc = unlink(path);
	else {
		/* Connected, a full backlog (EAGAIN), or another type of
		 * socket: somebody serves. */
		if (rc == 0 || errno == EAGAIN || errno == EPROTOTYPE)
			errno = EADDRINUSE;
		rc = -1;
	}
	close(fd);
	return rc;
}

static int
listen_as(const struct ol_addr *addr, int type, int backlog, mode_t mode)
{
	const char *path = ol_addr_path(addr);
	int fd, on = 1, saved;
	mode_t mask;

	if (path != NULL && clear_path(addr, type) == -1)
		return -1;
	fd = socket(
	    addr->u.sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	if (path == NULL &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		goto err;
	/* Nobody may connect before the mode is right. */
	mask = umask(0177);
	if (bind(fd, &addr->u.sa, addr->len) == -1) {
		umask(mask);
		goto err;
	}
	umask(mask);
	if (path != NULL && chmod(path, mode) == -1)
		goto err;
	if (listen(fd, backlog) == -1)
		goto err;
	return fd;
err:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
ol_addr_listen(const struct ol_addr *addr, int backlog, mode_t mode)
{
	return listen_as(addr, SOCK_STREAM, backlog, mode);
}

int
ol_addr_listen_packets(const struct ol_addr *addr, int backlog, mode_t mode)
{
	return listen_as(addr, SOCK_SEQPACKET, backlog, mode);
}
