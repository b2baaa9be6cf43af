#include <sys/eventfd.h>
#include <event2/event.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <bsd/sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "loop/loop.h"

struct deferred {
	STAILQ_ENTRY(deferred) link;
	void (*free_fn)(void *);
	void *object;
};

struct ol_loop {
	struct event_base *base;
	struct event *free_event; /* runs after the callbacks of this round */
	STAILQ_HEAD(, deferred) deferred;
};

struct ol_watch {
	struct event *event;
	ol_loop_fn *fn;
	void *arg;
};

struct ol_timer {
	struct event *event;
	ol_loop_fn *fn;
	void *arg;
};

struct ol_later {
	struct event *event;
	ol_loop_fn *fn;
	void *arg;
};

struct ol_signal {
	struct event *event;
	ol_loop_fn *fn;
	void *arg;
};

struct ol_wake {
	struct event *event;
	ol_loop_fn *fn;
	void *arg;
	int fd;
	atomic_bool rung; /* the eventfd holds a ring that nobody took yet */
};

static void
on_libevent_log(int severity, const char *message)
{
	ol_log_write(NULL,
	    severity >= EVENT_LOG_ERR	 ? OL_LOG_ERROR
	    : severity == EVENT_LOG_WARN ? OL_LOG_WARN
					 : OL_LOG_DEBUG,
	    "libevent: %s", message);
}

void
ol_loop_log_libevent(void)
{
	event_set_log_callback(on_libevent_log);
}

static void
free_deferred(struct ol_loop *loop)
{
	struct deferred *d;

	while ((d = STAILQ_FIRST(&loop->deferred)) != NULL) {
		STAILQ_REMOVE_HEAD(&loop->deferred, link);
		d->free_fn(d->object);
		free(d);
	}
}

static void
on_free(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	free_deferred(arg);
}

struct ol_loop *
ol_loop_new(void)
{
	struct event_config *config;
	struct ol_loop *loop;

	if ((loop = calloc(1, sizeof(*loop))) == NULL)
		return NULL;
	STAILQ_INIT(&loop->deferred);
	if ((config = event_config_new()) != NULL) {
		/* One thread per loop: wake-ups go through ol_wake_up(). */
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		loop->base = event_base_new_with_config(config);
		event_config_free(config);
	}
	if (loop->base == NULL) {
		free(loop);
		return NULL;
	}
	loop->free_event = event_new(loop->base, -1, 0, on_free, loop);
	if (loop->free_event == NULL) {
		event_base_free(loop->base);
		free(loop);
		return NULL;
	}
	return loop;
}

void
ol_loop_free(struct ol_loop *loop)
{
	if (loop == NULL)
		return;
	free_deferred(loop);
	event_free(loop->free_event);
	event_base_free(loop->base);
	free(loop);
}

