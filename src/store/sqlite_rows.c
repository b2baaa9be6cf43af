#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "base/log.h"
#include "base/must.h"
#include "store/folder.h"
#include "store/sqlite_db.h"
#include "store/sqlite_rows.h"

/* COLUMNS of sqlite_db.c, from 0; a parameter of INSERT is one more. */
enum column {
	SEQ,
	ID,
	STATE,
	PRIORITY,
	ATTEMPT,
	REFUNDS,
	CRASHES,
	FIRST,
	CREATED,
	DUE,
	STARTED,
	ENDED,
	PAYLOAD_SIZE,
	PAYLOAD_FILE,
	RESULT_SIZE,
	RESULT_FILE,
	TYPE,
	OWNER,
	CONTENT_TYPE,
	RESULT_TYPE,
	KEY_SCOPE,
	KEY,
	KEY_HASH,
	SESSION,
	ERROR,
	CONTEXT,
};

/* What FIND says of a task. */
struct found {
	bool there;
	int64_t seq;
	int64_t state, attempt;
	int64_t payload_file;
	int64_t result_size, result_file;
	int64_t started;
};

void
ol_sqlite_rows_doom(struct ol_doomed *doomed, const uint8_t *id, int64_t file)
{
	if (doomed->n == doomed->room) {
		doomed->room = doomed->room * 2 + 16;
		doomed->files = ol_must(realloc(
		    doomed->files, doomed->room * sizeof(doomed->files[0])));
	}
	memcpy(doomed->files[doomed->n].id, id, OL_ROW_ID);
	doomed->files[doomed->n++].file = file;
}

/* Borrowed until the statement runs. An empty blob is not NULL. */
static void
bind_blob(sqlite3_stmt *statement, int at, const void *data, size_t size)
{
	sqlite3_bind_blob64(
	    statement, at, size > 0 ? data : "", size, SQLITE_STATIC);
}

static void
bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(
	    statement, at, text != NULL ? text : "", -1, SQLITE_STATIC);
}

