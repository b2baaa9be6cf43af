/*
 * How a task that has ended is answered, wherever somebody asked for its
 * result: GET /{id}/result, and a submit that waited for the end.
 */
#ifndef OL_API_RESULT_H
#define OL_API_RESULT_H

#include "api/exchange.h"

/*
 * Answer with what came of result->object, which has ended; the engine said
 * OL_ENGINE_OK (with its body, if there is one) or OL_ENGINE_GONE. Ends the
 * exchange, or sends its body piece by piece and ends it then. Borrows result.
 */
void ol_result_send(struct ol_exchange *, const struct ol_engine_result *);

#endif
