/* Somebody who waits for an answer of the engine. */
#ifndef OL_ENGINE_CALL_H
#define OL_ENGINE_CALL_H

#include <stdint.h>
#include <bsd/sys/queue.h>

#include "engine/engine.h"

struct ol_item;
struct ol_row;
struct ol_store;
struct ol_store_request;

enum ol_call_kind {
	OL_CALL_SUBMIT,
	OL_CALL_GET,
	OL_CALL_RESULT,
	OL_CALL_CANCEL,
	OL_CALL_PURGE,
};

TAILQ_HEAD(ol_calls, ol_engine_call);

struct ol_engine_call {
	TAILQ_ENTRY(ol_engine_call) all;
	TAILQ_ENTRY(ol_engine_call) link; /* of list */
	struct ol_engine *engine;
	struct ol_calls *list; /* soon, or an item's waiters; or NULL */
	struct ol_item *item;  /* the submit's, while it is written */
	enum ol_call_kind kind;
	struct ol_id id;
	ol_engine_fn *fn;
	void *arg;
	int64_t deadline;
	/* What is said in the end. */
	enum ol_engine_answer answer;
	const char *why;
	int retry_after;
	/* Under way: a reading, or an erasure. */
	struct ol_store_request *request;
	struct ol_store *store; /* that is asked */
	bool is_erasing;
	struct ol_row *row; /* owned; what was read before */
};

/* Always answered, at the latest by its deadline. id may be NULL. */
struct ol_engine_call *ol_call_new(struct ol_engine *, enum ol_call_kind,
    const struct ol_id *id, ol_engine_fn *, void *arg);

/* Now, from the loop; frees the call. Row and body may be NULL. */
void ol_call_answer(
    struct ol_engine_call *, const struct ol_row *row, struct ol_body *body);

/* As above, without an object. */
void ol_call_refuse(struct ol_engine_call *, enum ol_engine_answer,
    const char *why, int retry_after);

/* The same from the loop, later: for what is called by the outside. */
void ol_call_refuse_soon(struct ol_engine_call *, enum ol_engine_answer,
    const char *why, int retry_after);

/* Go on with reading the row of call->id. */
void ol_call_look(struct ol_engine_call *);

/* Its task has ended: go on. */
void ol_call_ended(struct ol_engine_call *);

/* Answer all that wait in soon. */
void ol_call_answer_soon(struct ol_engine *);

/* The timer: answer those that wait too long. */
void ol_call_late(void *engine);

/* Answer all: the engine ends. */
void ol_call_end_all(struct ol_engine *);

#endif
