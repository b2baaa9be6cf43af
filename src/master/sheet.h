/*
 * A table as text: lines of a word and NAME=VALUE fields, in a fixed order.
 * What one outlastd hands over to the next (master/handover.h). Read strictly:
 * another word, a field too many or too few, or a number out of its range is
 * an error, and nothing is guessed.
 */
#ifndef OL_MASTER_SHEET_H
#define OL_MASTER_SHEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum ol_sheet_kind {
	OL_SHEET_END, /* the last of a line's fields */
	OL_SHEET_I64,
	OL_SHEET_INT, /* and enums */
	OL_SHEET_UNSIGNED,
	OL_SHEET_BOOL,
	OL_SHEET_CHARS, /* an array of max + 1 bytes in the record */
};

/* One field of a record, and what it may be. */
struct ol_sheet_field {
	const char *name;
	enum ol_sheet_kind kind;
	size_t offset;
	int64_t min, max;
};

#define OL_SHEET_FIELD(type, member, kind, min, max) \
	{ \
#member, kind, offsetof(type, member), min, max \
	}

/* Bytes of text that are 0x20 or less, '%' or above 0x7e become %HH. */
void ol_sheet_write(FILE *, const char *word, const struct ol_sheet_field *,
    const void *record);

struct ol_sheet {
	char *next; /* what is not read yet; NUL at its end */
	unsigned line;
	char why[160]; /* what is wrong with it; "": nothing was */
};

/* text is written to, and borrowed. */
void ol_sheet_open(struct ol_sheet *, char *text);

/* Whether the next line begins with that word. */
bool ol_sheet_is(const struct ol_sheet *, const char *word);

/* Read the next line, which is word and these fields. -1: why says why. */
int ol_sheet_read(struct ol_sheet *, const char *word,
    const struct ol_sheet_field *, void *record);

/* Another fault in the line that was read last; always -1. */
int ol_sheet_fault(struct ol_sheet *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* 0: that was all. */
int ol_sheet_close(struct ol_sheet *);

#endif
