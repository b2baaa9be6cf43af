#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "store/sqlite_owner.h"
#include "store/sqlite_reads.h"
#include "store/sqlite_rows.h"

enum {
	FLUSH_AFTER_MS = 500,  /* of a commit without a flush */
	EMPTY_AFTER_MS = 5000, /* of an erasure of secrets, and again */
	PROBE_AFTER_MS = 1000, /* of a failure that left the database open */
	REOPEN_FIRST_MS = 200,
	REOPEN_MOST_MS = 5000,
};

struct ol_sqlite_unsettled {
	uint8_t id[OL_ROW_ID];
	int64_t file; /* 0: none */
};

static void
give_one(struct ol_sqlite_owner *o, struct ol_store_request *request)
{
	struct ol_store_requests one = STAILQ_HEAD_INITIALIZER(one);

	STAILQ_INSERT_TAIL(&one, request, link);
	o->give(o->arg, &one);
}

/*
 * Tell the loop when the store begins to fail, or works again. That it works
 * is found out by probe() and reopen() alone: a small writing that succeeds
 * between large ones that fail is no news.
 */
static void
set_health(struct ol_sqlite_owner *o, bool working, const char *why)
{
	struct ol_store_request *news;

	o->probe_at = working || o->db.handle == NULL
			  ? OL_NEVER
			  : ol_clock_now() + OL_MSEC(PROBE_AFTER_MS);
	if (o->working == working)
		return;
	o->working = working;
	news = ol_store_request_new(OL_ASK_HEALTH);
	news->working = working;
	news->why = why;
	give_one(o, news);
}

/* Answer all of them with failed. */
static void
fail(struct ol_store_requests *requests, enum ol_store_failed failed)
{
	struct ol_store_request *request;

	STAILQ_FOREACH (request, requests, link)
		request->answer.failed = failed;
}

/* An I/O error: nothing that this connection says counts any more. */
static void
drop(struct ol_sqlite_owner *o, int rc)
{
	ol_log_debug(NULL, "store: the database is closed: %s (%d), errno %d",
	    sqlite3_errmsg(o->db.handle), rc,
	    sqlite3_system_errno(o->db.handle));
	ol_sqlite_db_close(&o->db, true);
	o->flush_at = o->empty_at = OL_NEVER;
	o->reopen_after = REOPEN_FIRST_MS;
	o->reopen_at = ol_clock_now() + OL_MSEC(o->reopen_after);
	set_health(o, false, ol_sqlite_db_why(rc));
}

static void
checkpoint(struct ol_sqlite_owner *o, bool empties)
{
	int rc = OL_FAILS("store_checkpoint")
		     ? SQLITE_IOERR
		     : ol_sqlite_db_checkpoint(&o->db, empties);

	o->flush_at = OL_NEVER;
	if (empties)
		o->empty_at = OL_NEVER;
	if (rc == SQLITE_OK)
		return;
	if (ol_sqlite_db_harmless(rc))
		set_health(o, false, ol_sqlite_db_why(rc));
	else
		drop(o, rc);
}

/*
 * Write large bodies to their files, flushed with their names, before a row
 * refers to them. Those that cannot be written move to failed.
 */
static void
put_files(struct ol_sqlite_owner *o, struct ol_store_requests *writes,
    struct ol_store_requests *failed)
{
	struct ol_store_request *request, *next;
	bool flush = false, flushed = true;
	const char *why = NULL;

