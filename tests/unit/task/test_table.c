#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "task/table.h"

/* The n-th id; all of them in one bucket, or spread like random ones. */
static struct ol_id
id_of(uint32_t n, bool spread)
{
	struct ol_id id = { { 0 } };
	/* What bucket_of() takes away again. */
	uint64_t same = (uint64_t)n * 0x9e3779b97f4a7c15u ^ 7;
	uint32_t mixed = spread ? n * 2654435761u : 7;

	memcpy(id.bytes, &n, sizeof(n));
	if (spread)
		memcpy(id.bytes + 12, &mixed, sizeof(mixed));
	else
		memcpy(id.bytes + 8, &same, sizeof(same));
	return id;
}

static void
add_find_remove(uint32_t n, bool spread)
{
	struct ol_table table = { 0 };
	struct ol_task *task;
	struct ol_id id;
	uint32_t i, seen = 0, handle = 0;

	for (i = 0; i < n; i++) {
		id = id_of(i, spread);
		assert_null(ol_table_lookup(&table, &id));
		task = ol_table_add(&table, &id);
		assert_non_null(task);
		task->state = OL_TASK_READY;
		assert_ptr_equal(
		    ol_table_task(&table, ol_table_handle(task)), task);
	}
	for (i = 0; i < n; i++) {
		id = id_of(i, spread);
		task = ol_table_lookup(&table, &id);
		assert_non_null(task);
		assert_memory_equal(&task->id, &id, sizeof(id));
	}
	for (i = 0; i < n; i += 2) {
		id = id_of(i, spread);
		ol_table_remove(&table, ol_table_lookup(&table, &id));
	}
	assert_int_equal(table.n, n / 2);
	for (i = 0; i < n; i++) {
		id = id_of(i, spread);
		assert_int_equal(ol_table_lookup(&table, &id) != NULL, i % 2);
	}
	while ((task = ol_table_after(&table, handle)) != NULL) {
		assert_true(ol_table_handle(task) > handle);
		handle = ol_table_handle(task);
		seen++;
	}
	assert_int_equal(seen, n / 2);
	/* What was freed is used again. */
	i = (uint32_t)table.nchunks;
	for (handle = 0; handle < n; handle += 2) {
		id = id_of(handle, spread);
		assert_non_null(ol_table_add(&table, &id));
	}
	assert_int_equal(table.nchunks, i);
	ol_table_fini(&table);
}

static void
test_add_find_remove(void **state)
{
	(void)state;
	add_find_remove(100000, true);
}

static void
test_one_bucket_for_all(void **state)
{
	(void)state;
	add_find_remove(2000, false);
}

/* In one bucket, these would take a minute. */
static void
test_ids_that_count_up(void **state)
{
	struct ol_table table = { 0 };
	struct ol_id id;
	uint32_t i, end;
	int at;

	(void)state;
	for (at = 0; at <= 12; at += 4) {
		for (i = 0; i < 100000; i++) {
			memset(&id, 0, sizeof(id));
			end = htobe32(i);
			memcpy(id.bytes + at, &end, sizeof(end));
			if (ol_table_lookup(&table, &id) == NULL)
				assert_non_null(ol_table_add(&table, &id));
		}
	}
	ol_table_fini(&table);
}

static void
test_empty(void **state)
{
	struct ol_table table = { 0 };
	struct ol_id id = id_of(1, true);

	(void)state;
	assert_null(ol_table_lookup(&table, &id));
	assert_null(ol_table_after(&table, 0));
	ol_table_fini(&table);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_find_remove),
		cmocka_unit_test(test_one_bucket_for_all),
		cmocka_unit_test(test_ids_that_count_up),
		cmocka_unit_test(test_empty),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
