#include <string.h>

#include "fcgi/reader.h"
#include "fcgi/record.h"

_Static_assert(
    sizeof((struct ol_reader){ .have = 0 }.header) == OL_RECORD_HEADER,
    "a header");

static size_t
least(size_t a, size_t b)
{
	return a < b ? a : b;
}

enum ol_reader_step
ol_reader_take(struct ol_reader *reader, const unsigned char **data,
    size_t *len, const unsigned char **piece, size_t *n)
{
	if (reader->have < OL_RECORD_HEADER) {
		*n = least(OL_RECORD_HEADER - reader->have, *len);
		if (*n > 0)
			memcpy(reader->header + reader->have, *data, *n);
		reader->have = (uint8_t)(reader->have + *n);
		*data += *n;
		*len -= *n;
		if (reader->have < OL_RECORD_HEADER)
			return OL_READER_MORE;
		reader->content = (uint16_t)ol_record_content(reader->header);
		reader->padding = (uint8_t)(ol_record_length(reader->header) -
					    OL_RECORD_HEADER - reader->content);
		return OL_READER_HEADER;
	}
	if (reader->content > 0) {
		if (*len == 0)
			return OL_READER_MORE;
		*n = least(reader->content, *len);
		*piece = *data;
		reader->content = (uint16_t)(reader->content - *n);
		*data += *n;
		*len -= *n;
		return OL_READER_CONTENT;
	}
	*n = least(reader->padding, *len);
	reader->padding = (uint8_t)(reader->padding - *n);
	*data += *n;
	*len -= *n;
	if (reader->padding > 0)
		return OL_READER_MORE;
	reader->have = 0;
	return OL_READER_END;
}
