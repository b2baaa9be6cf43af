#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"

/* A name for what the object says: no two of them have the same one. */
static void
write_etag(char *buf, size_t size, const struct ol_object *object)
{
	const unsigned char *text =
	    (const unsigned char *)object->progress_text;
	uint32_t hash = 2166136261;

	while (*text != '\0')
		hash = (hash ^ *text++) * 16777619;
	snprintf(buf, size, "\"%s-%u-%d-%08x\"", object->state,
	    (unsigned)object->attempt, object->progress, (unsigned)hash);
}

/* An entity tag is quoted, so that none is a part of another. */
static bool
is_known(const char *if_none_match, const char *etag)
{
	return strcmp(if_none_match, "*") == 0 ||
	       strstr(if_none_match, etag) != NULL;
}

static void
on_object(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;
	char etag[96];
	bool known;

	x->call = NULL;
	if (result->answer == OL_ENGINE_OK && !ol_exchange_sees(x, object)) {
		ol_answer_unknown(x);
		return;
	}
	if (result->answer != OL_ENGINE_OK) {
		ol_answer_engine(x, result);
		return;
	}
	write_etag(etag, sizeof(etag), object);
	known = is_known(x->if_none_match, etag);
	ol_answer_begin(x, known ? 304 : 200, object);
	ol_request_header(x->request, "ETag", etag);
	ol_answer_retry_after(x, object);
	if (known)
		ol_exchange_finish(x);
	else
		ol_answer_object(x, object);
}

void
ol_show_object(struct ol_exchange *x)
{
	ol_exchange_forget(x);
	x->call = ol_engine_get(x->api->engine, &x->id, on_object, x);
}
