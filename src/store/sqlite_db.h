/*
 * The SQLite database: opened as its only owner, checked, brought to the
 * schema of this program, with all statements prepared. One thread at a time.
 */
#ifndef OL_STORE_SQLITE_DB_H
#define OL_STORE_SQLITE_DB_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct ol_folder;
struct sqlite3;
struct sqlite3_stmt;

enum ol_sqlite_sql {
	OL_SQL_BEGIN,
	OL_SQL_COMMIT,
	OL_SQL_ROLLBACK,
	OL_SQL_FIND,
	OL_SQL_FIND_KEY,
	OL_SQL_FORGET_KEY,
	OL_SQL_INSERT,
	OL_SQL_INSERT_PAYLOAD,
	OL_SQL_MOVE,
	OL_SQL_INSERT_RESULT,
	OL_SQL_ERASE_SECRETS,
	OL_SQL_DELETE,
	OL_SQL_DELETE_PAYLOAD,
	OL_SQL_DELETE_RESULT,
	OL_SQL_INSERT_ATTEMPT,
	OL_SQL_DELETE_OLD_ATTEMPTS,
	OL_SQL_DELETE_ATTEMPTS,
	OL_SQL_ATTEMPTS,
	OL_SQL_EXPIRED,
	OL_SQL_GET,
	OL_SQL_PAYLOAD,
	OL_SQL_RESULT,
	/* The lists: all, unfinished, dead letters; oldest, newest first. */
	OL_SQL_LIST,
	OL_SQL_LIST_LAST = OL_SQL_LIST + 5,
	OL_SQL_COUNT,
};

enum {
	/* Pages in the write-ahead log (4 KiB each) from which they are moved
	 * to the database; from the second on nothing is written any more. */
	OL_SQLITE_WAL_PAGES = 2000,
	OL_SQLITE_WAL_MOST = 16000,
};

struct ol_sqlite_db {
	struct sqlite3 *handle; /* NULL: closed */
	struct sqlite3_stmt *statements[OL_SQL_COUNT];
	int wal_pages; /* after the last commit */
	bool flushes;  /* a commit flushes */
	/* Secrets were erased; those before it still stand in the log. */
	bool log_has_secrets;
	/* Of the last row. Never used again, also when that row is gone: a
	 * reader of pages would miss the new one. Outlives a closing. */
	int64_t seq;
};

#define OL_SQLITE_FILE "tasks.db"

/*
 * Open it: bring what the log holds into the database and flush it, check the
 * structure, migrate. After this, all that can be read is on disk, whatever
 * happened before. -1, logged; with quiet the log's level is debug.
 */
int ol_sqlite_db_open(struct ol_sqlite_db *, struct ol_folder *, bool quiet);

/*
 * Close it. drop: after an I/O error, without writing anything more. Legal
 * when it is closed.
 */
void ol_sqlite_db_close(struct ol_sqlite_db *, bool drop);

/* All results below are SQLite's: 0 (SQLITE_OK) or what failed. */

/* A transaction for writing, which its commit flushes or not. */
int ol_sqlite_db_begin(struct ol_sqlite_db *, bool flushes);
int ol_sqlite_db_commit(struct ol_sqlite_db *);
int ol_sqlite_db_rollback(struct ol_sqlite_db *);

/* Write something that changes nothing. */
int ol_sqlite_db_touch(struct ol_sqlite_db *);

/*
 * Bring the log's pages into the database, both flushed. empties: and shorten
 * the log to nothing; else it is written over from its beginning, in time.
 */
int ol_sqlite_db_checkpoint(struct ol_sqlite_db *, bool empties);

/* Step a statement without rows, and reset it. */
int ol_sqlite_db_run(struct ol_sqlite_db *, enum ol_sqlite_sql);

/* Whether that result leaves the connection fit for use: known not written. */
bool ol_sqlite_db_harmless(int rc);

/* What the result means, for a log line. Static. */
const char *ol_sqlite_db_why(int rc);

#endif
