/*
 * The engine as its own files see it: what they share, and what they ask of
 * each other. Nobody else includes this.
 */
#ifndef OL_ENGINE_CORE_H
#define OL_ENGINE_CORE_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "engine/call.h"
#include "engine/engine.h"
#include "engine/item.h"
#include "loop/loop.h"
#include "run/run_fastcgi.h"
#include "run/run_program.h"
#include "store/store.h"
#include "task/scheduler.h"

RB_HEAD(ol_keys, ol_item);

struct ol_engine {
	struct ol_engine_options
	    options; /* its folders are not used any more */
	const struct ol_conf *conf;
	struct ol_scheduler *scheduler;
	struct ol_programs *programs;
	struct ol_backends *backends;
	/* NULL once it is closed. */
	struct ol_store *durable;
	struct ol_store *memory; /* of types with durable off */
	bool has_memory;	 /* a task was ever put there */
	struct ol_id_source ids;

	/*
	 * At the end of a round of the loop: the scheduler's tick, answers that
	 * must not come from within the call, attempts that never began. What a
	 * tick starts is written with what the round has ended.
	 */
	struct ol_later *turn;
	struct ol_timer *timer;	  /* the tick that is due without that */
	struct ol_timer *late;	  /* the first of calls is answered too late */
	struct ol_timer *loader;  /* read again what could not be read */
	struct ol_timer *drainer; /* attempts with a deadline of their own */
	struct ol_timer *janitor; /* retention */
	struct ol_timer *awaiter; /* the first of awaits waited long enough */

	struct ol_items items;
	struct ol_keys keys;	       /* submits in flight with a key */
	struct ol_item_list unsettled; /* nobody knows if it was written */
	struct ol_item_list unbegun;   /* ended before their executor began */
	struct ol_calls calls;	       /* by deadline: all but those that … */
	struct ol_awaits awaits;       /* … wait for a task, by until */
	struct ol_calls soon;	       /* to be answered from the loop */

	/* The row of the answer whose callback runs; else NULL. */
	const struct ol_row *at_hand;

	int spool;	    /* the folder of the store */
	int64_t load_after; /* the page of the list */
	uint32_t loaded, unloadable, strange;
	int64_t last_end; /* when a task ended; the clock's */
	/* retain.c: the wall clock's lead over the clock, in milliseconds. */
	int64_t lead, new_lead;
	int64_t lead_at;       /* when new_lead is believed; 0: it is lead */
	int64_t loading_since; /* the clock's */
	uint32_t limit;	       /* of attempts at once */
	uint32_t running;      /* as on_running was told */
	bool loading, failing, closing;
	bool connected; /* to a spawner: programs can be started */
	bool silent;	/* the durable store does not answer: see silence.c */
	int64_t silent_since;
	bool is_planned;	/* the janitor will come */
	bool draining, drained; /* drained: was told */
	int64_t drain_since, deadline, grace;
};

/* --- engine.c --- */

/* The block of a type as it is now, or NULL. */
const struct ol_conf_task *ol_core_type(
    const struct ol_engine *, const char *name);

/* Something happened: tick, and answer what waits, from the loop. */
void ol_core_soon(struct ol_engine *);

/* The store of a task. */
struct ol_store *ol_core_store(
    const struct ol_engine *, const struct ol_task *);

/* --- write.c: moves of tasks that are in the store --- */

/* hands->write */
void ol_write_begin(void *engine, struct ol_task *);

/* The store's on_settled. */
void ol_write_settled(
    void *engine, const uint8_t *id, const struct ol_row *row);

/*
 * A running task was cancelled: mark its row, so that it does not run again
 * should we end before its end is written. NULL: it does not run any more.
 */
struct ol_store_request *ol_write_mark(
    struct ol_engine *, const struct ol_task *, ol_store_fn *, void *arg);

/* The write of an item is UNKNOWN: it waits for on_settled. */
void ol_write_unsettled(struct ol_engine *, struct ol_item *);

/*
 * A copy of row, without the context, as the write in flight of the item makes
 * it; *body: borrowed, the result that goes with it, or NULL.
 */
struct ol_row *ol_write_foresee(
    const struct ol_item *, const struct ol_row *row, struct ol_body **body);

/* --- await.c --- */

/* The move of a task was begun to be written. */
void ol_await_written(struct ol_item *);

/* The same was moved in memory: something else is to be seen, or its end. */
void ol_await_changed(struct ol_item *);
void ol_await_ended(struct ol_item *);

/* The row of a task that was not found at first has not ended: wait for it, if
 * it is there now; else false. */
bool ol_await_resume(struct ol_engine_call *, const struct ol_row *row);

/* It is taken out of wherever it waits. */
void ol_await_forget(struct ol_engine_call *);

/* The timer: answer those that waited long enough. */
void ol_await_late(void *engine);

/* Answer all, from the loop: the drain begins. The same, now: the end. */
void ol_await_drain(struct ol_engine *);
void ol_await_end_all(struct ol_engine *);

int ol_await_compare(
    const struct ol_engine_call *, const struct ol_engine_call *);
RB_PROTOTYPE(ol_awaits, ol_engine_call, by_until, ol_await_compare)

/* --- submit.c --- */

/* A submit that was UNKNOWN is, or is not, on disk. */
void ol_submit_settled(struct ol_item *, bool on_disk);

RB_PROTOTYPE(ol_keys, ol_item, by_key, ol_item_key_compare)

/* --- attempt.c --- */

/*
 * Its start is being written: read what it takes to launch it right behind
 * that, as the store is there anyway.
 */
void ol_attempt_prepare(struct ol_item *);

/* hands->spawn, hands->stop */
void ol_attempt_spawn(void *engine, struct ol_task *);
void ol_attempt_stop(void *engine, struct ol_task *, enum ol_stop);

/* Report those that ended before they began. */
void ol_attempt_reap(struct ol_engine *);

/* Nobody is called back any more. */
void ol_attempt_forget(struct ol_item *);

/* --- drain.c --- */

/* Tell attempts with a deadline of their own what is due. */
void ol_drain_tell(void *engine);

/* An attempt asks for so many nanoseconds from now on. */
void ol_drain_extend(struct ol_item *, int64_t asked);

/* --- load.c --- */

/* The next page of the tasks of an earlier life. */
void ol_load_next(void *engine);

/* --- silence.c --- */

/* The durable store was asked at that time and did not answer yet. */
void ol_silence_begin(struct ol_engine *, int64_t since);

/* --- retain.c --- */

/* A life begins: the wall clock is believed as it is. */
void ol_retain_begin(struct ol_engine *);

/* Look for what was kept long enough. */
void ol_retain_look(void *engine);

/* A task ended: some time it is to be removed. */
void ol_retain_ended(struct ol_engine *);

/* --- report.c: one line in the log --- */

void ol_report_moved(const struct ol_engine *, const struct ol_task *,
    const struct ol_item *, enum ol_task_event);

/* Types that are gone, or back, and what becomes of their tasks. */
void ol_report_parked(const struct ol_engine *);
void ol_report_refused(
    const struct ol_engine *, const struct ol_task *, enum ol_task_event);

/* Name a task for the log. */
void ol_report_about(
    const struct ol_engine *, const struct ol_task *, struct ol_log *);

#endif
