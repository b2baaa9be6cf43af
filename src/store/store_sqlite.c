#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sqlite3.h>
#include <bsd/sys/queue.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "loop/loop.h"
#include "store/folder.h"
#include "store/request.h"
#include "store/sqlite_db.h"
#include "store/sqlite_rows.h"
#include "store/store.h"

/*
 * One thread owns the database. It takes what has queued, commits all writings
 * of it at once, answers, then reads. What comes in the meantime queues: the
 * longer a flush takes, the more share the next one.
 */
enum {
	BATCH_MOST = 1024,	       /* requests */
	BATCH_BYTES = 8 * 1024 * 1024, /* of bodies: they go through the log */
	FLUSH_AFTER_MS = 500,	       /* of a commit without a flush */
	PROBE_AFTER_MS = 1000, /* of a failure that left the database open */
	REOPEN_FIRST_MS = 200,
	REOPEN_MOST_MS = 5000,
};

/* Writings whose commit ended in an I/O error. */
struct unsettled {
	struct {
		uint8_t id[OL_ROW_ID];
		int64_t file; /* 0: none */
	} * tasks;
	size_t n;
};

struct backend {
	struct ol_store_options options; /* its folder is not used any more */
	struct ol_folder folder;
	struct ol_wake *wake;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t asked_or_closing;
	struct ol_store_requests
	    asked; /* under lock, as all up to the next line */
	struct ol_store_requests done;
	struct ol_store_counts counts;
	bool closing;

	/* Of the thread alone. */
	struct ol_sqlite_db db;
	bool working;	   /* what the loop was told */
	int64_t flush_at;  /* OL_NEVER: all commits are flushed */
	int64_t probe_at;  /* OL_NEVER: working, or closed */
	int64_t reopen_at; /* OL_NEVER: the database is open */
	int reopen_after;  /* ms */
	struct unsettled unsettled;
};

static void
on_wake(void *arg)
{
	struct backend *b = arg;
	struct ol_store_requests done = STAILQ_HEAD_INITIALIZER(done);
	struct ol_store_request *request;

	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&done, &b->done);
	pthread_mutex_unlock(&b->lock);
	while ((request = STAILQ_FIRST(&done)) != NULL) {
		STAILQ_REMOVE_HEAD(&done, link);
		ol_store_request_deliver(request, &b->options);
	}
}

/* Give answered requests, and news, back to the loop. */
static void
give_back(struct backend *b, struct ol_store_requests *requests)
{
	if (STAILQ_EMPTY(requests))
		return;
	pthread_mutex_lock(&b->lock);
	STAILQ_CONCAT(&b->done, requests);
	pthread_mutex_unlock(&b->lock);
	ol_wake_up(b->wake);
}

static void
give_back_one(struct backend *b, struct ol_store_request *request)
{
	struct ol_store_requests one = STAILQ_HEAD_INITIALIZER(one);

	STAILQ_INSERT_TAIL(&one, request, link);
	give_back(b, &one);
}

/*
 * Tell the loop when the store begins to fail, or works again. That it works
 * is found out by probe() and reopen() alone: a small writing that succeeds
 * between large ones that fail is no news.
 */
