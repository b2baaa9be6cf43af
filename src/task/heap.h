/*
 * A binary heap of tasks in an order of its own. It knows its tasks by their
 * handles, and each task knows its place, so that any of them can leave.
 */
#ifndef OL_TASK_HEAP_H
#define OL_TASK_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "task/table.h"

/*
 * Which of two goes first, and where a task keeps its place: &place or &age.
 * What before() reads must not change while the task is in the heap.
 */
struct ol_heap_order {
	bool (*before)(const struct ol_task *, const struct ol_task *);
	size_t place; /* the offset in struct ol_task */
};

struct ol_heap {
	const struct ol_table *table;	   /* borrowed */
	const struct ol_heap_order *order; /* borrowed */
	uint32_t *items;
	uint32_t n;
	uint32_t room;
};

void ol_heap_init(
    struct ol_heap *, const struct ol_table *, const struct ol_heap_order *);
void ol_heap_fini(struct ol_heap *);

/* Memory for n tasks in all, so that no add up to then can fail. -1: none. */
int ol_heap_reserve(struct ol_heap *, uint32_t n);

/* Room was reserved; the task is not in the heap. */
void ol_heap_add(struct ol_heap *, struct ol_task *);

/* The task is in the heap. */
void ol_heap_remove(struct ol_heap *, struct ol_task *);

/* The one that goes first, or NULL. */
struct ol_task *ol_heap_first(const struct ol_heap *);

#endif
