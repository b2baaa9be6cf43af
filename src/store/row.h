/* A task as the store keeps it, without the bytes of payload and result. */
#ifndef OL_STORE_ROW_H
#define OL_STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	OL_ROW_ID = 16,
	OL_ROW_HASH = 32,
	OL_ROW_SESSION = 32,
	/* The most bytes of each field; what is longer is not stored. */
	OL_ROW_TYPE_MAX = 64,
	OL_ROW_TEXT_MAX = 1024, /* owner, key_scope, key, the content types */
	OL_ROW_ERROR_MAX = 16 * 1024,
	OL_ROW_CONTEXT_MAX = 64 * 1024, /* and of secrets, and of reply */
	OL_ROW_LOG_MAX = 64 * 1024,
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
	uint32_t attempt; /* the last or the running one: the fence */
	uint32_t refunds; /* attempts that do not count */
	uint32_t crashes;
	bool first; /* it was interrupted: it goes ahead of all others */
	bool
	    cancelled; /* RUNNING: told to end for good, and not to run again */
	bool has_session; /* without one, session means nothing */
	uint8_t session[OL_ROW_SESSION];
	/* Milliseconds since 1970, 0: none. */
	int64_t created, due, started, ended;
	/* "" is none. */
	const char *type, *owner, *content_type, *result_type;
	/* Idempotency-Key: without a key, scope and hash mean nothing. */
	const char *key_scope, *key;
	uint8_t key_hash[OL_ROW_HASH];	/* of the request with that key */
	struct ol_bytes context, error; /* the caller's, opaque */
	/*
	 * The caller's, opaque, too. The store itself erases them when the
	 * task ends: its own pages keep no trace of them.
	 */
	struct ol_bytes secrets;
	bool recorded;	       /* context is a whole request */
	struct ol_bytes reply; /* the caller's: the head of its result */
	/* Set by the store, not read from the caller. */
	int64_t seq;	      /* rises with each submit */
	int64_t payload_size; /* -1: erased */
	int64_t result_size;  /* -1: none */
};

/* How an attempt that left words behind ended. */
struct ol_attempt {
	uint32_t number;
	enum ol_row_state state; /* of the task afterwards */
	int64_t started, ended;	 /* milliseconds since 1970 */
	struct ol_bytes error;	 /* the caller's, opaque */
	struct ol_bytes log;	 /* its standard error */
};

/* Whether number is one of the states. */
bool ol_row_is_state(int64_t number);

/* NULL, or the name of a field that is out of its bounds. */
const char *ol_row_check(const struct ol_row *);

/*
 * A copy in one piece of memory, for ol_row_free(); NULL texts become "". The
 * sizes are bounded by ol_row_check(); aborts when out of memory.
 */
struct ol_row *ol_row_copy(const struct ol_row *);

/* Of a copy; its secrets are overwritten first. NULL is legal. */
void ol_row_free(struct ol_row *);

/* Overwrite the secrets of a copy: it has none any more. */
void ol_row_forget_secrets(struct ol_row *);

/* NULL, or the name of a field that is out of its bounds. */
const char *ol_attempt_check(const struct ol_attempt *);

/* As ol_row_copy(), but for free(). */
struct ol_attempt *ol_attempt_copy(const struct ol_attempt *);

#endif
