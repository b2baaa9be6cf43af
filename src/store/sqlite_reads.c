#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "base/log.h"
#include "store/folder.h"
#include "store/sqlite_db.h"
#include "store/sqlite_find.h"
#include "store/sqlite_reads.h"

static bool
is_uint32(sqlite3_stmt *s, int column)
{
	int64_t number = sqlite3_column_int64(s, column);

	return number >= 0 && number <= UINT32_MAX;
}

/*
 * NULL, or the name of a field that is not as we write it. Of another type it
 * would read as one thing and compare as another, as in the fence. Before
 * anything else reads the row: that may change types.
 */
static const char *
foreign_field(sqlite3_stmt *s)
{
	int i;

	if (sqlite3_column_type(s, OL_COLUMN_ID) != SQLITE_BLOB ||
	    sqlite3_column_bytes(s, OL_COLUMN_ID) != OL_ROW_ID)
		return "id";
	for (i = OL_COLUMN_STATE; i <= OL_COLUMN_RESULT_FILE; i++)
		if (sqlite3_column_type(s, i) != SQLITE_INTEGER)
			return "number";
	if (!ol_row_is_state(sqlite3_column_int64(s, OL_COLUMN_STATE)))
		return "state";
	if (!is_uint32(s, OL_COLUMN_ATTEMPT) ||
	    !is_uint32(s, OL_COLUMN_REFUNDS) ||
	    !is_uint32(s, OL_COLUMN_CRASHES))
		return "count of attempts";
	if (sqlite3_column_int64(s, OL_COLUMN_PAYLOAD_SIZE) < -1 ||
	    sqlite3_column_int64(s, OL_COLUMN_RESULT_SIZE) < -1)
		return "size";
	return NULL;
}

static struct ol_bytes
column_bytes(sqlite3_stmt *s, int column)
{
	struct ol_bytes bytes = { .data = sqlite3_column_blob(s, column) };

	bytes.size = (size_t)sqlite3_column_bytes(s, column);
	return bytes;
}

/*
 * The row that the statement stands on, or NULL, logged, when it is not one
 * that we wrote: somebody has edited the database.
 */
static struct ol_row *
row_of(sqlite3_stmt *s)
{
	struct ol_row row = { .seq = sqlite3_column_int64(s, OL_COLUMN_SEQ) };
	const char *field;

	if ((field = foreign_field(s)) != NULL)
		goto err;
	memcpy(row.id, sqlite3_column_blob(s, OL_COLUMN_ID), OL_ROW_ID);
	row.state = (enum ol_row_state)sqlite3_column_int(s, OL_COLUMN_STATE);
	row.priority = sqlite3_column_int(s, OL_COLUMN_PRIORITY);
	row.attempt = (uint32_t)sqlite3_column_int64(s, OL_COLUMN_ATTEMPT);
	row.refunds = (uint32_t)sqlite3_column_int64(s, OL_COLUMN_REFUNDS);
	row.crashes = (uint32_t)sqlite3_column_int64(s, OL_COLUMN_CRASHES);
	row.first = sqlite3_column_int64(s, OL_COLUMN_FIRST) != 0;
	row.cancelled = sqlite3_column_int64(s, OL_COLUMN_CANCELLED) != 0;
	row.created = sqlite3_column_int64(s, OL_COLUMN_CREATED);
	row.due = sqlite3_column_int64(s, OL_COLUMN_DUE);
	row.started = sqlite3_column_int64(s, OL_COLUMN_STARTED);
	row.ended = sqlite3_column_int64(s, OL_COLUMN_ENDED);
	row.payload_size = sqlite3_column_int64(s, OL_COLUMN_PAYLOAD_SIZE);
	row.result_size = sqlite3_column_int64(s, OL_COLUMN_RESULT_SIZE);
	row.type = (const char *)sqlite3_column_text(s, OL_COLUMN_TYPE);
	row.owner = (const char *)sqlite3_column_text(s, OL_COLUMN_OWNER);
	row.content_type =
	    (const char *)sqlite3_column_text(s, OL_COLUMN_CONTENT_TYPE);
	row.result_type =
	    (const char *)sqlite3_column_text(s, OL_COLUMN_RESULT_TYPE);
	row.key_scope =
	    (const char *)sqlite3_column_text(s, OL_COLUMN_KEY_SCOPE);
	row.key = (const char *)sqlite3_column_text(s, OL_COLUMN_KEY);
	if (sqlite3_column_bytes(s, OL_COLUMN_KEY_HASH) == OL_ROW_HASH)
		memcpy(row.key_hash, sqlite3_column_blob(s, OL_COLUMN_KEY_HASH),
		    OL_ROW_HASH);
	row.has_session =
	    sqlite3_column_bytes(s, OL_COLUMN_SESSION) == OL_ROW_SESSION;
	if (row.has_session)
		memcpy(row.session, sqlite3_column_blob(s, OL_COLUMN_SESSION),
		    OL_ROW_SESSION);
	row.error = column_bytes(s, OL_COLUMN_ERROR);
	row.context = column_bytes(s, OL_COLUMN_CONTEXT);
	row.recorded = sqlite3_column_int64(s, OL_COLUMN_RECORDED) != 0;
	row.secrets = column_bytes(s, OL_COLUMN_SECRETS);
	row.reply = column_bytes(s, OL_COLUMN_REPLY);
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

	ol_sqlite_bind_blob(statement, 1, request->id, OL_ROW_ID);
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

	ol_sqlite_bind_blob(statement, 1, request->id, OL_ROW_ID);
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

static int
attempts(struct ol_sqlite_db *db, struct ol_store_request *request)
{
	sqlite3_stmt *s = db->statements[OL_SQL_ATTEMPTS];
	struct ol_attempt attempt;
	struct ol_sqlite_found found;
	const char *field;
	int rc;

	if ((rc = ol_sqlite_find(db, request->id, &found)) != SQLITE_OK)
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
		request->answer.next =
		    sqlite3_column_int64(statement, OL_COLUMN_SEQ);
		if ((row = row_of(statement)) == NULL)
			continue;
		if (!ol_list_matches(list, row)) {
			ol_row_free(row);
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
ol_sqlite_reads_do(struct ol_sqlite_db *db, struct ol_folder *folder,
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
ol_sqlite_reads_refers(
    struct ol_sqlite_db *db, const uint8_t *id, int64_t file, bool *refers)
{
	struct ol_sqlite_found found;
	int rc = ol_sqlite_find(db, id, &found);

	*refers = rc == SQLITE_OK && found.there &&
		  (found.payload_file == file || found.result_file == file);
	return rc;
}
