#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/exchange.h"
#include "base/clock.h"

void
ol_exchange_forget(struct ol_exchange *x)
{
	if (x->question == NULL)
		return;
	free(x->question);
	x->question = NULL;
	ol_request_forget(x->request);
}

static void
release(struct ol_exchange *x)
{
	LIST_REMOVE(x, link);
	if (x->is_reading)
		TAILQ_REMOVE(&x->api->reading, x, next);
	if (x->is_wait)
		x->api->nwaits--;
	ol_fingerprint_free(x->fingerprint);
	ol_body_free(x->body);
	free(x->question);
	free(x->kept);
	free(x);
}

void
ol_exchange_finish(struct ol_exchange *x)
{
	ol_request_finish(x->request);
	release(x);
}

void
ol_exchange_break(struct ol_exchange *x)
{
	ol_request_cancel(x->request);
	release(x);
}

void
ol_exchange_leave(struct ol_exchange *x)
{
	if (x->call != NULL)
		ol_engine_cancel_call(x->call);
	release(x);
}

bool
ol_exchange_may_complain(const struct ol_exchange *x)
{
	return ol_quota_take(&x->api->complaints, &x->api->log, ol_clock_now());
}

bool
ol_exchange_sees(const struct ol_exchange *x, const struct ol_object *object)
{
	if ((x->may & OL_MAY_READ_ALL) != 0)
		return true;
	if (object->owner[0] != '\0' && strcmp(object->owner, x->owner) != 0)
		return false;
	return !object->has_session ||
	       (x->has_session &&
		   ol_session_equal(object->session, x->session));
}

const struct ol_conf_task *
ol_exchange_type(const struct ol_exchange *x, const char *name)
{
	struct ol_conf_task *task;

	TAILQ_FOREACH (task, &x->api->conf->tasks, link)
		if (strcmp(task->name, name) == 0)
			return task;
	return NULL;
}
