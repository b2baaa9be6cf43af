#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "store/folder.h"
#include "store/sqlite_db.h"
#include "store/sqlite_schema.h"

#define SMALL_COLUMNS \
	"seq, id, state, priority, attempt, refunds, crashes, first, " \
	"cancelled, created, due, started, ended, payload_size, payload_file, " \
	"result_size, result_file, type, owner, content_type, result_type, " \
	"key_scope, key, key_hash, session, error, "
#define COLUMNS SMALL_COLUMNS "context, recorded, secrets, reply"
/* The same places, without what may be large. */
#define LIST_COLUMNS SMALL_COLUMNS "x'', recorded, x'', x''"

static const char *const sql[OL_SQL_COUNT] = {
	[OL_SQL_BEGIN] = "BEGIN IMMEDIATE",
	[OL_SQL_COMMIT] = "COMMIT",
	[OL_SQL_ROLLBACK] = "ROLLBACK",
	[OL_SQL_FIND] =
	    "SELECT seq, state, attempt, payload_file, result_size, "
	    "result_file, started, length(secrets) FROM task WHERE id = ?1",
	[OL_SQL_FIND_KEY] = "SELECT id, key_hash FROM task "
			    "WHERE key_scope = ?1 AND key = ?2 "
			    "AND key IS NOT NULL",
	[OL_SQL_FORGET_KEY] = "UPDATE task SET key = NULL "
			      "WHERE key_scope = ?1 AND key = ?2",
	[OL_SQL_INSERT] =
	    "INSERT INTO task (" COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
	    "?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, -1, 0, ?18, ?19, ?20, "
	    "?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)",
	[OL_SQL_INSERT_PAYLOAD] =
	    "INSERT OR REPLACE INTO payload VALUES (?1, ?2)",
	/* The fence is compared, and what is secret erased, in the writing
	 * itself: nobody can forget it. */
	[OL_SQL_MOVE] =
	    "UPDATE task SET state = ?4, attempt = ?5, refunds = ?6, "
	    "crashes = ?7, due = ?8, started = ?9, ended = ?10, error = ?11, "
	    "result_size = ?12, result_file = ?13, result_type = ?14, "
	    "first = ?15, cancelled = ?16, reply = ?17, "
	    "secrets = CASE WHEN ?4 >= 10 THEN x'' ELSE secrets END "
	    "WHERE seq = ?1 AND attempt = ?2 AND (state >= 10) = ?3",
	[OL_SQL_INSERT_RESULT] =
	    "INSERT OR REPLACE INTO result VALUES (?1, ?2)",
	[OL_SQL_ERASE_SECRETS] =
	    "UPDATE task SET payload_size = -1, payload_file = 0, "
	    "context = x'', secrets = x'' WHERE seq = ?1",
	[OL_SQL_DELETE] = "DELETE FROM task WHERE seq = ?1",
	[OL_SQL_DELETE_PAYLOAD] = "DELETE FROM payload WHERE seq = ?1",
	[OL_SQL_DELETE_RESULT] = "DELETE FROM result WHERE seq = ?1",
	[OL_SQL_INSERT_ATTEMPT] =
	    "INSERT OR REPLACE INTO attempt (task, number, started, ended, "
	    "state, error, log) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[OL_SQL_DELETE_OLD_ATTEMPTS] =
	    "DELETE FROM attempt WHERE task = ?1 AND number <= "
	    "(SELECT number FROM attempt WHERE task = ?1 "
	    "ORDER BY number DESC LIMIT 1 OFFSET ?2)",
	[OL_SQL_DELETE_ATTEMPTS] = "DELETE FROM attempt WHERE task = ?1",
	[OL_SQL_ATTEMPTS] = "SELECT number, started, ended, state, error, log "
			    "FROM attempt WHERE task = ?1 "
			    "ORDER BY number DESC LIMIT ?2",
	[OL_SQL_EXPIRED] = "SELECT id FROM task INDEXED BY task_ended WHERE "
			   "state = ?1 AND state >= 10 AND ended < ?2 AND "
			   "typeof(id) = 'blob' AND length(id) = 16 "
			   "LIMIT ?3",
	[OL_SQL_GET] = "SELECT " COLUMNS " FROM task WHERE id = ?1",
	[OL_SQL_PAYLOAD] = "SELECT payload_size, payload_file, bytes FROM task "
			   "LEFT JOIN payload USING (seq) WHERE id = ?1",
	[OL_SQL_RESULT] = "SELECT result_size, result_file, bytes FROM task "
			  "LEFT JOIN result USING (seq) WHERE id = ?1",
	[OL_SQL_LIST] = "SELECT " LIST_COLUMNS
			" FROM task WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[OL_SQL_LIST + 1] = "SELECT " LIST_COLUMNS
			    " FROM task INDEXED BY task_open WHERE state < "
			    "10 AND seq > ?1 ORDER BY seq LIMIT ?2",
	[OL_SQL_LIST + 2] = "SELECT " LIST_COLUMNS
			    " FROM task INDEXED BY task_dead WHERE state >= "
			    "12 AND seq > ?1 ORDER BY seq LIMIT ?2",
	[OL_SQL_LIST + 3] =
	    "SELECT " LIST_COLUMNS " FROM task WHERE seq BETWEEN 1 AND ?1 - 1 "
	    "ORDER BY seq DESC LIMIT ?2",
	[OL_SQL_LIST + 4] =
	    "SELECT " LIST_COLUMNS
	    " FROM task INDEXED BY task_open WHERE state < "
	    "10 AND seq BETWEEN 1 AND ?1 - 1 ORDER BY seq DESC LIMIT ?2",
	[OL_SQL_LIST + 5] =
	    "SELECT " LIST_COLUMNS
	    " FROM task INDEXED BY task_dead WHERE state >= "
	    "12 AND seq BETWEEN 1 AND ?1 - 1 ORDER BY seq DESC LIMIT ?2",
};

