/* What is the SQLite store's alone: its folder, its files, its one owner. */
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "base/log.h"
#include "store/folder.h"
#include "store/sqlite_schema.h"
#include "stored.h"

struct place {
	struct stored s;
	bool open;
	char folder[64], path[128];
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->folder, "/tmp/outlast-store.XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	*state = p;
	return 0;
}

static void
start(struct place *p)
{
	assert_int_equal(stored_open(&p->s, &ol_store_sqlite, p->folder), 0);
	p->open = true;
}

static void
stop(struct place *p)
{
	if (p->open)
		stored_close(&p->s);
	p->open = false;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	stop(p);
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	free(p);
	return system(command);
}

/* A path below the folder. */
static const char *
below(struct place *p, const char *name)
{
	snprintf(p->path, sizeof(p->path), "%s/%s", p->folder, name);
	return p->path;
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
assert_refused(struct place *p)
{
	assert_int_equal(stored_open(&p->s, &ol_store_sqlite, p->folder), -1);
}

/* Without the store. */
static void
run_sql(struct place *p, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int
bodies(struct place *p)
{
	DIR *dir = opendir(below(p, "bodies"));
	struct dirent *entry;
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void
test_nobody_else_can_read_it(void **state)
{
	struct place *p = *state;
	mode_t umasked = umask(0);

	assert_int_equal(chmod(p->folder, 0755), 0);
	start(p);
	umask(umasked);
	assert_int_equal(stored_add(&p->s, 1, 50000), OL_STORE_OK);
	assert_int_equal(mode_of(p->folder), 0700);
	assert_int_equal(mode_of(below(p, "bodies")), 0700);
	assert_int_equal(mode_of(below(p, "tasks.db")), 0600);
	assert_int_equal(mode_of(below(p, "tasks.db-wal")), 0600);
	assert_int_equal(mode_of(below(p, "lock")), 0600);
}

static void
test_no_symbolic_link_is_followed(void **state)
{
	static const char *const names[] = { "tasks.db", "lock", "bodies" };
	struct place *p = *state;
	char target[128];
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(target, sizeof(target), "%s/target", p->folder);
		rmdir(below(p, names[i]));
		unlink(below(p, names[i]));
		assert_int_equal(symlink(target, below(p, names[i])), 0);
		if (i == 2)
			assert_int_equal(mkdir(target, 0700), 0);
		assert_refused(p);
		assert_int_equal(access(target, F_OK), i == 2 ? 0 : -1);
		assert_int_equal(unlink(below(p, names[i])), 0);
	}
	start(p);
}

static void
test_network_filesystems(void **state)
{
	(void)state;
	assert_string_equal(ol_folder_network(0x6969), "NFS");
	/* As statfs() has it on a machine with signed 32 bits. */
	assert_string_equal(
	    ol_folder_network((unsigned long)(int)0xff534d42), "CIFS");
	assert_null(ol_folder_network(0xef53));	    /* ext4 */
	assert_null(ol_folder_network(0x01021994)); /* tmpfs */
}

static void
test_sqlite_itself_is_kept_out(void **state)
{
	struct place *p = *state;
	sqlite3 *db;

	start(p);
	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "SELECT * FROM task", NULL, NULL, NULL),
	    SQLITE_BUSY);
	sqlite3_close(db);
	assert_int_equal(stored_add(&p->s, 1, 1), OL_STORE_OK);
}

/* Somebody has the database open: in another process, as SQLite's locks are
 * those of a process. */
