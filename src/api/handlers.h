/*
 * What the routes do, one file for each group of them. A handler is called
 * with an exchange that may do it, and ends it or gives it to the engine.
 */
#ifndef OL_API_HANDLERS_H
#define OL_API_HANDLERS_H

#include "api/exchange.h"

/* submit.c: both wait for the body. */
void ol_submit_of_location(struct ol_exchange *);
void ol_submit_any(struct ol_exchange *);
void ol_submit_body(struct ol_exchange *, enum ol_body_end);
void ol_submit_read_on(struct ol_exchange *);

/* show.c */
void ol_show_object(struct ol_exchange *);

/* page.c */
void ol_page_show(struct ol_exchange *);

/* result.c */
void ol_result_get(struct ol_exchange *);
void ol_result_drained(struct ol_exchange *);

/* cancel.c */
void ol_cancel_task(struct ol_exchange *);
void ol_cancel_purge(struct ol_exchange *);

/* probe.c */
void ol_probe_live(struct ol_exchange *);
void ol_probe_ready(struct ol_exchange *);

#endif