bool
ol_sqlite_db_harmless(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_FULL:
	case SQLITE_BUSY:
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
		return true;
	default:
		return false;
	}
}

const char *
ol_sqlite_db_why(int rc)
{
	return (rc & 0xff) == SQLITE_FULL ? "no space left for the database"
					  : sqlite3_errstr(rc);
}

int
ol_sqlite_db_run(struct ol_sqlite_db *db, enum ol_sqlite_sql which)
{
	sqlite3_stmt *statement = db->statements[which];
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int
on_wal(void *arg, sqlite3 *handle, const char *name, int pages)
{
	struct ol_sqlite_db *db = arg;

	(void)handle;
	(void)name;
	db->wal_pages = pages;
	return SQLITE_OK;
}

static int
exec(struct ol_sqlite_db *db, const char *text)
{
	return sqlite3_exec(db->handle, text, NULL, NULL, NULL);
}

int
ol_sqlite_db_begin(struct ol_sqlite_db *db, bool flushes)
{
	int rc;

	/* The lie of the tests' control: what was acknowledged before. */
	if (OL_FAILS("ack_before_commit") &&
	    !sqlite3_get_autocommit(db->handle) &&
	    (rc = ol_sqlite_db_run(db, OL_SQL_COMMIT)) != SQLITE_OK)
		return rc;
	if (db->flushes != flushes) {
		/* In WAL, NORMAL commits without a flush; the next FULL
		 * commit, or checkpoint, flushes the log as a whole. */
		rc = exec(db, flushes ? "PRAGMA synchronous = FULL"
				      : "PRAGMA synchronous = NORMAL");
		if (rc != SQLITE_OK)
			return rc;
		db->flushes = flushes;
	}
	return ol_sqlite_db_run(db, OL_SQL_BEGIN);
}

int
ol_sqlite_db_commit(struct ol_sqlite_db *db)
{
	if (OL_FAILS("ack_before_commit"))
		return SQLITE_OK;
	return ol_sqlite_db_run(db, OL_SQL_COMMIT);
}

int
ol_sqlite_db_rollback(struct ol_sqlite_db *db)
{
	/* Some errors have rolled back already. */
	if (sqlite3_get_autocommit(db->handle))
		return SQLITE_OK;
	return ol_sqlite_db_run(db, OL_SQL_ROLLBACK);
}

int
ol_sqlite_db_touch(struct ol_sqlite_db *db)
{
	char set[48];

	snprintf(set, sizeof(set), "PRAGMA application_id = %d",
	    OL_SQLITE_APPLICATION);
	return exec(db, set);
}

int
ol_sqlite_db_checkpoint(struct ol_sqlite_db *db, bool empties)
{
	int rc, pages, moved;

	rc = sqlite3_wal_checkpoint_v2(db->handle, NULL,
	    empties ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
	    &pages, &moved);
	/* Nobody else reads: the next commit begins the log anew. */
	if (rc == SQLITE_OK && pages == moved)
		db->wal_pages = 0;
	if (rc == SQLITE_OK && empties)
		db->log_has_secrets = false;
	return rc;
}

/* "ok", or the first complaint of the check; to be freed. */
static char *
check(struct ol_sqlite_db *db)
{
	sqlite3_stmt *statement;
	char *verdict = NULL;

	if (sqlite3_prepare_v2(db->handle, "PRAGMA quick_check(1)", -1,
		&statement, NULL) == SQLITE_OK) {
		if (sqlite3_step(statement) == SQLITE_ROW)
			verdict = ol_must(strdup(
			    (const char *)sqlite3_column_text(statement, 0)));
		sqlite3_finalize(statement);
	}
	return verdict != NULL ? verdict
			       : ol_must(strdup(sqlite3_errmsg(db->handle)));
}

static int
set_up(struct ol_sqlite_db *db, enum ol_log_level level)
{
	static const char *const pragmas[] = {
		/* First: with it, the log's index is in our memory, and
		 * nobody else can open the database. */
		"PRAGMA locking_mode = EXCLUSIVE",
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA journal_size_limit = 16777216",
		"PRAGMA cache_size = -4096",
		"PRAGMA temp_store = MEMORY",
		"PRAGMA trusted_schema = OFF",
		"PRAGMA cell_size_check = ON",
		/* What was erased is overwritten, in pages that become
		 * free, too: cookies and passwords among it. */
		"PRAGMA secure_delete = ON",
		/* Takes the lock. */
		"BEGIN IMMEDIATE; COMMIT",
	};
	size_t i;
	int rc;

	/* Checkpoints are made by us, after the answers, with their errors. */
	sqlite3_wal_hook(db->handle, on_wal, db);
	for (i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
		if (exec(db, pragmas[i]) == SQLITE_OK)
			continue;
		ol_log_write(NULL, level, "store: %s: %s", pragmas[i],
		    sqlite3_errmsg(db->handle));
		return -1;
	}
	db->flushes = true;
	/* The database's pages are written anew, too. */
	rc = sqlite3_wal_checkpoint_v2(
	    db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc != SQLITE_OK) {
		ol_log_write(NULL, level, "store: checkpoint: %s",
		    sqlite3_errmsg(db->handle));
		return -1;
	}
	return 0;
}

/*
 * After a failed flush the log's end may be in memory only, while the kernel
 * says that it is on disk; SQLite would believe that, and move pages to the
 * database that a power failure takes out of the log: its beginning, replayed,
 * would then tear the database. So the log is written anew first, under
 * SQLite's own locks, which keep out whoever has not asked for ours.
 */
static int
renew_log(struct ol_folder *folder, enum ol_log_level level)
{
	/* PENDING_BYTE and what follows: see SQLite's os.h. */
	struct flock lock = { .l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = 0x40000000,
		.l_len = 512 };
	int rc = -1, fd;

	fd =
	    openat(folder->fd, OL_SQLITE_FILE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1) {
		ol_log_write(NULL, level, "store: " OL_SQLITE_FILE ": %s",
		    strerror(errno));
		return -1;
	}
	if (fcntl(fd, F_OFD_SETLK, &lock) == -1)
		ol_log_write(NULL, level,
		    "store: another program has %s/" OL_SQLITE_FILE " open",
		    folder->path);
	else
		rc = ol_folder_renew(folder, OL_SQLITE_FILE "-wal");
	close(fd);
	return rc;
}

static int
last_seq(struct ol_sqlite_db *db)
{
	sqlite3_stmt *statement;
	int64_t seq = 0;
	int rc;

	rc = sqlite3_prepare_v2(
	    db->handle, "SELECT max(seq) FROM task", -1, &statement, NULL);
	if (rc != SQLITE_OK)
		return rc;
	if ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		seq = sqlite3_column_int64(statement, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	if (seq > db->seq)
		db->seq = seq;
	return rc;
}

int
ol_sqlite_db_open(struct ol_sqlite_db *db, struct ol_folder *folder, bool quiet)
{
	enum ol_log_level level = quiet ? OL_LOG_DEBUG : OL_LOG_ERROR;
	int64_t began = ol_clock_now();
	char *path = NULL, *verdict = NULL;
	size_t i;

	*db = (struct ol_sqlite_db){ .seq = db->seq };
	if (ol_folder_touch(folder, OL_SQLITE_FILE) == -1)
		return -1;
	if (renew_log(folder, level) == -1)
		return -1;
	if (asprintf(&path, "%s/" OL_SQLITE_FILE, folder->path) == -1)
		ol_must(path = NULL);
	if (sqlite3_open_v2(path, &db->handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		    SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_EXRESCODE,
		NULL) != SQLITE_OK) {
		ol_log_write(NULL, level, "store: %s: %s", path,
		    sqlite3_errmsg(db->handle));
		goto err;
	}
	if (set_up(db, level) == -1)
		goto err;
	verdict = check(db);
	if (strcmp(verdict, "ok") != 0) {
		ol_log_write(NULL, level,
		    "store: %s is damaged: %s; restore a backup, or see "
		    "sqlite3's .recover",
		    path, verdict);
		goto err;
	}
	if (ol_sqlite_schema_migrate(db->handle, &ol_sqlite_schema, level) ==
	    -1)
		goto err;
	for (i = 0; i < OL_SQL_COUNT; i++) {
		if (sqlite3_prepare_v3(db->handle, sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &db->statements[i],
			NULL) == SQLITE_OK)
			continue;
		ol_log_write(NULL, level, "store: %s: %s", sql[i],
		    sqlite3_errmsg(db->handle));
		goto err;
	}
	if (last_seq(db) != SQLITE_OK) {
		ol_log_write(NULL, level, "store: %s: %s", path,
		    sqlite3_errmsg(db->handle));
		goto err;
	}
	ol_log_info(NULL, "store: opened and checked %s in %d ms", path,
	    (int)((ol_clock_now() - began) / OL_MSEC(1)));
	free(verdict);
	free(path);
	return 0;

err:
	free(verdict);
	free(path);
	ol_sqlite_db_close(db, true);
	return -1;
}

void
ol_sqlite_db_close(struct ol_sqlite_db *db, bool drop)
{
	size_t i;

	if (db->handle == NULL)
		return;
	for (i = 0; i < OL_SQL_COUNT; i++)
		sqlite3_finalize(db->statements[i]);
	if (drop)
		sqlite3_db_config(
		    db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_close(db->handle);
	*db = (struct ol_sqlite_db){ .seq = db->seq };
}
