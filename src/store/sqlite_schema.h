/*
 * The schema of the database, one step per version, and how an older database
 * gets there. The thread that has the connection.
 */
#ifndef OL_STORE_SQLITE_SCHEMA_H
#define OL_STORE_SQLITE_SCHEMA_H

#include "base/log.h"

struct sqlite3;

/* "outl": file(1) and a curious operator see whose it is. */
#define OL_SQLITE_APPLICATION 0x6f75746c

/* steps[i] makes schema i + 1 out of schema i (0: an empty file). */
struct ol_sqlite_schema {
	const char *const *steps;
	int n;
};

extern const struct ol_sqlite_schema ol_sqlite_schema;

/*
 * Bring the database to the schema's last version, each step in a transaction
 * of its own: one that fails leaves the version before it. -1, logged with
 * level: a step failed, or a newer program made the database.
 */
int ol_sqlite_schema_migrate(
    struct sqlite3 *, const struct ol_sqlite_schema *, enum ol_log_level level);

#endif
