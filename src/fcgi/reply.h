/*
 * What a FastCGI application replies (RFC 3875 §6): a status, headers and the
 * content behind an empty line. Lines end with LF or CR LF. The status is that
 * of the header Status, else that of a first line "HTTP/1.1 404 …", else 302
 * with a Location and 200 without. Pure.
 */
#ifndef OL_FCGI_REPLY_H
#define OL_FCGI_REPLY_H

#include <stddef.h>

/* Bytes of all headers together; more is no reply. */
#define OL_REPLY_HEAD_MAX (64 * 1024)

/* A parsed head. Names and values hold no control characters. */
struct ol_reply_header {
	const char *name, *value;
};

struct ol_reply {
	char *text; /* owned; the head as it came, taken apart */
	size_t len, size;
	int status; /* 200 … 599; 100 … 199 is no reply */
	struct ol_reply_header *headers; /* owned; in their order, no Status */
	size_t nheaders;
};

void ol_reply_init(struct ol_reply *);
void ol_reply_fini(struct ol_reply *);

enum ol_reply_taken {
	OL_REPLY_MORE, /* the head goes on */
	OL_REPLY_HEAD, /* it is whole: status and headers are there */
	OL_REPLY_BAD,  /* it is no reply; *why: static */
};

/*
 * Take the next bytes; *used is how many belong to the head: what is behind
 * them is content. However it is cut, the outcome is the same.
 */
enum ol_reply_taken ol_reply_take(struct ol_reply *, const char *data,
    size_t len, size_t *used, const char **why);

/* The first header of that name, whatever its case, or NULL. */
const char *ol_reply_header(const struct ol_reply *, const char *name);

#endif
