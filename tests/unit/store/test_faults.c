/*
 * What the SQLite store says and does when the disk fails, one call at a time,
 * and what a power failure leaves of what it said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "faultfs.h"
#include "stored.h"

enum {
	TASKS = 12,
	UNKNOWN = -1 - OL_STORE_UNKNOWN,
	NOT_DONE = -1 - OL_STORE_NOT_DONE
};

struct place {
	struct stored s;
	char folder[64];
};

static int
set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->folder, "/tmp/outlast-store.XXXXXX");
	if (mkdtemp(p->folder) == NULL)
		return -1;
	faultfs_reset();
	if (stored_open(&p->s, &ol_store_sqlite, p->folder) == -1)
		return -1;
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	stored_close(&p->s);
	snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	free(p);
	return system(command);
}

/* Every one with TRIALS, every nth without. */
static int
step(int n)
{
	const char *trials = getenv("TRIALS");

	return trials != NULL && atoi(trials) > 1 ? 1 : n;
}

/* What came of a run of tasks. */
struct tally {
	int acked, unknown, not_done;
};

/*
 * Each task is submitted, again until it is acknowledged; then it starts and
 * ends, again until it has. Ends early when the power does.
 */
static struct tally
work(struct stored *s, unsigned from, unsigned n)
{
	int64_t end = ol_clock_now() + OL_SEC(20);
	struct tally tally = { 0 };
	struct ol_move move;
	unsigned i;
	int at, rc;

	for (i = from; i < from + n; i++) {
		for (at = 0; at < 3;) {
			if (at == 0)
				rc = stored_add(s, i, 3000);
			else {
				move = at == 1
					   ? stored_start(i, 0)
					   : stored_end(i, 1, OL_ROW_SUCCEEDED);
				rc = stored_move(s, &move);
			}
			if (rc == OL_STORE_OK ||
			    (at == 0 && rc == OL_STORE_EXISTS)) {
				at++;
				continue;
			}
			tally.unknown += rc == UNKNOWN;
			tally.not_done += rc == NOT_DONE;
			assert_true(rc == UNKNOWN || rc == NOT_DONE);
			if (faultfs_is_off())
				return tally;
			assert_true(ol_clock_now() < end);
			usleep(2000);
		}
		tally.acked++;
	}
	return tally;
}

/* Everything of work() is there. */
static void
look(struct stored *s, unsigned from, unsigned n)
{
	unsigned i;

	for (i = from; i < from + n; i++) {
		assert_int_equal(stored_get(s, i), OL_STORE_OK);
		assert_int_equal(s->rows[0]->state, OL_ROW_SUCCEEDED);
		assert_int_equal(stored_payload(s, i), OL_STORE_OK);
		assert_true(stored_body_is(s, 3000, (int)(i & 0xff)));
	}
}

static void
cut_the_power(struct place *p)
{
	faultfs_power_off();
	stored_close(&p->s);
	faultfs_power_on();
	assert_int_equal(stored_open(&p->s, &ol_store_sqlite, p->folder), 0);
}

/*
 * Each call of a kind fails once, in its turn: nobody is told a lie, and after
 * a power failure everything that was acknowledged is there.
 */
static void
each_call(enum faultfs_call call, int rc, int calls, bool unknown)
{
	struct tally tally, sum = { 0 };
	struct place *p;
	void *state;
	int when, trials = 0;

	for (when = 1; when <= calls; when += step(5), trials++) {
		assert_int_equal(set_up(&state), 0);
		p = state;
		faultfs_fail(call, when, 1, rc);
		tally = work(&p->s, 0, TASKS);
		assert_int_equal(tally.acked, TASKS);
		sum.unknown += tally.unknown;
		sum.not_done += tally.not_done;
		look(&p->s, 0, TASKS);
		cut_the_power(p);
		look(&p->s, 0, TASKS);
		tear_down(&state);
	}
	print_message("%d calls: %d unknown, %d not done\n", trials,
	    sum.unknown, sum.not_done);
	assert_true(sum.unknown + sum.not_done >= trials);
	assert_true((sum.unknown > 0) == unknown);
}

static void
test_flush_fails(void **state)
{
	(void)state;
	each_call(FAULTFS_SYNC, SQLITE_IOERR_FSYNC, 3 * TASKS, true);
}

