#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/must.h"
#include "store/request.h"

struct ol_store_request *
ol_store_request_new(enum ol_store_request_kind kind)
{
	struct ol_store_request *request = ol_must(calloc(1, sizeof(*request)));

	request->kind = kind;
	return request;
}

void
ol_store_request_free(struct ol_store_request *request)
{
	size_t i;

	for (i = 0; request->answer.rows != NULL && i < request->answer.n; i++)
		ol_row_free(request->answer.rows[i]);
	free((void *)(uintptr_t)request->answer.rows);
	for (i = 0; request->answer.attempts != NULL && i < request->answer.n;
	     i++)
		free(request->answer.attempts[i]);
	free((void *)(uintptr_t)request->answer.attempts);
	ol_body_free(request->answer.body);
	ol_body_free(request->body);
	ol_row_free(request->row);
	free((void *)(uintptr_t)request->move.error.data);
	free((void *)(uintptr_t)request->move.log.data);
	free((void *)(uintptr_t)request->move.reply.data);
	free((void *)(uintptr_t)request->move.result_type);
	free((void *)(uintptr_t)request->list.type);
	free((void *)(uintptr_t)request->list.owner);
	free(request);
}

/* An array with room for one more than n: for 1, 2, 4, 8 … of them. */
static void *
with_room(const void *array, size_t n)
{
	void *room = (void *)(uintptr_t)array;

	if ((n & (n - 1)) == 0)
		room = ol_must(
		    realloc(room, (n == 0 ? 1 : n * 2) * sizeof(void *)));
	return room;
}

void
ol_store_request_add_row(struct ol_store_request *request, struct ol_row *row)
{
	struct ol_answer *answer = &request->answer;
	struct ol_row **rows = with_room(answer->rows, answer->n);

	rows[answer->n++] = row;
	answer->rows = rows;
}

void
ol_store_request_add_attempt(
    struct ol_store_request *request, struct ol_attempt *attempt)
{
	struct ol_answer *answer = &request->answer;
	struct ol_attempt **attempts = with_room(answer->attempts, answer->n);

	attempts[answer->n++] = attempt;
	answer->attempts = attempts;
}

bool
ol_list_matches(const struct ol_list *list, const struct ol_row *row)
{
	if (list->states != 0 && (list->states & 1u << row->state) == 0)
		return false;
	if (list->type != NULL && strcmp(list->type, row->type) != 0)
		return false;
	if (list->owner != NULL && strcmp(list->owner, row->owner) != 0)
		return false;
	return list->created_before == 0 || row->created < list->created_before;
}

void
ol_store_request_deliver(
    struct ol_store_request *request, const struct ol_store_options *options)
{
	if (request->kind == OL_ASK_SETTLED) {
		if (options->on_settled != NULL)
			options->on_settled(
			    options->arg, request->id, request->row);
	} else if (request->kind == OL_ASK_HEALTH) {
		if (request->working)
			ol_log_notice(NULL, "store: works again");
		else
			ol_log_error(NULL, "store: failing: %s", request->why);
		if (options->on_health != NULL)
			options->on_health(
			    options->arg, request->working, request->why);
	} else if (request->fn != NULL)
		request->fn(request->arg, &request->answer);
	ol_store_request_free(request);
}