static int
find(struct ol_sqlite_db *db, const uint8_t *id, struct found *found)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_FIND];
	int rc;

	bind_blob(statement, 1, id, OL_ROW_ID);
	rc = sqlite3_step(statement);
	*found = (struct found){ .there = rc == SQLITE_ROW };
	if (rc == SQLITE_ROW) {
		found->seq = sqlite3_column_int64(statement, 0);
		found->state = sqlite3_column_int64(statement, 1);
		found->attempt = sqlite3_column_int64(statement, 2);
		found->payload_file = sqlite3_column_int64(statement, 3);
		found->result_size = sqlite3_column_int64(statement, 4);
		found->result_file = sqlite3_column_int64(statement, 5);
		found->started = sqlite3_column_int64(statement, 6);
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Run a statement whose first parameter is seq. */
static int
run_seq(struct ol_sqlite_db *db, enum ol_sqlite_sql which, int64_t seq)
{
	sqlite3_bind_int64(db->statements[which], 1, seq);
	return ol_sqlite_db_run(db, which);
}

/* Insert the bytes of a body that is not in a file. */
static int
insert_body(struct ol_sqlite_db *db, enum ol_sqlite_sql which, int64_t seq,
    const struct ol_body *body)
{
	sqlite3_stmt *statement = db->statements[which];

	sqlite3_bind_int64(statement, 1, seq);
	bind_blob(statement, 2, body->data, (size_t)body->size);
	return ol_sqlite_db_run(db, which);
}

/* A task with the same key: *there, and the answer is filled. */
static int
find_key(struct ol_sqlite_db *db, struct ol_store_request *request, bool *there)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_FIND_KEY];
	const struct ol_row *row = request->row;
	int rc;

	bind_text(statement, 1, row->key_scope);
	bind_text(statement, 2, row->key);
	rc = sqlite3_step(statement);
	*there = rc == SQLITE_ROW;
	if (rc == SQLITE_ROW &&
	    sqlite3_column_bytes(statement, 0) == OL_ROW_ID) {
		memcpy(request->answer.id, sqlite3_column_blob(statement, 0),
		    OL_ROW_ID);
		request->answer.status =
		    sqlite3_column_bytes(statement, 1) == OL_ROW_HASH &&
			    memcmp(sqlite3_column_blob(statement, 1),
				row->key_hash, OL_ROW_HASH) == 0
			? OL_STORE_DUPLICATE
			: OL_STORE_CONFLICT;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
insert_row(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	sqlite3_stmt *s = db->statements[OL_SQL_INSERT];
	const struct ol_row *row = request->row;
	const struct ol_body *body = request->body;

	/* Somebody has edited the database. */
	if (db->seq == INT64_MAX)
		return SQLITE_FULL;
	sqlite3_bind_int64(s, SEQ + 1, ++db->seq);
	bind_blob(s, ID + 1, row->id, OL_ROW_ID);
	sqlite3_bind_int(s, STATE + 1, (int)row->state);
	sqlite3_bind_int(s, PRIORITY + 1, row->priority);
	sqlite3_bind_int64(s, ATTEMPT + 1, row->attempt);
	sqlite3_bind_int64(s, REFUNDS + 1, row->refunds);
	sqlite3_bind_int64(s, CRASHES + 1, row->crashes);
	sqlite3_bind_int(s, FIRST + 1, row->first);
	sqlite3_bind_int64(s, CREATED + 1, row->created);
	sqlite3_bind_int64(s, DUE + 1, row->due);
	sqlite3_bind_int64(s, STARTED + 1, row->started);
	sqlite3_bind_int64(s, ENDED + 1, row->ended);
	sqlite3_bind_int64(s, PAYLOAD_SIZE + 1, body != NULL ? body->size : 0);
	sqlite3_bind_int64(s, PAYLOAD_FILE + 1, request->file);
	bind_text(s, TYPE + 1, row->type);
	bind_text(s, OWNER + 1, row->owner);
	bind_text(s, CONTENT_TYPE + 1, row->content_type);
	bind_text(s, RESULT_TYPE + 1, row->result_type);
	if (row->key[0] != '\0') {
		bind_text(s, KEY_SCOPE + 1, row->key_scope);
		bind_text(s, KEY + 1, row->key);
		bind_blob(s, KEY_HASH + 1, row->key_hash, OL_ROW_HASH);
	}
	if (row->has_session)
		bind_blob(s, SESSION + 1, row->session, OL_ROW_SESSION);
	bind_blob(s, ERROR + 1, row->error.data, row->error.size);
	bind_blob(s, CONTEXT + 1, row->context.data, row->context.size);
	return ol_sqlite_db_run(db, OL_SQL_INSERT);
}

static int
submit(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	struct ol_body *body = request->body;
	struct found found;
	bool there = false;
	int rc;

	memcpy(request->answer.id, request->id, OL_ROW_ID);
	if ((rc = find(db, request->id, &found)) != SQLITE_OK)
		return rc;
	if (found.there) {
		request->answer.status = OL_STORE_EXISTS;
		return SQLITE_OK;
	}
	if (request->row->key[0] != '\0' &&
	    ((rc = find_key(db, request, &there)) != SQLITE_OK || there))
		return rc;
	if ((rc = insert_row(db, request)) != SQLITE_OK || body == NULL ||
	    request->file != 0)
		return rc;
	return insert_body(db, OL_SQL_INSERT_PAYLOAD,
	    sqlite3_last_insert_rowid(db->handle), body);
}

/* Whether the row is already what the move would make of it. */
static bool
has_moved(const struct found *found, const struct ol_store_request *request)
{
	const struct ol_move *move = &request->move;

	return found->state == (int64_t)move->state &&
	       found->attempt == (int64_t)move->attempt &&
	       found->result_size ==
		   (request->body != NULL ? request->body->size : -1);
}

static int
update_row(
    struct ol_sqlite_db *db, struct ol_store_request *request, int64_t seq)
{
	sqlite3_stmt *s = db->statements[OL_SQL_MOVE];
	const struct ol_move *move = &request->move;
	const struct ol_body *body = request->body;

	sqlite3_bind_int64(s, 1, seq);
	sqlite3_bind_int64(s, 2, move->fence);
	sqlite3_bind_int(s, 3, move->was_ended);
	sqlite3_bind_int(s, 4, (int)move->state);
	sqlite3_bind_int64(s, 5, move->attempt);
	sqlite3_bind_int64(s, 6, move->refunds);
	sqlite3_bind_int64(s, 7, move->crashes);
	sqlite3_bind_int64(s, 8, move->due);
	sqlite3_bind_int64(s, 9, move->started);
	sqlite3_bind_int64(s, 10, move->ended);
	bind_blob(s, 11, move->error.data, move->error.size);
	sqlite3_bind_int64(s, 12, body != NULL ? body->size : -1);
	sqlite3_bind_int64(s, 13, request->file);
	bind_text(s, 14, move->result_type);
	sqlite3_bind_int(s, 15, move->first);
	return ol_sqlite_db_run(db, OL_SQL_MOVE);
}

/* Keep what the attempt that the move ends left behind, if it did. */
static int
keep_attempt(struct ol_sqlite_db *db, const struct found *found,
    const struct ol_move *move)
{
	sqlite3_stmt *s = db->statements[OL_SQL_INSERT_ATTEMPT];
	int rc;

	if (!ol_move_ends_attempt((enum ol_row_state)found->state, move) ||
	    (move->error.size == 0 && move->log.size == 0))
		return SQLITE_OK;
	sqlite3_bind_int64(s, 1, found->seq);
	sqlite3_bind_int64(s, 2, move->fence);
	sqlite3_bind_int64(s, 3, found->started);
	sqlite3_bind_int64(
	    s, 4, move->attempt_ended != 0 ? move->attempt_ended : move->ended);
	sqlite3_bind_int(s, 5, (int)move->state);
	bind_blob(s, 6, move->error.data, move->error.size);
	bind_blob(s, 7, move->log.data, move->log.size);
	if ((rc = ol_sqlite_db_run(db, OL_SQL_INSERT_ATTEMPT)) != SQLITE_OK)
		return rc;
	s = db->statements[OL_SQL_DELETE_OLD_ATTEMPTS];
	sqlite3_bind_int(s, 2, OL_STORE_ATTEMPTS_MAX);
	return run_seq(db, OL_SQL_DELETE_OLD_ATTEMPTS, found->seq);
}

static int
move(struct ol_sqlite_db *db, struct ol_store_request *request,
    struct ol_doomed *doomed)
{
	struct found found;
	int rc;

	if ((rc = find(db, request->id, &found)) != SQLITE_OK)
		return rc;
	if (!found.there) {
		request->answer.status = OL_STORE_ABSENT;
		return SQLITE_OK;
	}
	if ((rc = update_row(db, request, found.seq)) != SQLITE_OK)
		return rc;
	if (sqlite3_changes(db->handle) == 0) {
		request->answer.status =
		    has_moved(&found, request) ? OL_STORE_OK : OL_STORE_STALE;
		/* Its file is not the one that the row refers to. */
		if (request->file != 0)
			ol_sqlite_rows_doom(doomed, request->id, request->file);
		return SQLITE_OK;
	}
	if ((rc = keep_attempt(db, &found, &request->move)) != SQLITE_OK)
		return rc;
	if (found.result_file != 0)
		ol_sqlite_rows_doom(doomed, request->id, found.result_file);
	else if (found.result_size >= 0 &&
		 (rc = run_seq(db, OL_SQL_DELETE_RESULT, found.seq)) !=
		     SQLITE_OK)
		return rc;
	if (request->body != NULL && request->file == 0 &&
	    (rc = insert_body(db, OL_SQL_INSERT_RESULT, found.seq,
		 request->body)) != SQLITE_OK)
		return rc;
	if (!request->move.erase_payload)
		return SQLITE_OK;
	if (found.payload_file != 0)
		ol_sqlite_rows_doom(doomed, request->id, found.payload_file);
	if ((rc = run_seq(db, OL_SQL_DELETE_PAYLOAD, found.seq)) != SQLITE_OK)
		return rc;
	return run_seq(db, OL_SQL_ERASE_SECRETS, found.seq);
}

static int
erase(struct ol_sqlite_db *db, const uint8_t *id, enum ol_store_status *status,
    struct ol_doomed *doomed)
{
	struct found found;
	int rc;

	if ((rc = find(db, id, &found)) != SQLITE_OK)
		return rc;
	*status = found.there ? OL_STORE_OK : OL_STORE_ABSENT;
	if (!found.there)
		return SQLITE_OK;
	if (found.payload_file != 0)
		ol_sqlite_rows_doom(doomed, id, found.payload_file);
	if (found.result_file != 0)
		ol_sqlite_rows_doom(doomed, id, found.result_file);
	if ((rc = run_seq(db, OL_SQL_DELETE_PAYLOAD, found.seq)) == SQLITE_OK &&
	    (rc = run_seq(db, OL_SQL_DELETE_RESULT, found.seq)) == SQLITE_OK &&
	    (rc = run_seq(db, OL_SQL_DELETE_ATTEMPTS, found.seq)) == SQLITE_OK)
		rc = run_seq(db, OL_SQL_DELETE, found.seq);
	return rc;
}

/* The ids that ended in state before a time: at most *n, set to how many. */
static int
expired(struct ol_sqlite_db *db, enum ol_row_state state, int64_t before,
    uint8_t (*ids)[OL_ROW_ID], size_t *n)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_EXPIRED];
	size_t most = *n;
	int rc;

	sqlite3_bind_int(statement, 1, (int)state);
	sqlite3_bind_int64(statement, 2, before);
	sqlite3_bind_int64(statement, 3, (int64_t)most);
	*n = 0;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW && *n < most)
		if (sqlite3_column_bytes(statement, 0) == OL_ROW_ID)
			memcpy(ids[(*n)++], sqlite3_column_blob(statement, 0),
			    OL_ROW_ID);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int
