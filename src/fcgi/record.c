#include <fastcgi.h>
#include <string.h>

#include "fcgi/record.h"

_Static_assert(
    OL_RECORD_HEADER == FCGI_HEADER_LEN && OL_RECORD_MAX == FCGI_MAX_LENGTH &&
	OL_RECORD_BEGIN == FCGI_BEGIN_REQUEST &&
	OL_RECORD_PARAMS == FCGI_PARAMS && OL_RECORD_STDIN == FCGI_STDIN &&
	OL_RECORD_STDOUT == FCGI_STDOUT && OL_RECORD_STDERR == FCGI_STDERR &&
	OL_RECORD_ABORT == FCGI_ABORT_REQUEST &&
	OL_RECORD_END == FCGI_END_REQUEST &&
	OL_RECORD_GET_VALUES == FCGI_GET_VALUES &&
	OL_RECORD_GET_VALUES_RESULT == FCGI_GET_VALUES_RESULT &&
	OL_RECORD_UNKNOWN_TYPE == FCGI_UNKNOWN_TYPE,
    "libfcgi's header is the authority");

void
ol_record_header_for(unsigned char out[OL_RECORD_HEADER],
    enum ol_record_type type, unsigned id, size_t len)
{
	FCGI_Header header = { .version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB1 = (unsigned char)(id >> 8),
		.requestIdB0 = (unsigned char)id,
		.contentLengthB1 = (unsigned char)(len >> 8),
		.contentLengthB0 = (unsigned char)len };

	memcpy(out, &header, sizeof(header));
}

void
ol_record_header(
    unsigned char out[OL_RECORD_HEADER], enum ol_record_type type, size_t len)
{
	ol_record_header_for(out, type, 1, len);
}

void
ol_record_end(unsigned char out[OL_RECORD_END_SIZE], unsigned id, int protocol)
{
	const FCGI_EndRequestBody body = { .protocolStatus =
					       (unsigned char)protocol };

	ol_record_header_for(out, OL_RECORD_END, id, sizeof(body));
	memcpy(out + OL_RECORD_HEADER, &body, sizeof(body));
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

unsigned
ol_record_id(const unsigned char *header)
{
	return (unsigned)header[offsetof(FCGI_Header, requestIdB1)] << 8 |
	       header[offsetof(FCGI_Header, requestIdB0)];
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
