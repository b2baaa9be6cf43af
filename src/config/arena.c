#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/arena.h"

enum { CHUNK_SIZE = 4000 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) char bytes[];
};

struct ol_arena {
	struct chunk *chunks; /* the first is the one being filled */
};

struct ol_arena *
ol_arena_new(void)
{
	return ol_must(calloc(1, sizeof(struct ol_arena)));
}

void
ol_arena_free(struct ol_arena *arena)
{
	struct chunk *chunk, *next;

	if (arena == NULL)
		return;
	for (chunk = arena->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(arena);
}

void *
ol_arena_alloc(struct ol_arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct chunk *chunk = arena->chunks;
	void *p;

	size = (size + align - 1) / align * align;
	if (chunk == NULL || chunk->size - chunk->used < size) {
		size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;

		chunk = ol_must(calloc(1, sizeof(*chunk) + room));
		chunk->size = room;
		chunk->next = arena->chunks;
		arena->chunks = chunk;
	}
	p = chunk->bytes + chunk->used;
	chunk->used += size;
	return p;
}

char *
ol_arena_copy(struct ol_arena *arena, const char *text, size_t len)
{
	char *copy = ol_arena_alloc(arena, len + 1);

	memcpy(copy, text, len);
	return copy;
}