expire(struct ol_sqlite_db *db, struct ol_store_request *request,
    struct ol_doomed *doomed)
{
	const struct {
		enum ol_row_state state;
		int64_t before;
	} rules[] = {
		{ OL_ROW_SUCCEEDED, request->expire.succeeded },
		{ OL_ROW_CANCELLED, request->expire.cancelled },
		{ OL_ROW_FAILED, request->expire.failed },
		{ OL_ROW_POISONED, request->expire.poisoned },
	};
	uint8_t ids[OL_STORE_EXPIRE_MAX][OL_ROW_ID];
	enum ol_store_status status;
	size_t i, j, n, count = 0;
	int rc;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if ((n = OL_STORE_EXPIRE_MAX - count) == 0)
			break;
		rc = expired(db, rules[i].state, rules[i].before, ids, &n);
		for (j = 0; rc == SQLITE_OK && j < n; j++)
			rc = erase(db, ids[j], &status, doomed);
		if (rc != SQLITE_OK)
			return rc;
		count += n;
	}
	request->answer.n = count;
	request->answer.more = count == OL_STORE_EXPIRE_MAX;
	return SQLITE_OK;
}

int
ol_sqlite_rows_write(struct ol_sqlite_db *db, struct ol_store_request *request,
    struct ol_doomed *doomed)
{
	int rc;