	STAILQ_FOREACH (request, writes, link) {
		struct ol_body *body = request->body;

		if (body == NULL ||
		    (body->fd == -1 && body->size <= OL_STORE_ROW_BODY))
			continue;
		if (OL_FAILS("store_body") ||
		    ol_folder_put(
			&o->folder, request->id, body, &request->file) == -1) {
			request->file = -1;
			why = errno == ENOSPC ? "no space left for a body"
					      : "cannot write a body's file";
			ol_log_debug(
			    NULL, "store: %s: %s", why, strerror(errno));
		} else
			flush = true;
	}
	if (flush && (OL_FAILS("store_body_flush") ||
			 ol_folder_flush(&o->folder) == -1)) {
		flushed = false;
		why = "cannot flush the folder of bodies";
	}
	STAILQ_FOREACH_SAFE (request, writes, link, next) {
		if (request->file == 0 || (request->file > 0 && flushed))
			continue;
		if (request->file > 0)
			ol_folder_remove(
			    &o->folder, request->id, request->file);
		STAILQ_REMOVE(writes, request, ol_store_request, link);
		STAILQ_INSERT_TAIL(failed, request, link);
	}
	fail(failed, OL_STORE_NOT_DONE);
	if (why != NULL)
		set_health(o, false, why);
}

/* Nothing was written: the files have no rows. */
static void
remove_files(struct ol_sqlite_owner *o, struct ol_store_requests *writes)
{
	struct ol_store_request *request;

	STAILQ_FOREACH (request, writes, link)
		if (request->file != 0)
			ol_folder_remove(
			    &o->folder, request->id, request->file);
}

static void
note_unsettled(struct ol_sqlite_owner *o, struct ol_store_requests *writes)
{
	struct ol_sqlite_unsettled *tasks;
	struct ol_store_request *request;
	size_t n = o->nunsettled;

	STAILQ_FOREACH (request, writes, link)
		n++;
	tasks = ol_must(realloc(o->unsettled, n * sizeof(*tasks)));
	o->unsettled = tasks;
	STAILQ_FOREACH (request, writes, link) {
		if (request->kind == OL_ASK_EXPIRE)
			continue;
		memcpy(tasks[o->nunsettled].id, request->id, OL_ROW_ID);
		tasks[o->nunsettled++].file = request->file;
	}
}

/* All in one transaction. SQLite's result; *committing: COMMIT was tried. */
static int
transact(struct ol_sqlite_owner *o, struct ol_store_requests *writes,
    struct ol_doomed *doomed, bool *committing)
{
	struct ol_store_request *request;
	bool flushes = false;
	int rc;

	*committing = false;
	STAILQ_FOREACH (request, writes, link)
		flushes = flushes || !request->lazy;
	if (OL_FAILS("store_begin"))
		return SQLITE_FULL;
	if ((rc = ol_sqlite_db_begin(&o->db, flushes)) != SQLITE_OK)
		return rc;
	STAILQ_FOREACH (request, writes, link)
		if ((rc = ol_sqlite_rows_write(&o->db, request, doomed)) !=
		    SQLITE_OK)
			return rc;
	*committing = true;
	if (OL_FAILS("store_commit"))
		return SQLITE_IOERR;
	if ((rc = ol_sqlite_db_commit(&o->db)) != SQLITE_OK)
		return rc;
	/* It is there, and nobody knows. */
	if (OL_FAILS("store_committed"))
		return SQLITE_IOERR;
	if (flushes)
		o->flush_at = OL_NEVER;
	else if (o->flush_at == OL_NEVER)
		o->flush_at = ol_clock_now() + OL_MSEC(FLUSH_AFTER_MS);
	if (o->db.log_has_secrets && o->empty_at == OL_NEVER)
		o->empty_at = ol_clock_now() + OL_MSEC(EMPTY_AFTER_MS);
	return SQLITE_OK;
}

/* The transaction failed: answer, and leave nothing half done. */
static void
on_not_committed(struct ol_sqlite_owner *o, struct ol_store_requests *writes,
    int rc, bool committing)
{
	bool harmless = ol_sqlite_db_harmless(rc);

	if (harmless && ol_sqlite_db_rollback(&o->db) != SQLITE_OK)
		harmless = false;
	if (committing && !harmless) {
		fail(writes, OL_STORE_UNKNOWN);
		note_unsettled(o, writes);
	} else {
		fail(writes, OL_STORE_NOT_DONE);
		remove_files(o, writes);
	}
	if (harmless)
		set_health(o, false, ol_sqlite_db_why(rc));
	else
		drop(o, rc);
}

