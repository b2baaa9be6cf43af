#include <fastcgi.h>
#include <string.h>

#include "fcgi/record.h"

_Static_assert(
    OL_RECORD_HEADER == FCGI_HEADER_LEN && OL_RECORD_MAX == FCGI_MAX_LENGTH &&
	OL_RECORD_BEGIN == FCGI_BEGIN_REQUEST &&
	OL_RECORD_PARAMS == FCGI_PARAMS && OL_RECORD_STDIN == FCGI_STDIN &&
	OL_RECORD_STDOUT == FCGI_STDOUT && OL_RECORD_STDERR == FCGI_STDERR,
    "libfcgi's header is the authority");

void
ol_record_header(
    unsigned char out[OL_RECORD_HEADER], enum ol_record_type type, size_t len)
{
	FCGI_Header header = { .version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB0 = 1,
		.contentLengthB1 = (unsigned char)(len >> 8),
		.contentLengthB0 = (unsigned char)len };

	memcpy(out, &header, sizeof(header));
}

void
ol_record_begin(unsigned char out[OL_RECORD_BEGIN_SIZE])
{
	static const FCGI_BeginRequestBody body = { .roleB0 = FCGI_RESPONDER };

	ol_record_header(out, OL_RECORD_BEGIN, sizeof(body));
	memcpy(out + OL_RECORD_HEADER, &body, sizeof(body));
}

static void
put_length(unsigned char out[4], size_t len)
{
	out[0] = (unsigned char)(len >> 24 | 0x80);
	out[1] = (unsigned char)(len >> 16);
	out[2] = (unsigned char)(len >> 8);
	out[3] = (unsigned char)len;
}

void
ol_record_pair(
    unsigned char out[OL_RECORD_PAIR_SIZE], size_t name_len, size_t value_len)
{
	put_length(out, name_len);
	put_length(out + 4, value_len);
}

unsigned
ol_record_type(const unsigned char *header)
{
	return header[offsetof(FCGI_Header, type)];
}

size_t
ol_record_content(const unsigned char *header)
{
	return (size_t)header[offsetof(FCGI_Header, contentLengthB1)] << 8 |
	       header[offsetof(FCGI_Header, contentLengthB0)];
}

size_t
ol_record_length(const unsigned char *header)
{
	return OL_RECORD_HEADER + ol_record_content(header) +
	       header[offsetof(FCGI_Header, paddingLength)];
}
