/*
 * The engine and the spawner: connects the table of service.h to processes, and
 * tells them what there is to know. What they are to know is kept here; what
 * could not be sent is sent again.
 */
#ifndef OL_MASTER_ROLES_H
#define OL_MASTER_ROLES_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/conf.h"
#include "loop/loop.h"
#include "master/listener.h"

struct ol_roles;

struct ol_roles_hooks {
	/* One of them said something that matters; call ol_roles_tick(). */
	void (*on_change)(void *arg);
	/* A stop will take until deadline. */
	void (*on_deadline)(void *arg, int64_t deadline);
	/* Whether pid was started by the pools. */
	bool (*is_pools)(void *arg, pid_t pid);
	void *arg;
};

struct ol_roles_count {
	int processes;	  /* not reaped */
	unsigned running; /* attempts; a second old at most */
	bool killed;	  /* the engine was, in the stop: what ran was not
			     written */
	bool wanted;
	bool ready; /* submits are taken */
};

struct ol_roles_view {
	pid_t engine, spawner; /* 0: there is none */
	bool ready;	       /* submits are taken */
	bool current;	       /* the engine has the configuration in force */
	unsigned running;
};

/* hooks are borrowed. */
struct ol_roles *ol_roles_new(struct ol_loop *, const struct ol_roles_hooks *);

/* Processes that are left are forgotten, not ended. */
void ol_roles_free(struct ol_roles *);

/* What ol_roles_apply() needs and may fail: a descriptor of conf, -1 when it
 * has no tasks. -1: logged. */
int ol_roles_prepare(const struct ol_conf *conf, int *prepared);

/*
 * Run as conf says from now on: a pair if it has tasks; conf is borrowed until
 * the next one, prepared is taken. listeners, conf->nlisten of them, are
 * referenced until the engine has let go of them. The log's files are those of
 * the log just opened.
 */
void ol_roles_apply(struct ol_roles *, const struct ol_conf *conf, int prepared,
    struct ol_listener *const *listeners, int64_t now);

/*
 * Which listeners of pools nobody serves: the engine answers 503 there, if
 * there is one; see closings.h. begin, want for each, end.
 */
void ol_roles_closed_begin(struct ol_roles *);
void ol_roles_closed(struct ol_roles *, struct ol_listener *, int64_t due);
void ol_roles_closed_end(struct ol_roles *);

/* Whether the engine may accept there. */
bool ol_roles_accepts(const struct ol_roles *, const struct ol_listener *);

/* Ask the engine whether it answers also while nothing runs. */
void ol_roles_watch(struct ol_roles *, bool watch);

/* False: the engine was killed because it did not answer, and does not die. */
bool ol_roles_answer(const struct ol_roles *);

/* The log's files were opened again. */
void ol_roles_reopened(struct ol_roles *);

/*
 * Start nothing any more, and finish what runs within left, OL_NEVER for no
 * limit; the last grace of it for TERM before KILL. A second call replaces the
 * first one's times. Submits are taken until ol_roles_exit().
 */
void ol_roles_stop(struct ol_roles *, int64_t left, int64_t grace, int64_t now);

/*
 * The same by the configuration in force, and then the end, without
 * ol_roles_exit(): what came is answered for OL_ROLES_ANSWER at most.
 * ol_roles_apply() starts another pair.
 */
#define OL_ROLES_ANSWER OL_SEC(10)
void ol_roles_retire(struct ol_roles *, int64_t now);

/* Whether neither is there, nor a program of theirs, nor will be. */
bool ol_roles_are_gone(const struct ol_roles *);

/* Whether the engine has finished, or its time is over. */
bool ol_roles_drained(const struct ol_roles *, int64_t now);

/* End: the engine writes what is left, and takes the spawner along. */
void ol_roles_exit(struct ol_roles *, int64_t now);

int64_t ol_roles_tick(struct ol_roles *, int64_t now);

/* The one of ours that is to be reaped next, if it can be: the engine before
 * its spawner, whichever was seen first. 0: none. */
pid_t ol_roles_dead(const struct ol_roles *);

bool ol_roles_has(const struct ol_roles *, pid_t pid);

/* Our process pid was reaped with that status; call ol_roles_tick(). */
void ol_roles_reaped(struct ol_roles *, pid_t pid, int status, int64_t now);

/* Any child was reaped, and none waits to be: see orphan.h. */
void ol_roles_look(struct ol_roles *);

struct ol_roles_count ol_roles_count(const struct ol_roles *);

struct ol_roles_view ol_roles_view(const struct ol_roles *);

/* When the stop's time is over; 0: there is no stop. */
int64_t ol_roles_deadline(const struct ol_roles *);

#endif