static void
set_health(struct backend *b, bool working, const char *why)
{
	struct ol_store_request *news;

	b->probe_at = working || b->db.handle == NULL
			  ? OL_NEVER
			  : ol_clock_now() + OL_MSEC(PROBE_AFTER_MS);
	if (b->working == working)
		return;
	b->working = working;
	news = ol_store_request_new(OL_ASK_HEALTH);
	news->working = working;
	news->why = why;
	give_back_one(b, news);
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
drop(struct backend *b, int rc)
{
	ol_log_debug(NULL, "store: the database is closed: %s (%d), errno %d",
	    sqlite3_errmsg(b->db.handle), rc,
	    sqlite3_system_errno(b->db.handle));
	ol_sqlite_db_close(&b->db, true);
	b->flush_at = OL_NEVER;
	b->reopen_after = REOPEN_FIRST_MS;
	b->reopen_at = ol_clock_now() + OL_MSEC(b->reopen_after);
	set_health(b, false, ol_sqlite_db_why(rc));
}

static void
checkpoint(struct backend *b)
{
	int rc = OL_FAILS("store_checkpoint") ? SQLITE_IOERR
					      : ol_sqlite_db_checkpoint(&b->db);

	b->flush_at = OL_NEVER;
	if (rc == SQLITE_OK)
		return;
	if (ol_sqlite_db_harmless(rc))
		set_health(b, false, ol_sqlite_db_why(rc));
	else
		drop(b, rc);
}

/*
 * Write large bodies to their files, flushed with their names, before a row
 * refers to them. Those that cannot be written move to failed.
 */
static void
put_files(struct backend *b, struct ol_store_requests *writes,
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
			&b->folder, request->id, body, &request->file) == -1) {
			request->file = -1;
			why = errno == ENOSPC ? "no space left for a body"
					      : "cannot write a body's file";
			ol_log_debug(
			    NULL, "store: %s: %s", why, strerror(errno));
		} else
			flush = true;
	}
	if (flush && (OL_FAILS("store_body_flush") ||
			 ol_folder_flush(&b->folder) == -1)) {
		flushed = false;
		why = "cannot flush the folder of bodies";
	}
	STAILQ_FOREACH_SAFE (request, writes, link, next) {
		if (request->file == 0 || (request->file > 0 && flushed))
			continue;
		if (request->file > 0)
			ol_folder_remove(
			    &b->folder, request->id, request->file);
		STAILQ_REMOVE(writes, request, ol_store_request, link);
		STAILQ_INSERT_TAIL(failed, request, link);
	}
	fail(failed, OL_STORE_NOT_DONE);
	if (why != NULL)
		set_health(b, false, why);
}

/* Nothing was written: the files have no rows. */
static void
remove_files(struct backend *b, struct ol_store_requests *writes)
{
	struct ol_store_request *request;

	STAILQ_FOREACH (request, writes, link)
		if (request->file != 0)
			ol_folder_remove(
			    &b->folder, request->id, request->file);
}

static void
note_unsettled(struct backend *b, struct ol_store_requests *writes)
{
	struct unsettled *u = &b->unsettled;
	struct ol_store_request *request;
	size_t n = 0;

	STAILQ_FOREACH (request, writes, link)
		n++;
	u->tasks = ol_must(realloc(u->tasks, (u->n + n) * sizeof(*u->tasks)));
	STAILQ_FOREACH (request, writes, link) {
		if (request->kind == OL_ASK_EXPIRE)
			continue;
		memcpy(u->tasks[u->n].id, request->id, OL_ROW_ID);
		u->tasks[u->n++].file = request->file;
	}
}

/* All in one transaction. SQLite's result; *committing: COMMIT was tried. */
static int
transact(struct backend *b, struct ol_store_requests *writes,
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
	if ((rc = ol_sqlite_db_begin(&b->db, flushes)) != SQLITE_OK)
		return rc;
	STAILQ_FOREACH (request, writes, link)
		if ((rc = ol_sqlite_rows_write(&b->db, request, doomed)) !=
		    SQLITE_OK)
			return rc;
	*committing = true;
	if (OL_FAILS("store_commit"))
		return SQLITE_IOERR;
	if ((rc = ol_sqlite_db_commit(&b->db)) != SQLITE_OK)
		return rc;
	/* It is there, and nobody knows. */
	if (OL_FAILS("store_committed"))
		return SQLITE_IOERR;
	if (flushes)
		b->flush_at = OL_NEVER;
	else if (b->flush_at == OL_NEVER)
		b->flush_at = ol_clock_now() + OL_MSEC(FLUSH_AFTER_MS);
	return SQLITE_OK;
}

