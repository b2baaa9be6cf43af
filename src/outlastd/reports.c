#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "outlastd/reports.h"

static const int64_t running_pause = OL_SEC(1);
static const int64_t deadline_pause = OL_MSEC(100);
/* So long before the last one told, and after it, at least. */
static const int64_t deadline_near = OL_MSEC(50);
static const int64_t deadline_least = OL_MSEC(20);

static void on_timer(void *);

void
ol_reports_init(struct ol_reports *r, struct ol_loop *loop, int master)
{
	*r = (struct ol_reports){ .master = master };
	r->running_at = r->deadline_at = ol_clock_now() - OL_SEC(1);
	r->timer = ol_must(ol_timer_new(loop, on_timer, r));
}

void
ol_reports_fini(struct ol_reports *r)
{
	ol_timer_free(r->timer);
	r->timer = NULL;
}

void
ol_reports_end(struct ol_reports *r)
{
	r->master = -1;
}

void
ol_reports_send(struct ol_reports *r, const struct ol_order *order)
{
	/* It reads, or is gone. */
	if (r->master != -1 && ol_order_send(r->master, order, NULL) == -1 &&
	    errno != EPIPE)
		ol_log_error(
		    NULL, "cannot tell the master: %s", strerror(errno));
}

void
ol_reports_failure(struct ol_reports *r, const char *fmt, ...)
{
	struct ol_order order = { .verb = OL_ORDER_FAILED };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(order.reason, sizeof(order.reason), fmt, ap);
	va_end(ap);
	ol_reports_send(r, &order);
}

/* Returns when to look again. */
static int64_t
tell_running(struct ol_reports *r, int64_t now)
{
	struct ol_order order = { .verb = OL_ORDER_RUNNING,
		.running = r->running };

	if (r->running == r->running_told)
		return OL_NEVER;
	if (now < r->running_at + running_pause)
		return r->running_at + running_pause;
	ol_reports_send(r, &order);
	r->running_told = r->running;
	r->running_at = now;
	return OL_NEVER;
}

static int64_t
tell_deadline(struct ol_reports *r, int64_t now)
{
	struct ol_order order = { .verb = OL_ORDER_DEADLINE };
	int64_t due = r->deadline_at + deadline_pause;

	if (r->deadline <= r->deadline_told)
		return OL_NEVER;
	if (due > r->deadline_told - deadline_near)
		due = r->deadline_told - deadline_near;
	if (due < r->deadline_at + deadline_least)
		due = r->deadline_at + deadline_least;
	if (now < due)
		return due;
	if (r->deadline > now)
		order.left_ms = (r->deadline - now) / OL_MSEC(1);
	ol_reports_send(r, &order);
	r->deadline_told = r->deadline;
	r->deadline_at = now;
	return OL_NEVER;
}

static void
on_timer(void *arg)
{
	struct ol_reports *r = arg;
	int64_t now = ol_clock_now();
	int64_t running = tell_running(r, now);
	int64_t deadline = tell_deadline(r, now);

	ol_timer_at(r->timer, running < deadline ? running : deadline);
}

void
ol_reports_running(struct ol_reports *r, uint32_t running)
{
	r->running = running;
	on_timer(r);
}

void
ol_reports_deadline(struct ol_reports *r, int64_t deadline)
{
	r->deadline = deadline;
	on_timer(r);
}
