/* Somebody who waits for an answer of the engine. */
#ifndef OL_ENGINE_CALL_H
#define OL_ENGINE_CALL_H

#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "engine/engine.h"

struct ol_item;
struct ol_row;
struct ol_store;
struct ol_store_request;

enum ol_call_kind {
	OL_CALL_SUBMIT,
	OL_CALL_GET,
	OL_CALL_RESULT,
	OL_CALL_AWAIT_RESULT,
	OL_CALL_AWAIT_CHANGE,
	OL_CALL_CANCEL,
	OL_CALL_PURGE,
};

TAILQ_HEAD(ol_calls, ol_engine_call);
RB_HEAD(ol_awaits, ol_engine_call);

struct ol_engine_call {
	TAILQ_ENTRY(ol_engine_call) all;  /* while it is patient */
	TAILQ_ENTRY(ol_engine_call) link; /* of list */
	struct ol_engine *engine;
	struct ol_calls *list; /* soon, or an item's lists; or NULL */
	struct ol_item *item;  /* the submit's, while it is written */
	enum ol_call_kind kind;
	struct ol_id id;
	ol_engine_fn *fn;
	void *arg;
	int64_t deadline;
	bool is_patient; /* in the engine's calls, until deadline */
	/* await.c's. */
	RB_ENTRY(ol_engine_call) by_until;
	int64_t until;
	bool is_timed;		 /* in the engine's awaits, until until */
	bool is_due;		 /* to be answered when its row is here */
	struct ol_item *awaited; /* whose awaits it is in; or NULL */
	/* What is said in the end. */
	enum ol_engine_answer answer;
	const char *why;
	int retry_after;
	/* Under way: a reading, or an erasure. */
	struct ol_store_request *request;
	struct ol_store *store; /* that is asked */
	bool is_erasing;
	struct ol_row *row;   /* owned; what was read before */
	struct ol_body *body; /* the same: for who is in soon */
};

/* Always answered, at the latest by its deadline: a patience from now. id may
 * be NULL. */
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

/* With what it has (row, body, answer), from the loop, later. */
void ol_call_soon(struct ol_engine_call *);

/* It is answered by its deadline, from now on; or not any more. */
void ol_call_hurry(struct ol_engine_call *);
void ol_call_take_time(struct ol_engine_call *);

/* Onto a list; off it, when it is on one. */
void ol_call_list(struct ol_engine_call *, struct ol_calls *);
void ol_call_unlist(struct ol_engine_call *);

/* Go on with reading the row of call->id. */
void ol_call_look(struct ol_engine_call *);

/* The same, when the one who asks is on the stack. */
void ol_call_look_first(struct ol_engine_call *);

/* Its task has ended: go on. */
void ol_call_ended(struct ol_engine_call *);

/* Answer all that wait in soon. */
void ol_call_answer_soon(struct ol_engine *);

/* The timer: answer those that wait too long. */
void ol_call_late(void *engine);

/* Answer all: the engine ends. */
void ol_call_end_all(struct ol_engine *);

#endif
