/* A task as its users see it: the row of the store, and what memory knows. */
#ifndef OL_ENGINE_OBJECT_H
#define OL_ENGINE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"

struct ol_object_variable {
	const char *name, *value;
};

/* Times are milliseconds since 1970, 0: none. Texts "" when there is none. */
struct ol_object {
	struct ol_id id;
	const char *type;
	const char *state; /* "ready", … as in outlast-tasks(7) */
	bool ended;
	bool succeeded;
	bool cancelled;
	int progress; /* percent; -1: none reported */
	const char *progress_text;
	uint32_t attempt;
	uint32_t attempts_max;
	int64_t created, started, ended_at, due;
	const char *owner;
	bool has_session;
	uint8_t session[32];
	/* The last error; kind "": none. */
	const char *error_kind, *error_message;
	int error_exit;		  /* -1: none */
	const char *error_signal; /* "SIGSEGV" */
	const char *error_text;	  /* the end of its standard error; UTF-8 */
	/* result_bytes -1: none. */
	const char *result_type;
	int64_t result_bytes;
	/*
	 * Of a replayed request that was replied to, however that ended: the
	 * reply's status and headers as in run/run.h; "": none.
	 */
	const char *reply;
};

#endif
