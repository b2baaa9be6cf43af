#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/notify.h"
#include "master/upward.h"

/* When its queue was full. */
static const int64_t retry = OL_MSEC(100);

void
ol_upward_init(struct ol_upward *u)
{
	const char *name = getenv("NOTIFY_SOCKET");

	memset(u, 0, sizeof(*u));
	u->fd = -1;
	if (name == NULL || *name == '\0')
		return;
	if ((u->fd = ol_notify_connect(name)) == -1)
		ol_log_warn(NULL, "cannot reach NOTIFY_SOCKET %s: %s", name,
		    strerror(errno));
}

void
ol_upward_fini(struct ol_upward *u)
{
	if (u->fd != -1)
		close(u->fd);
	u->fd = -1;
}

/*
 * False: its queue is full, try again. What fails otherwise counts as sent:
 * trying again would not help.
 */
static bool
sent(const struct ol_upward *u, const char *text)
{
	if (u->fd == -1 || ol_notify_send(u->fd, "%s", text) == 0)
		return true;
	if (errno == EAGAIN || errno == ENOBUFS)
		return false;
	ol_log_warn(NULL, "cannot tell the service manager \"%s\": %s", text,
	    strerror(errno));
	return true;
}

int64_t
ol_upward_tick(struct ol_upward *u, int64_t now)
{
	char text[64];

	if (u->owed != NULL && !sent(u, u->owed))
		return now + retry;
	u->owed = NULL;
	if (u->deadline <= u->extended)
		return OL_NEVER;
	/*
	 * A second for killing and reaping, and one that is spent before the
	 * next word.
	 */
	snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld",
	    (long long)((u->deadline - now + OL_SEC(2)) / 1000));
	if (!sent(u, text))
		return now + retry;
	u->extended = u->deadline;
	return OL_NEVER;
}

void
ol_upward_ready(struct ol_upward *u)
{
	if (!u->ready)
		u->owed = "READY=1";
	u->ready = true;
}

void
ol_upward_reloading(struct ol_upward *u, int64_t now)
{
	char text[80];

	if (!u->ready)
		return;
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
	    (long long)(now / 1000));
	sent(u, text);
}

void
ol_upward_reloaded(struct ol_upward *u)
{
	if (u->ready)
		u->owed = "READY=1";
}

void
ol_upward_stopping(struct ol_upward *u)
{
	u->owed = "STOPPING=1";
}

void
ol_upward_extend(struct ol_upward *u, int64_t deadline)
{
	/* A process may ask a thousand times a second. */
	if (deadline != OL_NEVER && deadline >= u->extended + OL_SEC(1))
		u->deadline = deadline;
}

void
ol_upward_status(struct ol_upward *u, const char *fmt, ...)
{
	char status[sizeof(u->status)], text[sizeof(u->status) + 8];
	va_list ap;

	if (u->fd == -1)
		return;
	va_start(ap, fmt);
	vsnprintf(status, sizeof(status), fmt, ap);
	va_end(ap);
	if (strcmp(status, u->status) == 0)
		return;
	snprintf(text, sizeof(text), "STATUS=%s", status);
	if (sent(u, text))
		strlcpy(u->status, status, sizeof(u->status));
}