void
ol_sqlite_owner_write(
    struct ol_sqlite_owner *o, struct ol_store_requests *writes)
{
	struct ol_store_requests failed = STAILQ_HEAD_INITIALIZER(failed);
	struct ol_doomed doomed = { 0 };
	struct ol_store_request *request;
	uint64_t n = 0, lost = 0;
	bool committing;
	size_t i;
	int rc;

	if (o->db.wal_pages >= OL_SQLITE_WAL_MOST)
		checkpoint(o, false);
	if (o->db.handle == NULL || o->db.wal_pages >= OL_SQLITE_WAL_MOST) {
		fail(writes, OL_STORE_NOT_DONE);
		STAILQ_CONCAT(&failed, writes);
	} else
		put_files(o, writes, &failed);
	STAILQ_FOREACH (request, writes, link)
		n++;
	STAILQ_FOREACH (request, &failed, link)
		lost++;
	if (n > 0) {
		rc = transact(o, writes, &doomed, &committing);
		if (rc == SQLITE_OK) {
			for (i = 0; i < doomed.n; i++)
				ol_folder_remove(&o->folder, doomed.files[i].id,
				    doomed.files[i].file);
		} else {
			on_not_committed(o, writes, rc, committing);
			lost += n;
			n = 0;
		}
	}
	free(doomed.files);
	o->counts.commits += n > 0;
	o->counts.writings += n;
	o->counts.failed += lost;
	STAILQ_CONCAT(writes, &failed);
	o->give(o->arg, writes);
}

void
ol_sqlite_owner_read(struct ol_sqlite_owner *o, struct ol_store_requests *reads)
{
	struct ol_store_request *request;
	int rc;

	while ((request = STAILQ_FIRST(reads)) != NULL) {
		STAILQ_REMOVE_HEAD(reads, link);
		request->answer.failed = OL_STORE_NOT_DONE;
		if (o->db.handle != NULL) {
			rc = OL_FAILS("store_read") ? SQLITE_IOERR
						    : ol_sqlite_reads_do(&o->db,
							  &o->folder, request);
			if (rc == SQLITE_OK)
				request->answer.failed = OL_STORE_DONE;
			else if (!ol_sqlite_db_harmless(rc))
				drop(o, rc);
		}
		give_one(o, request);
	}
}

/*
 * After an I/O error and a new beginning: what is there now is on disk. Tell
 * it of every writing that nobody knew of. -1: another error.
 */
static int
settle(struct ol_sqlite_owner *o)
{
	struct ol_sqlite_unsettled *task;
	struct ol_store_request *news;
	bool refers;
	int rc;

	while (o->nunsettled > 0) {
		task = &o->unsettled[o->nunsettled - 1];
		news = ol_store_request_new(OL_ASK_SETTLED);
		memcpy(news->id, task->id, OL_ROW_ID);
		rc = ol_sqlite_reads_refers(
		    &o->db, task->id, task->file, &refers);
		if (rc == SQLITE_OK)
			rc = ol_sqlite_reads_do(&o->db, &o->folder, news);
		if (rc != SQLITE_OK) {
			ol_store_request_free(news);
			drop(o, rc);
			return -1;
		}
		if (task->file != 0 && !refers)
			ol_folder_remove(&o->folder, task->id, task->file);
		if (news->answer.n > 0)
			news->row = ol_row_copy(news->answer.rows[0]);
		give_one(o, news);
		o->nunsettled--;
	}
	free(o->unsettled);
	o->unsettled = NULL;
	return 0;
}

static void
reopen(struct ol_sqlite_owner *o)
{
	/* Say once why not. */
	bool again = o->reopen_after > REOPEN_FIRST_MS;

	if (OL_FAILS("store_reopen") ||
	    ol_sqlite_db_open(&o->db, &o->folder, again) == -1) {
		o->reopen_after = o->reopen_after * 2 < REOPEN_MOST_MS
				      ? o->reopen_after * 2
				      : REOPEN_MOST_MS;
		o->reopen_at = ol_clock_now() + OL_MSEC(o->reopen_after);
		return;
	}
	o->reopen_at = OL_NEVER;
	if (settle(o) == 0)
		set_health(o, true, NULL);
}