static void
test_open_elsewhere_is_refused(void **state)
{
	struct place *p = *state;
	struct stored s;
	int ready[2], leave[2];
	sqlite3 *db;
	char byte;
	pid_t pid;

	start(p);
	stop(p);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(leave), 0);
	if ((pid = fork()) == 0) {
		sqlite3_open(below(p, "tasks.db"), &db);
		sqlite3_exec(db, "BEGIN; SELECT * FROM task", NULL, NULL, NULL);
		close(leave[1]);
		if (write(ready[1], "", 1) != 1 ||
		    read(leave[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(stored_open(&s, &ol_store_sqlite, p->folder), -1);
	close(leave[0]);
	close(leave[1]);
	close(ready[0]);
	close(ready[1]);
	usleep(100000);
	start(p);
}

static void
test_newer_schema_is_refused(void **state)
{
	struct place *p = *state;

	start(p);
	stop(p);
	run_sql(p, "PRAGMA user_version = 1000");
	assert_refused(p);
	run_sql(p, "PRAGMA user_version = 2");
	start(p);
}

static int
number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int n = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(statement) == SQLITE_ROW)
		n = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return n;
}

/* As the next release may: with one more step, on a database with rows. */
static int
migrate(sqlite3 *db, const char *third)
{
	const char *const steps[] = { ol_sqlite_schema.steps[0],
		ol_sqlite_schema.steps[1], third };
	const struct ol_sqlite_schema schema = { steps, 3 };

	assert_int_equal(ol_sqlite_schema.n, 2);
	return ol_sqlite_schema_migrate(db, &schema, OL_LOG_DEBUG);
}

static void
test_next_schema(void **state)
{
	struct place *p = *state;
	sqlite3 *db;
	int i;

	start(p);
	for (i = 0; i < 5; i++)
		assert_int_equal(
		    stored_add(&p->s, (unsigned)i, 50), OL_STORE_OK);
	stop(p);
	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	/* A step whose end fails leaves nothing of its beginning. */
	assert_int_equal(migrate(db, "ALTER TABLE task ADD COLUMN host TEXT;"
				     "UPDATE task SET nonsense = 1"),
	    -1);
	assert_int_equal(number_of(db, "PRAGMA user_version"), 2);
	assert_int_equal(number_of(db, "SELECT count(host) FROM task"), -1);
	assert_int_equal(sqlite3_get_autocommit(db), 1);
	sqlite3_close(db);
	start(p);
	assert_int_equal(stored_add(&p->s, 5, 50), OL_STORE_OK);
	stop(p);

	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	for (i = 0; i < 2; i++) {
		/* The second time there is nothing to do. */
		assert_int_equal(
		    migrate(db, "ALTER TABLE task ADD COLUMN host TEXT NOT "
				"NULL DEFAULT 'here'"),
		    0);
		assert_int_equal(number_of(db, "PRAGMA user_version"), 3);
		assert_int_equal(number_of(db, "SELECT count(*) FROM task "
					       "WHERE host = 'here'"),
		    6);
		assert_int_equal(
		    number_of(db, "SELECT count(*) FROM payload"), 6);
	}
	sqlite3_close(db);
	/* The program before it says no instead of losing the new column. */
	assert_refused(p);
}

/* A database of the first release, with a task in each state. */
static void
test_first_schema_is_brought_on(void **state)
{
	struct place *p = *state;
	struct ol_row row = stored_row(50);
	struct ol_move move;
	sqlite3 *db;
	char sql[512];
	unsigned i;

	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, ol_sqlite_schema.steps[0], NULL, NULL, NULL),
	    SQLITE_OK);
	for (i = 1; i <= OL_ROW_POISONED; i++) {
		if (!ol_row_is_state(i))
			continue;
		snprintf(sql, sizeof(sql),
		    "INSERT INTO task VALUES (%u, x'0190%08x7000800000000000"
		    "0000', %u, 0, 1, 0, 0, 0, 0, 5, 6, 7, %u, 3, 0, 2, 0,"
		    " 'work', 'ann', 'text/plain', 'text/html', NULL, NULL,"
		    " NULL, NULL, 'e', 'c');"
		    "INSERT INTO payload VALUES (%u, 'abc');"
		    "INSERT INTO result VALUES (%u, 'de')",
		    i, i, i, i < 10 ? 0 : 8, i, i);
		assert_int_equal(
		    sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	}
	assert_int_equal(
	    sqlite3_exec(db, "PRAGMA user_version = 1;", NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(db);

	start(p);
	assert_int_equal(
	    stored_list(&p->s, &(struct ol_list){ .limit = 99 }), OL_STORE_OK);
	assert_int_equal(p->s.answer.n, 9);
	for (i = 0; i < 9; i++) {
		const struct ol_row *old = p->s.rows[i];

		assert_string_equal(old->owner, "ann");
		assert_int_equal(old->payload_size, 3);
		assert_int_equal(old->result_size, 2);
		assert_false(old->recorded);
	}
	memcpy(row.id, p->s.rows[2]->id, OL_ROW_ID);
	p->s.waiting = 1;
	ol_store_get(p->s.store, row.id, stored_take, &p->s);
	stored_wait(&p->s);
	assert_int_equal(p->s.answer.n, 1);
	assert_int_equal(p->s.rows[0]->context.size, 1);
	assert_int_equal(
	    p->s.rows[0]->secrets.size + p->s.rows[0]->reply.size, 0);
	/* They go on, and new ones come with what is new. */
	assert_int_equal(row.id[5], OL_ROW_RUNNING);
	move = stored_end(50, 1, OL_ROW_SUCCEEDED);
	memcpy(move.id, row.id, OL_ROW_ID);
	move.reply = (struct ol_bytes){ "200\n", 4 };
	assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	row = stored_row(50);
	row.recorded = true;
	row.secrets = (struct ol_bytes){ "s", 1 };
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	stop(p);
	start(p);
	assert_int_equal(stored_get(&p->s, 50), OL_STORE_OK);
	assert_true(p->s.rows[0]->recorded);
	assert_int_equal(p->s.rows[0]->secrets.size, 1);
	stop(p);
	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(number_of(db, "PRAGMA user_version"), 2);
	assert_int_equal(
	    number_of(db, "SELECT count(*) FROM task WHERE reply != x''"), 1);
	sqlite3_close(db);
}

/* How often text stands in the file, wherever SQLite has put it. */
static int
hits(struct place *p, const char *name, const char *text)
{
	size_t size = 0, len = strlen(text);
	FILE *file = fopen(below(p, name), "r");
	char *data, *at;
	int n = 0;

	if (file == NULL)
		return 0;
	data = malloc(64 << 20);
	assert_non_null(data);
	size = fread(data, 1, 64 << 20, file);
	fclose(file);
	for (at = data;
	     (at = memmem(at, size - (size_t)(at - data), text, len)) != NULL;
	     at += len)
		n++;
	free(data);
	return n;
}

/* Tasks with secrets of each size, in a row, over one page and over many. */
static void
plant(struct place *p, unsigned first, unsigned n, const char *text)
{
	static const size_t sizes[] = { 40, 700, 3900, 9000, 60000 };
	struct ol_row row;
	struct ol_move move;
	char *data = malloc(60000);
	size_t at;
	unsigned i;

	for (at = 0; at < 60000; at++)
		data[at] = text[at % strlen(text)];
	for (i = first; i < first + n; i++) {
		row = stored_row(i);
		row.recorded = true;
		row.context = (struct ol_bytes){ "REQUEST_METHOD\0GET", 19 };
		row.secrets = (struct ol_bytes){ data, sizes[i % 5] };
		assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
		if (i % 3 == 0)
			continue;
		move = stored_start(i, 0);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	}
	free(data);
}

static void
test_secrets_leave_no_trace(void **state)
{
	static const char cookie[] = "PHPSESSID=8f4e2a;";
	static const enum ol_row_state ends[] = { OL_ROW_SUCCEEDED,
		OL_ROW_FAILED, OL_ROW_CANCELLED, OL_ROW_POISONED };
	struct place *p = *state;
	struct ol_move move;
	unsigned i;

	start(p);
	plant(p, 0, 60, cookie);
	stop(p);
	/* The control: they are there while their tasks are. */
	assert_true(hits(p, "tasks.db", cookie) > 1000);
	start(p);
	plant(p, 60, 60, cookie);
	assert_true(hits(p, "tasks.db-wal", cookie) > 1000);
	for (i = 0; i < 120; i++) {
		move = stored_end(i, i % 3 != 0, ends[i % 4]);
		move.error = (struct ol_bytes){ "exit", i % 2 == 0 ? 4 : 0 };
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
		/* Some are erased, so that whole pages become free. */
		if (i % 7 == 0)
			assert_int_equal(stored_erase(&p->s, i), OL_STORE_OK);
	}
	stop(p);
	assert_int_equal(hits(p, "tasks.db", cookie), 0);
	assert_int_equal(hits(p, "tasks.db-wal", cookie), 0);
	start(p);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_OK);
	assert_int_equal(p->s.rows[0]->context.size, 19);
}

/* Nor does the log, for long, of a store that nothing is asked of any more. */
static void
test_the_log_forgets_secrets(void **state)
{
	static const char cookie[] = "PHPSESSID=8f4e2a;";
	struct place *p = *state;
	struct ol_move move;
	unsigned i;

	start(p);
	plant(p, 0, 10, cookie);
	for (i = 1; i < 10; i++) {
		move = stored_end(i, i % 3 != 0, OL_ROW_FAILED);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	}
	assert_int_equal(stored_erase(&p->s, 0), OL_STORE_OK);
	assert_true(hits(p, "tasks.db-wal", cookie) > 100);
	for (i = 0; i < 300 && hits(p, "tasks.db-wal", cookie) > 0; i++)
		usleep(100000);
	assert_int_equal(hits(p, "tasks.db-wal", cookie), 0);
	assert_int_equal(hits(p, "tasks.db", cookie), 0);
	/* And it goes on. */
	assert_int_equal(stored_add(&p->s, 20, 100), OL_STORE_OK);
	assert_int_equal(stored_payload(&p->s, 20), OL_STORE_OK);
}

static void
test_new_database_gets_all_steps(void **state)
{
	struct place *p = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(migrate(db, "CREATE TABLE host (name TEXT)"), 0);
	assert_int_equal(number_of(db, "PRAGMA user_version"), 3);
	assert_int_equal(
	    number_of(db, "PRAGMA application_id"), OL_SQLITE_APPLICATION);
	assert_int_equal(number_of(db, "SELECT count(*) FROM host"), 0);
	assert_int_equal(number_of(db, "SELECT count(*) FROM task"), 0);
	sqlite3_close(db);
}

static void
test_erased_task_leaves_nothing(void **state)
{
	struct ol_row row = stored_row(1);
	struct place *p = *state;
	struct ol_move move;
	sqlite3 *db;

	start(p);
	row.context = (struct ol_bytes){ "cookie", 6 };
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	move = stored_start(1, 0);
	assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	move = stored_end(1, 1, OL_ROW_FAILED);
	move.log = (struct ol_bytes){ "oops", 4 };
	assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	assert_int_equal(stored_erase(&p->s, 1), OL_STORE_OK);
	stop(p);
	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(number_of(db, "SELECT count(*) FROM task"), 0);
	assert_int_equal(number_of(db, "SELECT count(*) FROM attempt"), 0);
	assert_int_equal(number_of(db, "SELECT count(*) FROM payload"), 0);
	sqlite3_close(db);
}

static void
test_damaged_database_is_refused(void **state)
{
	struct place *p = *state;
	char junk[4096];
	unsigned i;
	int fd;

	start(p);
	for (i = 0; i < 100; i++)
		assert_int_equal(stored_add(&p->s, i, 1000), OL_STORE_OK);
	stop(p);
	memset(junk, 0x5a, sizeof(junk));
	assert_true((fd = open(below(p, "tasks.db"), O_WRONLY)) != -1);
	assert_int_equal(pwrite(fd, junk, 4096, 4096L * 20), 4096);
	close(fd);
	assert_refused(p);
}

static void
test_edited_row_is_left_out(void **state)
{
	struct ol_list list = { .limit = 10 };
	struct place *p = *state;
	unsigned i;

	start(p);
	for (i = 0; i < 5; i++)
		assert_int_equal(stored_add(&p->s, i, 10), OL_STORE_OK);
	stop(p);
	run_sql(p, "UPDATE task SET state = 99 WHERE seq = 2");
	run_sql(p, "UPDATE task SET id = x'00' WHERE seq = 3");
	run_sql(p, "UPDATE task SET type = '' WHERE seq = 4");
	run_sql(p, "UPDATE task SET owner = hex(zeroblob(9999)) WHERE seq = 5");
	start(p);
	assert_int_equal(stored_list(&p->s, &list), OL_STORE_OK);
	assert_int_equal(p->s.answer.n, 1);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_get(&p->s, 0), OL_STORE_OK);
}