static void
test_write_fails(void **state)
{
	(void)state;
	each_call(FAULTFS_WRITE, SQLITE_IOERR_WRITE, 60, true);
}

static void
test_disk_full_at_a_write(void **state)
{
	(void)state;
	each_call(FAULTFS_WRITE, SQLITE_FULL, 60, false);
}

/*
 * The power fails at each write, one trial each; before that, a flush fails in
 * some of them, so that it fails within the repair, too.
 */
static void
test_power_fails_at_each_write(void **unused)
{
	int writes, flush, acked = 0, trials = 0;
	struct tally tally;
	struct place *p;
	void *state;

	(void)unused;
	for (flush = 0; flush < 16; flush += 3 * step(2)) {
		for (writes = 1; writes < 120; writes += step(7)) {
			assert_int_equal(set_up(&state), 0);
			p = state;
			if (flush > 0)
				faultfs_fail(
				    FAULTFS_SYNC, flush, 1, SQLITE_IOERR_FSYNC);
			faultfs_power_off_after(writes);
			tally = work(&p->s, 0, TASKS);
			cut_the_power(p);
			look(&p->s, 0, (unsigned)tally.acked);
			work(&p->s, TASKS, 1);
			acked += tally.acked;
			trials++;
			tear_down(&state);
		}
	}
	print_message("%d trials, %d tasks acknowledged\n", trials, acked);
	assert_true(acked > trials);
}

/* The disk fails for a while: the reopening fails, too. */
static void
test_flush_fails_for_a_while(void **state)
{
	struct place *p = *state;
	int64_t began = ol_clock_now();

	faultfs_fail(FAULTFS_SYNC, 5, 4, SQLITE_IOERR_FSYNC);
	work(&p->s, 0, TASKS);
	assert_true(ol_clock_now() - began > OL_MSEC(500));
	cut_the_power(p);
	look(&p->s, 0, TASKS);
}

static void
test_read_fails(void **state)
{
	struct place *p = *state;
	int rc;

	work(&p->s, 0, TASKS);
	stored_close(&p->s);
	assert_int_equal(stored_open(&p->s, &ol_store_sqlite, p->folder), 0);
	/* All that can be read is in the cache by now, but for payloads. */
	faultfs_fail(FAULTFS_READ, 1, 1, SQLITE_IOERR_READ);
	rc = stored_payload(&p->s, 3);
	if (rc == NOT_DONE)
		assert_true(stored_wait_for(&p->s, &p->s.healthy, 5000));
	else
		assert_int_equal(rc, OL_STORE_OK);
	look(&p->s, 0, TASKS);
}

/* What on_settled says of an unknown writing is so. */
static void
test_unknown_is_settled(void **state)
{
	struct place *p = *state;

	work(&p->s, 0, 2);
	faultfs_fail(FAULTFS_SYNC, 1, 1, SQLITE_IOERR_FSYNC);
	assert_int_equal(stored_add(&p->s, 5, 100), UNKNOWN);
	assert_true(stored_wait_for(&p->s, &p->s.failing, 1000));
	assert_int_equal(stored_add(&p->s, 6, 100), NOT_DONE);
	assert_int_equal(stored_get(&p->s, 5), NOT_DONE);
	assert_true(stored_wait_for(&p->s, &p->s.healthy, 5000));
	assert_int_equal(p->s.failing, 1);
	assert_int_equal(p->s.settled, 1);
	/* The commit had been written whole; only its flush failed. */
	assert_int_equal(p->s.settled_rows, 1);
	assert_int_equal(p->s.settled_last, 5);
	cut_the_power(p);
	assert_int_equal(stored_get(&p->s, 5), OL_STORE_OK);
	assert_int_equal(stored_get(&p->s, 6), OL_STORE_ABSENT);
}

