#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "master/leaver.c"
#include "record.h"

static const struct ol_leaver_times usual = {
	.shutdown_delay = OL_SEC(90),
	.shutdown_delay_max = OL_SEC(300),
	.kill_grace = OL_SEC(10),
};

static const int64_t t0 = OL_SEC(1000);

static void
begin(struct ol_leaver *l, struct record *r, enum ol_leaver_how how)
{
	memset(r, 0, sizeof(*r));
	memset(l, 0, sizeof(*l));
	ol_leaver_begin(l, &record_acts, r, 7, &usual, how, "test", t0);
}

/* The table, written a second time: N is impossible. */
static void
test_every_pair(void **state)
{
	enum {
		N = -1,
		G = OL_LEAVER_GONE,
		R = OL_LEAVER_RETIRING,
		L = OL_LEAVER_LAST_CALL,
		K = OL_LEAVER_KILLED
	};
	static const int expected[OL_LEAVER_STATES][OL_LEAVER_EVENTS] = {
		/*             GRACE DEADL EXTEND LIMIT NOW EXITED */
		/* GONE */ { N, N, N, N, N, N },
		/* RETIRING */ { L, K, R, R, K, G },
		/* LAST_CALL */ { N, K, R, N, K, G },
		/* KILLED */ { N, N, N, N, K, G },
	};
	int from, event;

	(void)state;
	for (from = 0; from < OL_LEAVER_STATES; from++)
		for (event = 0; event < OL_LEAVER_EVENTS; event++) {
			struct ol_leaver l;
			struct record r;

			begin(&l, &r, OL_LEAVER_BUDGET);
			l.state = (enum ol_leaver_state)from;
			move(&l, (enum ol_leaver_event)event, t0);
			if (expected[from][event] == N) {
				assert_int_equal(r.impossible, 1);
				assert_int_equal(l.state, from);
			} else {
				assert_int_equal(r.impossible, 0);
				assert_int_equal(
				    l.state, expected[from][event]);
			}
		}
}

static void
test_budget(void **state)
{
	struct ol_leaver l;
	struct record r;

	(void)state;
	begin(&l, &r, OL_LEAVER_BUDGET);
	assert_acts(&r, "tell 7 90; ");
	assert_int_equal(ol_leaver_tick(&l, t0), t0 + OL_SEC(80));
	ol_leaver_tick(&l, t0 + OL_SEC(80) - 1);
	assert_acts(&r, "");
	assert_int_equal(ol_leaver_tick(&l, t0 + OL_SEC(80)),
	    t0 + OL_SEC(90) + OL_LEAVER_SLACK);
	assert_acts(&r, "tell 7 0; ");
	ol_leaver_tick(&l, t0 + OL_SEC(90) + OL_LEAVER_SLACK - 1);
	assert_acts(&r, "");
	assert_int_equal(
	    ol_leaver_tick(&l, t0 + OL_SEC(90) + OL_LEAVER_SLACK), OL_NEVER);
	assert_acts(&r, "kill 7; ");
	assert_int_equal(l.state, OL_LEAVER_KILLED);
	ol_leaver_exited(&l, "SIGKILL", t0 + OL_SEC(91));
	assert_int_equal(l.state, OL_LEAVER_GONE);
	assert_int_equal(r.impossible, 0);
}

static void
test_grace_is_a_quarter_at_most(void **state)
{
	struct ol_leaver_times brief = usual;
	struct ol_leaver l = { 0 };
	struct record r = { 0 };

	(void)state;
	brief.shutdown_delay = OL_SEC(8);
	ol_leaver_begin(
	    &l, &record_acts, &r, 7, &brief, OL_LEAVER_BUDGET, "test", t0);
	assert_int_equal(ol_leaver_tick(&l, t0), t0 + OL_SEC(6));
	/* A wake-up that came too late skips the last call. */
	r.acts[0] = '\0';
	ol_leaver_tick(&l, t0 + OL_SEC(20));
	assert_acts(&r, "kill 7; ");
}

static void
test_no_limit_and_then_one(void **state)
{
	struct ol_leaver l;
	struct record r;
	int64_t now = t0 + OL_SEC(5000);

	(void)state;
	begin(&l, &r, OL_LEAVER_NO_LIMIT);
	assert_acts(&r, "tell 7 -1; ");
	assert_int_equal(ol_leaver_tick(&l, now), OL_NEVER);
	ol_leaver_extend(&l, OL_SEC(60), now);
	assert_int_equal(l.deadline, OL_NEVER);
	ol_leaver_limit(&l, now);
	assert_acts(&r, "tell 7 90; ");
	assert_int_equal(ol_leaver_tick(&l, now), now + OL_SEC(80));
	/* Only the first limit counts. */
	ol_leaver_limit(&l, now + OL_SEC(10));
	assert_acts(&r, "");
	assert_int_equal(l.deadline, now + OL_SEC(90));
}

