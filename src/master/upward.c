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
/* A stop without a limit: so far ahead it is asked, and asked again when half
 * of it is over. */
static const int64_t ahead = OL_SEC(60);

/* How often WATCHDOG=1 is due, as sd_watchdog_enabled(3) has it; 0: never. */
static int64_t
read_watchdog(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long n;
	char *end;

	if (usec == NULL || (pid != NULL && atoll(pid) != getpid()))
		return 0;
	errno = 0;
	n = strtoll(usec, &end, 10);
	if (errno != 0 || end == usec || *end != '\0' || n < 1000 ||
	    n > INT64_MAX / 1000)
		return 0;
	return n * 1000 / 2;
}

void
ol_upward_init(struct ol_upward *u)
{
	const char *name = getenv("NOTIFY_SOCKET");

	memset(u, 0, sizeof(*u));
	u->fd = -1;
	u->well = true;
	if (name == NULL || *name == '\0')
		return;
	if ((u->fd = ol_notify_connect(name)) == -1)
		ol_log_warn(NULL, "cannot reach NOTIFY_SOCKET %s: %s", name,
		    strerror(errno));
	else
		u->watchdog = read_watchdog();
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

/* One that could not be sent now is due soon enough. */
static int64_t
ping(struct ol_upward *u, int64_t now)
{
	if (u->watchdog == 0)
		return OL_NEVER;
	if (now >= u->ping_due) {
		u->ping_due = now + u->watchdog;
		if (u->well && !sent(u, "WATCHDOG=1"))
			u->ping_due = now + retry;
	}
	return u->ping_due;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t
ol_upward_tick(struct ol_upward *u, int64_t now)
{
	int64_t next = ping(u, now);
	char text[64];

	if (u->owed != NULL && !sent(u, u->owed))
		return sooner(next, now + retry);
	u->owed = NULL;
	if (u->unlimited && now >= u->extended - ahead / 2)
		u->deadline = now + ahead;
	if (u->deadline > u->extended) {
		/*
		 * A second for killing and reaping, and one that is spent
		 * before the next word.
		 */
		snprintf(text, sizeof(text), "EXTEND_TIMEOUT_USEC=%lld",
		    (long long)((u->deadline - now + OL_SEC(2)) / 1000));
		if (!sent(u, text))
			return sooner(next, now + retry);
		u->extended = u->deadline;
	}
	return u->unlimited ? sooner(next, u->extended - ahead / 2) : next;
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
ol_upward_unlimited(struct ol_upward *u, bool unlimited)
{
	u->unlimited = unlimited;
}

void
ol_upward_well(struct ol_upward *u, bool well)
{
	u->well = well;
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
