/*
 * Tasks in memory, small: found by their id, by their idempotency key, and in
 * the order of their submission. One thread.
 */
#ifndef OL_STORE_MEMORY_TABLE_H
#define OL_STORE_MEMORY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "store/store.h"

/* What only a task has that was moved with an error or a result, or ended. */
struct ol_memory_outcome {
	TAILQ_ENTRY(ol_memory_outcome) link; /* in the order of their ends */
	struct ol_memory_task *task;
	int64_t since;		/* of the end, monotonic; 0: not in that list */
	struct ol_body *result; /* a reference; NULL: none */
	char *result_type;	/* owned; NULL: "" */
	void *error;		/* owned */
	size_t error_size;
	void *reply; /* owned */
	size_t reply_size;
	struct ol_attempt *attempts[OL_STORE_ATTEMPTS_MAX]; /* newest first */
	size_t nattempts;
};

struct ol_memory_task {
	RB_ENTRY(ol_memory_task) order;
	struct ol_memory_task *next; /* in its bucket */
	struct ol_body *payload;     /* a reference; NULL: empty, or erased */
	struct ol_memory_outcome *outcome; /* NULL: none yet */
	struct ol_memory_key *key;	   /* owned; NULL: none */
	void *context;			   /* owned */
	void *secrets;			   /* owned, until it ends */
	int64_t seq, created, due, started, ended;
	uint8_t id[OL_ROW_ID];
	uint32_t attempt, refunds, crashes;
	uint32_t context_size, secrets_size;
	int32_t priority;
	uint8_t state; /* enum ol_row_state */
	bool first : 1;
	bool cancelled : 1;
	bool has_session : 1;
	bool recorded : 1;
	bool erased : 1; /* the payload */
	/* Type, owner and content type, each with its 0; then the session's
	 * hash where there is one. */
	char texts[];
};

RB_HEAD(ol_memory_order, ol_memory_task);
RB_HEAD(ol_memory_keys, ol_memory_key);

struct ol_memory_key;

struct ol_memory_table {
	struct ol_memory_task **buckets;
	size_t nbuckets, n; /* nbuckets is a power of two */
	/* No id was ever greater: one that is, is a new one's. */
	uint8_t newest[OL_ROW_ID];
	struct ol_memory_order order;
	struct ol_memory_keys keys;
	int64_t seq; /* of the last task */
};

/* Empty; aborts when out of memory, as all of these. */
void ol_memory_table_init(struct ol_memory_table *);
/* Frees all tasks. */
void ol_memory_table_fini(struct ol_memory_table *);

struct ol_memory_task *ol_memory_table_find(
    const struct ol_memory_table *, const uint8_t *id);

/* The task with the row's key, and whether its hash is the row's; or NULL. */
struct ol_memory_task *ol_memory_table_find_key(
    const struct ol_memory_table *, const struct ol_row *, bool *same);

/* A new task; its id and key are not there yet. Takes a reference to payload,
 * which may be NULL. */
struct ol_memory_task *ol_memory_table_add(
    struct ol_memory_table *, const struct ol_row *, struct ol_body *payload);

/* Its outcome is in no list any more. */
void ol_memory_table_remove(struct ol_memory_table *, struct ol_memory_task *);

/* The first task after seq, or with newest_first the last one before it. */
struct ol_memory_task *ol_memory_table_after(
    const struct ol_memory_table *, int64_t seq, bool newest_first);

/* Overwrite and free its secrets. */
void ol_memory_task_forget_secrets(struct ol_memory_task *);

/* Make it when there is none. */
struct ol_memory_outcome *ol_memory_task_outcome(struct ol_memory_task *);

/* The task as a row, which borrows the task's bytes. */
struct ol_row ol_memory_task_row(const struct ol_memory_task *);

#endif
