#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "loop/loop.h"

/* What the callbacks of a test see and leave behind. */
struct world {
	struct ol_loop *loop;
	struct ol_timer *timer, *other;
	struct ol_later *later;
	struct ol_watch *watch;
	struct ol_wake *wake;
	int64_t when;
	int runs, freed, fd;
	atomic_int rings, answered;
};

static void
setup(struct world *w)
{
	*w = (struct world){ .loop = ol_loop_new() };
	assert_non_null(w->loop);
}

static void
on_end(void *arg)
{
	struct world *w = arg;

	w->runs++;
	ol_loop_stop(w->loop);
}

static void
on_never(void *arg)
{
	(void)arg;
	fail_msg("a callback ran after its cancel");
}

static void
on_tick(void *arg)
{
	struct world *w = arg;

	assert_true(ol_clock_now() >= w->when);
	if (++w->runs == 100) {
		ol_loop_stop(w->loop);
		return;
	}
	/* libevent's own clock stands still meanwhile. */
	usleep((useconds_t)(rand() % 2000));
	w->when = ol_clock_now() + rand() % OL_MSEC(3);
	ol_timer_at(w->timer, w->when);
}

static void
test_a_timer_is_never_early(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.timer = ol_timer_new(w.loop, on_tick, &w);
	w.when = ol_clock_now() + OL_MSEC(5);
	ol_timer_at(w.timer, w.when);
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 100);
	ol_timer_free(w.timer);
	ol_loop_free(w.loop);
}

static void
on_due(void *arg)
{
	struct world *w = arg;

	if (++w->runs == 200)
		ol_loop_stop(w->loop);
	else
		ol_timer_at(w->timer, ol_clock_now());
}

/* A tick of libevent's clock each would take 800 ms. */
static void
test_a_timer_that_is_due_runs_at_once(void **state)
{
	struct world w;
	int64_t began;

	(void)state;
	setup(&w);
	w.timer = ol_timer_new(w.loop, on_due, &w);
	began = ol_clock_now();
	ol_timer_at(w.timer, began);
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 200);
	assert_true(ol_clock_now() - began < OL_MSEC(400));
	ol_timer_free(w.timer);
	ol_loop_free(w.loop);
}

static void
on_later(void *arg)
{
	struct world *w = arg;

	/* Both timers of the round came before; asked twice, it runs once. */
	assert_int_equal(w->runs, 2);
	ol_loop_stop(w->loop);
}

static void
on_asker(void *arg)
{
	struct world *w = arg;

	w->runs++;
	ol_later_do(w->later);
}

static void
test_later_is_the_end_of_the_round(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.later = ol_later_new(w.loop, on_later, &w);
	w.timer = ol_timer_new(w.loop, on_asker, &w);
	w.other = ol_timer_new(w.loop, on_asker, &w);
	ol_timer_at(w.timer, 1);
	ol_timer_at(w.other, 1);
	ol_loop_run(w.loop);
	ol_later_free(w.later);
	/* One that is freed does not run any more. */
	w.later = ol_later_new(w.loop, on_never, &w);
	ol_later_do(w.later);
	ol_later_free(w.later);
	w.runs = 0;
	w.later = NULL;
	ol_timer_free(w.other);
	w.other = ol_timer_new(w.loop, on_end, &w);
	ol_timer_at(w.other, ol_clock_now() + OL_MSEC(5));
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 1);
	ol_timer_free(w.timer);
	ol_timer_free(w.other);
	ol_loop_free(w.loop);
}

static void
on_first(void *arg)
{
	struct world *w = arg;

	ol_timer_cancel(w->other);
	ol_timer_free(w->timer);
	w->timer = ol_timer_new(w->loop, on_end, w);
	ol_timer_at(w->timer, ol_clock_now() + OL_MSEC(50));
}

/* Both are due in the same round; the second must not run any more. */
static void
test_cancel_and_free_within_a_callback(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.timer = ol_timer_new(w.loop, on_first, &w);
	w.other = ol_timer_new(w.loop, on_never, &w);
	ol_timer_at(w.timer, 1);
	ol_timer_at(w.other, 1);
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 1);
	ol_timer_free(w.timer);
	ol_timer_free(w.other);
	ol_loop_free(w.loop);
}

