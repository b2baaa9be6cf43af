#include <stdlib.h>
#include <string.h>

#include "task/heap.h"

static struct ol_task *
item(const struct ol_heap *heap, uint32_t at)
{
	return ol_table_task(heap->table, heap->items[at]);
}

static uint32_t *
place(const struct ol_heap *heap, struct ol_task *task)
{
	return (uint32_t *)(void *)((char *)task + heap->order->place);
}

static void
put(struct ol_heap *heap, uint32_t at, struct ol_task *task)
{
	heap->items[at] = ol_table_handle(task);
	*place(heap, task) = at;
}

/* Put the task at the hole, or where those above it make way. */
static void
rise(struct ol_heap *heap, uint32_t hole, struct ol_task *task)
{
	while (hole > 0) {
		struct ol_task *parent = item(heap, (hole - 1) / 2);

		if (!heap->order->before(task, parent))
			break;
		put(heap, hole, parent);
		hole = (hole - 1) / 2;
	}
	put(heap, hole, task);
}

/* The same with those below it. */
static void
sink(struct ol_heap *heap, uint32_t hole, struct ol_task *task)
{
	uint32_t child;

	while ((child = 2 * hole + 1) < heap->n) {
		struct ol_task *below = item(heap, child);

		if (child + 1 < heap->n &&
		    heap->order->before(item(heap, child + 1), below))
			below = item(heap, ++child);
		if (!heap->order->before(below, task))
			break;
		put(heap, hole, below);
		hole = child;
	}
	put(heap, hole, task);
}

void
ol_heap_init(struct ol_heap *heap, const struct ol_table *table,
    const struct ol_heap_order *order)
{
	memset(heap, 0, sizeof(*heap));
	heap->table = table;
	heap->order = order;
}

void
ol_heap_fini(struct ol_heap *heap)
{
	free(heap->items);
	heap->items = NULL;
	heap->n = heap->room = 0;
}

int
ol_heap_reserve(struct ol_heap *heap, uint32_t n)
{
	uint32_t room = heap->room, *items;

	if (n <= room)
		return 0;
	while (room < n)
		room = room == 0 ? 64 : room > UINT32_MAX / 2 ? n : room * 2;
	items = reallocarray(heap->items, room, sizeof(*items));
	if (items == NULL)
		return -1;
	heap->items = items;
	heap->room = room;
	return 0;
}

void
ol_heap_add(struct ol_heap *heap, struct ol_task *task)
{
	rise(heap, heap->n++, task);
}

void
ol_heap_remove(struct ol_heap *heap, struct ol_task *task)
{
	uint32_t hole = *place(heap, task);
	struct ol_task *last = item(heap, --heap->n);

	if (last == task)
		return;
	if (hole > 0 && heap->order->before(last, item(heap, (hole - 1) / 2)))
		rise(heap, hole, last);
	else
		sink(heap, hole, last);
}

struct ol_task *
ol_heap_first(const struct ol_heap *heap)
{
	return heap->n == 0 ? NULL : item(heap, 0);
}
