#include <fastcgi.h>
#include <string.h>

#include "fcgi/frame.h"
#include "fcgi/pairs.h"

/* Where a run of name-value pairs (§3.4) stands between two records. */
struct pairs {
	enum { NAME_LENGTH, VALUE_LENGTH, NAME, VALUE } part;
	unsigned char length[4]; /* a length field cut by a record's end */
	size_t have;		 /* bytes of length, name or value so far */
	size_t name_len, value_len;
	char name[16], value[24]; /* of a pair that could be CONTENT_LENGTH */
	bool seen;		  /* CONTENT_LENGTH came already */
};

/* What has to come next. */
enum stage { BEGIN, PARAMS, BODY };

static const char content_length_name[] = "CONTENT_LENGTH";

static bool
may_be_content_length(const struct pairs *p)
{
	return p->name_len == sizeof(content_length_name) - 1;
}

static const char *
take_content_length(struct ol_frame *frame, struct pairs *p)
{
	if (p->seen || memcmp(p->name, content_length_name, p->name_len) != 0)
		return NULL;
	p->seen = true;
	return ol_pairs_content_length(
	    p->value, p->value_len, &frame->content_length);
}

/* Collect a one- or four-byte length; false: it goes on in the next record. */
static bool
take_length(
    struct pairs *p, const unsigned char **data, size_t *len, size_t *out)
{
	while (*len > 0) {
		p->length[p->have++] = *(*data)++;
		(*len)--;
		if (p->length[0] < 0x80) {
			*out = p->length[0];
		} else if (p->have == 4) {
			*out = (size_t)(p->length[0] & 0x7f) << 24 |
			       (size_t)p->length[1] << 16 |
			       (size_t)p->length[2] << 8 | p->length[3];
		} else
			continue;
		p->have = 0;
		return true;
	}
	return false;
}

/* Go over the bytes of a name or value; keep the start of an interesting one.
 */
static bool
take_bytes(struct pairs *p, const unsigned char **data, size_t *len,
    size_t total, char *keep, size_t keep_size)
{
	size_t n = total - p->have;

	if (n > *len)
		n = *len;
	if (may_be_content_length(p) && p->have < keep_size) {
		size_t fits = keep_size - p->have;

		memcpy(keep + p->have, *data, n < fits ? n : fits);
	}
	*data += n;
	*len -= n;
	p->have += n;
	if (p->have < total)
		return false;
	p->have = 0;
	return true;
}

/* Take the content of one PARAMS record. NULL, or what is wrong. */
static const char *
take_pairs(struct ol_frame *frame, struct pairs *p, const unsigned char *data,
    size_t len)
{
	const char *why;

	for (;;) {
		switch (p->part) {
		case NAME_LENGTH:
			if (!take_length(p, &data, &len, &p->name_len))
				return NULL;
			p->part = VALUE_LENGTH;
			break;
		case VALUE_LENGTH:
			if (!take_length(p, &data, &len, &p->value_len))
				return NULL;
			/* libfcgi allocates what the lengths say. */
			if (p->name_len > OL_FRAME_PARAMS_MAX ||
			    p->value_len > OL_FRAME_PARAMS_MAX)
				return "a parameter is longer than its record";
			p->part = NAME;
			break;
		case NAME:
			if (!take_bytes(p, &data, &len, p->name_len, p->name,
				sizeof(p->name)))
				return NULL;
			p->part = VALUE;
			break;
		case VALUE:
			if (!take_bytes(p, &data, &len, p->value_len, p->value,
				sizeof(p->value)))
				return NULL;
			if (may_be_content_length(p) &&
			    (why = take_content_length(frame, p)) != NULL)
				return why;
			p->part = NAME_LENGTH;
			break;
		}
	}
}

static unsigned
record_id(const FCGI_Header *header)
{
	return (unsigned)header->requestIdB1 << 8 | header->requestIdB0;
}

static const char *
take_begin(struct ol_frame *frame, const unsigned char *content, size_t len)
{
	FCGI_BeginRequestBody body;

	if (len != sizeof(body))
		return "BEGIN_REQUEST has a wrong length";
	memcpy(&body, content, sizeof(body));
	if ((body.roleB1 << 8 | body.roleB0) != FCGI_RESPONDER)
		return "the role is not responder";
	frame->keep = (body.flags & FCGI_KEEP_CONN) != 0;
	return NULL;
}

/* What is wrong with a record's header at this place in a request, or NULL. */
static const char *
header_fault(const FCGI_Header *header, enum stage stage, unsigned id)
{
	static const unsigned char type[] = {
		[BEGIN] = FCGI_BEGIN_REQUEST,
		[PARAMS] = FCGI_PARAMS,
		[BODY] = FCGI_STDIN,
	};

	if (header->version != FCGI_VERSION_1)
		return "the FastCGI version is not 1";
	if (record_id(header) == FCGI_NULL_REQUEST_ID)
		return "a management record";
	if (stage != BEGIN && record_id(header) != id)
		return "a record of another request";
	if (header->type != type[stage])
		return "a record out of turn";
	return NULL;
}

static void
look(struct ol_frame *frame, const unsigned char *data, size_t len,
    bool head_only)
{
	struct pairs pairs = { .part = NAME_LENGTH };
	enum stage stage = BEGIN;
	const char *why = NULL;
	unsigned id = 0;
	size_t at = 0;

	*frame = (struct ol_frame){ .verdict = OL_FRAME_PARTIAL,
		.content_length = -1 };
	while (len - at >= sizeof(FCGI_Header)) {
		const unsigned char *content = data + at + sizeof(FCGI_Header);
		size_t content_len, record_len;
		FCGI_Header header;

		memcpy(&header, data + at, sizeof(header));
		content_len = (size_t)header.contentLengthB1 << 8 |
			      header.contentLengthB0;
		record_len =
		    sizeof(header) + content_len + header.paddingLength;
		if ((why = header_fault(&header, stage, id)) != NULL)
			break;
		if (stage != BODY && at + record_len > OL_FRAME_PARAMS_MAX) {
			why = "the parameters are too large";
			break;
		}
		if (len - at < record_len)
			break;
		at += record_len;
		switch (stage) {
		case BEGIN:
			id = record_id(&header);
			why = take_begin(frame, content, content_len);
			stage = PARAMS;
			break;
		case PARAMS:
			if (content_len > 0) {
				why = take_pairs(
				    frame, &pairs, content, content_len);
				break;
			}
			if (pairs.part != NAME_LENGTH || pairs.have != 0)
				why = "the last parameter is cut short";
			frame->verdict = OL_FRAME_BODY;
			frame->head = at;
			stage = BODY;
			break;
		case BODY:
			frame->body += content_len;
			if (content_len > 0)
				break;
			if (at != len)
				why = "bytes behind the request";
			frame->verdict = OL_FRAME_WHOLE;
			break;
		}
		if (why != NULL || frame->verdict == OL_FRAME_WHOLE ||
		    (stage == BODY && head_only))
			break;
	}
	if (why != NULL) {
		frame->verdict = OL_FRAME_BAD;
		frame->why = why;
	}
}

void
ol_frame_look(struct ol_frame *frame, const unsigned char *data, size_t len)
{
	look(frame, data, len, false);
}

void
ol_frame_look_head(
    struct ol_frame *frame, const unsigned char *data, size_t len)
{
	look(frame, data, len, true);
}
