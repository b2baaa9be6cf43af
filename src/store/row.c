#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/row.h"

bool
ol_row_is_state(int64_t number)
{
	return (number >= OL_ROW_SCHEDULED && number <= OL_ROW_PARKED) ||
	       (number >= OL_ROW_SUCCEEDED && number <= OL_ROW_POISONED);
}

static bool
fits(const char *text, size_t most)
{
	return text == NULL || strnlen(text, most + 1) <= most;
}

const char *
ol_row_check(const struct ol_row *row)
{
	if (!ol_row_is_state(row->state))
		return "state";
	if (row->type == NULL || row->type[0] == '\0' ||
	    !fits(row->type, OL_ROW_TYPE_MAX))
		return "type";
	if (!fits(row->owner, OL_ROW_TEXT_MAX))
		return "owner";
	if (!fits(row->content_type, OL_ROW_TEXT_MAX) ||
	    !fits(row->result_type, OL_ROW_TEXT_MAX))
		return "content type";
	if (!fits(row->key, OL_ROW_TEXT_MAX) ||
	    !fits(row->key_scope, OL_ROW_TEXT_MAX))
		return "idempotency key";
	if (row->context.size > OL_ROW_CONTEXT_MAX)
		return "context";
	if (row->secrets.size > OL_ROW_CONTEXT_MAX)
		return "secrets";
	if (row->reply.size > OL_ROW_CONTEXT_MAX)
		return "reply";
	if (row->error.size > OL_ROW_ERROR_MAX)
		return "error";
	return NULL;
}

static size_t
room(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 1;
}

static const char *
put_text(char **end, const char *text)
{
	char *at = *end;
	size_t size = room(text);

	memcpy(at, text != NULL ? text : "", size);
	*end += size;
	return at;
}

static struct ol_bytes
put_bytes(char **end, struct ol_bytes bytes)
{
	struct ol_bytes at = { *end, bytes.size };

	if (bytes.size > 0)
		memcpy(*end, bytes.data, bytes.size);
	*end += bytes.size;
	return at;
}

struct ol_row *
ol_row_copy(const struct ol_row *row)
{
	struct ol_row *copy;
	char *end;

	copy = ol_must(
	    malloc(sizeof(*copy) + room(row->type) + room(row->owner) +
		   room(row->content_type) + room(row->result_type) +
		   room(row->key_scope) + room(row->key) + row->context.size +
		   row->error.size + row->secrets.size + row->reply.size));
	*copy = *row;
	end = (char *)(copy + 1);
	copy->type = put_text(&end, row->type);
	copy->owner = put_text(&end, row->owner);
	copy->content_type = put_text(&end, row->content_type);
	copy->result_type = put_text(&end, row->result_type);
	copy->key_scope = put_text(&end, row->key_scope);
	copy->key = put_text(&end, row->key);
	copy->context = put_bytes(&end, row->context);
	copy->error = put_bytes(&end, row->error);
	copy->secrets = put_bytes(&end, row->secrets);
	copy->reply = put_bytes(&end, row->reply);
	return copy;
}

void
ol_row_free(struct ol_row *row)
{
	if (row == NULL)
		return;
	ol_row_forget_secrets(row);
	free(row);
}

void
ol_row_forget_secrets(struct ol_row *row)
{
	/* A copy's bytes are its own, behind it. */
	if (row->secrets.size > 0)
		explicit_bzero(
		    (void *)(uintptr_t)row->secrets.data, row->secrets.size);
	row->secrets = (struct ol_bytes){ NULL, 0 };
}

const char *
ol_attempt_check(const struct ol_attempt *attempt)
{
	if (!ol_row_is_state(attempt->state))
		return "state";
	if (attempt->error.size > OL_ROW_ERROR_MAX)
		return "error";
	if (attempt->log.size > OL_ROW_LOG_MAX)
		return "log";
	return NULL;
}

struct ol_attempt *
ol_attempt_copy(const struct ol_attempt *attempt)
{
	struct ol_attempt *copy;
	char *end;

	copy = ol_must(
	    malloc(sizeof(*copy) + attempt->error.size + attempt->log.size));
	*copy = *attempt;
	end = (char *)(copy + 1);
	copy->error = put_bytes(&end, attempt->error);
	copy->log = put_bytes(&end, attempt->log);
	return copy;
}
