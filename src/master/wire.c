#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/wire.h"

void
ol_wire_init(struct ol_wire *w)
{
	*w = (struct ol_wire){ .channel = -1 };
}

int
ol_wire_open(struct ol_wire *w, struct ol_loop *loop,
    const struct ol_role_options *options, ol_loop_fn *fn, void *arg)
{
	struct ol_wire new = { .channel = -1 };

	new.pid = ol_role_start(options, &new.channel);
	if (new.pid == -1)
		return -1;
	new.watch = ol_watch_new(loop, new.channel, fn, arg);
	if (new.watch == NULL) {
		ol_log_error(NULL, "cannot listen to the %s: %s", options->name,
		    strerror(errno));
		kill(new.pid, SIGKILL);
		waitpid(new.pid, NULL, 0);
		close(new.channel);
		return -1;
	}
	ol_log_about(&new.log, "%s pid %d", options->name, (int)new.pid);
	ol_log_notice(&new.log, "started");
	*w = new;
	return 0;
}

void
ol_wire_hang_up(struct ol_wire *w)
{
	ol_watch_free(w->watch);
	w->watch = NULL;
	if (w->channel != -1)
		close(w->channel);
	w->channel = -1;
}

void
ol_wire_close(struct ol_wire *w)
{
	ol_wire_hang_up(w);
	w->pid = 0;
}

static bool
is_too_much(struct ol_wire *w, int64_t now)
{
	if (w->heard == 0 || now - w->since >= OL_WIRE_WHILE) {
		w->since = now;
		w->heard = 0;
	}
	return ++w->heard > OL_WIRE_MOST;
}

static enum ol_wire_word
rubbish(const struct ol_wire *w, const char *what)
{
	ol_log_error(&w->log, "%s", what);
	return OL_WIRE_RUBBISH;
}

enum ol_wire_word
ol_wire_hear(struct ol_wire *w, struct ol_order *order, int64_t now)
{
	int n, fds[OL_CHANNEL_FDS];
	size_t nfds;

	if (w->channel == -1)
		return OL_WIRE_NOTHING;
	n = ol_order_receive(w->channel, order, fds);
	if (n == 0)
		return OL_WIRE_END;
	if (n == -1 && errno == EBADMSG)
		return rubbish(w, "says what makes no sense");
	if (n == -1)
		return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS
			   ? OL_WIRE_NOTHING
			   : OL_WIRE_END;
	if ((nfds = ol_order_fds(order)) > 0) {
		while (nfds > 0)
			close(fds[--nfds]);
		return rubbish(w, "says what only we may say");
	}
	if (is_too_much(w, now))
		return rubbish(w, "says too much");
	return OL_WIRE_ORDER;
}

bool
ol_wire_tell(struct ol_wire *w, const struct ol_order *order, const int *fds)
{
	if (w->channel == -1 || ol_order_send(w->channel, order, fds) == 0)
		return true;
	switch (errno) {
	case EPIPE:
	case ECONNRESET:
		return true;
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS: /* descriptors under way; see unix(7) */
		return false;
	default:
		ol_log_error(
		    &w->log, "cannot tell it anything: %s", strerror(errno));
		return true;
	}
}

bool
ol_wire_is_dead(const struct ol_wire *w)
{
	siginfo_t info = { .si_pid = 0 };

	return w->pid != 0 &&
	       waitid(P_PID, (id_t)w->pid, &info,
		   WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == w->pid;
}
