/* Writing FastCGI records, and reading their headers (Specification 1.0 §3.3,
 * §3.4, §5). */
#ifndef OL_FCGI_RECORD_H
#define OL_FCGI_RECORD_H

#include <stddef.h>

#define OL_RECORD_HEADER 8
#define OL_RECORD_MAX	 65535 /* bytes of content */

enum ol_record_type {
	OL_RECORD_BEGIN = 1,
	OL_RECORD_ABORT = 2,
	OL_RECORD_END = 3,
	OL_RECORD_PARAMS = 4,
	OL_RECORD_STDIN = 5,
	OL_RECORD_STDOUT = 6,
	OL_RECORD_STDERR = 7,
	OL_RECORD_GET_VALUES = 9,
	OL_RECORD_GET_VALUES_RESULT = 10,
	OL_RECORD_UNKNOWN_TYPE = 11,
};

/*
 * The header of a record of request 1 with len bytes of content, unpadded.
 * With len 0 it is a whole record: the end of a stream, or, for STDERR, one
 * that says nothing.
 */
void ol_record_header(
    unsigned char out[OL_RECORD_HEADER], enum ol_record_type type, size_t len);

/* The same for request id; 0 is a management record. */
void ol_record_header_for(unsigned char out[OL_RECORD_HEADER],
    enum ol_record_type type, unsigned id, size_t len);

/* A whole END_REQUEST record; protocol is FCGI_REQUEST_COMPLETE and so on. */
#define OL_RECORD_END_SIZE (OL_RECORD_HEADER + 8)
void ol_record_end(
    unsigned char out[OL_RECORD_END_SIZE], unsigned id, int protocol);

/* A whole BEGIN_REQUEST record for a responder, without FCGI_KEEP_CONN. */
#define OL_RECORD_BEGIN_SIZE (OL_RECORD_HEADER + 8)
void ol_record_begin(unsigned char out[OL_RECORD_BEGIN_SIZE]);

/* The two lengths before a name-value pair. */
#define OL_RECORD_PAIR_SIZE 8
void ol_record_pair(
    unsigned char out[OL_RECORD_PAIR_SIZE], size_t name_len, size_t value_len);

/* Of a record that begins at header: its type, its request's id, its content's
 * length, and its whole length with header and padding. */
unsigned ol_record_type(const unsigned char *header);
unsigned ol_record_id(const unsigned char *header);
size_t ol_record_content(const unsigned char *header);
size_t ol_record_length(const unsigned char *header);

#endif
