#include <sqlite3.h>

#include "store/row.h"
#include "store/sqlite_db.h"
#include "store/sqlite_find.h"

void
ol_sqlite_bind_blob(
    sqlite3_stmt *statement, int at, const void *data, size_t size)
{
	sqlite3_bind_blob64(
	    statement, at, size > 0 ? data : "", size, SQLITE_STATIC);
}

int
ol_sqlite_find(
    struct ol_sqlite_db *db, const uint8_t *id, struct ol_sqlite_found *found)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_FIND];
	int rc;

	ol_sqlite_bind_blob(statement, 1, id, OL_ROW_ID);
	rc = sqlite3_step(statement);
	*found = (struct ol_sqlite_found){ .there = rc == SQLITE_ROW };
	if (rc == SQLITE_ROW) {
		found->seq = sqlite3_column_int64(statement, 0);
		found->state = sqlite3_column_int64(statement, 1);
		found->attempt = sqlite3_column_int64(statement, 2);
		found->payload_file = sqlite3_column_int64(statement, 3);
		found->result_size = sqlite3_column_int64(statement, 4);
		found->result_file = sqlite3_column_int64(statement, 5);
		found->started = sqlite3_column_int64(statement, 6);
		found->secrets = sqlite3_column_int64(statement, 7) > 0;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}
