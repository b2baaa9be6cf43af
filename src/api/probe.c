#include "api/answer.h"
#include "api/handlers.h"

void
ol_probe_live(struct ol_exchange *x)
{
	/* Whoever answers is alive, in a drain, too. */
	ol_answer_text(x, 200, "alive");
}

void
ol_probe_ready(struct ol_exchange *x)
{
	const char *why = NULL;

	if (ol_engine_health(x->api->engine, &why) == OL_ENGINE_READY)
		ol_answer_text(x, 200, "ready");
	else
		ol_answer_text(x, 503, why == NULL ? "not ready" : why);
}
