#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/spool.h"

void
ol_spool_init(struct ol_spool *spool, size_t most)
{
	*spool = (struct ol_spool){ .fd = -1, .most = most };
}

void
ol_spool_fini(struct ol_spool *spool)
{
	free(spool->data);
	if (spool->fd != -1)
		close(spool->fd);
	ol_spool_init(spool, spool->most);
}

static int
put(int fd, const unsigned char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
move_to_file(struct ol_spool *spool, int folder)
{
	if (folder == -1) {
		errno = EFBIG;
		return -1;
	}
	spool->fd = openat(
	    folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (spool->fd == -1 ||
	    put(spool->fd, spool->data, (size_t)spool->len) == -1)
		return -1;
	free(spool->data);
	spool->data = NULL;
	spool->size = 0;
	return 0;
}

static int
reserve(struct ol_spool *spool, size_t wanted)
{
	size_t size = spool->size == 0 ? 1024 : spool->size;
	unsigned char *p;

	while (size < wanted)
		size *= 2;
	if (size == spool->size)
		return 0;
	if ((p = realloc(spool->data, size)) == NULL)
		return -1;
	spool->data = p;
	spool->size = size;
	return 0;
}

int
ol_spool_add(struct ol_spool *spool, int folder, const void *data, size_t len)
{
	if (len == 0)
		return 0;
	if (spool->fd == -1 && spool->len + len > spool->most &&
	    move_to_file(spool, folder) == -1)
		return -1;
	if (spool->fd != -1) {
		if (put(spool->fd, data, len) == -1)
			return -1;
	} else {
		if (reserve(spool, (size_t)spool->len + len) == -1)
			return -1;
		memcpy(spool->data + spool->len, data, len);
	}
	spool->len += len;
	return 0;
}

int
ol_spool_take_file(struct ol_spool *spool)
{
	int fd = spool->fd;

	if (fd != -1)
		ol_spool_init(spool, spool->most);
	return fd;
}

struct ol_body *
ol_spool_take(struct ol_spool *spool)
{
	struct ol_body *body = NULL;
	uint64_t len = spool->len;
	int saved = 0, fd;

	if ((fd = ol_spool_take_file(spool)) != -1)
		body = ol_body_file(fd, (int64_t)len);
	else if (len > 0)
		body = ol_body_new(spool->data, (size_t)len);
	if (body == NULL && len > 0)
		saved = errno;
	ol_spool_fini(spool);
	errno = saved;
	return body;
}
