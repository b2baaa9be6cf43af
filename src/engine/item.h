/*
 * What the engine holds of a task besides the scheduler's 48 bytes: while a
 * write of it is under way, while it has a slot, and while somebody waits for
 * it. A task that only waits has no item.
 */
#ifndef OL_ENGINE_ITEM_H
#define OL_ENGINE_ITEM_H

#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "engine/call.h"
#include "engine/failure.h"
#include "run/run.h"
#include "store/store.h"
#include "task/task.h"

struct ol_item {
	struct ol_engine *engine;
	struct ol_task *task;
	uint32_t handle; /* the task's, 0: the item is not to be found */
	uint32_t fence;	 /* the row's attempt */
	bool stale;	 /* the row is not as we left it: give it up */

	/* A write under way. */
	struct ol_store_request *request;
	bool is_unsettled;
	bool is_keyed; /* in keys */
	bool is_submit;
	TAILQ_ENTRY(ol_item) link; /* unsettled, or unbegun */
	RB_ENTRY(ol_item) by_key;
	struct ol_engine_call *call; /* the submit's; NULL: nobody waits */
	struct ol_calls waiters;     /* for its end, on disk */
	struct ol_calls awaits;	     /* for its end, or a change: await.c */

	/*
	 * The row as it was submitted, or read; its state is stale. Kept while
	 * the task has a slot.
	 */
	struct ol_row *row;

	/* An attempt. */
	struct ol_body *payload; /* until it begins */
	bool has_payload;	 /* also when that is NULL: empty */
	bool is_due;		 /* its start is written */
	bool is_stopped;	 /* told so before it began */
	bool is_unbegun; /* in unbegun: it never began, ending says why */
	struct ol_store_request *row_request, *payload_request;
	struct ol_running *running;
	int64_t started;     /* milliseconds since 1970 */
	int64_t began;	     /* the clock's */
	int progress;	     /* -1: none */
	char *progress_text; /* NULL: none */
	int64_t stop_at;     /* in a drain; OL_NEVER: none */
	int told;	     /* by drain.c; 0: nothing */

	/* Its end, until that is written. */
	struct ol_ending ending;
	struct ol_failure failure;
	struct ol_body *result;
	char *result_type;
	char *reply; /* as in struct ol_run_end; NULL: none */
};

TAILQ_HEAD(ol_item_list, ol_item);

enum { OL_ITEM_PAGE = 512 };

/* Of so many handles in a row. */
struct ol_item_page {
	struct ol_item *items[OL_ITEM_PAGE];
	bool off[OL_ITEM_PAGE]; /* the task is in memory alone */
};

/* Of each task by its handle; a million that only wait take no page. Zeroed
 * when new. */
struct ol_items {
	struct ol_item_page **pages; /* NULL: nothing is there */
	uint32_t npages;
};

void ol_items_fini(struct ol_items *);

/*
 * The first item whose handle is at least *handle, which is set behind it; or
 * NULL. Items may come and go between two calls.
 */
struct ol_item *ol_items_next(const struct ol_items *, uint32_t *handle);

/* The item of a task, or NULL. */
struct ol_item *ol_item_find(const struct ol_items *, const struct ol_task *);

/* The item of a task, made when there is none. */
struct ol_item *ol_item_of(struct ol_engine *, struct ol_task *);

/* Whether the task is in the store of memory; and that it is, or not. */
bool ol_item_is_off(const struct ol_items *, const struct ol_task *);
void ol_item_set_off(struct ol_items *, const struct ol_task *, bool off);

/* The task waits again: keep only what must be known. May free the item. */
void ol_item_rest(struct ol_engine *, struct ol_item *);

/* The task is gone. Nobody waits for it any more. */
void ol_item_drop(struct ol_engine *, struct ol_item *);

int ol_item_key_compare(const struct ol_item *, const struct ol_item *);

#endif
