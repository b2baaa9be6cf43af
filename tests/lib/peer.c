#include <sys/socket.h>
#include <sys/un.h>
#include <fastcgi.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "peer.h"

static void
set_address(struct sockaddr_un *un, const char *path)
{
	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
}

int
peer_listen(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un;

	set_address(&un, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&un, sizeof(un)) == -1 ||
	    listen(fd, 100) == -1)
		abort();
	return fd;
}

int
peer_connect(const char *path)
{
	struct sockaddr_un un;
	int fd, i;

	set_address(&un, path);
	for (i = 0; i < 500; i++) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
			return fd;
		close(fd);
		usleep(10000);
	}
	abort();
}

bool
peer_send(int fd, const struct records *r)
{
	size_t at = 0;

	while (at < r->len) {
		ssize_t n = send(fd, r->data + at, r->len - at, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

bool
peer_readable(int fd, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, ms) == 1;
}

static bool
read_whole(int fd, void *data, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = read(fd, (char *)data + have, len - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

void
peer_read(int fd, struct reply *reply, int ms)
{
	unsigned char content[FCGI_MAX_LENGTH + 256];
	FCGI_Header h;

	memset(reply, 0, sizeof(*reply));
	while (!reply->ended || peer_readable(fd, ms)) {
		size_t len, keep;

		if (!read_whole(fd, &h, sizeof(h))) {
			reply->closed = true;
			return;
		}
		len = (size_t)h.contentLengthB1 << 8 | h.contentLengthB0;
		if (!read_whole(fd, content, len + h.paddingLength)) {
			reply->closed = true;
			return;
		}
		if (h.type == FCGI_END_REQUEST)
			reply->ended = true;
		else if (h.type == FCGI_STDERR && len == 0 && reply->ended) {
			reply->nothing = true;
			return;
		} else if (h.type == FCGI_STDOUT) {
			keep = sizeof(reply->text) - 1 - reply->len;
			if (len < keep)
				keep = len;
			memcpy(reply->text + reply->len, content, keep);
			reply->len += keep;
		}
	}
}

void
peer_get(int fd, const char *uri, unsigned flags, struct reply *reply)
{
	static struct records r;
	char document[200];
	const char *params[] = { "REQUEST_METHOD=GET", document,
		"CONTENT_LENGTH=", NULL };

	snprintf(document, sizeof(document), "DOCUMENT_URI=%s", uri);
	r.len = 0;
	records_request(&r, flags, params, "", 0);
	peer_send(fd, &r);
	peer_read(fd, reply, 0);
}
