#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lib/app.h"
#include "lib/background.h"
#include "lib/error.h"
#include "loop/loop.h"

/* Async items started per turn of the loop, so that its events get theirs. */
enum { ROUND = 128 };

/* How many unfinished items are named at the last call. */
enum { UNFINISHED_NAMED = 16 };

/* What is said of an item that may end, and be freed, at any moment. */
struct obituary {
	char name[sizeof(((struct ol_work *)0)->name)];
	char progress[128];
	int percent;
};

static int
compare_due(const struct ol_work *a, const struct ol_work *b)
{
	if (a->due != b->due)
		return a->due < b->due ? -1 : 1;
	return a->serial < b->serial ? -1 : a->serial > b->serial;
}

RB_GENERATE_INTERNAL(ol_work_tree, ol_work, link.tree, compare_due,
    static __attribute__((unused)))

/*
 * The last step of every item: its data, itself, the count. No lock held. The
 * count falls under the lock: when it is 0, another thread may free the
 * application as soon as it gets the lock.
 */
static void
finish(struct ol_work *work)
{
	struct ol_app *app = work->app;
	struct ol_background *b = &app->background;
	bool last;

	if (work->free_data != NULL)
		work->free_data(work->data);
	ol_work_free(work);
	pthread_mutex_lock(&b->lock);
	if ((last = atomic_fetch_sub(&b->live, 1) == 1)) {
		if (b->drain_waiters > 0)
			pthread_cond_broadcast(&b->quiet);
		if (ol_stop_begun(&app->stop))
			ol_wake_up(app->bell);
	}
	/* After the count has fallen, or the supervisor may hear the old one
	 * and no other. */
	ol_supervisor_changed(&app->supervisor, last);
	pthread_mutex_unlock(&b->lock);
}

/*
 * Take a running item off the list. When this returns its stop callback does
 * not run and will not, unless this is called from within it. Lock held.
 */
static void
leave_running(struct ol_background *b, struct ol_work *work)
{
	bool own = ol_thread_activity() == &b->loop_thread.activity;

	TAILQ_REMOVE(&b->running, work, link.list);
	if (b->calling != work)
		return;
	if (own)
		b->calling = NULL;
	while (b->calling == work)
		pthread_cond_wait(&b->quiet, &b->lock);
}

/* Lock held. */
static void
make_waiting(struct ol_background *b, struct ol_work *work)
{
	work->state = OL_WORK_WAITING;
	TAILQ_INSERT_TAIL(&b->waiting[work->flavour], work, link.list);
	if (work->flavour == OL_BLOCKING && b->idle_threads > 0)
		pthread_cond_signal(&b->ready);
}

/* Lock held. */
static struct ol_work *
take_waiting(
    struct ol_background *b, enum ol_flavour flavour, enum ol_work_state state)
{
	struct ol_work *work = TAILQ_FIRST(&b->waiting[flavour]);

	if (work == NULL)
		return NULL;
	TAILQ_REMOVE(&b->waiting[flavour], work, link.list);
	b->waiting_count--;
	if (b->room_waiters > 0)
		pthread_cond_signal(&b->room);
	work->state = (unsigned char)state;
	TAILQ_INSERT_HEAD(&b->running, work, link.list);
	return work;
}

/* Move what is due to the waiting ones; the loop's timer for the rest. */
static void
take_due(struct ol_background *b, int64_t now)
{
	struct ol_work *work;

	while ((work = RB_MIN(ol_work_tree, &b->delayed)) != NULL &&
	       work->due <= now) {
		RB_REMOVE(ol_work_tree, &b->delayed, work);
		make_waiting(b, work);
	}
	ol_timer_at(b->due, work != NULL ? work->due : OL_NEVER);
}

