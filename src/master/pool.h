/*
 * A pool: one program in n slots behind one listener. Connects the slots'
 * tables to processes. Found again by its name at a reload, also while it is
 * being removed.
 */
#ifndef OL_MASTER_POOL_H
#define OL_MASTER_POOL_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <bsd/sys/queue.h>

#include "config/conf.h"
#include "master/handover.h"
#include "master/listener.h"
#include "master/process.h"
#include "master/slot.h"

struct ol_pool;

struct ol_pool_hooks {
	/* A process said something that matters; call ol_pool_tick(). */
	void (*on_change)(void *arg);
	/* A process that leaves was granted time until deadline. */
	void (*on_deadline)(void *arg, int64_t deadline);
	void *arg;
};

enum ol_pool_state {
	OL_POOL_RUNNING,
	OL_POOL_ASLEEP,	 /* idle_timeout: the next request starts it */
	OL_POOL_STOPPED, /* by command */
	OL_POOL_FAILED,	 /* rapid_fail: tried again by itself */
	OL_POOL_REMOVED, /* from the configuration; its processes leave */
};

struct ol_pool_count {
	int wanted;
	int ready;
	int processes; /* not reaped, those that leave included */
	unsigned
	    killed;	/* at a deadline or by a second stop, since the start */
	long long lost; /* work items of those */
};

/*
 * An empty pool. house and hooks are borrowed; name is copied. generation is
 * one that no earlier process of this name has had.
 */
struct ol_pool *ol_pool_new(const struct ol_house *house,
    const struct ol_pool_hooks *hooks, const char *name, unsigned generation);

/* Processes that are left are forgotten, not ended. */
void ol_pool_free(struct ol_pool *);

const char *ol_pool_name(const struct ol_pool *);

/*
 * Run as conf says from now on; conf is borrowed until the next one, or until
 * ol_pool_stop() or ol_pool_free(). Takes a reference to the listener. What
 * was started for a block that differs is recycled.
 */
void ol_pool_apply(struct ol_pool *, const struct ol_conf_pool *conf,
    struct ol_listener *listener, int64_t now);

/* Stop all slots; see ol_slot_stop(). conf and listener are let go. */
void ol_pool_stop(
    struct ol_pool *, const char *why, bool no_limit, int64_t now);
void ol_pool_stop_now(struct ol_pool *, int64_t now);

int64_t ol_pool_tick(struct ol_pool *, int64_t now);

/*
 * By the wall clock it is now, which may have been set: recycle if that is due,
 * and return when to call again; 0: there is nothing to wait for. Call
 * ol_pool_tick() after it.
 */
time_t ol_pool_clock(struct ol_pool *, time_t wall, int64_t now);

/* Whether pid is ours. */
bool ol_pool_has(const struct ol_pool *, pid_t pid);

/* Our process pid was reaped with that status; call ol_pool_tick(). */
void ol_pool_reaped(struct ol_pool *, pid_t pid, int status, int64_t now);

/*
 * Whether rapid_fail has stopped it, so that nobody of it is to accept: then
 * *listener, borrowed, and when it is tried again. Somebody must answer there.
 */
bool ol_pool_closed(
    const struct ol_pool *, struct ol_listener **listener, int64_t *due);

/*
 * Whether the engine may accept on the pool's listener. While nobody answers
 * there, the pool ends each connection at once. True: call ol_pool_tick().
 */
bool ol_pool_held(struct ol_pool *, bool held);

/* NULL: it is stopped. Borrowed. */
struct ol_listener *ol_pool_listener(const struct ol_pool *);

/*
 * What another master needs to go on with it; all are the listeners that
 * numbers are of. ol_handover_fini() frees it.
 */
void ol_pool_save(const struct ol_pool *, const struct ol_listeners *all,
    struct ol_handover_pool *to);

/*
 * The pool again; conf is its block, borrowed as in ol_pool_apply(), NULL when
 * it is stopped. Nothing is started or stopped. Takes the descriptors of its
 * processes, and references the listeners.
 */
struct ol_pool *ol_pool_take_over(const struct ol_house *,
    const struct ol_pool_hooks *, const struct ol_conf_pool *conf,
    struct ol_listener *const *listeners, const struct ol_handover_pool *from);

struct ol_pool_count ol_pool_count(const struct ol_pool *);

/*
 * What an operator asks for. Call ol_pool_tick() after each. NULL, or a static
 * sentence saying why not. A pool that was halted stays so over a reload, is
 * answered for as one that rapid_fail has stopped, and is resumed as that is.
 */
const char *ol_pool_recycle(struct ol_pool *, int64_t now);
const char *ol_pool_halt(struct ol_pool *, int64_t now);
const char *ol_pool_resume(struct ol_pool *, int64_t now);

enum ol_pool_state ol_pool_state(const struct ol_pool *);

/* NULL: it is being removed. Borrowed. */
const struct ol_conf_pool *ol_pool_conf(const struct ol_pool *);

/* Crashes in the window of rapid_fail. */
int ol_pool_crashes(const struct ol_pool *, int64_t now);

/* The i-th slot and its processes, borrowed; NULL behind the last. */
const struct ol_slot *ol_pool_slot(
    const struct ol_pool *, int i, const struct ol_processes **processes);

/* The highest generation that a process of this pool has had. */
unsigned ol_pool_generation(const struct ol_pool *);

/* Whether one process was READY since the pool was made, or none is wanted. */
bool ol_pool_was_ready(const struct ol_pool *);

/* The latest deadline of a process that leaves; 0: none leaves. */
int64_t ol_pool_deadline(const struct ol_pool *);

#endif
