#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/notify.h"
#include "config/values.h"
#include "ctl/ctl.h"

/* For a queue that is full, in milliseconds. */
enum { TRY_AGAIN = 20 };

static const int64_t patience = OL_SEC(5);

/* One datagram in the making. */
struct datagram {
	char text[OL_NOTIFY_MAX + 1];
	size_t len;
	bool overlong;
};

static void
add(struct datagram *d, const char *name, const char *value, const char *more)
{
	int n = snprintf(d->text + d->len, sizeof(d->text) - d->len,
	    "%s=%s%s%s\n", name, value, *more != '\0' ? " " : "", more);

	if (n < 0 || (size_t)n >= sizeof(d->text) - d->len)
		d->overlong = true;
	else
		d->len += (size_t)n;
}

static bool
is_one_line(const char *text)
{
	return text[strcspn(text, "\r\n")] == '\0';
}

/* 0, or an exit code; said. */
static int
add_extension(const struct ol_ctl *ctl, struct datagram *d)
{
	int64_t time;
	char usec[32];
	const char *wrong = ol_values_time(&time, ctl->extend);

	if (wrong != NULL || time < OL_MSEC(1))
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "invalid time \"%s\": %s", ctl->extend,
		    wrong != NULL ? wrong : "write at least 1ms");
	snprintf(usec, sizeof(usec), "%lld", (long long)(time / 1000));
	add(d, "EXTEND_TIMEOUT_USEC", usec, "");
	return 0;
}

static int
add_progress(const struct ol_ctl *ctl, struct datagram *d, const char *text)
{
	int64_t percent;
	const char *wrong = ol_values_number(&percent, ctl->progress);

	if (wrong != NULL || percent > 100)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "invalid progress \"%s\": write 0 to 100", ctl->progress);
	add(d, "X_OUTLAST_PROGRESS", ctl->progress, text);
	return 0;
}

static int
send_it(const struct ol_ctl *ctl, const char *path, const struct datagram *d)
{
	int64_t until = ol_clock_after(
	    ol_clock_now(), ctl->timeout != 0 ? ctl->timeout : patience);
	int fd = ol_notify_connect(path), rc;

	if (fd == -1)
		return ol_ctl_fail(ctl,
		    errno == EACCES ? EX_NOPERM : EX_UNAVAILABLE, "unreachable",
		    "cannot reach %s: %s: has the task ended?", path,
		    strerror(errno));
	while ((rc = ol_notify_send(fd, "%.*s", (int)d->len, d->text)) == -1 &&
	       errno == EAGAIN && ol_clock_now() < until)
		poll(NULL, 0, TRY_AGAIN);
	if (rc == -1)
		rc = ol_ctl_fail(ctl, EX_TEMPFAIL, "busy",
		    "cannot send to %s: %s: say less often", path,
		    strerror(errno));
	close(fd);
	return rc;
}

int
ol_ctl_notify(struct ol_ctl *ctl, int n, char **arguments)
{
	const char *path = getenv("OUTLAST_NOTIFY");
	const char *text = n > 0 ? arguments[0] : "";
	struct datagram d = { .len = 0 };
	int code;

	if (path == NULL || *path == '\0')
		path = getenv("NOTIFY_SOCKET");
	if (ctl->progress == NULL && n > 0)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "a text goes with --progress, or with --status");
	if (ctl->progress == NULL && ctl->extend == NULL &&
	    ctl->status == NULL && !ctl->ready && !ctl->stopping)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "there is nothing to tell: see outlastctl notify --help");
	if (!is_one_line(text) ||
	    (ctl->status != NULL && !is_one_line(ctl->status)))
		return ol_ctl_fail(
		    ctl, EX_USAGE, "usage", "the text must be one line");
	if (ctl->ready)
		add(&d, "READY", "1", "");
	if (ctl->stopping)
		add(&d, "STOPPING", "1", "");
	if (ctl->status != NULL)
		add(&d, "STATUS", ctl->status, "");
	if (ctl->progress != NULL && (code = add_progress(ctl, &d, text)) != 0)
		return code;
	if (ctl->extend != NULL && (code = add_extension(ctl, &d)) != 0)
		return code;
	if (d.overlong)
		return ol_ctl_fail(ctl, EX_USAGE, "usage",
		    "too long: at most %d bytes are taken", OL_NOTIFY_MAX);
	if (path == NULL || *path == '\0')
		return ol_ctl_fail(ctl, EX_UNAVAILABLE, "unreachable",
		    "neither $OUTLAST_NOTIFY nor $NOTIFY_SOCKET is set: call "
		    "it from a program that outlastd or systemd has started");
	return send_it(ctl, path, &d);
}