/* Rows that nobody can find do not stand in the way of those behind them. */
static void
test_edited_rows_do_not_stop_retention(void **state)
{
	struct ol_expire expire = { .succeeded = INT64_MAX };
	struct place *p = *state;
	struct ol_move move;
	unsigned i;

	start(p);
	for (i = 0; i < OL_STORE_EXPIRE_MAX + 5; i++) {
		move = stored_end(i, 0, OL_ROW_SUCCEEDED);
		move.ended = 1000 + i;
		assert_int_equal(stored_add(&p->s, i, 1), OL_STORE_OK);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	}
	stop(p);
	run_sql(
	    p, "UPDATE task SET id = printf('%016d', seq) WHERE seq <= 200");
	start(p);
	assert_int_equal(stored_expire(&p->s, &expire), OL_STORE_OK);
	assert_int_equal(p->s.answer.n, 5);
	assert_false(p->s.answer.more);
	assert_int_equal(
	    stored_get(&p->s, OL_STORE_EXPIRE_MAX), OL_STORE_ABSENT);
}

/* It reads as 0, and compares as something else. */
static void
test_edited_fence_is_left_out(void **state)
{
	struct place *p = *state;

	start(p);
	assert_int_equal(stored_add(&p->s, 1, 1), OL_STORE_OK);
	assert_int_equal(stored_add(&p->s, 2, 1), OL_STORE_OK);
	stop(p);
	run_sql(p, "UPDATE task SET attempt = 'none' WHERE seq = 1");
	run_sql(p, "UPDATE task SET attempt = 4294967296 WHERE seq = 2");
	start(p);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_get(&p->s, 2), OL_STORE_ABSENT);
}

