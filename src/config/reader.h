/*
 * Configuration text as a tree of directives, includes already in their place.
 * The reader finds faults of form; what a directive means is not its concern,
 * but it knows the option table, to recover from a missing ";", "{" or "}" so
 * that one fault is one error.
 */
#ifndef OL_CONFIG_READER_H
#define OL_CONFIG_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <bsd/sys/queue.h>

#include "config/source.h"

struct ol_diagnostics;
struct ol_world;

enum {
	OL_READER_NESTING_MAX = 8,	/* blocks in blocks */
	OL_READER_INCLUDES_MAX = 10,	/* files including files */
	OL_READER_FILES_MAX = 1000,	/* of one configuration */
	OL_READER_BYTES_MAX = 16 << 20, /* of all of them */
};

struct ol_word {
	const char *text;
	bool quoted; /* the text differs from what stands in the file */
	bool bad;    /* the text is a guess, an error was told */
	struct ol_place place;
};

TAILQ_HEAD(ol_directives, ol_directive);

struct ol_directive {
	TAILQ_ENTRY(ol_directive) link;
	struct ol_word *words; /* [0] is the name */
	size_t nwords;
	bool block;
	/* Errors were told already, so that these are not sure: */
	bool bad;	 /* what the words are */
	bool unended;	 /* that no word is missing at the end */
	bool incomplete; /* that no child is missing */
	struct ol_directives children;
};

/* Owns its sources and the tree; places point into it. */
struct ol_reading;

struct ol_reading *ol_reader_new(
    const struct ol_world *, struct ol_diagnostics *);
void ol_reader_free(struct ol_reading *);

/*
 * Read a file, or text under a name. Errors go to the diagnostics; the list is
 * then what could be saved. Borrowed from the reading.
 */
const struct ol_directives *ol_reader_file(
    struct ol_reading *, const char *path);
const struct ol_directives *ol_reader_text(
    struct ol_reading *, const char *name, const char *text);

/* Text that ol_conf_dump() made. */
const struct ol_directives *ol_reader_handed(
    struct ol_reading *, const char *name, const char *text, size_t len);

/* The first directive of that name in a list, or NULL. */
const struct ol_directive *ol_reader_find(
    const struct ol_directives *, const char *name);

/*
 * The first argument of the last directive of that name at top level, of those
 * with that argument unless it is NULL. Without one: the first source whole.
 */
struct ol_place ol_reader_place(
    const struct ol_reading *, const char *name, const char *argument);

#endif