/* The transaction failed: answer, and leave nothing half done. */
static void
on_not_committed(struct backend *b, struct ol_store_requests *writes, int rc,
    bool committing)
{
	bool harmless = ol_sqlite_db_harmless(rc);

	if (harmless && ol_sqlite_db_rollback(&b->db) != SQLITE_OK)
		harmless = false;
	if (committing && !harmless) {
		fail(writes, OL_STORE_UNKNOWN);
		note_unsettled(b, writes);
	} else {
		fail(writes, OL_STORE_NOT_DONE);
		remove_files(b, writes);
	}
	if (harmless)
		set_health(b, false, ol_sqlite_db_why(rc));
	else
		drop(b, rc);
}

static void
write_batch(struct backend *b, struct ol_store_requests *writes)
{
	struct ol_store_requests failed = STAILQ_HEAD_INITIALIZER(failed);
	struct ol_doomed doomed = { 0 };
	struct ol_store_request *request;
	uint64_t n = 0, lost = 0;
	bool committing;
	size_t i;
	int rc;

	if (b->db.wal_pages >= OL_SQLITE_WAL_MOST)
		checkpoint(b);
	if (b->db.handle == NULL || b->db.wal_pages >= OL_SQLITE_WAL_MOST) {
		fail(writes, OL_STORE_NOT_DONE);
		STAILQ_CONCAT(&failed, writes);
	} else
		put_files(b, writes, &failed);
	STAILQ_FOREACH (request, writes, link)
		n++;
	STAILQ_FOREACH (request, &failed, link)
		lost++;
	if (n > 0) {
		rc = transact(b, writes, &doomed, &committing);
		if (rc == SQLITE_OK) {
			for (i = 0; i < doomed.n; i++)
				ol_folder_remove(&b->folder, doomed.files[i].id,
				    doomed.files[i].file);
		} else {
			on_not_committed(b, writes, rc, committing);
			lost += n;
			n = 0;
		}
	}
	free(doomed.files);
	pthread_mutex_lock(&b->lock);
	b->counts.commits += n > 0;
	b->counts.writings += n;
	b->counts.failed += lost;
	pthread_mutex_unlock(&b->lock);
	STAILQ_CONCAT(writes, &failed);
	give_back(b, writes);
}

static void
read_batch(struct backend *b, struct ol_store_requests *reads)
{
	struct ol_store_request *request;
	int rc;

	while ((request = STAILQ_FIRST(reads)) != NULL) {
		STAILQ_REMOVE_HEAD(reads, link);
		request->answer.failed = OL_STORE_NOT_DONE;
		if (b->db.handle != NULL) {
			rc = OL_FAILS("store_read")
				 ? SQLITE_IOERR
				 : ol_sqlite_rows_read(
				       &b->db, &b->folder, request);
			if (rc == SQLITE_OK)
				request->answer.failed = OL_STORE_DONE;
			else if (!ol_sqlite_db_harmless(rc))
				drop(b, rc);
		}
		give_back_one(b, request);
	}
}

/*
 * After an I/O error and a new beginning: what is there now is on disk. Tell
 * it of every writing that nobody knew of. -1: another error.
 */
static int
settle(struct backend *b)
{
	struct unsettled *u = &b->unsettled;
	struct ol_store_request *news;
	bool refers;
	int rc;

	while (u->n > 0) {
		news = ol_store_request_new(OL_ASK_SETTLED);
		memcpy(news->id, u->tasks[u->n - 1].id, OL_ROW_ID);
		rc = ol_sqlite_rows_refers(
		    &b->db, news->id, u->tasks[u->n - 1].file, &refers);
		if (rc == SQLITE_OK)
			rc = ol_sqlite_rows_read(&b->db, &b->folder, news);
		if (rc != SQLITE_OK) {
			ol_store_request_free(news);
			drop(b, rc);
			return -1;
		}
		if (u->tasks[u->n - 1].file != 0 && !refers)
			ol_folder_remove(
			    &b->folder, news->id, u->tasks[u->n - 1].file);
		if (news->answer.n > 0)
			news->row = ol_row_copy(news->answer.rows[0]);
		give_back_one(b, news);
		u->n--;
	}
	free(u->tasks);
	*u = (struct unsettled){ 0 };
	return 0;
}

