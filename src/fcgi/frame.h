/*
 * Is there a whole request at the start of these bytes? The check that stands
 * before libfcgi: it accepts exactly what a web server sends to a responder
 * (FastCGI Specification 1.0, §3.3 to §5.3, §6.2) and nothing that libfcgi
 * cannot bear. Looks only; copies and changes nothing.
 */
#ifndef OL_FCGI_FRAME_H
#define OL_FCGI_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of BEGIN, PARAMS and their headers together; more is refused. */
#define OL_FRAME_PARAMS_MAX (96 * 1024)

enum ol_frame_verdict {
	OL_FRAME_PARTIAL, /* well-formed so far; the parameters go on	   */
	OL_FRAME_BODY,	  /* the parameters are whole; the body goes on	   */
	OL_FRAME_WHOLE,	  /* a whole request, and nothing behind it	   */
	OL_FRAME_BAD,	  /* not a request, or one that we do not take	   */
};

struct ol_frame {
	enum ol_frame_verdict verdict;
	bool keep;		/* FCGI_KEEP_CONN				   */
	int64_t content_length; /* CONTENT_LENGTH; -1: absent or empty	   */
	size_t head;		/* bytes up to the end of the parameters   */
	size_t body;		/* bytes of standard input in whole records */
	const char *why;	/* OL_FRAME_BAD: static, for a log line	   */
};

/*
 * Judge the first len bytes that a connection has to offer. The fields beside
 * verdict are known as far as the verdict goes: keep, content_length and head
 * from OL_FRAME_BODY on, body is final with OL_FRAME_WHOLE.
 */
void ol_frame_look(
    struct ol_frame *frame, const unsigned char *data, size_t len);

/* The same, but no further than the parameters: OL_FRAME_BODY at the most. */
void ol_frame_look_head(
    struct ol_frame *frame, const unsigned char *data, size_t len);

#endif
