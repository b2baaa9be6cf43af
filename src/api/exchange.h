/*
 * One request to the API and its answer. Lives from on_request until the
 * answer is whole or nobody waits for it any more; belongs to the struct
 * ol_api. Within api/ only.
 */
#ifndef OL_API_EXCHANGE_H
#define OL_API_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>

#include "api/api.h"
#include "api/envelope.h"
#include "api/fingerprint.h"
#include "api/json.h"
#include "api/options.h"
#include "api/page.h"
#include "api/route.h"
#include "api/session.h"
#include "base/body.h"
#include "base/id.h"
#include "base/log.h"
#include "base/quota.h"
#include "engine/engine.h"
#include "fcgi/request.h"
#include "loop/loop.h"

struct ol_exchange;

struct ol_api {
	struct ol_engine *engine;
	const struct ol_conf *conf;
	struct ol_session_key *sessions;
	struct ol_json json; /* of the answer in the making */
	char page_policy[OL_PAGE_POLICY_SIZE];
	struct ol_log log;
	LIST_HEAD(ol_exchanges, ol_exchange) exchanges;
	/* Whose payload is being read: a piece a turn, one after the other. */
	TAILQ_HEAD(ol_exchange_queue, ol_exchange) reading;
	struct ol_wake *turn; /* rung for the next piece */
	struct ol_quota complaints;
	size_t nwaits, waits_max; /* exchanges that wait, or did */
};

/* What points into the parameters; gone once they are forgotten. */
struct ol_question {
	struct ol_envelope envelope;
	struct ol_options options;
	const char *type; /* to submit */
};

struct ol_exchange {
	LIST_ENTRY(ol_exchange) link;
	struct ol_api *api;
	struct ol_request *request;
	struct ol_question *question; /* owned; NULL: forgotten */
	struct ol_engine_call *call;  /* in flight, or NULL */
	/* NULL until the request has one and may take it. */
	const struct ol_route *route;
	unsigned may;	/* OL_MAY_* */
	bool head_only; /* HEAD: an answer without its content */
	bool navigates; /* a browser, which is to show what it gets */
	bool as_page;	/* so that errors are pages, too */
	bool is_async, is_duplicate;
	int waits;     /* seconds that were asked for; -1: none were */
	int64_t until; /* it waits for a task; 0: it does not */
	bool is_wait;  /* counted in api->nwaits */
	bool has_session;
	uint8_t session[OL_SESSION_HASH];
	struct ol_id id; /* of {id} */
	char *kept;	 /* owned: where the next ones are */
	const char *owner, *base, *if_none_match;
	/* The payload of a submit; later a result that is being sent. */
	struct ol_body *body;
	int64_t at;			    /* of the result */
	struct ol_fingerprint *fingerprint; /* in the making, or NULL */
	bool is_reading;		    /* it is in api->reading */
	TAILQ_ENTRY(ol_exchange) next;	    /* in api->reading */
};

/* Parameters and body are not needed any more: a request that waits is small.
 */
void ol_exchange_forget(struct ol_exchange *);

/* The answer is whole. Frees. */
void ol_exchange_finish(struct ol_exchange *);

/* It cannot be made whole. Frees. */
void ol_exchange_break(struct ol_exchange *);

/* Nobody waits: what is in flight goes on. Frees. */
void ol_exchange_leave(struct ol_exchange *);

/* Whether a line may be written of what peers can cause at will. */
bool ol_exchange_may_complain(const struct ol_exchange *);

/* Whether it may know of the task: its owner and session, or access. */
bool ol_exchange_sees(const struct ol_exchange *, const struct ol_object *);

/* The type of that name, or NULL. */
const struct ol_conf_task *ol_exchange_type(
    const struct ol_exchange *, const char *name);

#endif