static void
reopen(struct backend *b)
{
	/* Say once why not. */
	bool again = b->reopen_after > REOPEN_FIRST_MS;

	if (OL_FAILS("store_reopen") ||
	    ol_sqlite_db_open(&b->db, &b->folder, again) == -1) {
		b->reopen_after = b->reopen_after * 2 < REOPEN_MOST_MS
				      ? b->reopen_after * 2
				      : REOPEN_MOST_MS;
		b->reopen_at = ol_clock_now() + OL_MSEC(b->reopen_after);
		return;
	}
	b->reopen_at = OL_NEVER;
	if (settle(b) == 0)
		set_health(b, true, NULL);
}

/* Failing with an open database: can it be written to, and files, too? */
static void
probe(struct backend *b)
{
	static const char zeros[2 * OL_STORE_ROW_BODY];
	const uint8_t id[OL_ROW_ID] = { 0 };
	struct ol_body *body = ol_must(ol_body_new(zeros, sizeof(zeros)));
	int64_t file;
	int rc;

	checkpoint(b);
	if (b->db.handle == NULL)
		goto out;
	b->probe_at = ol_clock_now() + OL_MSEC(PROBE_AFTER_MS);
	if (ol_folder_put(&b->folder, id, body, &file) == -1)
		goto out;
	ol_folder_remove(&b->folder, id, file);
	rc = ol_sqlite_db_begin(&b->db, true);
	if (rc == SQLITE_OK)
		rc = ol_sqlite_db_touch(&b->db);
	if (rc == SQLITE_OK)
		rc = ol_sqlite_db_commit(&b->db);
	if (rc == SQLITE_OK)
		set_health(b, true, NULL);
	else if (!ol_sqlite_db_harmless(rc) ||
		 ol_sqlite_db_rollback(&b->db) != SQLITE_OK)
		drop(b, rc);
out:
	ol_body_free(body);
}

/* Under lock: what is done at once of what was asked for. */
static void
take_batch(struct backend *b, struct ol_store_requests *writes,
    struct ol_store_requests *reads)
{
	struct ol_store_request *request;
	int64_t bytes = 0;
	int n = 0;

	while (n++ < BATCH_MOST && bytes < BATCH_BYTES &&
	       (request = STAILQ_FIRST(&b->asked)) != NULL) {
		STAILQ_REMOVE_HEAD(&b->asked, link);
		if (request->body != NULL)
			bytes += request->body->size;
		if (ol_store_request_writes(request))
			STAILQ_INSERT_TAIL(writes, request, link);
		else
			STAILQ_INSERT_TAIL(reads, request, link);
	}
}

/* Under lock: until there is something to do. */
static void
wait_for_work(struct backend *b)
{
	int64_t until = b->flush_at;
	struct timespec ts;

	if (until > b->reopen_at)
		until = b->reopen_at;
	if (until > b->probe_at)
		until = b->probe_at;
	ts = (struct timespec){ until / OL_SEC(1), until % OL_SEC(1) };
	while (STAILQ_EMPTY(&b->asked) && !b->closing) {
		if (until == OL_NEVER)
			pthread_cond_wait(&b->asked_or_closing, &b->lock);
		else if (pthread_cond_timedwait(
			     &b->asked_or_closing, &b->lock, &ts) == ETIMEDOUT)
			break;
	}
}

static void *
run(void *arg)
{
	struct backend *b = arg;
	struct ol_store_requests writes, reads;
	bool ended = false;

	while (!ended) {
		STAILQ_INIT(&writes);
		STAILQ_INIT(&reads);
		pthread_mutex_lock(&b->lock);
		wait_for_work(b);
		take_batch(b, &writes, &reads);
		ended = b->closing && STAILQ_EMPTY(&b->asked);
		pthread_mutex_unlock(&b->lock);

		if (b->reopen_at <= ol_clock_now())
			reopen(b);
		if (b->probe_at <= ol_clock_now())
			probe(b);
		if (!STAILQ_EMPTY(&writes))
			write_batch(b, &writes);
		read_batch(b, &reads);
		/* After the answers: nobody waits for it. */
		if (b->db.handle != NULL &&
		    (b->db.wal_pages >= OL_SQLITE_WAL_PAGES ||
			b->flush_at <= ol_clock_now()))
			checkpoint(b);
	}
	OL_FAILPOINT("store_close");
	ol_sqlite_db_close(&b->db, false);
	return NULL;
}

