#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "loop/alarm.h"

struct world {
	struct ol_loop *loop;
	struct ol_alarm *alarm;
	time_t seen; /* the clock at the call */
	int calls;
};

static time_t
wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

static void
on_alarm(void *arg)
{
	struct world *w = arg;

	w->calls++;
	w->seen = wall();
	ol_loop_stop(w->loop);
}

static void
on_timer(void *arg)
{
	ol_loop_stop(((struct world *)arg)->loop);
}

static void
test_alarm(void **state)
{
	struct world w = { .calls = 0 };
	struct ol_timer *timer;
	time_t when;

	(void)state;
	w.loop = ol_loop_new();
	w.alarm = ol_alarm_new(w.loop, on_alarm, &w);
	timer = ol_timer_new(w.loop, on_timer, &w);
	assert_non_null(w.alarm);
	when = wall() + 2;
	assert_int_equal(ol_alarm_at(w.alarm, when), 0);
	ol_loop_run(w.loop);
	assert_int_equal(w.calls, 1);
	assert_true(w.seen >= when);
	/* Once; and one in the past at once. */
	ol_timer_at(timer, ol_clock_now() + OL_MSEC(200));
	ol_loop_run(w.loop);
	assert_int_equal(w.calls, 1);
	assert_int_equal(ol_alarm_at(w.alarm, when), 0);
	ol_loop_run(w.loop);
	assert_int_equal(w.calls, 2);
	/* Cancelled. */
	assert_int_equal(ol_alarm_at(w.alarm, wall() + 1), 0);
	assert_int_equal(ol_alarm_at(w.alarm, 0), 0);
	ol_timer_at(timer, ol_clock_now() + OL_MSEC(1500));
	ol_loop_run(w.loop);
	assert_int_equal(w.calls, 2);
	ol_timer_free(timer);
	ol_alarm_free(w.alarm);
	ol_alarm_free(NULL);
	ol_loop_free(w.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alarm),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