/* Failing with an open database: can it be written to, and files, too? */
static void
probe(struct ol_sqlite_owner *o)
{
	static const char zeros[2 * OL_STORE_ROW_BODY];
	const uint8_t id[OL_ROW_ID] = { 0 };
	struct ol_body *body = ol_must(ol_body_new(zeros, sizeof(zeros)));
	int64_t file;
	int rc;

	checkpoint(o, false);
	if (o->db.handle == NULL)
		goto out;
	o->probe_at = ol_clock_now() + OL_MSEC(PROBE_AFTER_MS);
	if (ol_folder_put(&o->folder, id, body, &file) == -1)
		goto out;
	ol_folder_remove(&o->folder, id, file);
	rc = ol_sqlite_db_begin(&o->db, true);
	if (rc == SQLITE_OK)
		rc = ol_sqlite_db_touch(&o->db);
	if (rc == SQLITE_OK)
		rc = ol_sqlite_db_commit(&o->db);
	if (rc == SQLITE_OK)
		set_health(o, true, NULL);
	else if (!ol_sqlite_db_harmless(rc) ||
		 ol_sqlite_db_rollback(&o->db) != SQLITE_OK)
		drop(o, rc);
out:
	ol_body_free(body);
}

static int
keep_file(void *arg, const uint8_t *id, int64_t file)
{
	struct ol_sqlite_owner *o = arg;
	bool refers;

	if (ol_sqlite_reads_refers(&o->db, id, file, &refers) != SQLITE_OK)
		return -1;
	return refers;
}

/* --- For whoever has it. --- */

int
ol_sqlite_owner_open(struct ol_sqlite_owner *o, const char *folder)
{
	long swept;

	if (o->log_pages == 0)
		o->log_pages = OL_SQLITE_WAL_PAGES;
	o->working = true;
	o->flush_at = o->empty_at = OL_NEVER;
	o->probe_at = o->reopen_at = OL_NEVER;
	if (ol_folder_open(&o->folder, folder) == -1)
		return -1;
	if (ol_sqlite_db_open(&o->db, &o->folder, false) == -1)
		goto err1;
	OL_FAILPOINT("store_opened");
	if ((swept = ol_folder_sweep(&o->folder, keep_file, o)) == -1)
		goto err2;
	if (swept > 0)
		ol_log_notice(
		    NULL, "store: removed %ld files without a task", swept);
	return 0;

err2:
	ol_sqlite_db_close(&o->db, false);
err1:
	ol_folder_close(&o->folder);
	return -1;
}

void
ol_sqlite_owner_close(struct ol_sqlite_owner *o)
{
	OL_FAILPOINT("store_close");
	ol_sqlite_db_close(&o->db, false);
	ol_folder_close(&o->folder);
	free(o->unsettled);
}

void
ol_sqlite_owner_recover(struct ol_sqlite_owner *o)
{
	if (o->reopen_at <= ol_clock_now())
		reopen(o);
	if (o->probe_at <= ol_clock_now())
		probe(o);
}

void
ol_sqlite_owner_tidy(struct ol_sqlite_owner *o)
{
	int64_t now = ol_clock_now();

	if (o->db.handle == NULL)
		return;
	if (o->empty_at <= now)
		checkpoint(o, true);
	else if (o->db.wal_pages >= o->log_pages || o->flush_at <= now)
		checkpoint(o, false);
}

int64_t
ol_sqlite_owner_due(const struct ol_sqlite_owner *o)
{
	int64_t due = o->flush_at;

	if (due > o->empty_at)
		due = o->empty_at;
	if (due > o->reopen_at)
		due = o->reopen_at;
	if (due > o->probe_at)
		due = o->probe_at;
	return due;
}
