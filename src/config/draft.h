/*
 * A configuration in the making: what conf.c (top level), conf_pool.c and
 * conf_task.c share.
 */
#ifndef OL_CONFIG_DRAFT_H
#define OL_CONFIG_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ol_conf;
struct ol_conf_env;
struct ol_conf_listen;
struct ol_conf_pool;
struct ol_conf_task;
struct ol_diagnostics;
struct ol_directive;
struct ol_option;
struct ol_world;

enum {
	OL_DRAFT_OPTIONS_MAX = 64, /* rows of the table */
};

/* Which directives a block has; by the number of the row. */
struct ol_seen {
	const struct ol_directive *first[OL_DRAFT_OPTIONS_MAX];
	/* Gave the value. */
	const struct ol_directive *good[OL_DRAFT_OPTIONS_MAX];
	/* One that is misspelt was told. */
	bool guessed[OL_DRAFT_OPTIONS_MAX];
};

struct ol_draft {
	const struct ol_world *world;
	struct ol_diagnostics *diagnostics;
	struct ol_conf *conf;
	/* Where defaults of blocks are checked and go lost. */
	struct ol_conf_pool *any_pool;
	struct ol_conf_task *any_task;
	struct ol_seen main; /* file and -g; good alone is used */
	/* Of the task API, as in conf->listen. */
	const struct ol_directive **listens;
	/* The store's, which is one of tasks, and stands in main.good, too. */
	const struct ol_directive *durable;
	bool failed; /* something at top level is in error */
	bool told_run_user;
};

/*
 * The row of a directive in a block (OL_IN_…) that has had those in seen.
 * NULL: an error was told.
 */
const struct ol_option *ol_draft_admit(struct ol_draft *,
    const struct ol_directive *, unsigned context, struct ol_seen *seen);

/* Set what the directive says. -1: errors were told. */
int ol_draft_set(struct ol_draft *, const struct ol_option *,
    const struct ol_directive *, unsigned context, void *target);

/*
 * Give target what it has when its block says nothing: top level's, else the
 * table's.
 */
void ol_draft_fill(struct ol_draft *, unsigned context, void *target);

/* Set what the block says. False: something was wrong with it. */
bool ol_draft_read(struct ol_draft *, const struct ol_directive *block,
    unsigned context, void *target, struct ol_seen *seen);

/*
 * The account of what has no user of its own and is started as root. The block
 * (with seen) is where it is missing.
 */
void ol_draft_run_user(struct ol_draft *, const struct ol_directive *block,
    const struct ol_seen *seen, char **user, uid_t *uid, gid_t *gid);

/* Tell of rows that the block must have and has not. */
void ol_draft_check_required(struct ol_draft *, unsigned context,
    const struct ol_directive *block, const struct ol_seen *seen);

/* Tell of two directives of that name (what sets a variable, a parameter) whose
 * first word is the same. */
void ol_draft_check_twice(struct ol_draft *, const struct ol_directive *block,
    const char *name, const char *what);

/* The directive that a block's value comes from: its own, or top level's. */
const struct ol_directive *ol_draft_origin(const struct ol_draft *,
    const struct ol_seen *, unsigned context, const char *name);

/* Whether a block's directive of that name is there, if misspelt. */
bool ol_draft_has(const struct ol_seen *, unsigned context, const char *name);

void ol_draft_free_env(struct ol_conf_env *, size_t n);
void ol_draft_free_words(char **words); /* NULL-terminated, or NULL */

/* A pool block; it goes into the configuration, or an error was told. */
struct ol_conf_pool *ol_conf_pool_new(void);
void ol_conf_pool_free(struct ol_conf_pool *);
void ol_conf_pool_read(struct ol_draft *, const struct ol_directive *block);

/* A task block, in the same way. */
struct ol_conf_task *ol_conf_task_new(void);
void ol_conf_task_free(struct ol_conf_task *);
void ol_conf_task_read(struct ol_draft *, const struct ol_directive *block);

#endif
