/*
 * Who tells somebody of a pool's crashes: its on_crash program, run as the pool
 * would run its own, with the report on standard input. One at a time; of the
 * reports that come meanwhile the last one is told next. It gets 30 seconds.
 * How it ends itself is logged, and told nobody.
 */
#ifndef OL_MASTER_MESSENGER_H
#define OL_MASTER_MESSENGER_H

#include <sys/types.h>
#include <stdint.h>

#include "config/conf.h"

struct ol_messenger {
	const char *pool; /* its name, borrowed */
	pid_t pid;	  /* 0: none runs */
	int64_t deadline;
	int said;      /* what the start of it had to say */
	char *waiting; /* the report that is next; NULL: none */
	pid_t crashed; /* whose that is */
	int dropped;   /* reports that it took the place of */
};

/* pool is borrowed. */
void ol_messenger_init(struct ol_messenger *, const char *pool);

/* What runs is killed; the master still reaps it. */
void ol_messenger_fini(struct ol_messenger *);

/*
 * Process crashed left the report, which is taken. Told now or, by a later
 * ol_messenger_tick(), when what runs has ended.
 */
void ol_messenger_tell(struct ol_messenger *, pid_t crashed, char *report);

/*
 * Do what is due by conf, which is borrowed for the call; NULL: the pool is
 * stopped, and nothing is told any more. Returns when to call again.
 */
int64_t ol_messenger_tick(
    struct ol_messenger *, const struct ol_conf_pool *conf, int64_t now);

/* It was reaped with that status; call ol_messenger_tick(). */
void ol_messenger_reaped(struct ol_messenger *, int status);

#endif
