/* A pool from inside: for pool.c, and pool_handover.c which saves it. */
#ifndef OL_MASTER_POOL_PARTS_H
#define OL_MASTER_POOL_PARTS_H

#include "master/daily.h"
#include "master/messenger.h"
#include "master/pool.h"
#include "master/rapid.h"

/* One slot and the processes that its table speaks of. */
struct ol_place {
	struct ol_slot slot;
	struct ol_pool *pool;
	struct ol_processes processes;
	struct ol_log log; /* "pool shop[0]" */
	int index;
};

struct ol_pool {
	const struct ol_house *house;
	const struct ol_pool_hooks *hooks;
	char *name;
	const struct ol_conf_pool *conf; /* NULL: stopped */
	struct ol_listener *listener;	 /* NULL: stopped */
	struct ol_place **places;
	int nplaces; /* as many as there ever were */
	unsigned generation;
	bool was_ready;
	struct ol_daily daily; /* recycle at */
	struct ol_rapid rapid;
	int crashes;		       /* that rapid has not heard of */
	int64_t halted;		       /* by command, since when; 0: not */
	bool held;		       /* the engine may accept */
	bool asleep;		       /* idle: all slots are stopped */
	struct ol_watch *wake;	       /* asleep: somebody connects */
	struct ol_watch *shut;	       /* nobody accepts but to end it; NULL */
	struct ol_messenger messenger; /* on_crash */
	unsigned killed;
	long long lost;
};

/* Have n slots at least. */
void ol_pool_grow(struct ol_pool *, int n);

/* What the slots are to keep to. */
struct ol_slot_rules ol_pool_rules(const struct ol_conf_pool *);

/* All slots are stopped: watch the listener. */
void ol_pool_sleep(struct ol_pool *);

/* For struct ol_process; arg is its place. */
void ol_pool_on_notify(
    struct ol_process *, const struct ol_notify *, void *arg);

#endif
