/* Why an attempt did not end well, and how that is kept in a row. */
#ifndef OL_ENGINE_FAILURE_H
#define OL_ENGINE_FAILURE_H

#include <stddef.h>

#include "run/run.h"
#include "store/row.h"

/* Of the standard error, in the row. */
#define OL_FAILURE_TEXT 4096

struct ol_failure {
	const char *kind; /* static; NULL: there is none */
	char message[OL_RUN_MESSAGE_MAX];
	int exit;   /* -1: none */
	int signal; /* 0: none */
	char *text; /* owned: the end of its standard error, any bytes */
	size_t size;
};

void ol_failure_fini(struct ol_failure *);

void ol_failure_set(struct ol_failure *, const char *kind, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * As JSON {kind, message, exit, signal, stderr}, in *len <= OL_ROW_ERROR_MAX
 * bytes; for free(). NULL with *len 0 when there is none.
 */
char *ol_failure_write(const struct ol_failure *, size_t *len);

/* The same, read. Texts are "" when there is none, and live as long as this. */
struct ol_failure_view {
	const char *kind, *message, *signal, *text;
	int exit; /* -1: none */
	void *json;
};

/* What is not such JSON is none. */
void ol_failure_read(struct ol_failure_view *, struct ol_bytes);
void ol_failure_view_fini(struct ol_failure_view *);

#endif
