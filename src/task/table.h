/*
 * All tasks of a scheduler: their memory, and the way from an id to a task. A
 * task has a number, its handle, while it lives (never 0): 4 bytes where a
 * pointer has 8. Nothing here ever moves a task or takes longer because there
 * are many: the index of ids grows by one bucket with each task (linear
 * hashing), its memory by chunks.
 */
#ifndef OL_TASK_TABLE_H
#define OL_TASK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "task/task.h"

struct ol_chunk;

/* Zeroed when new. */
struct ol_table {
	struct ol_chunk **chunks;
	size_t nchunks;	   /* in use, at the front */
	size_t room;	   /* of chunks */
	uint32_t used;	   /* the highest handle ever given out */
	uint32_t free;	   /* the first free handle, linked by link; 0: none */
	uint32_t n;	   /* tasks */
	uint32_t *buckets; /* handles; the rest of a bucket by link */
	uint32_t nbuckets; /* <= room_buckets */
	uint32_t room_buckets; /* a power of two */
	/* No id was ever greater: one that is, is a new one's. */
	struct ol_id newest;
};

/* Frees the table and all tasks. */
void ol_table_fini(struct ol_table *);

/* A zeroed task with that id, which must not be there yet. NULL: no memory. */
struct ol_task *ol_table_add(struct ol_table *, const struct ol_id *);

void ol_table_remove(struct ol_table *, struct ol_task *);

/* The task with that id, or NULL. */
struct ol_task *ol_table_lookup(const struct ol_table *, const struct ol_id *);

/* The handle of a task and the task of a handle. */
uint32_t ol_table_handle(const struct ol_task *);
struct ol_task *ol_table_task(const struct ol_table *, uint32_t handle);

/*
 * The first task with a handle above that one (0: of all), or NULL: to go
 * through all. Tasks may be added and removed on the way.
 */
struct ol_task *ol_table_after(const struct ol_table *, uint32_t handle);

#endif
