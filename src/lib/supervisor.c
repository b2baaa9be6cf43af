#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/notify.h"
#include "lib/app.h"
#include "lib/crash.h"
#include "lib/supervisor.h"
#include "loop/loop.h"

/* A full queue of the receiver's is tried again after this. */
#define RETRY OL_MSEC(100)

/* The least time between two reports of counts. */
#define PACE	  OL_SEC(1)
#define EDGE_PACE OL_MSEC(100)

/* True when the datagram went, or can never go. */
static bool
sent(int rc)
{
	return rc == 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static bool
send_words(struct ol_supervisor *s)
{
	char status[sizeof(s->status)];
	int64_t extend_to;
	bool ok = true;

	if (s->ready_due)
		ok = sent(ol_notify_send(s->fd, "READY=1"));
	s->ready_due = s->ready_due && !ok;
	if (ok && s->stopping_due) {
		ok = sent(ol_notify_send(s->fd, "STOPPING=1"));
		s->stopping_due = !ok;
	}
	pthread_mutex_lock(&s->lock);
	memcpy(status, s->status, sizeof(status));
	extend_to = s->extend_to;
	s->status[0] = '\0';
	s->extend_to = 0;
	pthread_mutex_unlock(&s->lock);
	if (extend_to != 0) {
		int64_t left = extend_to - ol_clock_now();

		ok = sent(ol_notify_send(s->fd, "EXTEND_TIMEOUT_USEC=%lld",
			 (long long)(left > 0 ? left / 1000 : 0))) &&
		     ok;
		if (!ok) {
			pthread_mutex_lock(&s->lock);
			if (s->extend_to == 0)
				s->extend_to = extend_to;
			pthread_mutex_unlock(&s->lock);
		}
	}
	/* Words for people may be lost; a newer one comes. */
	if (status[0] != '\0')
		ol_notify_send(s->fd, "STATUS=%s", status);
	return ok;
}

void
ol_supervisor_flush(struct ol_supervisor *s)
{
	int64_t now, next = OL_NEVER, pace;

	if (s->fd == -1)
		return;
	now = ol_clock_now();
	if (!send_words(s))
		next = now + RETRY;
	if (atomic_load(&s->dirty)) {
		pace = atomic_load(&s->edge) ? EDGE_PACE : PACE;
		if (now - s->counts_sent >= pace) {
			/* Before they are read: a later change counts anew. */
			atomic_store(&s->dirty, false);
			atomic_store(&s->edge, false);
			pace = PACE;
			s->counts_sent = now;
			if (!sent(ol_notify_send(s->fd,
				"X_OUTLAST_TASKS=%zu\nX_OUTLAST_REQUESTS=%llu",
				ol_app_items(s->app),
				(unsigned long long)atomic_load(
				    &s->app->requests.answered))))
				atomic_store(&s->dirty, true);
		}
		if (atomic_load(&s->dirty) && next > s->counts_sent + pace)
			next = s->counts_sent + pace;
	}
	ol_timer_at(s->timer, next);
}

static void
on_timer(void *arg)
{
	ol_supervisor_flush(arg);
}

/* Alive is who turns both loops: the background one answers by its bell. */
static void
on_watchdog(void *arg)
{
	struct ol_supervisor *s = arg;
	struct ol_background *b = &s->app->background;
	unsigned answers = atomic_load(&b->turns);

	if (answers != s->watchdog_answers) {
		ol_notify_send(s->fd, "WATCHDOG=1");
		ol_crash_suspect(NULL);
	} else if (b->started)
		ol_crash_suspect(&b->loop_thread);
	s->watchdog_answers = answers;
	ol_wake_up(b->bell);
	ol_timer_at(s->watchdog_timer, ol_clock_now() + s->watchdog);
}

static int64_t
watchdog_interval(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long n;

	if (usec == NULL || (pid != NULL && atol(pid) != (long)getpid()))
		return 0;
	n = atoll(usec);
	/* Twice per period, as sd_watchdog_enabled(3) advises. */
	return n > 0 && n < INT64_MAX / 1000 ? n * 1000 / 2 : 0;
}

int
ol_supervisor_init(struct ol_supervisor *s, struct ol_app *app)
{
	const char *path = getenv("NOTIFY_SOCKET");

	*s = (struct ol_supervisor){ .app = app, .fd = -1 };
	atomic_init(&s->dirty, false);
	atomic_init(&s->edge, false);
	s->timer = ol_timer_new(app->loop, on_timer, s);
	s->watchdog_timer = ol_timer_new(app->loop, on_watchdog, s);
	if (s->timer == NULL || s->watchdog_timer == NULL) {
		ol_timer_free(s->timer);
		ol_timer_free(s->watchdog_timer);
		return -1;
	}
	pthread_mutex_init(&s->lock, NULL);
	if (path != NULL)
		s->fd = ol_notify_connect(path);
	if (s->fd != -1)
		s->watchdog = watchdog_interval();
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

void
ol_supervisor_fini(struct ol_supervisor *s)
{
	ol_timer_free(s->timer);
	ol_timer_free(s->watchdog_timer);
	if (s->fd != -1)
		close(s->fd);
	pthread_mutex_destroy(&s->lock);
}

void
ol_supervisor_ready(struct ol_supervisor *s)
{
	s->ready_due = true;
	ol_supervisor_flush(s);
	if (s->watchdog == 0)
		return;
	/* From now on they are expected, also of one that hangs at once. */
	ol_notify_send(s->fd, "WATCHDOG=1");
	on_watchdog(s);
}

void
ol_supervisor_stopping(struct ol_supervisor *s)
{
	s->ready_due = false;
	s->stopping_due = true;
	ol_supervisor_flush(s);
}

void
ol_supervisor_changed(struct ol_supervisor *s, bool edge)
{
	bool ring;

	if (s->fd == -1)
		return;
	ring = !atomic_load_explicit(&s->dirty, memory_order_relaxed) &&
	       !atomic_exchange(&s->dirty, true);
	if (edge && !atomic_load_explicit(&s->edge, memory_order_relaxed))
		ring = !atomic_exchange(&s->edge, true) || ring;
	if (ring)
		ol_wake_up(s->app->bell);
}

void
ol_supervisor_status(struct ol_supervisor *s, const char *fmt, ...)
{
	va_list ap;

	if (s->fd == -1)
		return;
	pthread_mutex_lock(&s->lock);
	va_start(ap, fmt);
	vsnprintf(s->status, sizeof(s->status), fmt, ap);
	va_end(ap);
	s->status[strcspn(s->status, "\r\n")] = '\0';
	pthread_mutex_unlock(&s->lock);
	ol_wake_up(s->app->bell);
}

void
ol_supervisor_extend(struct ol_supervisor *s, int64_t deadline)
{
	if (s->fd == -1)
		return;
	pthread_mutex_lock(&s->lock);
	s->extend_to = deadline;
	pthread_mutex_unlock(&s->lock);
	ol_wake_up(s->app->bell);
}
