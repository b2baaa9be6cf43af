#include <sys/mman.h>
#include <stdlib.h>
#include <string.h>

#include "task/table.h"

/*
 * Chunks are aligned to their size, so that a task's address tells its chunk,
 * and with it the handle.
 */
enum {
	CHUNK_SIZE = 65536,
	CHUNK_TASKS = (CHUNK_SIZE - 64) / sizeof(struct ol_task),
	FIRST_BUCKETS = 64,
};

struct ol_chunk {
	uint32_t base; /* the handle of tasks[0] */
	struct ol_task tasks[CHUNK_TASKS];
};

_Static_assert(sizeof(struct ol_chunk) <= CHUNK_SIZE, "a chunk fits");

uint32_t
ol_table_handle(const struct ol_task *task)
{
	const struct ol_chunk *chunk =
	    (const struct ol_chunk *)((uintptr_t)task &
				      ~(uintptr_t)(CHUNK_SIZE - 1));

	return chunk->base + (uint32_t)(task - chunk->tasks);
}

struct ol_task *
ol_table_task(const struct ol_table *table, uint32_t handle)
{
	return &table->chunks[(handle - 1) / CHUNK_TASKS]
		    ->tasks[(handle - 1) % CHUNK_TASKS];
}

struct ol_task *
ol_table_after(const struct ol_table *table, uint32_t handle)
{
	while (handle < table->used) {
		struct ol_task *task = ol_table_task(table, ++handle);

		if (task->state != OL_TASK_NONE)
			return task;
	}
	return NULL;
}

/* --- The index of ids. --- */

static uint32_t
bucket_of(const struct ol_table *table, const struct ol_id *id)
{
	static const uint64_t mix = 0x9e3779b97f4a7c15u;
	uint64_t halves[2], hash;
	uint32_t bucket;

	/* The end of a UUIDv7 is random; of one that was made elsewhere any
	 * part may only count up. */
	memcpy(halves, id->bytes, sizeof(halves));
	hash = halves[0] * mix ^ halves[1];
	hash = (hash ^ hash >> 32) * mix >> 32;
	bucket = (uint32_t)hash & (table->room_buckets - 1);
	/* Buckets that are not split off yet are in their lower halves. */
	if (bucket >= table->nbuckets)
		bucket &= table->room_buckets / 2 - 1;
	return bucket;
}

struct ol_task *
ol_table_lookup(const struct ol_table *table, const struct ol_id *id)
{
	uint32_t handle;

	if (table->nbuckets == 0 || ol_id_compare(id, &table->newest) > 0)
		return NULL;
	handle = table->buckets[bucket_of(table, id)];
	while (handle != 0) {
		struct ol_task *task = ol_table_task(table, handle);

		if (ol_id_compare(&task->id, id) == 0)
			return task;
		handle = task->link;
	}
	return NULL;
}

/* One bucket more: what belongs there leaves the one that it is split from. */
static void
split(struct ol_table *table)
{
	uint32_t bucket = table->nbuckets++, *from, handle;

	table->buckets[bucket] = 0;
	from = &table->buckets[bucket & (table->room_buckets / 2 - 1)];
	while ((handle = *from) != 0) {
		struct ol_task *task = ol_table_task(table, handle);

		if (bucket_of(table, &task->id) == bucket) {
			*from = task->link;
			task->link = table->buckets[bucket];
			table->buckets[bucket] = handle;
		} else
			from = &task->link;
	}
}

static int
grow_buckets(struct ol_table *table)
{
	uint32_t room = table->room_buckets * 2;
	uint32_t *buckets;

	if (room == 0)
		room = FIRST_BUCKETS;
	buckets = reallocarray(table->buckets, room, sizeof(*buckets));
	if (buckets == NULL)
		return -1;
	if (table->nbuckets == 0) {
		table->nbuckets = room;
		memset(buckets, 0, room * sizeof(*buckets));
	}
	table->buckets = buckets;
	table->room_buckets = room;
	return 0;
}

/* --- Memory. --- */

/* Zeroed memory at a multiple of CHUNK_SIZE; malloc would waste a page each. */
static struct ol_chunk *
map_chunk(void)
{
	char *p = mmap(NULL, (size_t)2 * CHUNK_SIZE, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = (CHUNK_SIZE - (uintptr_t)p % CHUNK_SIZE) % CHUNK_SIZE;
	if (before > 0)
		munmap(p, before);
	munmap(p + before + CHUNK_SIZE, CHUNK_SIZE - before);
	return (struct ol_chunk *)(void *)(p + before);
}

static int
grow_chunks(struct ol_table *table)
{
	struct ol_chunk *chunk, **chunks;

	if (table->nchunks == UINT32_MAX / CHUNK_TASKS)
		return -1;
	if (table->nchunks == table->room) {
		size_t room = table->room == 0 ? 16 : table->room * 2;

		chunks = reallocarray(
		    table->chunks, room, sizeof(struct ol_chunk *));
		if (chunks == NULL)
			return -1;
		table->chunks = chunks;
		table->room = room;
	}
	chunk = map_chunk();
	if (chunk == NULL)
		return -1;
	chunk->base = (uint32_t)(table->nchunks * CHUNK_TASKS) + 1;
	table->chunks[table->nchunks++] = chunk;
	return 0;
}

struct ol_task *
ol_table_add(struct ol_table *table, const struct ol_id *id)
{
	struct ol_task *task;
	uint32_t handle, bucket;

	if (table->free == 0 && table->used == table->nchunks * CHUNK_TASKS &&
	    grow_chunks(table) == -1)
		return NULL;
	if (table->n >= table->nbuckets) {
		if (table->nbuckets == table->room_buckets &&
		    grow_buckets(table) == -1)
			return NULL;
		if (table->n >= table->nbuckets)
			split(table);
	}
	handle = table->free != 0 ? table->free : ++table->used;
	task = ol_table_task(table, handle);
	if (handle == table->free)
		table->free = task->link;
	memset(task, 0, sizeof(*task));
	task->id = *id;
	if (ol_id_compare(id, &table->newest) > 0)
		table->newest = *id;
	bucket = bucket_of(table, id);
	task->link = table->buckets[bucket];
	table->buckets[bucket] = handle;
	table->n++;
	return task;
}

void
ol_table_remove(struct ol_table *table, struct ol_task *task)
{
	uint32_t handle = ol_table_handle(task);
	uint32_t *from = &table->buckets[bucket_of(table, &task->id)];

	while (*from != handle)
		from = &ol_table_task(table, *from)->link;
	*from = task->link;
	memset(task, 0, sizeof(*task));
	task->link = table->free;
	table->free = handle;
	table->n--;
}

void
ol_table_fini(struct ol_table *table)
{
	size_t i;

	for (i = 0; i < table->nchunks; i++)
		munmap(table->chunks[i], CHUNK_SIZE);
	free(table->chunks);
	free(table->buckets);
	memset(table, 0, sizeof(*table));
}
