#include "api/answer.h"
#include "api/etag.h"
#include "api/handlers.h"
#include "api/wait.h"

static void
on_object(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;
	/* Nothing changed in the time that it waited. */
	bool waited = result->answer == OL_ENGINE_UNFINISHED && object != NULL;
	char etag[OL_ETAG_SIZE];
	bool known;

	x->call = NULL;
	if (result->answer == OL_ENGINE_OK && !ol_exchange_sees(x, object)) {
		ol_answer_unknown(x);
		return;
	}
	if (result->answer != OL_ENGINE_OK && !waited) {
		ol_answer_engine(x, result);
		return;
	}
	ol_etag_write(etag, object);
	known = ol_etag_is_known(x->if_none_match, etag);
	if (known && !waited && !object->ended && ol_wait_goes_on(x)) {
		x->call = ol_engine_await_change(
		    x->api->engine, &x->id, x->until, on_object, x);
		return;
	}
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
	/* Who knows nothing of it is told at once. */
	if (x->if_none_match[0] == '"' || x->if_none_match[0] == 'W')
		ol_wait_begin(x, 0);
	ol_exchange_forget(x);
	x->call = ol_engine_get(x->api->engine, &x->id, on_object, x);
}