void
ol_loop_run(struct ol_loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void
ol_loop_stop(struct ol_loop *loop)
{
	event_base_loopbreak(loop->base);
}

struct event_base *
ol_loop_base(struct ol_loop *loop)
{
	return loop->base;
}

void
ol_loop_defer_free(struct ol_loop *loop, void (*free_fn)(void *), void *object)
{
	struct deferred *d = ol_must(malloc(sizeof(*d)));

	d->free_fn = free_fn;
	d->object = object;
	STAILQ_INSERT_TAIL(&loop->deferred, d, link);
	event_active(loop->free_event, EV_TIMEOUT, 0);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct ol_watch *watch = arg;

	(void)fd;
	(void)what;
	watch->fn(watch->arg);
}

static struct ol_watch *
new_watch(struct ol_loop *loop, int fd, short what, ol_loop_fn *fn, void *arg)
{
	struct ol_watch *watch = malloc(sizeof(*watch));

	if (watch == NULL)
		return NULL;
	watch->fn = fn;
	watch->arg = arg;
	watch->event =
	    event_new(loop->base, fd, what | EV_PERSIST, on_watch, watch);
	if (watch->event == NULL || event_add(watch->event, NULL) == -1) {
		if (watch->event != NULL)
			event_free(watch->event);
		free(watch);
		return NULL;
	}
	return watch;
}

struct ol_watch *
ol_watch_new(struct ol_loop *loop, int fd, ol_loop_fn *fn, void *arg)
{
	return new_watch(loop, fd, EV_READ, fn, arg);
}

struct ol_watch *
ol_watch_new_write(struct ol_loop *loop, int fd, ol_loop_fn *fn, void *arg)
{
	return new_watch(loop, fd, EV_WRITE, fn, arg);
}

void
ol_watch_free(struct ol_watch *watch)
{
	if (watch == NULL)
		return;
	event_free(watch->event);
	free(watch);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct ol_timer *timer = arg;

	(void)fd;
	(void)what;
	timer->fn(timer->arg);
}

struct ol_timer *
ol_timer_new(struct ol_loop *loop, ol_loop_fn *fn, void *arg)
{
	struct ol_timer *timer = malloc(sizeof(*timer));

	if (timer == NULL)
		return NULL;
	timer->fn = fn;
	timer->arg = arg;
	timer->event = event_new(loop->base, -1, 0, on_timer, timer);
	if (timer->event == NULL) {
		free(timer);
		return NULL;
	}
	return timer;
}

void
ol_timer_free(struct ol_timer *timer)
{
	if (timer == NULL)
		return;
	event_free(timer->event);
	free(timer);
}

void
ol_timer_at(struct ol_timer *timer, int64_t when)
{
	struct timeval tv = { 0, 0 };
	int64_t left;

	if (when == OL_NEVER) {
		event_del(timer->event);
		return;
	}
	/*
	 * Rounded up: a timer that fires early would have to be set again.
	 * What is due already must not wait for the next tick of libevent's
	 * clock, which is a coarse one.
	 */
	if ((left = when - ol_clock_now()) > 0) {
		left = left / 1000 + 1;
		tv.tv_sec = left / 1000000;
		tv.tv_usec = left % 1000000;
	}
	event_add(timer->event, &tv);
}

void
ol_timer_cancel(struct ol_timer *timer)
{
	event_del(timer->event);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct ol_later *later = arg;

	(void)fd;
	(void)what;
	later->fn(later->arg);
}

struct ol_later *
ol_later_new(struct ol_loop *loop, ol_loop_fn *fn, void *arg)
{
	struct ol_later *later = malloc(sizeof(*later));

	if (later == NULL)
		return NULL;
	later->fn = fn;
	later->arg = arg;
	later->event = event_new(loop->base, -1, 0, on_later, later);
	if (later->event == NULL) {
		free(later);
		return NULL;
	}
	return later;
}

void
ol_later_free(struct ol_later *later)
{
	if (later == NULL)
		return;
	event_free(later->event);
	free(later);
}

void
ol_later_do(struct ol_later *later)
{
	/* Behind all that is active already. */
	event_active(later->event, EV_TIMEOUT, 0);
}

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct ol_signal *sig = arg;

	(void)signo;
	(void)what;
	sig->fn(sig->arg);
}

struct ol_signal *
ol_signal_new(struct ol_loop *loop, int signo, ol_loop_fn *fn, void *arg)
{
	struct ol_signal *sig = malloc(sizeof(*sig));

	if (sig == NULL)
		return NULL;
	sig->fn = fn;
	sig->arg = arg;
	sig->event = evsignal_new(loop->base, signo, on_signal, sig);
	if (sig->event == NULL || event_add(sig->event, NULL) == -1) {
		if (sig->event != NULL)
			event_free(sig->event);
		free(sig);
		return NULL;
	}
	return sig;
}

void
ol_signal_free(struct ol_signal *sig)
{
	if (sig == NULL)
		return;
	event_free(sig->event);
	free(sig);
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct ol_wake *wake = arg;
	uint64_t count;

	(void)what;
	/* Take the ring first: one that comes now runs fn again. */
	while (read(fd, &count, sizeof(count)) == -1 && errno == EINTR)
		;
	atomic_store(&wake->rung, false);
	wake->fn(wake->arg);
}

struct ol_wake *
ol_wake_new(struct ol_loop *loop, ol_loop_fn *fn, void *arg)
{
	struct ol_wake *wake = malloc(sizeof(*wake));

	if (wake == NULL)
		return NULL;
	if ((wake->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) == -1) {
		free(wake);
		return NULL;
	}
	wake->fn = fn;
	wake->arg = arg;
	atomic_init(&wake->rung, false);
	wake->event = event_new(
	    loop->base, wake->fd, EV_READ | EV_PERSIST, on_wake, wake);
	if (wake->event == NULL || event_add(wake->event, NULL) == -1) {
		if (wake->event != NULL)
			event_free(wake->event);
		close(wake->fd);
		free(wake);
		return NULL;
	}
	return wake;
}

void
ol_wake_free(struct ol_wake *wake)
{
	if (wake == NULL)
		return;
	event_free(wake->event);
	close(wake->fd);
	free(wake);
}

void
ol_wake_up(struct ol_wake *wake)
{
	uint64_t one = 1;

	if (atomic_exchange(&wake->rung, true))
		return;
	while (write(wake->fd, &one, sizeof(one)) == -1 && errno == EINTR)
		;
}
