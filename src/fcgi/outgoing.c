#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "fcgi/outgoing.h"
#include "fcgi/record.h"

enum {
	PIECE = 64 * 1024 - OL_RECORD_HEADER, /* of the body: one record */
	LOW = 16 * 1024, /* bytes that wait: below it, the next piece */
};

/* A length as it is written before a pair; returns how many bytes it has. */
static size_t
put_length(unsigned char *out, size_t len)
{
	if (len < 0x80) {
		out[0] = (unsigned char)len;
		return 1;
	}
	out[0] = (unsigned char)(len >> 24 | 0x80);
	out[1] = (unsigned char)(len >> 16);
	out[2] = (unsigned char)(len >> 8);
	out[3] = (unsigned char)len;
	return 4;
}

static int
add_params(struct ol_output *output, const void *data, size_t len)
{
	return ol_output_stream(output, OL_RECORD_PARAMS, 1, data, len);
}

static int
add_pair(struct ol_output *output, const struct ol_pair *pair, size_t *record)
{
	unsigned char lengths[8];
	size_t n = put_length(lengths, pair->name_len), all;

	n += put_length(lengths + n, pair->value_len);
	all = n + pair->name_len + pair->value_len;
	/* php-fpm reads the pairs of each record by themselves. */
	if (*record + all > OL_RECORD_MAX) {
		ol_output_close_record(output);
		*record = 0;
	}
	*record += all;
	if (add_params(output, lengths, n) == -1 ||
	    add_params(output, pair->name, pair->name_len) == -1)
		return -1;
	return add_params(output, pair->value, pair->value_len);
}

static int
end_stream(struct ol_output *output, enum ol_record_type type)
{
	unsigned char end[OL_RECORD_HEADER];

	ol_output_close_record(output);
	ol_record_header(end, type, 0);
	return ol_output_add(output, end, sizeof(end));
}

int
ol_outgoing_init(struct ol_outgoing *out, const struct ol_pair *params,
    size_t nparams, struct ol_body *body)
{
	unsigned char begin[OL_RECORD_BEGIN_SIZE];
	size_t i, record = 0;

	memset(out, 0, sizeof(*out));
	if ((out->output = ol_output_new()) == NULL)
		goto err0;
	ol_record_begin(begin);
	if (ol_output_add(out->output, begin, sizeof(begin)) == -1)
		goto err1;
	for (i = 0; i < nparams; i++)
		if (add_pair(out->output, &params[i], &record) == -1)
			goto err1;
	if (end_stream(out->output, OL_RECORD_PARAMS) == -1)
		goto err1;
	out->body = ol_body_ref(body);
	return 0;

err1:
	ol_output_free(out->output);
	out->output = NULL;
err0:
	errno = ENOMEM;
	return -1;
}

void
ol_outgoing_fini(struct ol_outgoing *out)
{
	ol_output_free(out->output);
	ol_body_free(out->body);
	memset(out, 0, sizeof(*out));
}

/* Read exactly len bytes of the body: its size was promised. */
static int
read_piece(const struct ol_outgoing *out, unsigned char *piece, size_t len)
{
	size_t have = 0;

	while (have < len) {
		ssize_t n = pread(out->body->fd, piece + have, len - have,
		    out->at + (off_t)have);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ENODATA;
		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	return 0;
}

/* The next piece of the body, and the end behind the last one. */
static int
add_piece(struct ol_outgoing *out)
{
	int64_t left = out->body == NULL ? 0 : out->body->size - out->at;
	size_t len = left < PIECE ? (size_t)left : PIECE;
	unsigned char piece[PIECE];
	const unsigned char *from = NULL;

	if (len > 0 && out->body->data != NULL) {
		from = (const unsigned char *)out->body->data + out->at;
	} else if (len > 0) {
		if (read_piece(out, piece, len) == -1)
			return -1;
		from = piece;
	}
	if (ol_output_stream(out->output, OL_RECORD_STDIN, 1, from, len) == -1)
		goto nomem;
	ol_output_close_record(out->output);
	out->at += (int64_t)len;
	if ((int64_t)len < left)
		return 0;
	if (end_stream(out->output, OL_RECORD_STDIN) == -1)
		goto nomem;
	out->ended = true;
	return 0;
nomem:
	errno = ENOMEM;
	return -1;
}

enum ol_outgoing_sent
ol_outgoing_send(struct ol_outgoing *out, int fd, size_t *sent)
{
	*sent = 0;
	if (!out->ended && ol_output_pending(out->output) < LOW &&
	    add_piece(out) == -1)
		return OL_OUTGOING_FAULT;
	switch (ol_output_send(out->output, fd, sent)) {
	case OL_OUTPUT_BROKEN:
		return OL_OUTGOING_BROKEN;
	case OL_OUTPUT_EMPTY:
		if (out->ended)
			return OL_OUTGOING_WHOLE;
		break;
	case OL_OUTPUT_BLOCKED:
		break;
	}
	return OL_OUTGOING_MORE;
}

bool
ol_outgoing_between(const struct ol_outgoing *out)
{
	return ol_output_pending(out->output) == 0;
}
