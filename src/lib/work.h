/*
 * A work item: a function that runs in the background, and what is known of
 * it. Lists and life are background.c's; here is the item itself.
 */
#ifndef OL_LIB_WORK_H
#define OL_LIB_WORK_H

#include <stdbool.h>
#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include <outlast/outlast.h>

enum ol_flavour { OL_BLOCKING, OL_ASYNC };

/*
 * Where it is: WAITING on background.waiting, DELAYED in background.delayed,
 * the others on background.running. TAKEN is an async item whose turn
 * comes within the round of the loop that is running.
 */
enum ol_work_state {
	OL_WORK_WAITING,
	OL_WORK_DELAYED,
	OL_WORK_TAKEN,
	OL_WORK_RUNNING,
	OL_WORK_LOST, /* still on background.running, past the deadline */
};

struct ol_work {
	union {
		TAILQ_ENTRY(ol_work) list; /* WAITING, TAKEN, RUNNING	*/
		RB_ENTRY(ol_work) tree;	   /* DELAYED			*/
	} link;
	struct ol_app *app;
	union {
		ol_blocking_fn *blocking;
		ol_async_fn *async;
	} fn;
	void *data;
	void (*free_data)(void *);
	ol_stop_fn *on_stop;
	void *on_stop_arg;
	int64_t due;	     /* DELAYED: when it may start */
	uint64_t serial;     /* order among equals */
	char *progress;	     /* owned; NULL: none */
	char *error;	     /* owned; set by ol_work_error() */
	unsigned stop_seen;  /* the stop that on_stop was told of last */
	signed char percent; /* -1: none */
	unsigned char flavour;
	unsigned char state;
	char name[48];
};

TAILQ_HEAD(ol_work_list, ol_work);
RB_HEAD(ol_work_tree, ol_work);

/* A new item with no place yet, or NULL. options is checked already. */
struct ol_work *ol_work_new(struct ol_app *app, enum ol_flavour flavour,
    void *data, const struct ol_work_options *options);

/* Free the item alone; its data is somebody else's again. */
void ol_work_free(struct ol_work *work);

/* Tell the error handler about the item. message NULL: what the item said. */
void ol_work_tell(
    struct ol_work *work, enum ol_error_kind kind, const char *message);

#endif
