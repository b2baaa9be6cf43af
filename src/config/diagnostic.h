/*
 * Errors of one reading, collected and then written in the order of files and
 * lines:
 *
 *     outlast.conf:12:5: error: unknown directive "shutdown_dealy" in block …
 *         12 |     shutdown_dealy 90s;
 *            |     ^~~~~~~~~~~~~~
 *
 * Texts are one line; words of the configuration go into them through
 * ol_diagnostic_quote().
 */
#ifndef OL_CONFIG_DIAGNOSTIC_H
#define OL_CONFIG_DIAGNOSTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/source.h"

/* More errors than these are counted, not kept. */
enum { OL_DIAGNOSTIC_MAX = 1000 };

struct ol_diagnostics;

struct ol_diagnostics *ol_diagnostic_new(void);
void ol_diagnostic_free(struct ol_diagnostics *);

/*
 * place is copied; its source must live until the last print. Without
 * diagnostics (NULL) nothing is told.
 */
void ol_diagnostic_error(struct ol_diagnostics *, struct ol_place place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same for what may be right: it is told, and is no error. */
void ol_diagnostic_warning(struct ol_diagnostics *, struct ol_place place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A remark that belongs to the error before it, such as "first here". */
void ol_diagnostic_note(struct ol_diagnostics *, struct ol_place place,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How many errors there were. */
size_t ol_diagnostic_count(const struct ol_diagnostics *);

/* Sorts and writes everything. */
void ol_diagnostic_print(struct ol_diagnostics *, FILE *, bool colour);

/* A word made fit for a message: escaped, cut when long. */
struct ol_quote {
	char text[72];
};
struct ol_quote ol_diagnostic_quote(const char *word);

#endif