	switch (request->kind) {
	case OL_ASK_SUBMIT:
		rc = submit(db, request);
		if (rc == SQLITE_OK && request->file != 0 &&
		    request->answer.status != OL_STORE_OK)
			ol_sqlite_rows_doom(doomed, request->id, request->file);
		return rc;
	case OL_ASK_MOVE:
		return move(db, request, doomed);
	case OL_ASK_ERASE:
		return erase(db, request->id, &request->answer.status, doomed);
	case OL_ASK_EXPIRE:
		return expire(db, request, doomed);
	default:
		abort();
	}
}

/*
 * The row that the statement stands on, or NULL, logged, when it is not one
 * that we wrote: somebody has edited the database.
 */
static struct ol_row *
row_of(sqlite3_stmt *s)
{
	struct ol_row row = { .seq = sqlite3_column_int64(s, SEQ) };
	int64_t state = sqlite3_column_int64(s, STATE);
	const char *field;

	if (sqlite3_column_bytes(s, ID) != OL_ROW_ID) {
		field = "id";
		goto err;
	}
	if (!ol_row_is_state(state)) {
		field = "state";
		goto err;
	}
	memcpy(row.id, sqlite3_column_blob(s, ID), OL_ROW_ID);
	row.state = (enum ol_row_state)state;
	row.priority = sqlite3_column_int(s, PRIORITY);
	row.attempt = (uint32_t)sqlite3_column_int64(s, ATTEMPT);
	row.refunds = (uint32_t)sqlite3_column_int64(s, REFUNDS);
	row.crashes = (uint32_t)sqlite3_column_int64(s, CRASHES);
	row.first = sqlite3_column_int64(s, FIRST) != 0;
	row.created = sqlite3_column_int64(s, CREATED);
	row.due = sqlite3_column_int64(s, DUE);
	row.started = sqlite3_column_int64(s, STARTED);
	row.ended = sqlite3_column_int64(s, ENDED);
	row.payload_size = sqlite3_column_int64(s, PAYLOAD_SIZE);
	row.result_size = sqlite3_column_int64(s, RESULT_SIZE);
	row.type = (const char *)sqlite3_column_text(s, TYPE);
	row.owner = (const char *)sqlite3_column_text(s, OWNER);
	row.content_type = (const char *)sqlite3_column_text(s, CONTENT_TYPE);
	row.result_type = (const char *)sqlite3_column_text(s, RESULT_TYPE);
	row.key_scope = (const char *)sqlite3_column_text(s, KEY_SCOPE);
	row.key = (const char *)sqlite3_column_text(s, KEY);
	if (sqlite3_column_bytes(s, KEY_HASH) == OL_ROW_HASH)
		memcpy(row.key_hash, sqlite3_column_blob(s, KEY_HASH),
		    OL_ROW_HASH);
	row.has_session = sqlite3_column_bytes(s, SESSION) == OL_ROW_SESSION;
	if (row.has_session)
		memcpy(row.session, sqlite3_column_blob(s, SESSION),
		    OL_ROW_SESSION);
	row.error = (struct ol_bytes){ sqlite3_column_blob(s, ERROR),
		(size_t)sqlite3_column_bytes(s, ERROR) };
	row.context = (struct ol_bytes){ sqlite3_column_blob(s, CONTEXT),
		(size_t)sqlite3_column_bytes(s, CONTEXT) };
	if ((field = ol_row_check(&row)) == NULL)
		return ol_row_copy(&row);
err:
	ol_log_error(NULL, "store: the row with seq %lld has no valid %s",
	    (long long)row.seq, field);
	return NULL;
}

