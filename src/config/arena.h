/*
 * Memory that is freed all at once. One owner, one thread. Aborts when out of
 * memory (base/must.h); what is put in is bounded by the reader's limits.
 */
#ifndef OL_CONFIG_ARENA_H
#define OL_CONFIG_ARENA_H

#include <stddef.h>

struct ol_arena;

struct ol_arena *ol_arena_new(void);
void ol_arena_free(struct ol_arena *);

/* size zeroed bytes, aligned for any object, until ol_arena_free(). */
void *ol_arena_alloc(struct ol_arena *, size_t size);

/* A terminated copy of the len bytes at text. */
char *ol_arena_copy(struct ol_arena *, const char *text, size_t len);

#endif
