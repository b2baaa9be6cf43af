#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "engine/core.h"

void
ol_items_fini(struct ol_items *items)
{
	uint32_t i;

	for (i = 0; i < items->npages; i++)
		free(items->pages[i]);
	free(items->pages);
	*items = (struct ol_items){ 0 };
}

/* The page of a handle, or NULL. */
static struct ol_item_page *
find_page(const struct ol_items *items, uint32_t handle)
{
	uint32_t n = handle / OL_ITEM_PAGE;

	return n < items->npages ? items->pages[n] : NULL;
}

struct ol_item *
ol_items_next(const struct ol_items *items, uint32_t *handle)
{
	const struct ol_item_page *page;
	struct ol_item *item;

	while (*handle / OL_ITEM_PAGE < items->npages) {
		if ((page = find_page(items, *handle)) == NULL)
			*handle += OL_ITEM_PAGE - *handle % OL_ITEM_PAGE;
		else if ((item = page->items[(*handle)++ % OL_ITEM_PAGE]) !=
			 NULL)
			return item;
	}
	return NULL;
}

/* The page of a handle, made when there is none. */
static struct ol_item_page *
page_of(struct ol_items *items, uint32_t handle)
{
	uint32_t n = handle / OL_ITEM_PAGE;
	uint32_t npages = items->npages == 0 ? 16 : items->npages;

	while (npages <= n)
		npages *= 2;
	if (npages > items->npages) {
		items->pages = ol_must(reallocarray(
		    items->pages, npages, sizeof(struct ol_item_page *)));
		memset(items->pages + items->npages, 0,
		    (npages - items->npages) * sizeof(struct ol_item_page *));
		items->npages = npages;
	}
	if (items->pages[n] == NULL)
		items->pages[n] = ol_must(calloc(1, sizeof(**items->pages)));
	return items->pages[n];
}

struct ol_item *
ol_item_find(const struct ol_items *items, const struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);
	const struct ol_item_page *page = find_page(items, handle);

	return page != NULL ? page->items[handle % OL_ITEM_PAGE] : NULL;
}

struct ol_item *
ol_item_of(struct ol_engine *e, struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);
	struct ol_item *item = ol_item_find(&e->items, task);

	if (item != NULL)
		return item;
	item = ol_must(calloc(1, sizeof(*item)));
	item->engine = e;
	item->task = task;
	item->handle = handle;
	item->fence = task->attempt;
	item->progress = -1;
	item->failure.exit = -1;
	item->stop_at = OL_NEVER;
	TAILQ_INIT(&item->waiters);
	TAILQ_INIT(&item->awaits);
	page_of(&e->items, handle)->items[handle % OL_ITEM_PAGE] = item;
	return item;
}

bool
ol_item_is_off(const struct ol_items *items, const struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);
	const struct ol_item_page *page = find_page(items, handle);

	return page != NULL && page->off[handle % OL_ITEM_PAGE];
}

void
ol_item_set_off(struct ol_items *items, const struct ol_task *task, bool off)
{
	uint32_t handle = ol_table_handle(task);

	page_of(items, handle)->off[handle % OL_ITEM_PAGE] = off;
}

/* All that belongs to an attempt. */
static void
clear(struct ol_item *item)
{
	ol_attempt_forget(item);
	ol_failure_fini(&item->failure);
	ol_body_free(item->payload);
	ol_body_free(item->result);
	ol_row_free(item->row);
	free(item->progress_text);
	free(item->result_type);
	free(item->reply);
	item->payload = item->result = NULL;
	item->row = NULL;
	item->progress_text = item->result_type = item->reply = NULL;
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
	    TAILQ_EMPTY(&item->waiters) && TAILQ_EMPTY(&item->awaits))
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
	page_of(&e->items, item->handle)->items[item->handle % OL_ITEM_PAGE] =
	    NULL;
	free(item);
}

int
ol_item_key_compare(const struct ol_item *a, const struct ol_item *b)
{
	int order = strcmp(a->row->key, b->row->key);

	return order != 0 ? order
			  : strcmp(a->row->key_scope, b->row->key_scope);
}
