/*
 * The table of outlastctl's commands: words, arguments, who may, help. main.c,
 * --help, the manual's lint and the completion go by it.
 */
#ifndef OL_CTL_COMMAND_H
#define OL_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl/ctl.h"

/* What a command takes besides -s, --json and --help. */
enum {
	OL_COMMAND_WAITS = 1,	 /* --no-wait, --timeout */
	OL_COMMAND_NOTIFIES = 2, /* --progress … */
};

enum ol_command_right {
	OL_COMMAND_ANYBODY,
	OL_COMMAND_READ,
	OL_COMMAND_CHANGE
};

struct ol_command {
	const char *words; /* "pool recycle" */
	const char *arguments;
	int least, most; /* arguments */
	enum ol_command_right right;
	unsigned options;
	const char *help;
	ol_ctl_fn *fn;
};

/* The i-th row, NULL behind the last. */
const struct ol_command *ol_command_row(size_t i);

/*
 * The row that the first of n words name; *used of them. NULL: none, and
 * *nearest is what was most likely meant, or NULL.
 */
const struct ol_command *ol_command_find(
    int n, char *const *words, int *used, const char **nearest);

/* How to call it; all of them for NULL. */
void ol_command_help(const struct ol_command *, FILE *out);

#endif