/* Tell each running item with a stop callback of the newest stop. */
static void
call_stop_callbacks(struct ol_background *b)
{
	struct ol_work *work;

	pthread_mutex_lock(&b->lock);
	/* Those that were told go to the tail; new ones come at the head. */
	while ((work = TAILQ_FIRST(&b->running)) != NULL &&
	       work->stop_seen != b->stops) {
		ol_stop_fn *fn = work->on_stop;
		void *arg = work->on_stop_arg;

		TAILQ_REMOVE(&b->running, work, link.list);
		TAILQ_INSERT_TAIL(&b->running, work, link.list);
		work->stop_seen = b->stops;
		if (fn == NULL || work->state == OL_WORK_TAKEN)
			continue;
		b->calling = work;
		pthread_mutex_unlock(&b->lock);
		fn(work, arg);
		pthread_mutex_lock(&b->lock);
		b->calling = NULL;
		pthread_cond_broadcast(&b->quiet);
	}
	pthread_mutex_unlock(&b->lock);
}

static void
start_async(struct ol_background *b, struct ol_work *work)
{
	b->loop_thread.activity.work = work;
	work->fn.async(work, ol_loop_base(b->loop), work->data);
	b->loop_thread.activity.work = NULL;
}

/* The loop's turn: what is due, then a round of what waits, then the stops. */
static void
on_bell(void *arg)
{
	struct ol_background *b = arg;
	struct ol_work *round[ROUND];
	bool stopping, quitting;
	size_t i, n = 0;

	atomic_fetch_add(&b->turns, 1);
	pthread_mutex_lock(&b->lock);
	take_due(b, ol_clock_now());
	while (!b->quitting && n < ROUND &&
	       (round[n] = take_waiting(b, OL_ASYNC, OL_WORK_TAKEN)) != NULL)
		n++;
	if (!TAILQ_EMPTY(&b->waiting[OL_ASYNC]))
		ol_wake_up(b->bell);
	stopping = b->stops > 0;
	quitting = b->quitting;
	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < n && !quitting; i++) {
		/* RUNNING before its function may end it. */
		round[i]->state = OL_WORK_RUNNING;
		start_async(b, round[i]);
	}
	if (stopping)
		call_stop_callbacks(b);
	if (quitting)
		ol_loop_stop(b->loop);
}

static void
run_loop(void *arg)
{
	struct ol_background *b = arg;

	ol_wake_up(b->bell);
	ol_loop_run(b->loop);
}

static void
run_thread(void *arg)
{
	struct ol_background *b = arg;
	struct ol_activity *activity = ol_thread_activity();

	pthread_mutex_lock(&b->lock);
	while (!b->quitting) {
		struct ol_work *work =
		    take_waiting(b, OL_BLOCKING, OL_WORK_RUNNING);
		enum ol_outcome outcome;

		if (work == NULL) {
			b->idle_threads++;
			pthread_cond_wait(&b->ready, &b->lock);
			b->idle_threads--;
			continue;
		}
		if (b->stops > 0)
			ol_wake_up(b->bell);
		pthread_mutex_unlock(&b->lock);
		activity->work = work;
		outcome = work->fn.blocking(work, work->data);
		activity->work = NULL;
		pthread_mutex_lock(&b->lock);
		leave_running(b, work);
		pthread_mutex_unlock(&b->lock);
		if (outcome != OL_OK)
			ol_work_tell(work, OL_ERROR_ITEM_FAILED, NULL);
		finish(work);
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
}

int
ol_background_init(struct ol_background *b, struct ol_app *app)
{
	pthread_condattr_t attr;

	*b = (struct ol_background){ .app = app };
	TAILQ_INIT(&b->waiting[OL_BLOCKING]);
	TAILQ_INIT(&b->waiting[OL_ASYNC]);
	TAILQ_INIT(&b->running);
	RB_INIT(&b->delayed);
	atomic_init(&b->live, 0);
	atomic_init(&b->dropped, 0);
	atomic_init(&b->turns, 0);
	if ((b->loop = ol_loop_new()) == NULL)
		return -1;
	b->bell = ol_wake_new(b->loop, on_bell, b);
	b->due = ol_timer_new(b->loop, on_bell, b);
	b->threads = calloc(
	    (size_t)app->options.background_threads, sizeof(*b->threads));
	if (b->bell == NULL || b->due == NULL || b->threads == NULL) {
		free(b->threads);
		ol_timer_free(b->due);
		ol_wake_free(b->bell);
		ol_loop_free(b->loop);
		return -1;
	}
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->ready, &attr);
	pthread_cond_init(&b->room, &attr);
	pthread_cond_init(&b->quiet, &attr);
	pthread_condattr_destroy(&attr);
	return 0;
}

