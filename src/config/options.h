/*
 * The option table: one row for every directive. The reader, the checks, the
 * dump, the manual's lint and outlastd --print-options all go by it.
 */
#ifndef OL_CONFIG_OPTIONS_H
#define OL_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where a directive may stand. */
enum {
	OL_IN_MAIN = 1,
	OL_IN_POOL = 2,
	OL_IN_TASK = 4,
	OL_IN_STORE = 8,
	OL_IN_ANY = 15,
};

enum {
	OL_REQUIRED = 1,
	OL_REPEATABLE = 2,
	OL_RELOADABLE = 4, /* a reload applies it; others need a restart */
	/* Of a task: for those with program, for those with fastcgi_pass. */
	OL_FOR_PROGRAM = 8,
	OL_FOR_BACKEND = 16,
};

/* What a value is; the field that holds it. */
enum ol_kind {
	OL_KIND_INCLUDE, /* none: the reader's */
	OL_KIND_POOL,	 /* none: a block, as the next two */
	OL_KIND_TASK,
	OL_KIND_STORE,
	OL_KIND_TIME,	    /* int64_t, nanoseconds */
	OL_KIND_TIME_OFF,   /* the same; 0 for "off" */
	OL_KIND_NUMBER,	    /* int */
	OL_KIND_NUMBER_OFF, /* the same; 0 for "off" */
	OL_KIND_SIZE,	    /* int64_t, bytes */
	OL_KIND_CLOCK,	    /* struct ol_conf_clock */
	OL_KIND_SWITCH,	    /* bool */
	OL_KIND_CHOICE,	    /* an enum; none when there is one choice alone */
	OL_KIND_MODE,	    /* mode_t */
	OL_KIND_PATH,	    /* char *, absolute */
	OL_KIND_DIRECTORY,  /* the same; NULL for "scratch" */
	OL_KIND_BASE,	    /* char *, a path of URLs */
	OL_KIND_TYPE,	    /* char *, a media type */
	OL_KIND_ZONE,	    /* char *, a file of the zone database */
	OL_KIND_GROUP,	    /* struct ol_conf_listen: group, gid */
	OL_KIND_LOG,	    /* logs, nlogs */
	OL_KIND_LISTEN,	    /* struct ol_conf_listen; of struct ol_conf: many */
	OL_KIND_CONTROL,    /* struct ol_conf_listen, of struct ol_conf */
	OL_KIND_PROGRAM,    /* char **, NULL-terminated */
	OL_KIND_USER,	    /* user, uid, gid */
	OL_KIND_ENV,	    /* env, nenv */
	OL_KIND_RAPID,	    /* rapid_crashes, rapid_window */
	OL_KIND_BACKOFF,    /* backoff, backoff_exponential */
	OL_KIND_METHODS,    /* unsigned, OL_METHOD_… */
	OL_KIND_CONTEXT,    /* context, ncontext */
	OL_KIND_BACKEND,    /* backend: text, addr */
	OL_KIND_PARAM,	    /* backend: params, nparams */
	OL_KIND_DROP,	    /* backend: drop, ndrop */
	OL_KIND_REQUEST,    /* backend: method, uri, content_type */
	OL_KIND_SET,	    /* none: parameters alone */
};

/* A word and what it means. */
struct ol_option_choice {
	const char *name; /* NULL: the last */
	unsigned value;
};

/* A parameter, "name=value". */
struct ol_option_parameter {
	const char *name; /* NULL: the last */
	enum ol_kind kind;
	/* Of the field in the directive's struct, or in its listen. */
	size_t offset;
	int64_t min, max;
	const char *standard; /* default text; NULL: none, or the field's 0 */
	const struct ol_option_choice *choices;
};

/*
 * A name that means another thing in another block has a row for each; no two
 * rows of one name share a context.
 */
struct ol_option {
	const char *name;
	unsigned context;   /* OL_IN_… */
	const char *syntax; /* what follows the name, for people */
	enum ol_kind kind;
	/*
	 * Of the field in struct ol_conf (top level, store), ol_conf_pool and
	 * ol_conf_task; 0: there is none. What stands at top level without a
	 * field there is the default of the blocks that have one.
	 */
	size_t conf, pool, task;
	int64_t min, max;
	unsigned least, most; /* words after the name; parameters not counted */
	const struct ol_option_parameter *parameters; /* NULL: none */
	const struct ol_option_choice *choices;
	const char *standard; /* default text; NULL: none */
	/* The same for people, when it is not as simple. */
	const char *standard_shown;
	unsigned flags;
	/* With OL_FOR_…: what to tell a task of the other kind. */
	const char *foreign;
	const char *help;
};

/* The i-th row, NULL behind the last. */
const struct ol_option *ol_options_row(size_t i);

/* How many rows there are, and the number of one of them. */
size_t ol_options_size(void);
size_t ol_options_index(const struct ol_option *);

/* The first row of that name, or NULL. */
const struct ol_option *ol_options_find(const char *name);

/* The row of that name that may stand in one of the contexts, or NULL. */
const struct ol_option *ol_options_find_in(const char *name, unsigned contexts);

/* Where any row of that name may stand. */
unsigned ol_options_contexts(const char *name);

/*
 * The row in one of the contexts that was most likely meant by a misspelt
 * name, or NULL.
 */
const struct ol_option *ol_options_nearest(const char *name, unsigned contexts);

/* Whether a row means nothing to tasks with a backend, or without one. */
bool ol_options_is_foreign(const struct ol_option *, bool backend);

/* Whether a row is that of a block. */
bool ol_options_is_block(const struct ol_option *);

/* "main", "pool", "task", "store", or more of them, joined by commas. */
struct ol_options_text {
	char text[32];
};
struct ol_options_text ol_options_context(const struct ol_option *);

#endif
