#include <sys/socket.h>
#include <event2/event.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/output.h"

enum {
	FIRST_SIZE = 2048, /* most answers fit */
};

struct ol_output *
ol_output_new(void)
{
	struct ol_output *output = calloc(1, sizeof(*output));

	if (output != NULL)
		output->record = OL_OUTPUT_NONE;
	return output;
}

void
ol_output_free(struct ol_output *output)
{
	if (output == NULL)
		return;
	if (output->event != NULL)
		event_free(output->event);
	free(output->data);
	free(output);
}

size_t
ol_output_pending(const struct ol_output *output)
{
	return output == NULL ? 0 : output->end - output->start;
}

/* Room for len bytes more at the end. */
static int
reserve(struct ol_output *output, size_t len)
{
	size_t have = output->end - output->start;
	size_t size = output->size == 0 ? FIRST_SIZE : output->size;
	unsigned char *p;

	if (len <= output->size - output->end)
		return 0;
	/* Of what was sent, the place is used again when it is the half. */
	if (output->start >= have && len <= output->size - have) {
		memmove(output->data, output->data + output->start, have);
		if (output->record != OL_OUTPUT_NONE)
			output->record -= output->start;
		output->start = 0;
		output->end = have;
		return 0;
	}
	while (size - output->end < len)
		size *= 2;
	if ((p = realloc(output->data, size)) == NULL)
		return -1;
	output->data = p;
	output->size = size;
	return 0;
}

int
ol_output_add(struct ol_output *output, const void *records, size_t len)
{
	if (reserve(output, len) == -1)
		return -1;
	memcpy(output->data + output->end, records, len);
	output->end += len;
	return 0;
}

static size_t
open_length(const struct ol_output *output)
{
	return output->end - output->record - OL_RECORD_HEADER;
}

int
ol_output_stream(struct ol_output *output, enum ol_record_type type,
    unsigned id, const void *content, size_t len)
{
	const unsigned char *at = content;
	unsigned char header[OL_RECORD_HEADER];
	size_t n;

	while (len > 0) {
		if (output->record != OL_OUTPUT_NONE &&
		    open_length(output) == OL_RECORD_MAX)
			ol_output_close_record(output);
		if (output->record == OL_OUTPUT_NONE) {
			ol_record_header_for(header, type, id, 0);
			if (ol_output_add(output, header, sizeof(header)) == -1)
				return -1;
			output->record = output->end - sizeof(header);
		}
		n = OL_RECORD_MAX - open_length(output);
		if (n > len)
			n = len;
		if (ol_output_add(output, at, n) == -1)
			return -1;
		at += n;
		len -= n;
	}
	return 0;
}

void
ol_output_close_record(struct ol_output *output)
{
	unsigned char *header;

	if (output->record == OL_OUTPUT_NONE)
		return;
	header = output->data + output->record;
	ol_record_header_for(header,
	    (enum ol_record_type)ol_record_type(header), ol_record_id(header),
	    open_length(output));
	output->record = OL_OUTPUT_NONE;
}

enum ol_output_sent
ol_output_send(struct ol_output *output, int fd, size_t *sent)
{
	*sent = 0;
	ol_output_close_record(output);
	while (output->start < output->end) {
		ssize_t n = send(fd, output->data + output->start,
		    output->end - output->start, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN || errno == ENOBUFS
				   ? OL_OUTPUT_BLOCKED
				   : OL_OUTPUT_BROKEN;
		output->start += (size_t)n;
		*sent += (size_t)n;
	}
	return OL_OUTPUT_EMPTY;
}
