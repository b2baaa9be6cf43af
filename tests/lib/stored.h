/*
 * A store for a test: each call asks and runs the loop until the answer is
 * there. Numbers stand for ids.
 */
#ifndef TESTS_LIB_STORED_H
#define TESTS_LIB_STORED_H

#include "store/store.h"

struct ol_loop;

struct stored {
	struct ol_loop *loop;
	struct ol_store *store;
	int healthy, failing; /* how often on_health said so */
	int settled, settled_rows;
	unsigned settled_last; /* the last one that is there */
	/* What the last answer held; replaced by the next one. */
	struct ol_answer answer;
	struct ol_row *rows[OL_STORE_LIST_MAX];
	struct ol_attempt *attempts[OL_STORE_ATTEMPTS_MAX];
	struct ol_body *body;
	int waiting;
};

/* 0, or -1 when the store refuses. */
int stored_open(
    struct stored *, const struct ol_store_ops *, const char *folder);
/* The same with a test's clock and log_pages: those of the options are used. */
int stored_open_with(struct stored *, const struct ol_store_ops *,
    const char *folder, struct ol_store_options);
void stored_close(struct stored *);

/* The id of a number, and back. */
void stored_id(uint8_t *id, unsigned number);
unsigned stored_number(const uint8_t *id);

/* A ready row of type "work" with that id. Its texts are static. */
struct ol_row stored_row(unsigned number);

/* From that attempt to the next one, running. */
struct ol_move stored_start(unsigned number, unsigned attempt);

/* The attempt has ended in that state. */
struct ol_move stored_end(
    unsigned number, unsigned attempt, enum ol_row_state state);

/* The call's status, or -1 - failed when it was not DONE. */
int stored_submit(struct stored *, const struct ol_row *, struct ol_body *);
int stored_move(struct stored *, const struct ol_move *);
int stored_erase(struct stored *, unsigned number);
int stored_expire(struct stored *, const struct ol_expire *);
int stored_get(struct stored *, unsigned number);
int stored_payload(struct stored *, unsigned number);
int stored_result(struct stored *, unsigned number);
int stored_attempts(struct stored *, unsigned number);
int stored_list(struct stored *, const struct ol_list *);

/* Submit a ready task with size bytes, each byte the number's low one. */
int stored_add(struct stored *, unsigned number, size_t size);

/* Whether the last answer's body has size bytes, all of them byte. */
bool stored_body_is(struct stored *, int64_t size, int byte);

/* A callback that takes what it gets into the struct stored in arg. */
void stored_take(void *arg, const struct ol_answer *);

/* Run the loop until nothing is waited for. */
void stored_wait(struct stored *);

/* Run the loop until *flag is not 0 or ms have passed. */
bool stored_wait_for(struct stored *, const int *flag, int ms);

#endif
