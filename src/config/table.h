/*
 * The option table: one row for every directive. The reader, the checks, the
 * dump, the manual's lint and outlastd --print-options all go by it.
 */
#ifndef OL_CONFIG_TABLE_H
#define OL_CONFIG_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Where a directive may stand. */
enum {
	OL_IN_MAIN = 1,
	OL_IN_POOL = 2,
};

enum {
	OL_REQUIRED = 1,
	OL_REPEATABLE = 2,
	OL_RELOADABLE = 4, /* a reload applies it; others need a restart */
};

/* What a value is; the field that holds it. */
enum ol_kind {
	OL_KIND_INCLUDE, /* none: the reader's */
	OL_KIND_POOL,	 /* none: a block */
	OL_KIND_TIME,	 /* int64_t, nanoseconds */
	OL_KIND_NUMBER,	 /* int */
	OL_KIND_MODE,	 /* mode_t */
	OL_KIND_PATH,	 /* char *, absolute */
	OL_KIND_GROUP,	 /* struct ol_conf_listen: group, gid */
	OL_KIND_LOG,	 /* struct ol_conf: logs */
	OL_KIND_LISTEN,	 /* struct ol_conf_pool: listen */
	OL_KIND_PROGRAM, /* struct ol_conf_pool: program */
	OL_KIND_USER,	 /* struct ol_conf_pool: user, uid, gid */
	OL_KIND_ENV,	 /* struct ol_conf_pool: env */
	OL_KIND_SET,	 /* none: parameters alone */
};

/* A parameter, "name=value". */
struct ol_option_parameter {
	const char *name; /* NULL: the last */
	enum ol_kind kind;
	size_t offset; /* of the field in the directive's struct */
	int64_t min, max;
	const char *standard; /* default text; NULL: none */
};

struct ol_option {
	const char *name;
	unsigned context;   /* OL_IN_… */
	const char *syntax; /* what follows the name, for people */
	enum ol_kind kind;
	/*
	 * Of the field: in struct ol_conf for a directive of the main context
	 * alone, else in struct ol_conf_pool.
	 */
	size_t offset;
	int64_t min, max;
	unsigned least, most; /* words after the name; parameters not counted */
	const struct ol_option_parameter *parameters; /* NULL: none */
	const char *standard; /* default text; NULL: none */
	/* The same for people, when it is another directive's value. */
	const char *standard_shown;
	unsigned flags;
	const char *help;
};

/* The i-th row, NULL behind the last. */
const struct ol_option *ol_table_row(size_t i);

/* How many rows there are, and the number of one of them. */
size_t ol_table_size(void);
size_t ol_table_index(const struct ol_option *);

/* The row of that name, or NULL. */
const struct ol_option *ol_table_find(const char *name);

/*
 * The row in one of the contexts that was most likely meant by a misspelt
 * name, or NULL.
 */
const struct ol_option *ol_table_nearest(const char *name, unsigned contexts);

/* "main", "pool" or "main,pool". */
const char *ol_table_context(const struct ol_option *);

#endif
