#include <fastcgi.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

void
records_add(struct records *r, unsigned type, unsigned id, const void *content,
    size_t len, unsigned padding)
{
	FCGI_Header header = { .version = FCGI_VERSION_1,
		.type = (unsigned char)type,
		.requestIdB1 = (unsigned char)(id >> 8),
		.requestIdB0 = (unsigned char)id,
		.contentLengthB1 = (unsigned char)(len >> 8),
		.contentLengthB0 = (unsigned char)len,
		.paddingLength = (unsigned char)padding };

	if (r->len + sizeof(header) + len + padding > sizeof(r->data))
		abort();
	memcpy(r->data + r->len, &header, sizeof(header));
	r->len += sizeof(header);
	if (len > 0)
		memcpy(r->data + r->len, content, len);
	r->len += len;
	memset(r->data + r->len, 0, padding);
	r->len += padding;
}

void
records_begin(struct records *r, unsigned flags)
{
	FCGI_BeginRequestBody body = { .roleB0 = FCGI_RESPONDER,
		.flags = (unsigned char)flags };

	records_add(r, FCGI_BEGIN_REQUEST, 1, &body, sizeof(body), 0);
}

static size_t
put_length(unsigned char *at, size_t len)
{
	if (len < 128) {
		at[0] = (unsigned char)len;
		return 1;
	}
	at[0] = (unsigned char)(len >> 24 | 0x80);
	at[1] = (unsigned char)(len >> 16);
	at[2] = (unsigned char)(len >> 8);
	at[3] = (unsigned char)len;
	return 4;
}

void
records_params(struct records *r, const char *const *params)
{
	unsigned char pairs[100 * 1024];
	size_t len = 0, at = 0;

	for (; *params != NULL; params++) {
		size_t name = strcspn(*params, "=");
		size_t value = strlen(*params) - name - 1;

		if (len + name + value + 8 > sizeof(pairs))
			abort();
		len += put_length(pairs + len, name);
		len += put_length(pairs + len, value);
		memcpy(pairs + len, *params, name);
		memcpy(pairs + len + name, *params + name + 1, value);
		len += name + value;
	}
	for (; len - at > FCGI_MAX_LENGTH; at += FCGI_MAX_LENGTH)
		records_add(r, FCGI_PARAMS, 1, pairs + at, FCGI_MAX_LENGTH, 0);
	if (len > at)
		records_add(r, FCGI_PARAMS, 1, pairs + at, len - at, 3);
	records_add(r, FCGI_PARAMS, 1, NULL, 0, 0);
}

void
records_stdin(struct records *r, const void *body, size_t len)
{
	const unsigned char *at = body;

	while (len > 0) {
		size_t n = len < 32768 ? len : 32768;

		records_add(r, FCGI_STDIN, 1, at, n, 0);
		at += n;
		len -= n;
	}
	records_add(r, FCGI_STDIN, 1, NULL, 0, 0);
}

void
records_request(struct records *r, unsigned flags, const char *const *params,
    const void *body, size_t len)
{
	records_begin(r, flags);
	records_params(r, params);
	records_stdin(r, body, len);
}
