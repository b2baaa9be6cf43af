/* The text of one configuration file (or of -g), and places in it. */
#ifndef OL_CONFIG_SOURCE_H
#define OL_CONFIG_SOURCE_H

#include <sys/types.h>
#include <stdbool.h>
#include <stddef.h>

struct ol_world;

/* Limits of a configuration. */
enum {
	OL_SOURCE_MAX = 1024 * 1024, /* bytes of a file */
	OL_SOURCE_LINE_MAX = 65536,  /* bytes of a line */
};

/* Some bytes of a source. */
struct ol_place {
	const struct ol_source *source;
	size_t offset;	 /* of the first byte */
	unsigned line;	 /* from 1; 0: the source as a whole */
	unsigned column; /* from 1, in bytes */
	unsigned width;	 /* in bytes, at least 1, all in one line */
};

struct ol_source {
	struct ol_source *next;
	char *name; /* as errors show it */
	char *text; /* terminated; may hold NUL */
	size_t size;
	unsigned order; /* in which it was opened */
	bool file;	/* dev and ino are set */
	bool handed;	/* made by ourselves: no limit but memory's */
	dev_t dev;
	ino_t ino;
	struct ol_place from; /* the include; .source NULL: none */
};

/*
 * Read a file whole. Returns owned, or NULL with *reason a static sentence of
 * why not ("No such file or directory").
 */
struct ol_source *ol_source_open(
    const struct ol_world *, const char *path, const char **reason);

/* text as a source of that name; at most OL_SOURCE_MAX bytes, else NULL. */
struct ol_source *ol_source_new(const char *name, const char *text);

/* len bytes of text that ol_conf_dump() made, of whatever size. */
struct ol_source *ol_source_handed(
    const char *name, const char *text, size_t len);

void ol_source_free(struct ol_source *);

/* The source as a whole. */
struct ol_place ol_source_place(const struct ol_source *);

/* The byte after place, as something that is missing there. */
struct ol_place ol_source_after(struct ol_place place);

#endif
