#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/memory_table.h"

enum { FIRST_BUCKETS = 64 };

/* Only tasks with a key have one of these. */
struct ol_memory_key {
	RB_ENTRY(ol_memory_key) link;
	struct ol_memory_task *task;
	const char *scope, *key; /* behind texts */
	uint8_t hash[OL_ROW_HASH];
	char texts[];
};

static int
compare_order(const struct ol_memory_task *a, const struct ol_memory_task *b)
{
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static int
compare_keys(const struct ol_memory_key *a, const struct ol_memory_key *b)
{
	int differs = strcmp(a->scope, b->scope);

	return differs != 0 ? differs : strcmp(a->key, b->key);
}

RB_GENERATE_INTERNAL(ol_memory_order, ol_memory_task, order, compare_order,
    __attribute__((unused)) static)
RB_GENERATE_INTERNAL(ol_memory_keys, ol_memory_key, link, compare_keys,
    __attribute__((unused)) static)

/* --- The index of ids. --- */

/* Ids are ours, not a peer's: nobody aims at one bucket. */
static struct ol_memory_task **
bucket_of(const struct ol_memory_table *table, const uint8_t *id)
{
	uint64_t halves[2], hash;

	memcpy(halves, id, sizeof(halves));
	hash = (halves[0] ^ (halves[1] << 23 | halves[1] >> 41)) *
	       0x9e3779b97f4a7c15u;
	return &table->buckets[(hash >> 32) & (table->nbuckets - 1)];
}

static void
grow(struct ol_memory_table *table)
{
	struct ol_memory_task **old = table->buckets, *task, **bucket;
	size_t i, n = table->nbuckets;

	table->nbuckets *= 2;
	table->buckets =
	    ol_must(calloc(table->nbuckets, sizeof(*table->buckets)));
	for (i = 0; i < n; i++) {
		while ((task = old[i]) != NULL) {
			old[i] = task->next;
			bucket = bucket_of(table, task->id);
			task->next = *bucket;
			*bucket = task;
		}
	}
	free(old);
}

struct ol_memory_task *
ol_memory_table_find(const struct ol_memory_table *table, const uint8_t *id)
{
	struct ol_memory_task *task;

	if (memcmp(id, table->newest, OL_ROW_ID) > 0)
		return NULL;
	task = *bucket_of(table, id);
	while (task != NULL && memcmp(task->id, id, OL_ROW_ID) != 0)
		task = task->next;
	return task;
}

/* --- The tasks. --- */

/* The n-th text; behind the last one is the session's hash. */
static const char *
text(const struct ol_memory_task *task, int n)
{
	const char *at = task->texts;

	while (n-- > 0)
		at += strlen(at) + 1;
	return at;
}

static char *
put_text(char *end, const char *from)
{
	size_t size = strlen(from) + 1;

	memcpy(end, from, size);
	return end + size;
}

static void *
copy(struct ol_bytes bytes)
{
	void *data;

	if (bytes.size == 0)
		return NULL;
	data = ol_must(malloc(bytes.size));
	memcpy(data, bytes.data, bytes.size);
	return data;
}

static void
add_key(struct ol_memory_table *table, struct ol_memory_task *task,
    const struct ol_row *row)
{
	struct ol_memory_key *key;
	char *end;

	key = ol_must(malloc(
	    sizeof(*key) + strlen(row->key_scope) + 1 + strlen(row->key) + 1));
	key->task = task;
	end = put_text(key->texts, row->key_scope);
	put_text(end, row->key);
	key->scope = key->texts;
	key->key = end;
	memcpy(key->hash, row->key_hash, OL_ROW_HASH);
	task->key = key;
	RB_INSERT(ol_memory_keys, &table->keys, key);
}

struct ol_memory_task *
ol_memory_table_add(struct ol_memory_table *table, const struct ol_row *row,
    struct ol_body *payload)
{
	struct ol_memory_task *task, **bucket;
	struct ol_memory_outcome *outcome;
	char *end;

	task = ol_must(malloc(sizeof(*task) + strlen(row->type) +
			      strlen(row->owner) + strlen(row->content_type) +
			      3 + (row->has_session ? OL_ROW_SESSION : 0)));
	*task = (struct ol_memory_task){ .seq = ++table->seq,
		.created = row->created,
		.due = row->due,
		.started = row->started,
		.ended = row->ended,
		.attempt = row->attempt,
		.refunds = row->refunds,
		.crashes = row->crashes,
		.priority = row->priority,
		.state = (uint8_t)row->state,
		.first = row->first,
		.cancelled = row->cancelled,
		.has_session = row->has_session,
		.recorded = row->recorded };
	memcpy(task->id, row->id, OL_ROW_ID);
	if (memcmp(row->id, table->newest, OL_ROW_ID) > 0)
		memcpy(table->newest, row->id, OL_ROW_ID);
	end = put_text(task->texts, row->type);
	end = put_text(end, row->owner);
	end = put_text(end, row->content_type);
	if (row->has_session)
		memcpy(end, row->session, OL_ROW_SESSION);
	task->context = copy(row->context);
	task->context_size = (uint32_t)row->context.size;
	if (row->state < OL_ROW_SUCCEEDED) {
		task->secrets = copy(row->secrets);
		task->secrets_size = (uint32_t)row->secrets.size;
	}
	if (payload != NULL && payload->size > 0)
		task->payload = ol_body_ref(payload);
	if (row->error.size > 0 || row->reply.size > 0 ||
	    row->result_type[0] != '\0') {
		outcome = ol_memory_task_outcome(task);
		outcome->error = copy(row->error);
		outcome->error_size = row->error.size;
		outcome->reply = copy(row->reply);
		outcome->reply_size = row->reply.size;
		outcome->result_type = ol_must(strdup(row->result_type));
	}
	if (++table->n > table->nbuckets)
		grow(table);
	bucket = bucket_of(table, task->id);
	task->next = *bucket;
	*bucket = task;
	RB_INSERT(ol_memory_order, &table->order, task);
	if (row->key[0] != '\0')
		add_key(table, task, row);
	return task;
}

void
ol_memory_task_forget_secrets(struct ol_memory_task *task)
{
	if (task->secrets != NULL)
		explicit_bzero(task->secrets, task->secrets_size);
	free(task->secrets);
	task->secrets = NULL;
	task->secrets_size = 0;
}

static void
free_task(struct ol_memory_task *task)
{
	struct ol_memory_outcome *outcome = task->outcome;
	size_t i;

	if (outcome != NULL) {
		ol_body_free(outcome->result);
		free(outcome->result_type);
		free(outcome->error);
		free(outcome->reply);
		for (i = 0; i < outcome->nattempts; i++)
			free(outcome->attempts[i]);
		free(outcome);
	}
	ol_memory_task_forget_secrets(task);
	ol_body_free(task->payload);
	free(task->key);
	free(task->context);
	free(task);
}

void
ol_memory_table_remove(
    struct ol_memory_table *table, struct ol_memory_task *task)
{
	struct ol_memory_task **at = bucket_of(table, task->id);

	while (*at != task)
		at = &(*at)->next;
	*at = task->next;
	table->n--;
	RB_REMOVE(ol_memory_order, &table->order, task);
	if (task->key != NULL)
		RB_REMOVE(ol_memory_keys, &table->keys, task->key);
	free_task(task);
}

void
ol_memory_table_init(struct ol_memory_table *table)
{
	*table = (struct ol_memory_table){ .nbuckets = FIRST_BUCKETS };
	table->buckets =
	    ol_must(calloc(FIRST_BUCKETS, sizeof(*table->buckets)));
	RB_INIT(&table->order);
	RB_INIT(&table->keys);
}

void
ol_memory_table_fini(struct ol_memory_table *table)
{
	struct ol_memory_task *task, *next;
	size_t i;

	for (i = 0; i < table->nbuckets; i++) {
		for (task = table->buckets[i]; task != NULL; task = next) {
			next = task->next;
			free_task(task);
		}
	}
	free(table->buckets);
}

struct ol_memory_task *
ol_memory_table_find_key(
    const struct ol_memory_table *table, const struct ol_row *row, bool *same)
{
	const struct ol_memory_key wanted = { .scope = row->key_scope,
		.key = row->key };
	struct ol_memory_keys keys = table->keys;
	struct ol_memory_key *key;

	key = RB_FIND(
	    ol_memory_keys, &keys, (struct ol_memory_key *)(uintptr_t)&wanted);
	if (key == NULL)
		return NULL;
	*same = memcmp(key->hash, row->key_hash, OL_ROW_HASH) == 0;
	return key->task;
}

struct ol_memory_task *
ol_memory_table_after(
    const struct ol_memory_table *table, int64_t seq, bool newest_first)
{
	struct ol_memory_order order = table->order;
	struct ol_memory_task from = { .seq = seq }, *task;

	task = RB_NFIND(ol_memory_order, &order, &from);
	if (!newest_first)
		return task != NULL && task->seq == seq
			   ? RB_NEXT(ol_memory_order, &order, task)
			   : task;
	return task != NULL ? RB_PREV(ol_memory_order, &order, task)
			    : RB_MAX(ol_memory_order, &order);
}

struct ol_memory_outcome *
ol_memory_task_outcome(struct ol_memory_task *task)
{
	if (task->outcome == NULL) {
		task->outcome = ol_must(calloc(1, sizeof(*task->outcome)));
		task->outcome->task = task;
	}
	return task->outcome;
}

struct ol_row
ol_memory_task_row(const struct ol_memory_task *task)
{
	const struct ol_memory_outcome *outcome = task->outcome;
	const struct ol_memory_key *key = task->key;
	struct ol_row row = { .state = (enum ol_row_state)task->state,
		.priority = task->priority,
		.attempt = task->attempt,
		.refunds = task->refunds,
		.crashes = task->crashes,
		.first = task->first,
		.cancelled = task->cancelled,
		.has_session = task->has_session,
		.created = task->created,
		.due = task->due,
		.started = task->started,
		.ended = task->ended,
		.type = text(task, 0),
		.owner = text(task, 1),
		.content_type = text(task, 2),
		.result_type = "",
		.key_scope = "",
		.key = "",
		.context = { task->context, task->context_size },
		.recorded = task->recorded,
		.secrets = { task->secrets, task->secrets_size },
		.seq = task->seq,
		.payload_size = task->erased		? -1
				: task->payload != NULL ? task->payload->size
							: 0,
		.result_size = -1 };

	memcpy(row.id, task->id, OL_ROW_ID);
	if (task->has_session)
		memcpy(row.session, text(task, 3), OL_ROW_SESSION);
	if (key != NULL) {
		row.key_scope = key->scope;
		row.key = key->key;
		memcpy(row.key_hash, key->hash, OL_ROW_HASH);
	}
	if (outcome != NULL) {
		row.error =
		    (struct ol_bytes){ outcome->error, outcome->error_size };
		row.reply =
		    (struct ol_bytes){ outcome->reply, outcome->reply_size };
		if (outcome->result_type != NULL)
			row.result_type = outcome->result_type;
		if (outcome->result != NULL)
			row.result_size = outcome->result->size;
	}
	return row;
}