static int
get(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_GET];
	struct ol_row *row;
	int rc;

	bind_blob(statement, 1, request->id, OL_ROW_ID);
	rc = sqlite3_step(statement);
	request->answer.status = OL_STORE_ABSENT;
	if (rc == SQLITE_ROW && (row = row_of(statement)) != NULL) {
		request->answer.status = OL_STORE_OK;
		ol_store_request_add_row(request, row);
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
get_body(struct ol_sqlite_db *db, struct ol_folder *folder,
    struct ol_store_request *request, enum ol_sqlite_sql which)
{
	sqlite3_stmt *statement = db->statements[which];
	struct ol_answer *answer = &request->answer;
	int64_t size, file;
	int rc, saved = 0;

	bind_blob(statement, 1, request->id, OL_ROW_ID);
	rc = sqlite3_step(statement);
	answer->status = OL_STORE_ABSENT;
	if (rc == SQLITE_ROW &&
	    (size = sqlite3_column_int64(statement, 0)) >= 0) {
		file = sqlite3_column_int64(statement, 1);
		errno = 0;
		if (file != 0)
			answer->body = ol_folder_get(folder, request->id, file);
		else
			answer->body =
			    ol_body_new(sqlite3_column_blob(statement, 2),
				(size_t)sqlite3_column_bytes(statement, 2));
		saved = errno;
		if (answer->body != NULL && answer->body->size != size) {
			ol_body_free(answer->body);
			answer->body = NULL;
			saved = EIO;
		}
		if (answer->body != NULL)
			answer->status = OL_STORE_OK;
		else
			ol_log_error(NULL,
			    "store: a body of %lld bytes cannot be read: %s",
			    (long long)size, strerror(saved));
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return rc;
	/* Not there any more is an answer; out of descriptors is none. */
	return saved != 0 && answer->body == NULL && saved != ENOENT &&
		       saved != EIO
		   ? SQLITE_BUSY
		   : SQLITE_OK;
}

static struct ol_bytes
column_bytes(sqlite3_stmt *s, int column)
{
	struct ol_bytes bytes = { .data = sqlite3_column_blob(s, column) };

	bytes.size = (size_t)sqlite3_column_bytes(s, column);
	return bytes;
}

static int
attempts(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	sqlite3_stmt *s = db->statements[OL_SQL_ATTEMPTS];
	struct ol_attempt attempt;
	struct found found;
	const char *field;
	int rc;

	if ((rc = find(db, request->id, &found)) != SQLITE_OK)
		return rc;
	request->answer.status = found.there ? OL_STORE_OK : OL_STORE_ABSENT;
	if (!found.there)
		return SQLITE_OK;
	sqlite3_bind_int64(s, 1, found.seq);
	sqlite3_bind_int(s, 2, OL_STORE_ATTEMPTS_MAX);
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		attempt = (struct ol_attempt){
			.number = (uint32_t)sqlite3_column_int64(s, 0),
			.started = sqlite3_column_int64(s, 1),
			.ended = sqlite3_column_int64(s, 2),
			.state = (enum ol_row_state)sqlite3_column_int(s, 3),
			.error = column_bytes(s, 4),
			.log = column_bytes(s, 5),
		};
		if ((field = ol_attempt_check(&attempt)) == NULL)
			ol_store_request_add_attempt(
			    request, ol_attempt_copy(&attempt));
		else
			ol_log_error(NULL,
			    "store: attempt %u of the row with seq %lld has "
			    "no valid %s",
			    (unsigned)attempt.number, (long long)found.seq,
			    field);
	}
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
list(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	const struct ol_list *list = &request->list;
	enum ol_sqlite_sql which = OL_SQL_LIST;
	int64_t after = list->after;
	sqlite3_stmt *statement;
	struct ol_row *row;
	size_t looked = 0;
	int rc;

	if (list->states != 0 && (list->states & ~OL_ROW_UNFINISHED) == 0)
		which += 1;
	else if (list->states != 0 && (list->states & ~OL_ROW_DEAD) == 0)
		which += 2;
	if (list->newest_first) {
		which += 3;
		if (after == 0)
			after = INT64_MAX;
	}
	statement = db->statements[which];
	sqlite3_bind_int64(statement, 1, after);
	sqlite3_bind_int64(statement, 2, OL_STORE_LOOK_MAX);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		looked++;
		request->answer.next = sqlite3_column_int64(statement, SEQ);
		if ((row = row_of(statement)) == NULL)
			continue;
		if (!ol_list_matches(list, row)) {
			free(row);
			continue;
		}
		ol_store_request_add_row(request, row);
		if (request->answer.n == list->limit)
			break;
	}
	request->answer.more =
	    request->answer.n == list->limit || looked == OL_STORE_LOOK_MAX;
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int
ol_sqlite_rows_read(struct ol_sqlite_db *db, struct ol_folder *folder,
    struct ol_store_request *request)
{
	switch (request->kind) {
	case OL_ASK_GET:
	case OL_ASK_SETTLED:
		return get(db, request);
	case OL_ASK_PAYLOAD:
		return get_body(db, folder, request, OL_SQL_PAYLOAD);
	case OL_ASK_RESULT:
		return get_body(db, folder, request, OL_SQL_RESULT);
	case OL_ASK_ATTEMPTS:
		return attempts(db, request);
	case OL_ASK_LIST:
		return list(db, request);
	default:
		abort();
	}
}

int
ol_sqlite_rows_refers(
    struct ol_sqlite_db *db, const uint8_t *id, int64_t file, bool *refers)
{
	struct found found;
	int rc = find(db, id, &found);

	*refers = rc == SQLITE_OK && found.there &&
		  (found.payload_file == file || found.result_file == file);
	return rc;
}