int
ol_background_start(struct ol_background *b)
{
	if (b->started)
		return 0;
	if (ol_thread_start(&b->loop_thread, "background loop", run_loop, b) ==
	    -1)
		return -1;
	b->started = true;
	for (; b->nthreads < b->app->options.background_threads; b->nthreads++)
		if (ol_thread_start(&b->threads[b->nthreads],
			"background thread", run_thread, b) == -1)
			return -1;
	return 0;
}

/* Wait a moment for the threads to leave; true when all have. */
static bool
all_ended(struct ol_background *b)
{
	const struct timespec nap = { .tv_nsec = OL_MSEC(2) };
	int64_t give_up = ol_clock_now() + OL_MSEC(200);

	for (;;) {
		bool ended = !b->started || atomic_load(&b->loop_thread.ended);
		int i;

		for (i = 0; i < b->nthreads; i++)
			ended = ended && atomic_load(&b->threads[i].ended);
		if (ended || ol_clock_now() > give_up)
			return ended;
		nanosleep(&nap, NULL);
	}
}

/* Lock held. */
static void
write_obituary(struct obituary *o, const struct ol_work *work)
{
	strlcpy(o->name, work->name, sizeof(o->name));
	strlcpy(o->progress, work->progress != NULL ? work->progress : "",
	    sizeof(o->progress));
	o->percent = work->percent;
}

/* No lock held. */
static void
tell_obituary(struct ol_background *b, const struct obituary *o,
    enum ol_error_kind kind, const char *message)
{
	struct ol_error error = {
		.size = sizeof(error),
		.kind = kind,
		.item = o->name,
		.message = message,
		.percent = o->percent,
		.progress = o->progress[0] != '\0' ? o->progress : NULL,
	};

	ol_error_deliver(b->app, &error);
}

static size_t
drop(struct ol_work_list *list, const char *message)
{
	struct ol_work *work;
	size_t n = 0;

	while ((work = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, work, link.list);
		ol_work_tell(work, OL_ERROR_ITEM_DROPPED, message);
		finish(work);
		n++;
	}
	return n;
}

/* Take out delayed items due after when. Lock held. */
static void
take_late(struct ol_background *b, int64_t when, struct ol_work_list *late)
{
	struct ol_work *work;

	while ((work = RB_MAX(ol_work_tree, &b->delayed)) != NULL &&
	       work->due > when) {
		RB_REMOVE(ol_work_tree, &b->delayed, work);
		TAILQ_INSERT_HEAD(late, work, link.list);
		b->waiting_count--;
	}
}

/*
 * Give up the running items: those whose turn had not come go to dropped, the
 * others are named to the error handler, which may queue and so must not be
 * called with the lock held. Returns the number of the latter.
 */