/* A yes is a yes: the new task is there. */
static void
test_key_of_an_edited_row(void **state)
{
	struct ol_row row = stored_row(1);
	struct place *p = *state;

	row.key = row.key_scope = "k";
	start(p);
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	stop(p);
	run_sql(p, "UPDATE task SET id = x'00'");
	start(p);
	stored_id(row.id, 2);
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_OK);
	assert_int_equal(stored_get(&p->s, 2), OL_STORE_OK);
	stored_id(row.id, 3);
	assert_int_equal(stored_submit(&p->s, &row, NULL), OL_STORE_DUPLICATE);
}

static void
test_old_attempts_are_gone(void **state)
{
	struct place *p = *state;
	struct ol_move move;
	unsigned i;
	sqlite3 *db;

	start(p);
	assert_int_equal(stored_add(&p->s, 1, 1), OL_STORE_OK);
	for (i = 0; i < 3 * OL_STORE_ATTEMPTS_MAX; i++) {
		move = stored_start(1, i);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
		move = stored_end(1, i + 1, OL_ROW_RETRYING);
		move.log = (struct ol_bytes){ "oops", 4 };
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	}
	stop(p);
	assert_int_equal(sqlite3_open(below(p, "tasks.db"), &db), SQLITE_OK);
	assert_int_equal(number_of(db, "SELECT count(*) FROM attempt"),
	    OL_STORE_ATTEMPTS_MAX);
	assert_int_equal(number_of(db, "SELECT min(number) FROM attempt"),
	    2 * OL_STORE_ATTEMPTS_MAX + 1);
	sqlite3_close(db);
}

