#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "base/must.h"
#include "store/sqlite_db.h"
#include "store/sqlite_find.h"
#include "store/sqlite_rows.h"

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

static void
bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	sqlite3_bind_text(
	    statement, at, text != NULL ? text : "", -1, SQLITE_STATIC);
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
	ol_sqlite_bind_blob(statement, 2, body->data, (size_t)body->size);
	return ol_sqlite_db_run(db, which);
}

/* A task with the same key: *there, and the answer is filled. */
static int
find_key(struct ol_sqlite_db *db, struct ol_store_request *request, bool *there)
{
	sqlite3_stmt *statement = db->statements[OL_SQL_FIND_KEY];
	const struct ol_row *row = request->row;
	bool foreign;
	int rc;

	bind_text(statement, 1, row->key_scope);
	bind_text(statement, 2, row->key);
	rc = sqlite3_step(statement);
	*there =
	    rc == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == OL_ROW_ID;
	foreign = rc == SQLITE_ROW && !*there;
	if (*there) {
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
	if (foreign) {
		/* Somebody has edited that row: it is nobody's any more. */
		statement = db->statements[OL_SQL_FORGET_KEY];
		bind_text(statement, 1, row->key_scope);
		bind_text(statement, 2, row->key);
		return ol_sqlite_db_run(db, OL_SQL_FORGET_KEY);
	}
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
	sqlite3_bind_int64(s, OL_COLUMN_SEQ + 1, ++db->seq);
	ol_sqlite_bind_blob(s, OL_COLUMN_ID + 1, row->id, OL_ROW_ID);
	sqlite3_bind_int(s, OL_COLUMN_STATE + 1, (int)row->state);
	sqlite3_bind_int(s, OL_COLUMN_PRIORITY + 1, row->priority);
	sqlite3_bind_int64(s, OL_COLUMN_ATTEMPT + 1, row->attempt);
	sqlite3_bind_int64(s, OL_COLUMN_REFUNDS + 1, row->refunds);
	sqlite3_bind_int64(s, OL_COLUMN_CRASHES + 1, row->crashes);
	sqlite3_bind_int(s, OL_COLUMN_FIRST + 1, row->first);
	sqlite3_bind_int(s, OL_COLUMN_CANCELLED + 1, row->cancelled);
	sqlite3_bind_int64(s, OL_COLUMN_CREATED + 1, row->created);
	sqlite3_bind_int64(s, OL_COLUMN_DUE + 1, row->due);
	sqlite3_bind_int64(s, OL_COLUMN_STARTED + 1, row->started);
	sqlite3_bind_int64(s, OL_COLUMN_ENDED + 1, row->ended);
	sqlite3_bind_int64(
	    s, OL_COLUMN_PAYLOAD_SIZE + 1, body != NULL ? body->size : 0);
	sqlite3_bind_int64(s, OL_COLUMN_PAYLOAD_FILE + 1, request->file);
	bind_text(s, OL_COLUMN_TYPE + 1, row->type);
	bind_text(s, OL_COLUMN_OWNER + 1, row->owner);
	bind_text(s, OL_COLUMN_CONTENT_TYPE + 1, row->content_type);
	bind_text(s, OL_COLUMN_RESULT_TYPE + 1, row->result_type);
	if (row->key[0] != '\0') {
		bind_text(s, OL_COLUMN_KEY_SCOPE + 1, row->key_scope);
		bind_text(s, OL_COLUMN_KEY + 1, row->key);
		ol_sqlite_bind_blob(
		    s, OL_COLUMN_KEY_HASH + 1, row->key_hash, OL_ROW_HASH);
	}
	if (row->has_session)
		ol_sqlite_bind_blob(
		    s, OL_COLUMN_SESSION + 1, row->session, OL_ROW_SESSION);
	ol_sqlite_bind_blob(
	    s, OL_COLUMN_ERROR + 1, row->error.data, row->error.size);
	ol_sqlite_bind_blob(
	    s, OL_COLUMN_CONTEXT + 1, row->context.data, row->context.size);
	sqlite3_bind_int(s, OL_COLUMN_RECORDED + 1, row->recorded);
	ol_sqlite_bind_blob(s, OL_COLUMN_SECRETS + 1, row->secrets.data,
	    row->state < OL_ROW_SUCCEEDED ? row->secrets.size : 0);
	ol_sqlite_bind_blob(
	    s, OL_COLUMN_REPLY + 1, row->reply.data, row->reply.size);
	return ol_sqlite_db_run(db, OL_SQL_INSERT);
}

static int
submit(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	struct ol_body *body = request->body;
	struct ol_sqlite_found found;
	bool there = false;
	int rc;

	memcpy(request->answer.id, request->id, OL_ROW_ID);
	if ((rc = ol_sqlite_find(db, request->id, &found)) != SQLITE_OK)
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
has_moved(
    const struct ol_sqlite_found *found, const struct ol_store_request *request)
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
	ol_sqlite_bind_blob(s, 11, move->error.data, move->error.size);
	sqlite3_bind_int64(s, 12, body != NULL ? body->size : -1);
	sqlite3_bind_int64(s, 13, request->file);
	bind_text(s, 14, move->result_type);
	sqlite3_bind_int(s, 15, move->first);
	sqlite3_bind_int(s, 16, move->cancelled);
	ol_sqlite_bind_blob(s, 17, move->reply.data, move->reply.size);
	return ol_sqlite_db_run(db, OL_SQL_MOVE);
}

/* Keep what the attempt that the move ends left behind, if it did. */
static int
keep_attempt(struct ol_sqlite_db *db, const struct ol_sqlite_found *found,
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
	ol_sqlite_bind_blob(s, 6, move->error.data, move->error.size);
	ol_sqlite_bind_blob(s, 7, move->log.data, move->log.size);
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
	struct ol_sqlite_found found;
	int rc;

	if ((rc = ol_sqlite_find(db, request->id, &found)) != SQLITE_OK)
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
	if (found.secrets && (request->move.state >= OL_ROW_SUCCEEDED ||
				 request->move.erase_payload))
		db->log_has_secrets = true;
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
	struct ol_sqlite_found found;
	int rc;

	if ((rc = ol_sqlite_find(db, id, &found)) != SQLITE_OK)
		return rc;
	*status = found.there ? OL_STORE_OK : OL_STORE_ABSENT;
	if (!found.there)
		return SQLITE_OK;
	if (found.secrets)
		db->log_has_secrets = true;
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
