#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "store/request.h"
#include "store/store.h"

struct ol_store {
	const struct ol_store_ops *ops;
	void *backend;
};

struct ol_store *
ol_store_open(
    const struct ol_store_ops *ops, const struct ol_store_options *options)
{
	struct ol_store *store = ol_must(malloc(sizeof(*store)));

	store->ops = ops;
	if ((store->backend = ops->open(options)) == NULL) {
		free(store);
		return NULL;
	}
	return store;
}

void
ol_store_close(struct ol_store *store)
{
	if (store == NULL)
		return;
	store->ops->close(store->backend);
	free(store);
}

void
ol_store_get_counts(struct ol_store *store, struct ol_store_counts *counts)
{
	store->ops->counts(store->backend, counts);
}

void
ol_store_cancel(struct ol_store_request *request)
{
	request->fn = NULL;
}

static struct ol_store_request *
ask(struct ol_store *store, struct ol_store_request *request, ol_store_fn *fn,
    void *arg)
{
	request->fn = fn;
	request->arg = arg;
	store->ops->ask(store->backend, request);
	return request;
}

static struct ol_store_request *
ask_about(struct ol_store *store, enum ol_store_request_kind kind,
    const uint8_t *id, ol_store_fn *fn, void *arg)
{
	struct ol_store_request *request = ol_store_request_new(kind);

	memcpy(request->id, id, sizeof(request->id));
	return ask(store, request, fn, arg);
}

struct ol_store_request *
ol_store_submit(struct ol_store *store, const struct ol_row *row,
    struct ol_body *payload, bool lazy, ol_store_fn *fn, void *arg)
{
	struct ol_store_request *request;
	const char *field;

	if ((field = ol_row_check(row)) != NULL) {
		ol_log_error(
		    NULL, "store: a task's %s is out of its bounds", field);
		return NULL;
	}
	request = ol_store_request_new(OL_ASK_SUBMIT);
	memcpy(request->id, row->id, sizeof(request->id));
	request->row = ol_row_copy(row);
	request->body = ol_body_ref(payload);
	request->lazy = lazy;
	return ask(store, request, fn, arg);
}

/* For free(); NULL when there are none. */
static const void *
copy(struct ol_bytes bytes)
{
	void *data;

	if (bytes.size == 0)
		return NULL;
	data = ol_must(malloc(bytes.size));
	memcpy(data, bytes.data, bytes.size);
	return data;
}

struct ol_store_request *
ol_store_move(struct ol_store *store, const struct ol_move *move, bool lazy,
    ol_store_fn *fn, void *arg)
{
	const char *type = move->result_type != NULL ? move->result_type : "";
	struct ol_store_request *request;

	if (!ol_row_is_state(move->state) ||
	    move->error.size > OL_ROW_ERROR_MAX ||
	    move->log.size > OL_ROW_LOG_MAX ||
	    move->reply.size > OL_ROW_CONTEXT_MAX ||
	    strnlen(type, OL_ROW_TEXT_MAX + 1) > OL_ROW_TEXT_MAX) {
		ol_log_error(NULL, "store: a move is out of its bounds");
		return NULL;
	}
	request = ol_store_request_new(OL_ASK_MOVE);
	memcpy(request->id, move->id, sizeof(request->id));
	request->move = *move;
	request->move.error.data = copy(move->error);
	request->move.log.data = copy(move->log);
	request->move.reply.data = copy(move->reply);
	request->move.result_type = ol_must(strdup(type));
	request->move.result = NULL;
	request->body = ol_body_ref(move->result);
	request->lazy = lazy;
	return ask(store, request, fn, arg);
}

struct ol_store_request *
ol_store_erase(
    struct ol_store *store, const uint8_t *id, ol_store_fn *fn, void *arg)
{
	return ask_about(store, OL_ASK_ERASE, id, fn, arg);
}

struct ol_store_request *
ol_store_expire(struct ol_store *store, const struct ol_expire *expire,
    ol_store_fn *fn, void *arg)
{
	struct ol_store_request *request = ol_store_request_new(OL_ASK_EXPIRE);

	request->expire = *expire;
	return ask(store, request, fn, arg);
}

struct ol_store_request *
ol_store_get(
    struct ol_store *store, const uint8_t *id, ol_store_fn *fn, void *arg)
{
	return ask_about(store, OL_ASK_GET, id, fn, arg);
}

struct ol_store_request *
ol_store_payload(
    struct ol_store *store, const uint8_t *id, ol_store_fn *fn, void *arg)
{
	return ask_about(store, OL_ASK_PAYLOAD, id, fn, arg);
}

struct ol_store_request *
ol_store_result(
    struct ol_store *store, const uint8_t *id, ol_store_fn *fn, void *arg)
{
	return ask_about(store, OL_ASK_RESULT, id, fn, arg);
}

struct ol_store_request *
ol_store_attempts(
    struct ol_store *store, const uint8_t *id, ol_store_fn *fn, void *arg)
{
	return ask_about(store, OL_ASK_ATTEMPTS, id, fn, arg);
}

struct ol_store_request *
ol_store_list(struct ol_store *store, const struct ol_list *list,
    ol_store_fn *fn, void *arg)
{
	struct ol_store_request *request = ol_store_request_new(OL_ASK_LIST);

	request->list = *list;
	if (list->type != NULL)
		request->list.type = ol_must(strdup(list->type));
	if (list->owner != NULL)
		request->list.owner = ol_must(strdup(list->owner));
	if (request->list.limit < 1)
		request->list.limit = 1;
	if (request->list.limit > OL_STORE_LIST_MAX)
		request->list.limit = OL_STORE_LIST_MAX;
	return ask(store, request, fn, arg);
}
