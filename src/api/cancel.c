#include "api/access.h"
#include "api/answer.h"
#include "api/handlers.h"

static void
on_cancelled(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;

	x->call = NULL;
	if (result->answer != OL_ENGINE_OK || result->object == NULL) {
		ol_answer_engine(x, result);
		return;
	}
	/* What runs has been told to stop. */
	ol_answer_begin(x, result->object->ended ? 200 : 202, result->object);
	ol_answer_retry_after(x, result->object);
	ol_answer_object(x, result->object);
}

/* A client's: may it, of this one? */
static void
on_seen(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	const struct ol_object *object = result->object;
	const struct ol_conf_task *type;
	struct ol_refusal refusal;

	x->call = NULL;
	if (result->answer != OL_ENGINE_OK || object == NULL) {
		ol_answer_engine(x, result);
		return;
	}
	if (!ol_exchange_sees(x, object)) {
		ol_answer_unknown(x);
		return;
	}
	type = ol_exchange_type(x, object->type);
	if (type == NULL || !type->client_cancel) {
		ol_problem_refuse(&refusal, OL_PROBLEM_ACCESS,
		    "to cancel a task of this type takes access \"%s\"",
		    ol_access_missing(OL_MAY_CANCEL_ANY));
		ol_answer_refusal(x, &refusal, object);
		return;
	}
	x->call = ol_engine_cancel(x->api->engine, &x->id, on_cancelled, x);
}

void
ol_cancel_task(struct ol_exchange *x)
{
	struct ol_refusal refusal;

	/* Whoever wants something else than a cancel must not get one. */
	if (x->question->envelope.query[0] != '\0') {
		ol_problem_refuse(&refusal, OL_PROBLEM_BAD_REQUEST,
		    "the only query of DELETE is purge=1");
		ol_answer_refusal(x, &refusal, NULL);
		return;
	}
	ol_exchange_forget(x);
	if ((x->may & OL_MAY_CANCEL_ANY) != 0)
		x->call =
		    ol_engine_cancel(x->api->engine, &x->id, on_cancelled, x);
	else
		x->call = ol_engine_get(x->api->engine, &x->id, on_seen, x);
}

static void
on_purged(void *arg, const struct ol_engine_result *result)
{
	struct ol_exchange *x = arg;
	struct ol_refusal refusal;

	x->call = NULL;
	if (result->answer == OL_ENGINE_UNFINISHED) {
		ol_problem_refuse(&refusal, OL_PROBLEM_NOT_ENDED,
		    "only a task that has ended can be erased: cancel it "
		    "first");
		refusal.retry_after = 1;
		ol_answer_refusal(x, &refusal, result->object);
	} else if (result->answer != OL_ENGINE_OK)
		ol_answer_engine(x, result);
	else {
		ol_answer_begin(x, 204, NULL);
		ol_exchange_finish(x);
	}
}

void
ol_cancel_purge(struct ol_exchange *x)
{
	ol_exchange_forget(x);
	x->call = ol_engine_purge(x->api->engine, &x->id, on_purged, x);
}
