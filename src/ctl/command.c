#include <string.h>

#include "base/text.h"
#include "ctl/command.h"

static const struct ol_command rows[] = {
	{ "status", "", 0, 0, OL_COMMAND_READ, 0,
	    "outlastd, its engine and its pools", ol_ctl_status },
	{ "pool list", "", 0, 0, OL_COMMAND_READ, 0, "all pools",
	    ol_ctl_pool_list },
	{ "pool show", "NAME", 1, 1, OL_COMMAND_READ, 0,
	    "a pool and its processes", ol_ctl_pool_show },
	{ "pool recycle", "NAME", 1, 1, OL_COMMAND_CHANGE, OL_COMMAND_WAITS,
	    "replace its processes, one after the other, with overlap",
	    ol_ctl_pool_recycle },
	{ "pool stop", "NAME", 1, 1, OL_COMMAND_CHANGE, OL_COMMAND_WAITS,
	    "end its processes within their budget, and start none",
	    ol_ctl_pool_stop },
	{ "pool start", "NAME", 1, 1, OL_COMMAND_CHANGE, OL_COMMAND_WAITS,
	    "start a pool that was stopped, by you or by rapid_fail",
	    ol_ctl_pool_start },
	{ "reload", "", 0, 0, OL_COMMAND_CHANGE, OL_COMMAND_WAITS,
	    "read the configuration again", ol_ctl_reload },
	{ "notify", "[TEXT]", 0, 1, OL_COMMAND_ANYBODY, OL_COMMAND_NOTIFIES,
	    "from within a task's program: tell how far it is", ol_ctl_notify },
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const struct ol_command *
ol_command_row(size_t i)
{
	return i < ROWS ? &rows[i] : NULL;
}

/* How many of the words make the row's, 0: they do not. */
static int
match(const struct ol_command *row, int n, char *const *words)
{
	const char *text = row->words;
	size_t len;
	int used;

	for (used = 0; *text != '\0'; used++) {
		len = strcspn(text, " ");
		if (used == n || strlen(words[used]) != len ||
		    strncmp(words[used], text, len) != 0)
			return 0;
		text += len;
		text += *text == ' ';
	}
	return used;
}

const struct ol_command *
ol_command_find(int n, char *const *words, int *used, const char **nearest)
{
	const char *names[ROWS];
	char said[128];
	size_t i;

	*nearest = NULL;
	for (i = 0; i < ROWS; i++)
		if ((*used = match(&rows[i], n, words)) > 0)
			return &rows[i];
	if (n == 0)
		return NULL;
	for (i = 0; i < ROWS; i++)
		names[i] = rows[i].words;
	snprintf(said, sizeof(said), "%s%s%s", words[0], n > 1 ? " " : "",
	    n > 1 ? words[1] : "");
	*nearest = ol_text_nearest(said, names, ROWS);
	if (*nearest == NULL)
		*nearest = ol_text_nearest(words[0], names, ROWS);
	return NULL;
}

static void
help_all(FILE *out)
{
	size_t i;

	fputs("usage: outlastctl [-s SOCKET] [--json] COMMAND ...\n\n", out);
	for (i = 0; i < ROWS; i++)
		fprintf(out, "  %-13s %-7s %s\n", rows[i].words,
		    rows[i].arguments, rows[i].help);
	fputs("\n"
	      "  -s SOCKET     where outlastd is; else $OUTLAST_CONTROL, else\n"
	      "                " OL_CTL_SOCKET "\n"
	      "  --json        answer as JSON\n"
	      "  -h, --help    print this, or how a command is called\n"
	      "  -v, --version print the version\n",
	    out);
}

void
ol_command_help(const struct ol_command *command, FILE *out)
{
	if (command == NULL) {
		help_all(out);
		return;
	}
	fprintf(out, "usage: outlastctl %s%s%s%s\n\n%s%s\n", command->words,
	    command->options != 0 ? " [OPTION...]" : "",
	    *command->arguments != '\0' ? " " : "", command->arguments,
	    command->help,
	    command->right == OL_COMMAND_CHANGE
		? " (root and the daemon's user only)"
		: "");
	if ((command->options & OL_COMMAND_WAITS) != 0)
		fputs("\n"
		      "  --no-wait       do not wait until it is done\n"
		      "  --timeout TIME  wait no longer: 30s, 5m; then exit "
		      "75\n",
		    out);
	if ((command->options & OL_COMMAND_NOTIFIES) != 0)
		fputs("\n"
		      "  --progress N    N percent are done; TEXT says more\n"
		      "  --extend TIME   more time is needed: 30s, 5m\n"
		      "  --status TEXT   what it does, for people\n"
		      "  --ready         a pool's process: it serves\n"
		      "  --stopping      the same: it ends by itself\n",
		    out);
}
