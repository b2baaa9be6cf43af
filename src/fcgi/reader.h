/*
 * A stream of bytes cut into FastCGI records (Specification 1.0 §3.3),
 * however it comes in pieces. Knows lengths only; copies nothing but headers.
 */
#ifndef OL_FCGI_READER_H
#define OL_FCGI_READER_H

#include <stddef.h>
#include <stdint.h>

struct ol_reader {
	unsigned char header[8]; /* have bytes of it */
	uint8_t have, padding;	 /* padding: still to come */
	uint16_t content;	 /* still to come */
};

enum ol_reader_step {
	OL_READER_MORE,	   /* the data is used up */
	OL_READER_HEADER,  /* a header is whole */
	OL_READER_CONTENT, /* *piece is some of the content, *n bytes, not 0 */
	OL_READER_END,	   /* the record is over, padding included */
};

/*
 * One step along *data of *len bytes, which move on by what it took; to be
 * called until it is OL_READER_MORE. *piece points into the data.
 */
enum ol_reader_step ol_reader_take(struct ol_reader *,
    const unsigned char **data, size_t *len, const unsigned char **piece,
    size_t *n);

#endif
