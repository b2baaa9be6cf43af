/*
 * A table for people: columns aligned, the head bold and words coloured on a
 * terminal; elsewhere one tab between two cells, and nothing else. Colour not
 * with $NO_COLOR or TERM=dumb.
 */
#ifndef OL_CTL_TABLE_H
#define OL_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ol_table;

/* heads: NULL-terminated, borrowed. */
struct ol_table *ol_table_new(const char *const *heads);
void ol_table_free(struct ol_table *);

/* The next cell, row by row. What could move the cursor is escaped. */
void ol_table_cell(struct ol_table *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void ol_table_print(
    const struct ol_table *, FILE *out, bool terminal, bool colour);

/* Whether to write to it as to a terminal, and with colours. */
bool ol_table_is_terminal(FILE *out);
bool ol_table_has_colour(FILE *out);

#endif
