#include <stdint.h>
#include <stdio.h>
#include <sqlite3.h>

#include "base/log.h"
#include "store/sqlite_schema.h"

/*
 * Each entry brings the schema one version further (PRAGMA user_version), and
 * never changes once it has been released. Payloads and results have tables
 * of their own: a row that moves is written again as a whole.
 */
static const char *const steps[] = {
	"CREATE TABLE task ("
	" seq INTEGER PRIMARY KEY,"
	" id BLOB NOT NULL UNIQUE,"
	" state INTEGER NOT NULL,"
	" priority INTEGER NOT NULL,"
	" attempt INTEGER NOT NULL,"
	" refunds INTEGER NOT NULL,"
	" crashes INTEGER NOT NULL,"
	" first INTEGER NOT NULL,"
	" cancelled INTEGER NOT NULL," /* of a running one */
	" created INTEGER NOT NULL,"
	" due INTEGER NOT NULL,"
	" started INTEGER NOT NULL,"
	" ended INTEGER NOT NULL,"
	" payload_size INTEGER NOT NULL," /* -1: erased */
	" payload_file INTEGER NOT NULL," /* 0: in table payload */
	" result_size INTEGER NOT NULL,"  /* -1: none */
	" result_file INTEGER NOT NULL,"
	" type TEXT NOT NULL,"
	" owner TEXT NOT NULL,"
	" content_type TEXT NOT NULL,"
	" result_type TEXT NOT NULL,"
	" key_scope TEXT,"
	" key TEXT," /* NULL: none */
	" key_hash BLOB,"
	" session BLOB," /* NULL: none */
	" error BLOB NOT NULL,"
	" context BLOB NOT NULL);"
	"CREATE TABLE payload (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
	"CREATE TABLE result (seq INTEGER PRIMARY KEY, bytes BLOB NOT NULL);"
	"CREATE TABLE attempt ("
	" task INTEGER NOT NULL," /* its seq */
	" number INTEGER NOT NULL,"
	" started INTEGER NOT NULL,"
	" ended INTEGER NOT NULL,"
	" state INTEGER NOT NULL," /* of the task afterwards */
	" error BLOB NOT NULL,"
	" log BLOB NOT NULL,"
	" UNIQUE (task, number));"
	"CREATE UNIQUE INDEX task_key ON task (key_scope, key)"
	" WHERE key IS NOT NULL;"
	"CREATE INDEX task_open ON task (seq) WHERE state < 10;"
	"CREATE INDEX task_dead ON task (seq) WHERE state >= 12;"
	"CREATE INDEX task_ended ON task (state, ended) WHERE state >= 10;",

	"ALTER TABLE task ADD COLUMN recorded INTEGER NOT NULL DEFAULT 0;"
	/* Empty as soon as the task has ended. */
	"ALTER TABLE task ADD COLUMN secrets BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE task ADD COLUMN reply BLOB NOT NULL DEFAULT x'';",
};

const struct ol_sqlite_schema ol_sqlite_schema = {
	.steps = steps,
	.n = sizeof(steps) / sizeof(steps[0]),
};

/* PRAGMA user_version; -1 when it cannot be read. */
static int64_t
version_of(sqlite3 *handle)
{
	sqlite3_stmt *statement;
	int64_t version = -1;

	if (sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &statement,
		NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

static int
exec(sqlite3 *handle, const char *text)
{
	return sqlite3_exec(handle, text, NULL, NULL, NULL);
}

/* One step, and the number that says so, in one transaction. */
static int
step(sqlite3 *handle, const char *text, int version)
{
	char set[80];

	snprintf(set, sizeof(set),
	    "PRAGMA user_version = %d; PRAGMA application_id = %d", version,
	    OL_SQLITE_APPLICATION);
	if (exec(handle, "BEGIN IMMEDIATE") == SQLITE_OK &&
	    exec(handle, text) == SQLITE_OK && exec(handle, set) == SQLITE_OK &&
	    exec(handle, "COMMIT") == SQLITE_OK)
		return 0;
	return -1;
}

int
ol_sqlite_schema_migrate(sqlite3 *handle, const struct ol_sqlite_schema *schema,
    enum ol_log_level level)
{
	int64_t version = version_of(handle), first = version;

	if (version > schema->n) {
		ol_log_write(NULL, level,
		    "store: the database has schema %lld, made by a newer "
		    "outlast; this one knows %d: start the newer one, or "
		    "restore a backup",
		    (long long)version, schema->n);
		return -1;
	}
	if (version < 0)
		goto err;
	for (; version < schema->n; version++) {
		if (step(handle, schema->steps[version], (int)version + 1) ==
		    -1)
			goto err;
		if (first > 0)
			ol_log_notice(NULL, "store: schema %d is now %d",
			    (int)version, (int)version + 1);
	}
	return 0;

err:
	ol_log_write(NULL, level, "store: cannot make schema %d: %s",
	    (int)version + 1, sqlite3_errmsg(handle));
	exec(handle, "ROLLBACK");
	return -1;
}
