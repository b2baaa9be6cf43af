#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "run/output.h"

void
ol_output_init(struct ol_output *output)
{
	*output = (struct ol_output){ .fd = -1 };
}

void
ol_output_fini(struct ol_output *output)
{
	free(output->data);
	if (output->fd != -1)
		close(output->fd);
	ol_output_init(output);
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
move_to_file(struct ol_output *output, int folder)
{
	output->fd = openat(
	    folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (output->fd == -1 ||
	    put(output->fd, output->data, (size_t)output->len) == -1)
		return -1;
	free(output->data);
	output->data = NULL;
	output->room = 0;
	return 0;
}

int
ol_output_append(
    struct ol_output *output, int folder, const void *data, size_t len)
{
	size_t wanted = (size_t)output->len + len;

	if (len == 0)
		return 0;
	if (output->fd == -1 && wanted > OL_OUTPUT_MEMORY &&
	    move_to_file(output, folder) == -1)
		return -1;
	if (output->fd != -1) {
		if (put(output->fd, data, len) == -1)
			return -1;
	} else {
		if (wanted > output->room) {
			output->room = wanted < 1024 ? 1024 : OL_OUTPUT_MEMORY;
			output->data =
			    ol_must(realloc(output->data, output->room));
		}
		memcpy(output->data + output->len, data, len);
	}
	output->len += (int64_t)len;
	return 0;
}

struct ol_body *
ol_output_body(struct ol_output *output)
{
	struct ol_body *body = NULL;
	int saved = 0;

	if (output->len > 0) {
		body = output->fd != -1
			   ? ol_body_file(output->fd, output->len)
			   : ol_body_new(output->data, (size_t)output->len);
		saved = errno;
		output->fd = -1; /* taken */
	}
	ol_output_fini(output);
	errno = body == NULL ? saved : 0;
	return body;
}

void
ol_tail_init(struct ol_tail *tail, size_t max)
{
	*tail = (struct ol_tail){ .max = max };
}

void
ol_tail_fini(struct ol_tail *tail)
{
	free(tail->data);
	*tail = (struct ol_tail){ .max = tail->max };
}

void
ol_tail_add(struct ol_tail *tail, const char *data, size_t len)
{
	size_t n;

	if (len > tail->max) {
		data += len - tail->max;
		len = tail->max;
	}
	while (tail->room < tail->max && tail->len + len > tail->room) {
		tail->room = tail->room == 0 ? 1024 : tail->room * 2;
		if (tail->room > tail->max)
			tail->room = tail->max;
		tail->data = ol_must(realloc(tail->data, tail->room));
	}
	for (; len > 0; data += n, len -= n) {
		size_t at = tail->len < tail->room ? tail->len : tail->start;

		n = tail->room - at < len ? tail->room - at : len;
		memcpy(tail->data + at, data, n);
		if (tail->len < tail->room)
			tail->len += n;
		else
			tail->start = (at + n) % tail->room;
	}
}

const char *
ol_tail_text(struct ol_tail *tail, size_t *len)
{
	char *text;

	*len = tail->len;
	if (tail->start == 0)
		return tail->data != NULL ? tail->data : "";
	text = ol_must(malloc(tail->room));
	memcpy(text, tail->data + tail->start, tail->room - tail->start);
	memcpy(text + tail->room - tail->start, tail->data, tail->start);
	free(tail->data);
	tail->data = text;
	tail->start = 0;
	return tail->data;
}
