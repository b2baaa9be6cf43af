/*
 * A database whose bytes somebody else wrote: it is refused, or what is not as
 * we write it is left out. The first byte says what the others are:
 *   0  values for the columns of some rows, of any type
 *   1  pieces of the file, each: 3 bytes where, 1 byte how many, those bytes
 *   2  the write-ahead log
 */
#include <sys/stat.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include "base/log.h"
#include "base/must.h"
#include "store/sqlite_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerInitialize(int *, char ***);

#define MUST(x) \
	do { \
		if (!(x)) \
			abort(); \
	} while (0)

enum { TASKS = 6 };

/* Of the one target in this process. */
static struct {
	char folder[64], path[96], wal[96];
	char *image; /* the database before it is edited */
	size_t size;
} fuzz;

struct input {
	const uint8_t *data;
	size_t len;
};

static unsigned
byte(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->data++;
}

static void
clean_up(void)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", fuzz.folder);
	MUST(system(command) == 0);
}

static void
put(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	MUST(fd != -1 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

/* --- The answers. --- */

struct seen {
	int answers;
	enum ol_store_failed failed;
	enum ol_store_status status;
	size_t n;
	bool more;
	int64_t next;
	uint8_t ids[16][OL_ROW_ID];
	uint32_t attempts[16];
	bool ended[16];
};

static void
look(struct seen *seen, const struct ol_store_request *request)
{
	const struct ol_answer *answer = &request->answer;
	size_t i;

	seen->answers++;
	seen->failed = answer->failed;
	seen->status = answer->status;
	seen->n = answer->n;
	seen->more = answer->more;
	seen->next = answer->next;
	for (i = 0; answer->rows != NULL && i < answer->n; i++) {
		const struct ol_row *row = answer->rows[i];

		MUST(ol_row_check(row) == NULL);
		MUST(row->payload_size >= -1 && row->result_size >= -1);
		MUST(strlen(row->owner) + strlen(row->content_type) +
			 strlen(row->result_type) + strlen(row->key_scope) +
			 strlen(row->key) <=
		     5 * OL_ROW_TEXT_MAX);
		if (i < 16) {
			memcpy(seen->ids[i], row->id, OL_ROW_ID);
			seen->attempts[i] = row->attempt;
			seen->ended[i] = row->state >= OL_ROW_SUCCEEDED;
		}
	}
	for (i = 0; answer->attempts != NULL && i < answer->n; i++)
		MUST(ol_attempt_check(answer->attempts[i]) == NULL);
	if (answer->body != NULL)
		MUST(answer->body->size >= 0);
	/* A body, or none: never both. */
	if (request->kind == OL_ASK_PAYLOAD || request->kind == OL_ASK_RESULT)
		MUST((answer->failed == OL_STORE_DONE &&
			 answer->status == OL_STORE_OK) ==
		     (answer->body != NULL));
}

static void
give(void *arg, struct ol_store_requests *requests)
{
	struct ol_store_request *request;

	while ((request = STAILQ_FIRST(requests)) != NULL) {
		STAILQ_REMOVE_HEAD(requests, link);
		if (request->kind < OL_ASK_SETTLED)
			look(arg, request);
		ol_store_request_free(request);
	}
}

/* Takes the request; the answer is in seen. */
static void
ask(struct ol_sqlite_owner *o, struct ol_store_request *request)
{
	struct ol_store_requests one = STAILQ_HEAD_INITIALIZER(one);
	struct seen *seen = o->arg;

	seen->answers = 0;
	STAILQ_INSERT_TAIL(&one, request, link);
	if (ol_store_request_writes(request))
		ol_sqlite_owner_write(o, &one);
	else
		ol_sqlite_owner_read(o, &one);
	MUST(seen->answers == 1);
}

static void
ask_about(struct ol_sqlite_owner *o, enum ol_store_request_kind kind,
    const uint8_t *id)
{
	struct ol_store_request *request = ol_store_request_new(kind);

	memcpy(request->id, id, OL_ROW_ID);
	ask(o, request);
}

static void
submit(struct ol_sqlite_owner *o, unsigned number, size_t size)
{
	struct ol_store_request *request = ol_store_request_new(OL_ASK_SUBMIT);
	struct ol_row row = { .state = OL_ROW_READY,
		.type = "work",
		.owner = "ann",
		.key_scope = "s",
		.key = number % 2 == 0 ? "k" : NULL,
		.has_session = true,
		.context = { "context", 7 },
		.secrets = { "secrets", 7 },
		.recorded = true };
	char *data = ol_must(calloc(1, size + 1));
	char key[16];

	row.id[0] = (uint8_t)number;
	if (row.key != NULL) {
		snprintf(key, sizeof(key), "k%u", number);
		row.key = key;
	}
	memcpy(request->id, row.id, OL_ROW_ID);
	request->row = ol_row_copy(&row);
	request->body = ol_must(ol_body_new(data, size));
	free(data);
	ask(o, request);
}

static void
move(struct ol_sqlite_owner *o, const uint8_t *id, uint32_t fence,
    bool was_ended, enum ol_row_state state)
{
	struct ol_store_request *request = ol_store_request_new(OL_ASK_MOVE);
	bool start = state == OL_ROW_RUNNING;

	memcpy(request->id, id, OL_ROW_ID);
	request->move = (struct ol_move){ .fence = fence,
		.was_ended = was_ended,
		.state = state,
		.attempt = start && fence < UINT32_MAX ? fence + 1 : fence,
		.result_type = ol_must(strdup("text/plain")) };
	if (!start) {
		request->move.error =
		    (struct ol_bytes){ ol_must(strdup("error")), 5 };
		request->move.log =
		    (struct ol_bytes){ ol_must(strdup("log")), 3 };
		request->move.reply =
		    (struct ol_bytes){ ol_must(strdup("200\n")), 4 };
		request->body = ol_must(ol_body_new("result", 6));
	}
	ask(o, request);
}

/* --- The database as we write it. --- */

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct seen seen = { 0 };
	struct ol_sqlite_owner o = { .give = give, .arg = &seen };
	uint8_t id[OL_ROW_ID] = { 0 };
	struct stat st;
	unsigned i;
	int fd;

	(void)argc;
	(void)argv;
	snprintf(fuzz.folder, sizeof(fuzz.folder), "/dev/shm/fuzz-store.%d",
	    (int)getpid());
	snprintf(
	    fuzz.path, sizeof(fuzz.path), "%s/" OL_SQLITE_FILE, fuzz.folder);
	snprintf(fuzz.wal, sizeof(fuzz.wal), "%s-wal", fuzz.path);
	atexit(clean_up);
	MUST(ol_log_open(NULL, 0, NULL) == 0);
	MUST(ol_sqlite_owner_open(&o, fuzz.folder) == 0);
	for (i = 1; i <= TASKS; i++) {
		submit(&o, i, i == TASKS ? 40000 : i * 10);
		MUST(seen.failed == OL_STORE_DONE);
		id[0] = (uint8_t)i;
		if (i > 1)
			move(&o, id, 0, false, OL_ROW_RUNNING);
		if (i > 2)
			move(&o, id, 1, false,
			    i % 2 == 0 ? OL_ROW_FAILED : OL_ROW_SUCCEEDED);
		MUST(
		    seen.failed == OL_STORE_DONE && seen.status == OL_STORE_OK);
	}
	ol_sqlite_owner_close(&o);
	MUST((fd = open(fuzz.path, O_RDONLY | O_CLOEXEC)) != -1);
	MUST(fstat(fd, &st) == 0);
	fuzz.size = (size_t)st.st_size;
	fuzz.image = ol_must(malloc(fuzz.size));
	MUST(read(fd, fuzz.image, fuzz.size) == (ssize_t)fuzz.size);
	close(fd);
	return 0;
}

/* --- And as somebody else does. --- */

static void
bind_any(sqlite3_stmt *s, int at, struct input *in)
{
	unsigned kind = byte(in);
	int64_t number = 0;
	size_t size;
	int i;

	switch (kind % 8) {
	case 0:
		sqlite3_bind_null(s, at);
		break;
	case 1:
		sqlite3_bind_int(s, at, (int)(int8_t)byte(in));
		break;
	case 2:
		for (i = 0; i < 8; i++)
			number = (int64_t)((uint64_t)number << 8 | byte(in));
		sqlite3_bind_int64(s, at, number);
		break;
	case 3:
		sqlite3_bind_double(s, at, (double)byte(in) * 1e17);
		break;
	case 4: /* of the size of an id, of a hash, or too large */
		size = kind / 8 % 4 == 0   ? OL_ROW_ID
		       : kind / 8 % 4 == 1 ? OL_ROW_HASH
		       : kind / 8 % 4 == 2 ? OL_ROW_ERROR_MAX + 1
					   : OL_ROW_CONTEXT_MAX + 1;
		sqlite3_bind_zeroblob(s, at, (int)size);
		break;
	default:
		size = byte(in);
		if (size > in->len)
			size = in->len;
		if (kind % 8 == 5)
			sqlite3_bind_text(s, at, (const char *)in->data,
			    (int)size, SQLITE_TRANSIENT);
		else
			sqlite3_bind_blob(
			    s, at, in->data, (int)size, SQLITE_TRANSIENT);
		in->data += size;
		in->len -= size;
		break;
	}
}

/* One column of a row, as often as the input says; what a constraint refuses
 * stays as it was. */
static void
edit_rows(struct input *in)
{
	static const char *const columns[] = { "task.seq", "task.id",
		"task.state", "task.priority", "task.attempt", "task.refunds",
		"task.crashes", "task.first", "task.cancelled", "task.created",
		"task.due", "task.started", "task.ended", "task.payload_size",
		"task.payload_file", "task.result_size", "task.result_file",
		"task.type", "task.owner", "task.content_type",
		"task.result_type", "task.key_scope", "task.key",
		"task.key_hash", "task.session", "task.error", "task.context",
		"payload.seq", "payload.bytes", "result.seq", "result.bytes",
		"attempt.task", "attempt.number", "attempt.started",
		"attempt.ended", "attempt.state", "attempt.error",
		"attempt.log", "task.recorded", "task.secrets", "task.reply" };
	sqlite3_stmt *s;
	sqlite3 *handle;
	char text[160], table[32], *dot;
	const char *column;
	int edits = 0;

	MUST(sqlite3_open(fuzz.path, &handle) == SQLITE_OK);
	/* As a tool does that knows nothing of ours. */
	sqlite3_exec(
	    handle, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
	while (in->len > 0 && edits++ < 32) {
		column =
		    columns[byte(in) % (sizeof(columns) / sizeof(columns[0]))];
		snprintf(table, sizeof(table), "%s", column);
		dot = strchr(table, '.');
		*dot = '\0';
		snprintf(text, sizeof(text),
		    "UPDATE OR IGNORE %s SET %s = ?1 WHERE rowid = %u", table,
		    dot + 1, 1 + byte(in) % TASKS);
		MUST(sqlite3_prepare_v2(handle, text, -1, &s, NULL) ==
		     SQLITE_OK);
		bind_any(s, 1, in);
		sqlite3_step(s);
		sqlite3_finalize(s);
	}
	sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(handle);
}

static void
edit_file(struct input *in)
{
	int fd = open(fuzz.path, O_WRONLY | O_CLOEXEC);
	unsigned where, size;

	MUST(fd != -1);
	while (in->len > 4) {
		where = byte(in) << 16;
		where |= byte(in) << 8;
		where |= byte(in);
		size = byte(in);
		if (size > in->len)
			size = (unsigned)in->len;
		MUST(pwrite(fd, in->data, size, (off_t)(where % fuzz.size)) ==
		     (ssize_t)size);
		in->data += size;
		in->len -= size;
	}
	close(fd);
}

/* --- What the store makes of it. --- */

static void
read_all(struct ol_sqlite_owner *o, bool newest_first, uint32_t states)
{
	struct ol_store_request *request;
	struct seen *seen = o->arg;
	int64_t after = 0;
	int pages = 0;

	do {
		request = ol_store_request_new(OL_ASK_LIST);
		request->list = (struct ol_list){ .states = states,
			.newest_first = newest_first,
			.after = after,
			.limit = 2 };
		ask(o, request);
		after = seen->next;
		MUST(++pages < 100);
	} while (seen->failed == OL_STORE_DONE && seen->more);
}

/* Ask for everything, and go on with what is there. */
static void
use(struct ol_sqlite_owner *o)
{
	struct ol_store_request *request;
	struct seen *seen = o->arg;
	struct seen all;
	size_t i;

	read_all(o, false, 0);
	read_all(o, true, OL_ROW_DEAD);
	request = ol_store_request_new(OL_ASK_LIST);
	request->list = (struct ol_list){ .limit = 16 };
	ask(o, request);
	all = *seen;
	for (i = 0; i < all.n && i < 16; i++) {
		ask_about(o, OL_ASK_GET, all.ids[i]);
		ask_about(o, OL_ASK_PAYLOAD, all.ids[i]);
		ask_about(o, OL_ASK_RESULT, all.ids[i]);
		ask_about(o, OL_ASK_ATTEMPTS, all.ids[i]);
		/* What was read can be moved: the engine does not get stuck. */
		move(o, all.ids[i], all.attempts[i], all.ended[i],
		    OL_ROW_RUNNING);
		MUST(seen->failed != OL_STORE_DONE ||
		     seen->status != OL_STORE_STALE);
		if (all.attempts[i] < UINT32_MAX)
			all.attempts[i]++;
		move(o, all.ids[i], all.attempts[i], false, OL_ROW_FAILED);
		MUST(seen->failed != OL_STORE_DONE ||
		     seen->status != OL_STORE_STALE);
	}
	/* A new one, with a key that may be there, is there afterwards. */
	submit(o, 2, 10);
	submit(o, 100, 10);
	if (seen->failed == OL_STORE_DONE && seen->status == OL_STORE_OK) {
		const uint8_t id[OL_ROW_ID] = { 100 };

		ask_about(o, OL_ASK_GET, id);
		MUST(seen->failed != OL_STORE_DONE ||
		     seen->status == OL_STORE_OK);
	}
	request = ol_store_request_new(OL_ASK_EXPIRE);
	request->expire =
	    (struct ol_expire){ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };
	ask(o, request);
	for (i = 0; i < all.n && i < 16; i++)
		ask_about(o, OL_ASK_ERASE, all.ids[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen seen = { 0 };
	struct ol_sqlite_owner o = { .give = give, .arg = &seen };
	struct input in = { data, len };
	char journal[112];

	snprintf(journal, sizeof(journal), "%s-journal", fuzz.path);
	unlink(journal);
	unlink(fuzz.wal);
	put(fuzz.path, fuzz.image, fuzz.size);
	switch (byte(&in) % 3) {
	case 0:
		edit_rows(&in);
		break;
	case 1:
		edit_file(&in);
		break;
	default:
		put(fuzz.wal, in.data, in.len);
		break;
	}
	if (ol_sqlite_owner_open(&o, fuzz.folder) == -1)
		return 0;
	use(&o);
	ol_sqlite_owner_close(&o);
	return 0;
}
