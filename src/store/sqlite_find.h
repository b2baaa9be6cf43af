/* A task by its id, and what all statements about rows share. */
#ifndef OL_STORE_SQLITE_FIND_H
#define OL_STORE_SQLITE_FIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ol_sqlite_db;
struct sqlite3_stmt;

/* COLUMNS of sqlite_db.c, from 0; a parameter of INSERT is one more. */
enum ol_sqlite_column {
	OL_COLUMN_SEQ,
	OL_COLUMN_ID,
	OL_COLUMN_STATE,
	OL_COLUMN_PRIORITY,
	OL_COLUMN_ATTEMPT,
	OL_COLUMN_REFUNDS,
	OL_COLUMN_CRASHES,
	OL_COLUMN_FIRST,
	OL_COLUMN_CANCELLED,
	OL_COLUMN_CREATED,
	OL_COLUMN_DUE,
	OL_COLUMN_STARTED,
	OL_COLUMN_ENDED,
	OL_COLUMN_PAYLOAD_SIZE,
	OL_COLUMN_PAYLOAD_FILE,
	OL_COLUMN_RESULT_SIZE,
	OL_COLUMN_RESULT_FILE,
	OL_COLUMN_TYPE,
	OL_COLUMN_OWNER,
	OL_COLUMN_CONTENT_TYPE,
	OL_COLUMN_RESULT_TYPE,
	OL_COLUMN_KEY_SCOPE,
	OL_COLUMN_KEY,
	OL_COLUMN_KEY_HASH,
	OL_COLUMN_SESSION,
	OL_COLUMN_ERROR,
	OL_COLUMN_CONTEXT,
	OL_COLUMN_RECORDED,
	OL_COLUMN_SECRETS,
	OL_COLUMN_REPLY,
};

/* What FIND says of a task. */
struct ol_sqlite_found {
	bool there;
	int64_t seq;
	int64_t state, attempt;
	int64_t payload_file;
	int64_t result_size, result_file;
	int64_t started;
	bool secrets; /* it has some */
};

/* SQLite's result, as in sqlite_db.h. */
int ol_sqlite_find(
    struct ol_sqlite_db *, const uint8_t *id, struct ol_sqlite_found *);

/* Borrowed until the statement runs. An empty blob is not NULL. */
void ol_sqlite_bind_blob(
    struct sqlite3_stmt *, int at, const void *data, size_t size);

#endif
