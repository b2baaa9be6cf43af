#include <sys/wait.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/text.h"
#include "run/verdict.h"

__attribute__((format(printf, 4, 5))) static void
say(struct ol_run_end *end, enum ol_outcome outcome, const char *kind,
    const char *fmt, ...)
{
	va_list ap;

	end->ending.outcome = outcome;
	end->kind = kind;
	va_start(ap, fmt);
	vsnprintf(end->message, sizeof(end->message), fmt, ap);
	va_end(ap);
}

static void
exited(struct ol_run_end *end, int status)
{
	switch (status) {
	case EX_TEMPFAIL:
		say(end, OL_OUTCOME_RETRY, "exit", "exit %d (try later)",
		    status);
		break;
	case EX_USAGE:
	case EX_DATAERR:
	case EX_CONFIG:
		say(end, OL_OUTCOME_FAIL, "exit", "exit %d (no use to retry)",
		    status);
		break;
	default:
		say(end, OL_OUTCOME_RETRY, "exit", "exit %d", status);
	}
}

static void
killed(struct ol_run_end *end, const struct ol_verdict *v, int signo)
{
	char name[24];

	ol_text_signal(name, sizeof(name), signo);
	if (v->stopped && (signo == SIGTERM || signo == SIGKILL)) {
		say(end, OL_OUTCOME_INTERRUPTED, "signal", "stopped with %s",
		    name);
		return;
	}
	end->ending.crashed = true;
	say(end, OL_OUTCOME_LOST, "signal", "killed by %s%s", name,
	    signo == SIGKILL ? " (an operator, or the kernel out of memory)"
			     : "");
}

void
ol_verdict_reach(const struct ol_verdict *v, struct ol_run_end *end)
{
	bool by_itself = WIFEXITED(v->status);

	end->ending = (struct ol_ending){ .delay = -1 };
	end->exit = by_itself ? WEXITSTATUS(v->status) : -1;
	end->signal = by_itself ? 0 : WTERMSIG(v->status);
	if (v->too_large)
		say(end, OL_OUTCOME_FAIL, "result_too_large",
		    "its result is longer than max_result, %lld bytes",
		    (long long)v->max_result);
	else if (v->unkept != 0)
		say(end, OL_OUTCOME_RETRY, "refused",
		    "its result cannot be kept: %s", strerror(v->unkept));
	else if (by_itself && end->exit == 0)
		say(end, OL_OUTCOME_OK, NULL, "exit 0");
	else if (v->timed_out)
		say(end, OL_OUTCOME_RETRY, "timeout",
		    "not done after %g s, its timeout",
		    (double)(v->timeout / OL_MSEC(1)) / 1000);
	else if (by_itself)
		exited(end, end->exit);
	else
		killed(end, v, end->signal);
}
