#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/body.h"

struct ol_body *
ol_body_new(const void *data, size_t size)
{
	struct ol_body *body = malloc(sizeof(*body) + size);

	if (body == NULL)
		return NULL;
	if (size > 0)
		memcpy(body + 1, data, size);
	atomic_init(&body->references, 1);
	body->fd = -1;
	body->data = body + 1;
	body->size = (int64_t)size;
	return body;
}

struct ol_body *
ol_body_file(int fd, int64_t size)
{
	struct ol_body *body = malloc(sizeof(*body));

	if (body == NULL) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&body->references, 1);
	body->fd = fd;
	body->data = NULL;
	body->size = size;
	return body;
}

struct ol_body *
ol_body_ref(struct ol_body *body)
{
	if (body != NULL)
		atomic_fetch_add(&body->references, 1);
	return body;
}

void
ol_body_free(struct ol_body *body)
{
	if (body == NULL || atomic_fetch_sub(&body->references, 1) != 1)
		return;
	if (body->fd != -1)
		close(body->fd);
	free(body);
}
