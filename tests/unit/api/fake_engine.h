/*
 * An engine for tests of the API: writes down what it is asked, and answers
 * what the test has laid down, when the test says so.
 */
#ifndef TESTS_UNIT_API_FAKE_ENGINE_H
#define TESTS_UNIT_API_FAKE_ENGINE_H

#include <bsd/sys/queue.h>

#include "engine/engine.h"

enum fake_operation {
	FAKE_SUBMIT,
	FAKE_GET,
	FAKE_RESULT,
	FAKE_AWAIT_RESULT,
	FAKE_AWAIT_CHANGE,
	FAKE_CANCEL,
	FAKE_PURGE,
	FAKE_OPERATIONS
};

struct ol_engine {
	enum ol_engine_health health;
	const char *why;
	struct ol_engine_result answers[FAKE_OPERATIONS];
	TAILQ_HEAD(, ol_engine_call) calls;
	unsigned left; /* calls that were cancelled */
	int64_t until; /* of the last one that waits */
	/* One line for each question: "get ID", "await-result ID", "submit TYPE
	 * owner=…". */
	char asked[8192];
	/* Of the last submit. */
	struct ol_body *payload;
	uint8_t session[32], key_hash[32];
};

void fake_engine_init(struct ol_engine *);
void fake_engine_fini(struct ol_engine *);

/* Answer the first of the calls in flight, which there is. */
void fake_engine_answer_one(struct ol_engine *);

/* Answer all calls in flight; how many. */
unsigned fake_engine_answer(struct ol_engine *);

/* A running task of type "thumbnail" without an owner. */
void fake_object_init(struct ol_object *);

#endif