static void
test_a_later_time_replaces_the_first(void **state)
{
	int64_t began = ol_clock_now();
	struct world w;

	(void)state;
	setup(&w);
	w.timer = ol_timer_new(w.loop, on_end, &w);
	w.other = ol_timer_new(w.loop, on_never, &w);
	ol_timer_at(w.timer, began + OL_MSEC(1));
	ol_timer_at(w.timer, began + OL_MSEC(80));
	ol_timer_at(w.other, began + OL_MSEC(10));
	ol_timer_at(w.other, OL_NEVER);
	ol_loop_run(w.loop);
	assert_true(ol_clock_now() - began >= OL_MSEC(80));
	ol_timer_free(w.timer);
	ol_timer_free(w.other);
	ol_loop_free(w.loop);
}

static void
on_readable(void *arg)
{
	struct world *w = arg;
	char c;

	/* Level-triggered: what is left calls again. */
	assert_int_equal(read(w->fd, &c, 1), 1);
	if (++w->runs < 3)
		return;
	ol_watch_free(w->watch);
	w->watch = NULL;
	ol_loop_stop(w->loop);
}

static void
test_watch(void **state)
{
	struct world w;
	int fds[2];

	(void)state;
	setup(&w);
	assert_int_equal(pipe(fds), 0);
	w.fd = fds[0];
	w.watch = ol_watch_new(w.loop, fds[0], on_readable, &w);
	assert_non_null(w.watch);
	assert_int_equal(write(fds[1], "abc", 3), 3);
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 3);
	close(fds[0]);
	close(fds[1]);
	ol_loop_free(w.loop);
}

static void
test_signal(void **state)
{
	struct ol_signal *sig;
	struct world w;

	(void)state;
	setup(&w);
	sig = ol_signal_new(w.loop, SIGUSR1, on_end, &w);
	assert_non_null(sig);
	raise(SIGUSR1);
	ol_loop_run(w.loop);
	assert_int_equal(w.runs, 1);
	ol_signal_free(sig);
	ol_loop_free(w.loop);
}

static void
on_object_free(void *arg)
{
	struct world *w = arg;

	w->freed++;
}

static void
on_defer(void *arg)
{
	struct world *w = arg;

	ol_loop_defer_free(w->loop, on_object_free, w);
	ol_loop_defer_free(w->loop, on_object_free, w);
	assert_int_equal(w->freed, 0);
	ol_timer_at(w->other, ol_clock_now() + OL_MSEC(20));
}

static void
test_deferred_free(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.timer = ol_timer_new(w.loop, on_defer, &w);
	w.other = ol_timer_new(w.loop, on_end, &w);
	ol_timer_at(w.timer, 1);
	ol_loop_run(w.loop);
	assert_int_equal(w.freed, 2);
	/* Those of a loop that does not run again go with it. */
	ol_loop_defer_free(w.loop, on_object_free, &w);
	ol_timer_free(w.timer);
	ol_timer_free(w.other);
	ol_loop_free(w.loop);
	assert_int_equal(w.freed, 3);
}

enum { RINGERS = 4, RINGS = 5000 };

static void
on_ring(void *arg)
{
	struct world *w = arg;
	int rings = atomic_load(&w->rings);

	atomic_store(&w->answered, rings);
	if (rings == RINGERS * RINGS)
		ol_loop_stop(w->loop);
}

/* Each waits now and then until its ring was answered: none may be lost. */
static void *
ring(void *arg)
{
	struct world *w = arg;
	int i, mine;

	for (i = 0; i < RINGS; i++) {
		mine = atomic_fetch_add(&w->rings, 1) + 1;
		ol_wake_up(w->wake);
		while (i % 16 == 0 && atomic_load(&w->answered) < mine)
			usleep(10);
	}
	return NULL;
}

static void
test_no_ring_is_lost(void **state)
{
	pthread_t threads[RINGERS];
	struct world w;
	int i;

	(void)state;
	setup(&w);
	w.wake = ol_wake_new(w.loop, on_ring, &w);
	assert_non_null(w.wake);
	for (i = 0; i < RINGERS; i++)
		pthread_create(&threads[i], NULL, ring, &w);
	ol_loop_run(w.loop);
	for (i = 0; i < RINGERS; i++)
		pthread_join(threads[i], NULL);
	ol_wake_free(w.wake);
	ol_loop_free(w.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_timer_is_never_early),
		cmocka_unit_test(test_a_timer_that_is_due_runs_at_once),
		cmocka_unit_test(test_later_is_the_end_of_the_round),
		cmocka_unit_test(test_cancel_and_free_within_a_callback),
		cmocka_unit_test(test_a_later_time_replaces_the_first),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_deferred_free),
		cmocka_unit_test(test_no_ring_is_lost),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
