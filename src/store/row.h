/* A task as the store keeps it, without the bytes of payload and result. */
#ifndef OL_STORE_ROW_H
#define OL_STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OL_ROW_ID = 16,
	OL_ROW_HASH = 32,
	/* The most bytes of each field; what is longer is not stored. */
	OL_ROW_TYPE_MAX = 64,
	OL_ROW_TEXT_MAX = 1024, /* owner, key_scope, key, the content types */
	OL_ROW_ERROR_MAX = 16 * 1024,
	OL_ROW_OPTIONS_MAX = 64 * 1024,
};

/*
 * The numbers stand in databases: they never change. Below OL_ROW_SUCCEEDED
 * the task has not ended; from OL_ROW_FAILED it is a dead letter.
 */
enum ol_row_state {
	OL_ROW_SCHEDULED = 1,
	OL_ROW_READY = 2,
	OL_ROW_RUNNING = 3,
	OL_ROW_RETRYING = 4,
	OL_ROW_PARKED = 5,
	OL_ROW_SUCCEEDED = 10,
	OL_ROW_CANCELLED = 11,
	OL_ROW_FAILED = 12,
	OL_ROW_POISONED = 13,
};

/* Sets of states, as struct ol_list has them: 1u << state. */
#define OL_ROW_UNFINISHED 0x3eu
#define OL_ROW_ENDED	  0x3c00u
#define OL_ROW_DEAD	  0x3000u

struct ol_bytes {
	const void *data;
	size_t size;
};

struct ol_row {
	uint8_t id[OL_ROW_ID];
	enum ol_row_state state;
	int priority;	  /* -100 … 100 */
	uint32_t attempt; /* of the last or the running attempt: the fence
			   */
	uint32_t runs;	  /* how many attempts are allowed			*/
	uint32_t crashes;
	/* Milliseconds since 1970, 0: none. */
	int64_t created, due, started, ended;
	const char *type, *owner, *content_type, *result_type; /* "" is none
								*/
	/* Idempotency-Key: key "" is none, then scope and hash mean nothing.
	 */
	const char *key_scope, *key;
	uint8_t key_hash[OL_ROW_HASH];	/* of the request with that key
					 */
	struct ol_bytes options, error; /* the caller's, opaque */
	/* Set by the store, not read from the caller. */
	int64_t seq;	      /* rises with each submit */
	int64_t payload_size; /* -1: erased */
	int64_t result_size;  /* -1: none */
};

/* Whether number is one of the states. */
bool ol_row_is_state(int64_t number);

/* NULL, or the name of a field that is out of its bounds. */
const char *ol_row_check(const struct ol_row *);

/*
 * A copy in one piece of memory, for free(); NULL texts become "". The sizes
 * are bounded by ol_row_check(); aborts when out of memory.
 */
struct ol_row *ol_row_copy(const struct ol_row *);

#endif
