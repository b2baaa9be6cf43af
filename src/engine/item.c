#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/core.h"

void
ol_items_fini(struct ol_items *items)
{
	free(items->items);
	free(items->off);
	*items = (struct ol_items){ 0 };
}

static void
grow(struct ol_items *items, uint32_t handle)
{
	uint32_t room = items->room == 0 ? 256 : items->room;

	while (room <= handle)
		room *= 2;
	if (room == items->room)
		return;
	items->items =
	    ol_must(reallocarray(items->items, room, sizeof(struct ol_item *)));
	items->off = ol_must(realloc(items->off, room));
	memset(items->items + items->room, 0,
	    (room - items->room) * sizeof(struct ol_item *));
	memset(items->off + items->room, 0, room - items->room);
	items->room = room;
}

struct ol_item *
ol_item_find(const struct ol_items *items, const struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);

	return handle < items->room ? items->items[handle] : NULL;
}

struct ol_item *
ol_item_of(struct ol_engine *e, struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);
	struct ol_item *item = ol_item_find(&e->items, task);

	if (item != NULL)
		return item;
	grow(&e->items, handle);
	item = ol_must(calloc(1, sizeof(*item)));
	item->engine = e;
	item->task = task;
	item->handle = handle;
	item->fence = task->attempt;
	item->progress = -1;
	item->failure.exit = -1;
	item->stop_at = OL_NEVER;
	TAILQ_INIT(&item->waiters);
	e->items.items[handle] = item;
	return item;
}

bool
ol_item_is_off(const struct ol_items *items, const struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);

	return handle < items->room && items->off[handle] != 0;
}

void
ol_item_set_off(struct ol_items *items, const struct ol_task *task, bool off)
{
	uint32_t handle = ol_table_handle(task);

	grow(items, handle);
	items->off[handle] = off;
}

/* All that belongs to an attempt. */
static void
clear(struct ol_item *item)
{
	ol_attempt_forget(item);
	ol_failure_fini(&item->failure);
	ol_body_free(item->payload);
	ol_body_free(item->result);
	free(item->row);
	free(item->progress_text);
	free(item->result_type);
	item->payload = item->result = NULL;
	item->row = NULL;
	item->progress_text = item->result_type = NULL;
	item->has_payload = item->is_due = item->is_stopped = false;
	item->started = item->began = 0;
	item->progress = -1;
	item->stop_at = OL_NEVER;
	item->told = 0;
}

void
ol_item_rest(struct ol_engine *e, struct ol_item *item)
{
	clear(item);
	if (item->fence == item->task->attempt && !item->stale &&
	    item->request == NULL && item->call == NULL &&
	    TAILQ_EMPTY(&item->waiters))
		ol_item_drop(e, item);
}

void
ol_item_drop(struct ol_engine *e, struct ol_item *item)
{
	clear(item);
	if (item->is_unsettled)
		TAILQ_REMOVE(&e->unsettled, item, link);
	if (item->is_keyed)
		RB_REMOVE(ol_keys, &e->keys, item);
	e->items.items[item->handle] = NULL;
	free(item);
}

int
ol_item_key_compare(const struct ol_item *a, const struct ol_item *b)
{
	int order = strcmp(a->row->key, b->row->key);

	return order != 0 ? order
			  : strcmp(a->row->key_scope, b->row->key_scope);
}
