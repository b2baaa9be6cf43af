#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/pulse.h"

static const int64_t t0 = OL_SEC(1000);

static void
test_nobody(void **state)
{
	struct ol_pulse p;

	(void)state;
	ol_pulse_end(&p);
	assert_int_equal(ol_pulse_tick(&p, t0), OL_PULSE_WAIT);
	assert_true(p.due == OL_NEVER);
}

static void
test_it_answers(void **state)
{
	struct ol_pulse p;
	int64_t now = t0;
	int i;

	(void)state;
	ol_pulse_end(&p);
	ol_pulse_begin(&p, now);
	assert_int_equal(ol_pulse_tick(&p, p.due - 1), OL_PULSE_WAIT);
	for (i = 0; i < 100; i++) {
		assert_true(p.due == now + OL_PULSE_INTERVAL);
		now = p.due;
		assert_int_equal(ol_pulse_tick(&p, now), OL_PULSE_ASK);
		assert_int_equal(ol_pulse_tick(&p, now), OL_PULSE_WAIT);
		/* Late, by two questions. */
		if (i % OL_PULSE_MISSED == 0)
			ol_pulse_felt(&p);
	}
}

static void
test_it_does_not(void **state)
{
	struct ol_pulse p;
	int i;

	(void)state;
	ol_pulse_end(&p);
	ol_pulse_begin(&p, t0);
	/* READY a second time is no sign of life. */
	for (i = 0; i < OL_PULSE_MISSED; i++) {
		ol_pulse_begin(&p, p.due);
		assert_int_equal(ol_pulse_tick(&p, p.due), OL_PULSE_ASK);
	}
	assert_int_equal(ol_pulse_tick(&p, p.due), OL_PULSE_GONE);
	assert_int_equal(ol_pulse_tick(&p, t0 + OL_SEC(9999)), OL_PULSE_WAIT);
}

/* The machine was suspended for a day: one question was missed, no more. */
static void
test_time_stood_still(void **state)
{
	struct ol_pulse p;

	(void)state;
	ol_pulse_end(&p);
	ol_pulse_begin(&p, t0);
	assert_int_equal(ol_pulse_tick(&p, t0 + OL_SEC(86400)), OL_PULSE_ASK);
	assert_int_equal(ol_pulse_tick(&p, t0 + OL_SEC(86401)), OL_PULSE_WAIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_it_answers),
		cmocka_unit_test(test_it_does_not),
		cmocka_unit_test(test_time_stood_still),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
