#include <stddef.h>

#include "base/signals.h"

static void
unblock_all(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

void
ol_signals_reset(void)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	int i;

	/* Some numbers are the C library's own: it refuses, and that is right.
	 */
	for (i = 1; i < NSIG; i++)
		sigaction(i, &sa, NULL);
	unblock_all();
}

void
ol_signals_ignored(sigset_t *ignored)
{
	struct sigaction sa;
	int i;

	sigemptyset(ignored);
	for (i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			sigaddset(ignored, i);
}

void
ol_signals_heed(const sigset_t *ignored)
{
	struct sigaction sa = { .sa_handler = SIG_DFL };
	int i;

	for (i = 1; i < NSIG; i++)
		if (sigismember(ignored, i) == 1)
			sigaction(i, &sa, NULL);
	unblock_all();
}
