#include <stdlib.h>
#include <string.h>

#include "fcgi/intake.h"
#include "fcgi/record.h"

void
ol_intake_init(struct ol_intake *intake, size_t max_body)
{
	*intake = (struct ol_intake){ .max_body = max_body };
}

void
ol_intake_fini(struct ol_intake *intake)
{
	free(intake->head);
	free(intake->body);
}

static const char *
append(unsigned char **data, size_t *have, size_t *size,
    const unsigned char *more, size_t len)
{
	if (*have + len > *size) {
		size_t wanted = *size == 0 ? 4096 : *size * 2;
		unsigned char *p;

		while (wanted < *have + len)
			wanted *= 2;
		if ((p = realloc(*data, wanted)) == NULL)
			return "out of memory";
		*data = p;
		*size = wanted;
	}
	memcpy(*data + *have, more, len);
	*have += len;
	return NULL;
}

static const char *
take_content(struct ol_intake *intake, struct ol_frame *frame,
    const unsigned char *data, size_t len)
{
	frame->body += len;
	if (intake->too_large || len > intake->max_body - intake->body_len) {
		intake->too_large = true;
		free(intake->body);
		intake->body = NULL;
		intake->body_len = intake->body_size = 0;
		return NULL;
	}
	return append(
	    &intake->body, &intake->body_len, &intake->body_size, data, len);
}

/* What is wrong with the header of a record behind the parameters, or NULL. */
static const char *
header_fault(const struct ol_intake *intake)
{
	const unsigned char *header = intake->reader.header;

	/* Version, type and id, as in the head's first record. */
	if (header[0] != intake->head[0])
		return "the FastCGI version is not 1";
	if (header[2] == 0 && header[3] == 0)
		return "a management record";
	if (memcmp(header + 2, intake->head + 2, 2) != 0)
		return "a record of another request";
	if (ol_record_type(header) != OL_RECORD_STDIN)
		return "a record out of turn";
	return NULL;
}

static const char *
take_body(struct ol_intake *intake, struct ol_frame *frame,
    const unsigned char *data, size_t len)
{
	const unsigned char *piece;
	const char *why = NULL;
	size_t n;

	while (why == NULL) {
		if (intake->ended)
			return len > 0 ? "bytes behind the request" : NULL;
		switch (
		    ol_reader_take(&intake->reader, &data, &len, &piece, &n)) {
		case OL_READER_MORE:
			return NULL;
		case OL_READER_HEADER:
			why = header_fault(intake);
			break;
		case OL_READER_CONTENT:
			why = take_content(intake, frame, piece, n);
			break;
		case OL_READER_END:
			intake->ended =
			    ol_record_content(intake->reader.header) == 0;
			break;
		}
	}
	return why;
}

/* Add to the head; what is behind it goes to the body. */
static const char *
take_head(struct ol_intake *intake, struct ol_frame *frame,
    const unsigned char *data, size_t len)
{
	size_t before = intake->head_len;
	size_t n = len < OL_FRAME_PARAMS_MAX ? len : OL_FRAME_PARAMS_MAX;
	const char *why = append(
	    &intake->head, &intake->head_len, &intake->head_size, data, n);

	if (why != NULL)
		return why;
	ol_frame_look_head(frame, intake->head, intake->head_len);
	if (frame->verdict == OL_FRAME_BAD)
		return frame->why;
	if (frame->verdict == OL_FRAME_PARTIAL)
		return n < len ? "the parameters are too large" : NULL;
	intake->head_whole = true;
	n = frame->head - before;
	intake->head_len = frame->head;
	return take_body(intake, frame, data + n, len - n);
}

void
ol_intake_take(struct ol_intake *intake, struct ol_frame *frame,
    const unsigned char *data, size_t len)
{
	const char *why = intake->head_whole
			      ? take_body(intake, frame, data, len)
			      : take_head(intake, frame, data, len);

	if (why != NULL) {
		frame->verdict = OL_FRAME_BAD;
		frame->why = why;
	} else if (intake->ended)
		frame->verdict = OL_FRAME_WHOLE;
}
