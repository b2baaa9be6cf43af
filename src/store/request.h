/* What the store's façade and a backend hand to each other. */
#ifndef OL_STORE_REQUEST_H
#define OL_STORE_REQUEST_H

#include <bsd/sys/queue.h>

#include "store/store.h"

enum ol_store_request_kind {
	OL_ASK_SUBMIT,
	OL_ASK_MOVE,
	OL_ASK_ERASE,
	OL_ASK_EXPIRE,
	/* from here on: readings */
	OL_ASK_GET,
	OL_ASK_PAYLOAD,
	OL_ASK_RESULT,
	OL_ASK_ATTEMPTS,
	OL_ASK_LIST,
	/* from here on: news of the backend, which nobody asked for */
	OL_ASK_SETTLED, /* id, and the row when it is there */
	OL_ASK_HEALTH,	/* working, why */
};

struct ol_store_request {
	STAILQ_ENTRY(ol_store_request) link;
	enum ol_store_request_kind kind;
	bool lazy;
	uint8_t id[OL_ROW_ID]; /* of all kinds with one task */
	struct ol_row *row;    /* submit, settled: owned */
	struct ol_move move;   /* its bytes and its type are owned */
	struct ol_list list;   /* its texts are owned */
	struct ol_expire expire;
	struct ol_body *body; /* payload or result to write: a reference */
	int64_t file; /* the backend's: the file that holds body; 0: none */
	bool working;
	const char *why; /* static */
	ol_store_fn *fn; /* NULL: cancelled, or news */
	void *arg;
	struct ol_answer answer; /* rows, attempts and body are owned */
};

STAILQ_HEAD(ol_store_requests, ol_store_request);

/* Zeroed; aborts when out of memory. */
struct ol_store_request *ol_store_request_new(enum ol_store_request_kind);
void ol_store_request_free(struct ol_store_request *);

/*
 * On the loop: run the callback, or the one of options for news, and free the
 * request.
 */
void ol_store_request_deliver(
    struct ol_store_request *, const struct ol_store_options *);

/* Add a row to the answer; takes it (from ol_row_copy()). */
void ol_store_request_add_row(struct ol_store_request *, struct ol_row *);

/* Add an attempt to the answer; takes it (from ol_attempt_copy()). */
void ol_store_request_add_attempt(
    struct ol_store_request *, struct ol_attempt *);

/* Whether the move of a row in that state, with its fence, ends an attempt. */
static inline bool
ol_move_ends_attempt(enum ol_row_state state, const struct ol_move *move)
{
	return state == OL_ROW_RUNNING &&
	       (move->state != OL_ROW_RUNNING || move->attempt != move->fence);
}

/* Whether the row belongs into the list. */
bool ol_list_matches(const struct ol_list *, const struct ol_row *);

static inline bool
ol_store_request_writes(const struct ol_store_request *request)
{
	return request->kind < OL_ASK_GET;
}

#endif