/* A large body of an unknown submit stays if, and only if, its row does. */
static void
test_unknown_with_a_file(void **state)
{
	struct place *p = *state;

	faultfs_fail(FAULTFS_SYNC, 1, 1, SQLITE_IOERR_FSYNC);
	assert_int_equal(stored_add(&p->s, 5, 100000), UNKNOWN);
	assert_true(stored_wait_for(&p->s, &p->s.healthy, 5000));
	assert_int_equal(stored_payload(&p->s, 5), OL_STORE_OK);
	assert_true(stored_body_is(&p->s, 100000, 5));
	faultfs_fail(FAULTFS_WRITE, 1, 1, SQLITE_IOERR_WRITE);
	assert_int_equal(stored_add(&p->s, 6, 100000), UNKNOWN);
	p->s.healthy = 0;
	assert_true(stored_wait_for(&p->s, &p->s.healthy, 5000));
	assert_int_equal(stored_get(&p->s, 6), OL_STORE_ABSENT);
	assert_int_equal(stored_add(&p->s, 6, 100000), OL_STORE_OK);
	assert_int_equal(stored_payload(&p->s, 6), OL_STORE_OK);
	assert_true(stored_body_is(&p->s, 100000, 6));
}

static void
test_full_is_not_written_and_passes(void **state)
{
	struct place *p = *state;
	int64_t began;

	work(&p->s, 0, 2);
	faultfs_fail(FAULTFS_WRITE, 1, 1000, SQLITE_FULL);
	began = ol_clock_now();
	assert_int_equal(stored_add(&p->s, 5, 100), NOT_DONE);
	assert_true(ol_clock_now() - began < OL_SEC(1));
	/* It is read from all the while. */
	look(&p->s, 0, 2);
	assert_true(stored_wait_for(&p->s, &p->s.failing, 1000));
	assert_int_equal(stored_add(&p->s, 6, 100), NOT_DONE);
	faultfs_fail(FAULTFS_WRITE, 1, 0, SQLITE_OK);
	assert_int_equal(stored_add(&p->s, 6, 100), OL_STORE_OK);
	assert_true(stored_wait_for(&p->s, &p->s.healthy, 5000));
	assert_int_equal(p->s.settled, 0);
	assert_int_equal(stored_get(&p->s, 5), OL_STORE_ABSENT);
	cut_the_power(p);
	assert_int_equal(stored_get(&p->s, 6), OL_STORE_OK);
}

/* The control of all of this: what was not flushed is lost. */
static void
test_lazy_is_lost_by_power_failure(void **state)
{
	struct place *p = *state;
	struct ol_row row = stored_row(1);

	assert_int_equal(stored_add(&p->s, 0, 10), OL_STORE_OK);
	ol_store_submit(p->s.store, &row, NULL, true, stored_take, &p->s);
	p->s.waiting = 1;
	stored_wait(&p->s);
	assert_int_equal(p->s.answer.failed, OL_STORE_DONE);
	cut_the_power(p);
	assert_int_equal(stored_get(&p->s, 0), OL_STORE_OK);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_ABSENT);
}

static void
test_lazy_is_flushed_soon(void **state)
{
	struct place *p = *state;
	struct ol_row row = stored_row(1);
	int flag = 0;

	ol_store_submit(p->s.store, &row, NULL, true, stored_take, &p->s);
	p->s.waiting = 1;
	stored_wait(&p->s);
	stored_wait_for(&p->s, &flag, 1200);
	cut_the_power(p);
	assert_int_equal(stored_get(&p->s, 1), OL_STORE_OK);
}

/* The log stays small, whatever goes through it. */
static void
test_log_is_bounded(void **state)
{
	struct place *p = *state;
	char path[128];
	FILE *file;
	unsigned i;
	long size = 0;

	snprintf(path, sizeof(path), "%s/tasks.db-wal", p->folder);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(stored_add(&p->s, i, 30000), OL_STORE_OK);
		assert_int_equal(stored_erase(&p->s, i), OL_STORE_OK);
	}
	assert_non_null(file = fopen(path, "r"));
	fseek(file, 0, SEEK_END);
	size = ftell(file);
	fclose(file);
	print_message("log of %ld KiB after 30 MB\n", size / 1024);
	assert_true(size < 16 * 1024 * 1024);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flush_fails),
		cmocka_unit_test(test_write_fails),
		cmocka_unit_test(test_disk_full_at_a_write),
		cmocka_unit_test(test_power_fails_at_each_write),
		cmocka_unit_test_setup_teardown(
		    test_flush_fails_for_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_read_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_unknown_is_settled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_unknown_with_a_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_full_is_not_written_and_passes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_lazy_is_lost_by_power_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_lazy_is_flushed_soon, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_log_is_bounded, set_up, tear_down),
	};
	faultfs_install();
	alarm(600);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
