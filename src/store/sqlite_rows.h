/*
 * What each writing does to the rows, in a transaction that somebody else
 * begins and commits. Results are SQLite's, as in sqlite_db.h; with SQLITE_OK
 * the request's answer is filled, but for failed.
 */
#ifndef OL_STORE_SQLITE_ROWS_H
#define OL_STORE_SQLITE_ROWS_H

#include "store/request.h"

struct ol_sqlite_db;

/* Files that no row refers to once the transaction has been committed. */
struct ol_doomed {
	struct {
		uint8_t id[OL_ROW_ID];
		int64_t file;
	} * files;
	size_t n, room;
};

void ol_sqlite_rows_doom(struct ol_doomed *, const uint8_t *id, int64_t file);

int ol_sqlite_rows_write(
    struct ol_sqlite_db *, struct ol_store_request *, struct ol_doomed *);

#endif