static void
test_itself_is_not_told(void **state)
{
	struct ol_leaver l;
	struct record r;

	(void)state;
	begin(&l, &r, OL_LEAVER_ITSELF);
	assert_acts(&r, "");
	assert_int_equal(ol_leaver_tick(&l, t0), t0 + OL_SEC(80));
	ol_leaver_tick(&l, t0 + OL_SEC(80));
	assert_acts(&r, "tell 7 0; ");
}

static void
test_hung(void **state)
{
	struct ol_leaver l;
	struct record r;

	(void)state;
	begin(&l, &r, OL_LEAVER_HUNG);
	assert_acts(&r, "tell 7 0; ");
	assert_int_equal(
	    ol_leaver_tick(&l, t0), t0 + OL_SEC(10) + OL_LEAVER_SLACK);
	ol_leaver_extend(&l, OL_SEC(60), t0 + OL_SEC(1));
	ol_leaver_tick(&l, t0 + OL_SEC(10) + OL_LEAVER_SLACK - 1);
	assert_acts(&r, "");
	ol_leaver_tick(&l, t0 + OL_SEC(10) + OL_LEAVER_SLACK);
	assert_acts(&r, "kill 7; ");
}

static void
test_extension(void **state)
{
	struct ol_leaver l;
	struct record r;

	(void)state;
	begin(&l, &r, OL_LEAVER_BUDGET);
	r.acts[0] = '\0';
	/* Less than there is: nothing changes. */
	ol_leaver_extend(&l, OL_SEC(30), t0 + OL_SEC(10));
	assert_int_equal(l.deadline, t0 + OL_SEC(90));
	/* now + asked. */
	ol_leaver_extend(&l, OL_SEC(100), t0 + OL_SEC(20));
	assert_int_equal(l.deadline, t0 + OL_SEC(120));
	assert_int_equal(ol_leaver_tick(&l, t0 + OL_SEC(20)), t0 + OL_SEC(110));
	assert_non_null(strstr(r.said, "30.0 s more, 100.0 s left"));
	/* After the last call it is called back to work; called again later. */
	ol_leaver_tick(&l, t0 + OL_SEC(110));
	assert_acts(&r, "tell 7 0; ");
	ol_leaver_extend(&l, OL_SEC(60), t0 + OL_SEC(115));
	assert_acts(&r, "");
	assert_int_equal(l.state, OL_LEAVER_RETIRING);
	assert_int_equal(
	    ol_leaver_tick(&l, t0 + OL_SEC(115)), t0 + OL_SEC(165));
	/* The next one is told, and not logged again. */
	ol_leaver_tick(&l, t0 + OL_SEC(165));
	assert_acts(&r, "tell 7 0; ");
	assert_null(strstr(strstr(r.said, "last call") + 1, "last call"));
	/* Never beyond shutdown_delay_max; the log says so once. */
	ol_leaver_extend(&l, OL_SEC(1000000), t0 + OL_SEC(166));
	assert_int_equal(l.deadline, t0 + OL_SEC(300));
	assert_non_null(strstr(r.said, "shutdown_delay_max"));
	r.said[0] = '\0';
	ol_leaver_extend(&l, INT64_MAX, t0 + OL_SEC(167));
	ol_leaver_extend(&l, INT64_MAX, t0 + OL_SEC(299));
	assert_int_equal(l.deadline, t0 + OL_SEC(300));
	assert_string_equal(r.said, "");
	/* Dead is dead. */
	ol_leaver_tick(&l, t0 + OL_SEC(301));
	ol_leaver_extend(&l, OL_SEC(60), t0 + OL_SEC(300));
	assert_int_equal(l.state, OL_LEAVER_KILLED);
	assert_int_equal(r.impossible, 0);
}

/* A process that asks a thousand times a second does not fill the log. */
static void
test_extension_flood(void **state)
{
	struct ol_leaver l;
	struct record r;
	int i, lines = 0;
	const char *c;

	(void)state;
	begin(&l, &r, OL_LEAVER_BUDGET);
	r.said[0] = '\0';
	for (i = 0; i < 10000; i++)
		ol_leaver_extend(&l, OL_SEC(100), t0 + i * OL_MSEC(1));
	assert_true(l.deadline >= t0 + OL_SEC(109));
	for (c = r.said; *c != '\0'; c++)
		lines += *c == '\n';
	assert_in_range(lines, 1, 12);
}

static void
test_now(void **state)
{
	struct ol_leaver l;
	struct record r;

	(void)state;
	begin(&l, &r, OL_LEAVER_BUDGET);
	r.acts[0] = '\0';
	ol_leaver_now(&l, t0 + 1);
	ol_leaver_now(&l, t0 + 2);
	assert_acts(&r, "kill 7; ");
	assert_int_equal(ol_leaver_tick(&l, t0 + OL_SEC(1000)), OL_NEVER);
	assert_int_equal(r.impossible, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_grace_is_a_quarter_at_most),
		cmocka_unit_test(test_no_limit_and_then_one),
		cmocka_unit_test(test_itself_is_not_told),
		cmocka_unit_test(test_hung),
		cmocka_unit_test(test_extension),
		cmocka_unit_test(test_extension_flood),
		cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
