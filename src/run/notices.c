#include <sys/socket.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/notify.h"
#include "base/text.h"
#include "run/notices.h"

enum { AT_ONCE = 16 }; /* datagrams; then the others have their turn */

/* How far EXTEND_TIMEOUT_USEC reaches, from the start. */
#define EXTENSION_MAX OL_SEC(24 * 3600)
#define PAUSE	      OL_MSEC(100)

static void
extend(struct ol_notices *n, int64_t nsec)
{
	int64_t until = ol_clock_after(ol_clock_now(), nsec);

	n->hands->extend(n->hands_arg, until < n->latest ? until : n->latest);
	if (n->events->on_extend != NULL)
		n->events->on_extend(n->events_arg, nsec);
}

static void
set_progress(struct ol_notices *n, const struct ol_notify *said)
{
	if (said->progress >= 0)
		n->percent = said->progress;
	else if (said->status[0] == '\0')
		return;
	ol_text_utf8(
	    n->text, sizeof(n->text), said->status, strlen(said->status));
	if (n->due == OL_NEVER)
		n->due = n->last + PAUSE;
}

/* All datagrams that wait, but not for ever. */
static void
read_all(struct ol_notices *n)
{
	char data[OL_NOTIFY_MAX + 1];
	struct ol_notify said;
	ssize_t len;
	int i;

	for (i = 0; i < AT_ONCE && n->fd != -1; i++) {
		len = recv(n->fd, data, sizeof(data), MSG_DONTWAIT);
		if (len == -1)
			break;
		if (ol_notify_parse(&said, data, (size_t)len) == -1)
			continue;
		set_progress(n, &said);
		if (said.extend_usec >= 0)
			extend(n, said.extend_usec * 1000);
	}
}

static void
on_readable(void *arg)
{
	struct ol_notices *n = arg;

	read_all(n);
	ol_notices_tell(n, ol_clock_now());
	if (n->fd != -1)
		n->hands->heard(n->hands_arg);
}

void
ol_notices_init(struct ol_notices *n, int64_t begun,
    const struct ol_notices_hands *hands, void *hands_arg,
    const struct ol_run_events *events, void *events_arg)
{
	*n = (struct ol_notices){
		.hands = hands,
		.hands_arg = hands_arg,
		.events = events,
		.events_arg = events_arg,
		.latest = ol_clock_after(begun, EXTENSION_MAX),
		.fd = -1,
		.due = OL_NEVER,
		.last = -PAUSE,
		.percent = -1,
	};
}

void
ol_notices_listen(struct ol_notices *n, struct ol_loop *loop, int fd)
{
	n->fd = fd;
	n->watch = ol_must(ol_watch_new(loop, fd, on_readable, n));
}

void
ol_notices_close(struct ol_notices *n)
{
	ol_watch_free(n->watch);
	n->watch = NULL;
	if (n->fd != -1)
		close(n->fd);
	n->fd = -1;
	n->due = OL_NEVER;
}

int64_t
ol_notices_due(const struct ol_notices *n)
{
	return n->due;
}

void
ol_notices_tell(struct ol_notices *n, int64_t now)
{
	if (n->due > now)
		return;
	n->due = OL_NEVER;
	n->last = now;
	if (n->events->on_progress != NULL)
		n->events->on_progress(n->events_arg, n->percent, n->text);
}

void
ol_notices_finish(struct ol_notices *n)
{
	read_all(n);
	if (n->due != OL_NEVER)
		ol_notices_tell(n, OL_NEVER);
}
