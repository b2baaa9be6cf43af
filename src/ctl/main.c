/* outlastctl(1): picks a command from the table. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "config/values.h"
#include "ctl/command.h"

enum {
	NO_WAIT = 256,
	TIMEOUT,
	JSON,
	PROGRESS,
	EXTEND,
	STATUS,
	READY,
	STOPPING
};

struct call {
	struct ol_ctl ctl;
	bool help;
	unsigned options; /* OL_COMMAND_…, that were used */
	const char *timeout;
};

static int
bad_usage(const struct ol_ctl *ctl)
{
	/* getopt_long() has said what is wrong. */
	fputs("outlastctl: try --help\n", stderr);
	(void)ctl;
	return EX_USAGE;
}

static void
take_notify(struct call *call, int ch)
{
	call->options |= OL_COMMAND_NOTIFIES;
	switch (ch) {
	case PROGRESS:
		call->ctl.progress = optarg;
		break;
	case EXTEND:
		call->ctl.extend = optarg;
		break;
	case STATUS:
		call->ctl.status = optarg;
		break;
	case READY:
		call->ctl.ready = true;
		break;
	default:
		call->ctl.stopping = true;
		break;
	}
}

/* 0, or an exit code; said. */
static int
parse(struct call *call, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ "json", no_argument, NULL, JSON },
		{ "no-wait", no_argument, NULL, NO_WAIT },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "progress", required_argument, NULL, PROGRESS },
		{ "extend", required_argument, NULL, EXTEND },
		{ "status", required_argument, NULL, STATUS },
		{ "ready", no_argument, NULL, READY },
		{ "stopping", no_argument, NULL, STOPPING },
		{ NULL, 0, NULL, 0 },
	};
	int ch;

	while ((ch = getopt_long(argc, argv, "s:hv", longs, NULL)) != -1)
		switch (ch) {
		case 's':
			call->ctl.socket = optarg;
			break;
		case 'h':
			call->help = true;
			break;
		case 'v':
			puts("outlastctl " PACKAGE_VERSION);
			exit(EX_OK);
		case JSON:
			call->ctl.json = true;
			break;
		case NO_WAIT:
			call->ctl.no_wait = true;
			call->options |= OL_COMMAND_WAITS;
			break;
		case TIMEOUT:
			/* Also how long an answer may take. */
			call->timeout = optarg;
			break;
		case '?':
			return bad_usage(&call->ctl);
		default:
			take_notify(call, ch);
		}
	return 0;
}

static int
run(struct call *call, int n, char **words)
{
	struct ol_ctl *ctl = &call->ctl;
	const struct ol_command *command;
	const char *nearest, *wrong;
	int used;

	command = ol_command_find(n, words, &used, &nearest);
	if (command == NULL && call->help) {
		ol_command_help(NULL, stdout);
		return fflush(stdout) == 0 ? EX_OK : 1;
	}
	if (command == NULL && n == 0) {
		ol_command_help(NULL, stderr);
		return EX_USAGE;
	}
	if (command == NULL && nearest != NULL)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "unknown command \"%s%s%s\"; did you mean \"%s\"?",
		    words[0], n > 1 ? " " : "", n > 1 ? words[1] : "", nearest);
	if (command == NULL)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "unknown command \"%s\": try --help", words[0]);
	if (call->help) {
		ol_command_help(command, stdout);
		return fflush(stdout) == 0 ? EX_OK : 1;
	}
	n -= used;
	words += used;
	if (n < command->least || n > command->most)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "too %s words: write outlastctl %s %s",
		    n < command->least ? "few" : "many", command->words,
		    command->arguments);
	if ((call->options & ~command->options) != 0)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "that option does not go with \"%s\": see outlastctl %s "
		    "--help",
		    command->words, command->words);
	if (call->timeout != NULL &&
	    ((wrong = ol_values_time(&ctl->timeout, call->timeout)) != NULL ||
		ctl->timeout == 0))
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "invalid time \"%s\": %s", call->timeout,
		    wrong != NULL ? wrong : "write at least 1ms");
	return command->fn(ctl, n, words);
}

int
main(int argc, char **argv)
{
	struct call call = { .ctl = { .program = "outlastctl" } };
	int code;

	/* Whoever reads our output may have had enough. */
	signal(SIGPIPE, SIG_DFL);
	call.ctl.socket = getenv("OUTLAST_CONTROL");
	if (call.ctl.socket == NULL || *call.ctl.socket == '\0')
		call.ctl.socket = OL_CTL_SOCKET;
	if ((code = parse(&call, argc, argv)) != 0)
		return code;
	return run(&call, argc - optind, argv + optind);
}