static int
keep_file(void *arg, const uint8_t *id, int64_t file)
{
	struct backend *b = arg;
	bool refers;

	if (ol_sqlite_rows_refers(&b->db, id, file, &refers) != SQLITE_OK)
		return -1;
	return refers;
}

static int
start_thread(struct backend *b)
{
	pthread_condattr_t attr;
	sigset_t block, saved;
	int error;

	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->asked_or_closing, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals belong to the loop's thread. */
	sigfillset(&block);
	pthread_sigmask(SIG_BLOCK, &block, &saved);
	error = pthread_create(&b->thread, NULL, run, b);
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	if (error == 0)
		return 0;
	ol_log_error(
	    NULL, "store: cannot start its thread: %s", strerror(error));
	pthread_cond_destroy(&b->asked_or_closing);
	pthread_mutex_destroy(&b->lock);
	return -1;
}

static void *
sqlite_open(const struct ol_store_options *options)
{
	struct backend *b = ol_must(calloc(1, sizeof(*b)));
	long swept;

	b->options = *options;
	b->options.folder = NULL;
	b->working = true;
	b->flush_at = b->probe_at = b->reopen_at = OL_NEVER;
	STAILQ_INIT(&b->asked);
	STAILQ_INIT(&b->done);
	if (ol_folder_open(&b->folder, options->folder) == -1)
		goto err1;
	if (ol_sqlite_db_open(&b->db, &b->folder, false) == -1)
		goto err2;
	OL_FAILPOINT("store_opened");
	if ((swept = ol_folder_sweep(&b->folder, keep_file, b)) == -1)
		goto err3;
	if (swept > 0)
		ol_log_notice(
		    NULL, "store: removed %ld files without a task", swept);
	if ((b->wake = ol_wake_new(options->loop, on_wake, b)) == NULL) {
		ol_log_error(NULL, "store: %s", strerror(errno));
		goto err3;
	}
	if (start_thread(b) == -1)
		goto err4;
	return b;

err4:
	ol_wake_free(b->wake);
err3:
	ol_sqlite_db_close(&b->db, false);
err2:
	ol_folder_close(&b->folder);
err1:
	free(b);
	return NULL;
}

static void
sqlite_ask(void *backend, struct ol_store_request *request)
{
	struct backend *b = backend;

	pthread_mutex_lock(&b->lock);
	STAILQ_INSERT_TAIL(&b->asked, request, link);
	pthread_cond_signal(&b->asked_or_closing);
	pthread_mutex_unlock(&b->lock);
}

static void
sqlite_counts(void *backend, struct ol_store_counts *counts)
{
	struct backend *b = backend;

	pthread_mutex_lock(&b->lock);
	*counts = b->counts;
	pthread_mutex_unlock(&b->lock);
}

static void
sqlite_close(void *backend)
{
	struct backend *b = backend;

	pthread_mutex_lock(&b->lock);
	b->closing = true;
	pthread_cond_signal(&b->asked_or_closing);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
	on_wake(b);
	/* A callback may have asked for more: it is told that it is late. */
	while (!STAILQ_EMPTY(&b->asked)) {
		fail(&b->asked, OL_STORE_NOT_DONE);
		STAILQ_CONCAT(&b->done, &b->asked);
		on_wake(b);
	}
	ol_wake_free(b->wake);
	ol_folder_close(&b->folder);
	free(b->unsettled.tasks);
	pthread_cond_destroy(&b->asked_or_closing);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

const struct ol_store_ops ol_store_sqlite = {
	.name = "sqlite",
	.durable = true,
	.open = sqlite_open,
	.ask = sqlite_ask,
	.counts = sqlite_counts,
	.close = sqlite_close,
};