static size_t
lose_running(struct ol_background *b, bool stuck, struct ol_work_list *dropped)
{
	struct ol_work *work;
	size_t n = 0;

	pthread_mutex_lock(&b->lock);
	while ((work = TAILQ_FIRST(&b->running)) != NULL &&
	       work->state != OL_WORK_LOST) {
		struct obituary o;

		TAILQ_REMOVE(&b->running, work, link.list);
		if (work->state == OL_WORK_TAKEN && !stuck) {
			TAILQ_INSERT_TAIL(dropped, work, link.list);
			continue;
		}
		work->state = OL_WORK_LOST;
		TAILQ_INSERT_TAIL(&b->running, work, link.list);
		write_obituary(&o, work);
		pthread_mutex_unlock(&b->lock);
		tell_obituary(b, &o, OL_ERROR_ITEM_LOST,
		    "still running when the budget was used up");
		n++;
		pthread_mutex_lock(&b->lock);
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

size_t
ol_background_end(struct ol_background *b, bool *stuck)
{
	struct ol_work_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	bool ended;
	size_t n;
	int i;

	pthread_mutex_lock(&b->lock);
	b->quitting = b->refusing = true;
	pthread_cond_broadcast(&b->ready);
	pthread_cond_broadcast(&b->room);
	TAILQ_CONCAT(&dropped, &b->waiting[OL_ASYNC], link.list);
	TAILQ_CONCAT(&dropped, &b->waiting[OL_BLOCKING], link.list);
	take_late(b, INT64_MIN, &dropped);
	b->waiting_count = 0;
	pthread_mutex_unlock(&b->lock);
	if (b->started)
		ol_wake_up(b->bell);
	ended = all_ended(b);

	n = lose_running(b, !ended, &dropped);
	/* A lost async item is still held by whoever is to end it. */
	*stuck = !ended || n > 0;
	n += drop(&dropped, "never started: the budget was used up");
	n += atomic_load(&b->dropped);
	if (!ended) {
		if (b->started)
			ol_thread_abandon(&b->loop_thread);
		for (i = 0; i < b->nthreads; i++)
			ol_thread_abandon(&b->threads[i]);
		return n;
	}
	if (b->started)
		ol_thread_join(&b->loop_thread);
	for (i = 0; i < b->nthreads; i++)
		ol_thread_join(&b->threads[i]);
	b->nthreads = 0;
	b->started = false;
	return n;
}

void
ol_background_fini(struct ol_background *b)
{
	free(b->threads);
	ol_timer_free(b->due);
	ol_wake_free(b->bell);
	ol_loop_free(b->loop);
	pthread_cond_destroy(&b->quiet);
	pthread_cond_destroy(&b->room);
	pthread_cond_destroy(&b->ready);
	pthread_mutex_destroy(&b->lock);
}

void
ol_background_stopping(struct ol_background *b, int64_t deadline)
{
	struct ol_work_list late = TAILQ_HEAD_INITIALIZER(late);
	size_t n;

	pthread_mutex_lock(&b->lock);
	b->stops++;
	take_late(b, deadline, &late);
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
	ol_wake_up(b->bell);
	n = drop(&late, "never started: it is due after the process's end");
	atomic_fetch_add(&b->dropped, n);
}

void
ol_background_refuse(struct ol_background *b)
{
	pthread_mutex_lock(&b->lock);
	b->refusing = true;
	pthread_cond_broadcast(&b->room);
	pthread_mutex_unlock(&b->lock);
}

size_t
ol_background_name_unfinished(struct ol_background *b, char *text, size_t size)
{
	struct obituary named[UNFINISHED_NAMED];
	struct ol_work *work;
	size_t i, n = 0, len = 0, total;

	text[0] = '\0';
	pthread_mutex_lock(&b->lock);
	TAILQ_FOREACH (work, &b->running, link.list) {
		if (n == UNFINISHED_NAMED)
			break;
		write_obituary(&named[n++], work);
	}
	total = atomic_load(&b->live);
	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < n; i++) {
		if (len < size)
			len += (size_t)snprintf(text + len, size - len, "%s%s",
			    len > 0 ? ", " : "", named[i].name);
		tell_obituary(b, &named[i], OL_ERROR_ITEM_UNFINISHED,
		    "last call: still running, and the process ends soon");
	}
	return total;
}

/* Wait for room, at most ms. Lock held. 0 or the reason for refusing. */
static int
wait_for_room(struct ol_background *b, int ms)
{
	int64_t until = ol_clock_now() + OL_MSEC(ms);
	struct timespec ts = { .tv_sec = until / OL_SEC(1),
		.tv_nsec = until % OL_SEC(1) };
	int rc = 0;

	/* The loop would wait for itself. */
	if (ol_thread_activity() == &b->loop_thread.activity)
		ms = 0;
	while (
	    !b->refusing && b->waiting_count >= b->app->options.max_waiting) {
		if (ms <= 0 || rc == ETIMEDOUT)
			return OL_EFULL;
		b->room_waiters++;
		rc = pthread_cond_timedwait(&b->room, &b->lock, &ts);
		b->room_waiters--;
	}
	return b->refusing ? OL_ESTOPPING : 0;
}

static int
queue(struct ol_background *b, struct ol_work *work,
    const struct ol_work_options *options)
{
	bool ring = false, first;
	int rc;

	if (options->delay_ms > 0)
		work->due = ol_clock_after(
		    ol_clock_now(), options->delay_ms > INT64_MAX / 1000000
					? OL_NEVER
					: OL_MSEC(options->delay_ms));
	pthread_mutex_lock(&b->lock);
	if ((rc = wait_for_room(b, options->wait_ms)) == 0 &&
	    options->delay_ms > 0 && b->stops > 0 &&
	    work->due > ol_stop_deadline(&b->app->stop))
		rc = OL_ESTOPPING;
	if (rc != 0) {
		pthread_mutex_unlock(&b->lock);
		return rc;
	}
	b->waiting_count++;
	work->serial = b->next_serial++;
	first = atomic_fetch_add(&b->live, 1) == 0;
	if (options->delay_ms > 0) {
		work->state = OL_WORK_DELAYED;
		RB_INSERT(ol_work_tree, &b->delayed, work);
		ring = RB_MIN(ol_work_tree, &b->delayed) == work;
	} else {
		ring = work->flavour == OL_ASYNC &&
		       TAILQ_EMPTY(&b->waiting[OL_ASYNC]);
		make_waiting(b, work);
	}
	/* Under the lock: without it the item may end, and all of this. */
	if (ring)
		ol_wake_up(b->bell);
	ol_supervisor_changed(&b->app->supervisor, first);
	pthread_mutex_unlock(&b->lock);
	return 0;
}

static int
queue_new(struct ol_app *app, enum ol_flavour flavour, ol_blocking_fn *blocking,
    ol_async_fn *async, void *data, const struct ol_work_options *given)
{
	struct ol_work_options options = { 0 };
	struct ol_work *work;
	int rc;

	if (app == NULL || (blocking == NULL && async == NULL))
		return OL_EINVAL;
	if (given != NULL) {
		if (given->size < offsetof(struct ol_work_options, name))
			return OL_EINVAL;
		/* An older caller's are shorter: look at the copy alone. */
		memcpy(&options, given,
		    given->size < sizeof(options) ? given->size
						  : sizeof(options));
		if (options.delay_ms < 0 || options.wait_ms < 0)
			return OL_EINVAL;
	}
	if ((work = ol_work_new(app, flavour, data, &options)) == NULL)
		return OL_ENOMEM;
	if (flavour == OL_BLOCKING)
		work->fn.blocking = blocking;
	else
		work->fn.async = async;
	if ((rc = queue(&app->background, work, &options)) != 0)
		ol_work_free(work);
	return rc;
}

int
ol_queue_blocking(struct ol_app *app, ol_blocking_fn *fn, void *data,
    const struct ol_work_options *options)
{
	return queue_new(app, OL_BLOCKING, fn, NULL, data, options);
}

int
ol_queue_async(struct ol_app *app, ol_async_fn *fn, void *data,
    const struct ol_work_options *options)
{
	return queue_new(app, OL_ASYNC, NULL, fn, data, options);
}

void
ol_work_done(struct ol_work *work, enum ol_outcome outcome, const char *message)
{
	struct ol_background *b = &work->app->background;
	struct ol_activity *activity = ol_thread_activity();

	pthread_mutex_lock(&b->lock);
	leave_running(b, work);
	pthread_mutex_unlock(&b->lock);
	if (outcome != OL_OK)
		ol_work_tell(work, OL_ERROR_ITEM_FAILED, message);
	/* Its function may go on, and crash, without it. */
	if (activity != NULL && activity->work == work)
		activity->work = NULL;
	finish(work);
}

void
ol_work_on_stop(struct ol_work *work, ol_stop_fn *fn, void *arg)
{
	struct ol_background *b = &work->app->background;
	bool own = ol_thread_activity() == &b->loop_thread.activity;
	bool ring;

	pthread_mutex_lock(&b->lock);
	while (!own && b->calling == work)
		pthread_cond_wait(&b->quiet, &b->lock);
	work->on_stop = fn;
	work->on_stop_arg = arg;
	work->stop_seen = 0;
	/* Where call_stop_callbacks() looks for those not yet told. */
	TAILQ_REMOVE(&b->running, work, link.list);
	TAILQ_INSERT_HEAD(&b->running, work, link.list);
	ring = b->stops > 0;
	pthread_mutex_unlock(&b->lock);
	if (ring)
		ol_wake_up(b->bell);
}

size_t
ol_app_items(struct ol_app *app)
{
	return atomic_load(&app->background.live);
}