static void
test_files_go_with_their_rows(void **state)
{
	struct place *p = *state;
	struct ol_expire all = { .succeeded = INT64_MAX };
	struct ol_move move;
	char *data = calloc(1, 50000);
	unsigned i;

	start(p);
	for (i = 0; i < 3; i++) {
		assert_int_equal(stored_add(&p->s, i, 50000), OL_STORE_OK);
		assert_int_equal(stored_add(&p->s, i, 50000), OL_STORE_EXISTS);
		move = stored_start(i, 0);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
		move = stored_end(i, 1, OL_ROW_SUCCEEDED);
		move.result = ol_body_new(data, 50000);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
		assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
		ol_body_free(move.result);
	}
	assert_int_equal(bodies(p), 6);
	assert_int_equal(stored_erase(&p->s, 0), OL_STORE_OK);
	assert_int_equal(bodies(p), 4);
	move = stored_end(1, 1, OL_ROW_READY);
	move.was_ended = move.erase_payload = true;
	assert_int_equal(stored_move(&p->s, &move), OL_STORE_OK);
	assert_int_equal(bodies(p), 2);
	assert_int_equal(stored_expire(&p->s, &all), OL_STORE_OK);
	assert_int_equal(bodies(p), 0);
	free(data);
}

static void
test_sweep(void **state)
{
	struct place *p = *state;
	int fd;

	start(p);
	assert_int_equal(stored_add(&p->s, 1, 50000), OL_STORE_OK);
	stop(p);
	/* As a crash between a file and its row leaves it: of no task, and of
	 * one that has another file. */
	fd = open(below(p, "bodies/00000000000000000000000000000000."
			   "0000000000000001"),
	    O_CREAT | O_WRONLY, 0600);
	close(fd);
	fd = open(below(p, "bodies/01000000010000000000000000000000."
			   "0000000000000001"),
	    O_CREAT | O_WRONLY, 0600);
	close(fd);
	/* Not a name of ours. */
	fd = open(below(p, "bodies/README"), O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(bodies(p), 4);
	start(p);
	assert_int_equal(bodies(p), 2);
	assert_int_equal(stored_payload(&p->s, 1), OL_STORE_OK);
	assert_true(stored_body_is(&p->s, 50000, 1));
}

static void
test_missing_file_is_absent(void **state)
{
	char command[128];
	struct place *p = *state;

	start(p);
	assert_int_equal(stored_add(&p->s, 1, 50000), OL_STORE_OK);
	snprintf(command, sizeof(command), "rm %s/bodies/*", p->folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(stored_payload(&p->s, 1), OL_STORE_ABSENT);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_else_can_read_it),
		TEST(test_no_symbolic_link_is_followed),
		TEST(test_network_filesystems),
		TEST(test_sqlite_itself_is_kept_out),
		TEST(test_open_elsewhere_is_refused),
		TEST(test_newer_schema_is_refused),
		TEST(test_next_schema),
		TEST(test_first_schema_is_brought_on),
		TEST(test_secrets_leave_no_trace),
		TEST(test_the_log_forgets_secrets),
		TEST(test_new_database_gets_all_steps),
		TEST(test_erased_task_leaves_nothing),
		TEST(test_damaged_database_is_refused),
		TEST(test_edited_row_is_left_out),
		TEST(test_edited_rows_do_not_stop_retention),
		TEST(test_edited_fence_is_left_out),
		TEST(test_key_of_an_edited_row),
		TEST(test_old_attempts_are_gone),
		TEST(test_files_go_with_their_rows),
		TEST(test_sweep),
		TEST(test_missing_file_is_absent),
	};

	alarm(280);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
