#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "master/slot.c"
#include "record.h"

static const struct ol_slot_rules usual = {
	.shutdown_delay = OL_SEC(90),
	.shutdown_delay_max = OL_SEC(300),
	.kill_grace = OL_SEC(10),
	.startup_time_limit = OL_SEC(20),
	.overlap = true,
};

static const int64_t t0 = OL_SEC(1000);

static int64_t
tick(struct ol_slot *s, int64_t now)
{
	int64_t next = ol_slot_tick(s, now);

	assert_true(next > now);
	return next;
}

static void
make(struct ol_slot *s, struct record *r, const struct ol_slot_rules *rules)
{
	memset(r, 0, sizeof(*r));
	ol_slot_init(s, &record_acts, r, 0);
	ol_slot_set(s, rules, 0, 1);
}

/* UP with generation 1, READY at t0. */
static void
bring_up(struct ol_slot *s, struct record *r, const struct ol_slot_rules *rules)
{
	make(s, r, rules);
	ol_slot_start(s, t0);
	tick(s, t0);
	ol_slot_ready(s, 1, t0);
	tick(s, t0);
	assert_int_equal(s->state, OL_SLOT_UP);
	assert_acts(r, "start 1; ");
}

/* In the state, by ways that exist. */
static void
bring_to(struct ol_slot *s, struct record *r, int to)
{
	bring_up(s, r, &usual);
	switch (to) {
	case OL_SLOT_EMPTY:
		ol_slot_stop(s, "stop", false, t0);
		break;
	case OL_SLOT_BACKOFF:
		ol_slot_exited(s, 1, "exit 1", false, t0);
		break;
	case OL_SLOT_STARTING:
		ol_slot_exited(s, 1, "exit 1", false, t0 + OL_SEC(10));
		tick(s, t0 + OL_SEC(10));
		break;
	case OL_SLOT_RENEWING:
		ol_slot_recycle(s, OL_SLOT_RELOAD, t0);
		tick(s, t0);
		break;
	}
	assert_int_equal(s->state, to);
	r->acts[0] = '\0';
}

/* The table, written a second time; N is impossible. */
static void
test_every_pair(void **state)
{
	enum {
		N = -1,
		E = OL_SLOT_EMPTY,
		B = OL_SLOT_BACKOFF,
		S = OL_SLOT_STARTING,
		U = OL_SLOT_UP,
		R = OL_SLOT_RENEWING
	};
	static const int expected[OL_SLOT_STATES][OL_SLOT_EVENTS] = {
		/*            START STOP RECYC DUE READY EXIT LATE LEFT HUNG
		   MAKE_WAY, and READY EXIT LATE LEFT of the successor */
		/* EMPTY */ { B, E, E, N, N, N, N, N, N, N, N, N, N, N },
		/* BACKOFF */ { B, E, B, S, N, N, N, N, N, N, N, N, N, N },
		/* STARTING */ { S, E, B, N, U, B, B, B, N, N, N, N, N, N },
		/* UP */ { U, E, U, R, U, B, N, B, B, B, N, N, N, N },
		/* RENEWING */ { R, E, U, N, R, S, N, S, S, N, U, U, U, U },
	};
	int from, event;

	(void)state;
	for (from = 0; from < OL_SLOT_STATES; from++)
		for (event = 0; event < OL_SLOT_EVENTS; event++) {
			struct ol_slot s;
			struct record r;

			bring_to(&s, &r, from);
			s.how = "test";
			move(&s, (enum ol_slot_event)event, t0 + OL_SEC(10));
			if (expected[from][event] == N) {
				assert_int_equal(r.impossible, 1);
				assert_int_equal(s.state, from);
				assert_acts(&r, "");
			} else {
				assert_int_equal(r.impossible, 0);
				assert_int_equal(
				    s.state, expected[from][event]);
			}
		}
}

static void
test_overlap(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0 + OL_SEC(5));
	tick(&s, t0 + OL_SEC(5));
	assert_acts(&r, "start 2; ");
	assert_true(ol_slot_serves(&s));
	/* Only READY makes the old one leave. */
	tick(&s, t0 + OL_SEC(24));
	assert_acts(&r, "");
	ol_slot_ready(&s, 2, t0 + OL_SEC(24));
	tick(&s, t0 + OL_SEC(24));
	assert_acts(&r, "tell 1 90; ");
	assert_int_equal(s.current.generation, 2);
	assert_int_equal(ol_slot_processes(&s), 2);
	assert_true(ol_slot_leaves(&s, 1));
	ol_slot_ready(&s, 2, t0 + OL_SEC(25)); /* repeated until sent */
	ol_slot_ready(&s, 1, t0 + OL_SEC(25));
	ol_slot_exited(&s, 1, "exit 0", true, t0 + OL_SEC(30));
	assert_int_equal(tick(&s, t0 + OL_SEC(30)), OL_NEVER);
	assert_acts(&r, "");
	assert_int_equal(ol_slot_processes(&s), 1);
	assert_int_equal(r.impossible, 0);
}

static void
test_failed_successor(void **state)
{
	struct ol_slot s;
	struct record r;
	int64_t now = t0 + OL_SEC(100), next;

	(void)state;
	bring_up(&s, &r, &usual);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(20));
	assert_acts(&r, "start 2; ");
	/* It exits: the old one serves on, another try in 250 ms. */
	ol_slot_exited(&s, 2, "exit 1", false, now);
	assert_int_equal(tick(&s, now), now + OL_MSEC(250));
	assert_true(ol_slot_serves(&s));
	assert_int_equal(s.current.generation, 1);
	assert_acts(&r, "");
	now += OL_MSEC(250);
	tick(&s, now);
	assert_acts(&r, "start 3; ");
	/* It hangs: last call, killed after the grace; tried again in 500 ms.
	 */
	now += OL_SEC(20);
	next = tick(&s, now);
	assert_acts(&r, "tell 3 0; ");
	assert_int_equal(next, now + OL_MSEC(500));
	now += OL_MSEC(500);
	tick(&s, now);
	assert_acts(&r, "start 4; ");
	tick(&s, now + OL_MSEC(9500) + OL_LEAVER_SLACK);
	assert_acts(&r, "kill 3; ");
	ol_slot_exited(&s, 3, "SIGKILL", false, now + OL_SEC(10));
	/* At last one that works; a later failure begins at 250 ms again. */
	ol_slot_ready(&s, 4, now + OL_SEC(11));
	now += OL_SEC(11);
	tick(&s, now);
	assert_acts(&r, "tell 1 90; ");
	ol_slot_exited(&s, 1, "exit 0", true, now);
	ol_slot_recycle(&s, OL_SLOT_AGE, now);
	tick(&s, now);
	assert_acts(&r, "start 5; ");
	ol_slot_exited(&s, 5, "exit 1", false, now);
	assert_int_equal(tick(&s, now), now + OL_MSEC(250));
	assert_int_equal(r.impossible, 0);
}

static void
test_old_one_dies_while_successor_starts(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_to(&s, &r, OL_SLOT_RENEWING);
	ol_slot_exited(&s, 1, "SIGSEGV", false, t0 + OL_SEC(1));
	tick(&s, t0 + OL_SEC(1));
	assert_acts(&r, "");
	assert_int_equal(s.state, OL_SLOT_STARTING);
	assert_false(ol_slot_serves(&s));
	ol_slot_ready(&s, 2, t0 + OL_SEC(2));
	assert_int_equal(tick(&s, t0 + OL_SEC(2)), OL_NEVER);
	assert_acts(&r, "");
	assert_true(ol_slot_serves(&s));
}

static void
test_two_generations(void **state)
{
	struct ol_slot s;
	struct record r;
	unsigned g;

	(void)state;
	bring_up(&s, &r, &usual);
	for (g = 2; g <= 3; g++) {
		ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
		tick(&s, t0);
		ol_slot_ready(&s, g, t0);
		tick(&s, t0);
	}
	assert_acts(&r, "start 2; tell 1 90; start 3; tell 2 90; ");
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
	tick(&s, t0);
	tick(&s, t0 + OL_SEC(1));
	assert_acts(&r, "");
	assert_non_null(strstr(r.said, "a recycle waits: 2 older"));
	/* And it says so once. */
	assert_null(strstr(strstr(r.said, "waits") + 1, "waits"));
	ol_slot_exited(&s, 1, "exit 0", true, t0 + OL_SEC(2));
	tick(&s, t0 + OL_SEC(2));
	assert_acts(&r, "start 4; ");
	/* A stop makes three leave. */
	ol_slot_stop(&s, "stop", false, t0 + OL_SEC(3));
	tick(&s, t0 + OL_SEC(3));
	assert_acts(&r, "tell 3 90; tell 4 90; ");
	assert_int_equal(ol_slot_processes(&s), 3);
	/* Wanted again: a start waits until one of the three is gone. */
	ol_slot_start(&s, t0 + OL_SEC(4));
	tick(&s, t0 + OL_SEC(4));
	assert_acts(&r, "");
	ol_slot_exited(&s, 4, "exit 0", true, t0 + OL_SEC(5));
	tick(&s, t0 + OL_SEC(5));
	assert_acts(&r, "start 5; ");
	assert_int_equal(r.impossible, 0);
}

static void
test_pacing(void **state)
{
	static const int64_t delays[] = { OL_MSEC(250), OL_MSEC(500), OL_SEC(1),
		OL_SEC(2), OL_SEC(4), OL_SEC(8), OL_SEC(16), OL_SEC(30),
		OL_SEC(30) };
	struct ol_slot s;
	struct record r;
	int64_t now = t0;
	unsigned g = 1;
	size_t i;

	(void)state;
	make(&s, &r, &usual);
	ol_slot_start(&s, now);
	tick(&s, now);
	for (i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		now += OL_SEC(1);
		ol_slot_ready(&s, g, now);
		now += OL_SEC(9); /* not proven */
		ol_slot_exited(&s, g, "exit 1", false, now);
		assert_int_equal(tick(&s, now), now + delays[i]);
		now += delays[i];
		tick(&s, now);
		g++;
		assert_int_equal(s.current.generation, g);
	}
	/* READY for 10 s: at once, but the pace is remembered. */
	ol_slot_ready(&s, g, now);
	now += OL_SEC(10);
	ol_slot_exited(&s, g, "exit 1", false, now);
	tick(&s, now);
	assert_int_equal(s.current.generation, ++g);
	ol_slot_exited(&s, g, "exit 1", false, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(30));
	now += OL_SEC(30);
	tick(&s, now);
	/* READY for 60 s: forgotten. */
	ol_slot_ready(&s, ++g, now);
	now += OL_SEC(60);
	ol_slot_exited(&s, g, "exit 1", false, now);
	tick(&s, now);
	ol_slot_exited(&s, ++g, "exit 1", false, now);
	assert_int_equal(tick(&s, now), now + OL_MSEC(250));
	assert_int_equal(r.impossible, 0);
}

/* Who reloads has mended something: do not make him wait 30 s. */
static void
test_start_tries_again_at_once(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
	tick(&s, t0);
	ol_slot_exited(&s, 2, "exit 127", false, t0);
	assert_int_equal(tick(&s, t0), t0 + OL_MSEC(250));
	ol_slot_start(&s, t0 + 1);
	tick(&s, t0 + 1);
	assert_acts(&r, "start 2; start 3; ");
	/* And where nobody serves. */
	ol_slot_exited(&s, 1, "exit 1", false, t0 + 1);
	ol_slot_exited(&s, 3, "exit 1", false, t0 + 1);
	assert_int_equal(tick(&s, t0 + 1), t0 + 1 + OL_MSEC(250));
	ol_slot_start(&s, t0 + 2);
	tick(&s, t0 + 2);
	assert_acts(&r, "start 4; ");
	/* Without a recycle that is wanted nothing is started. */
	ol_slot_ready(&s, 4, t0 + 3);
	ol_slot_start(&s, t0 + 4);
	assert_int_equal(tick(&s, t0 + 4), OL_NEVER);
	assert_acts(&r, "");
	assert_int_equal(r.impossible, 0);
}

static void
test_start_that_cannot_fork(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	make(&s, &r, &usual);
	r.refuse = 1;
	ol_slot_start(&s, t0);
	assert_int_equal(tick(&s, t0), t0 + OL_MSEC(250));
	assert_acts(&r, "start 1; ");
	assert_int_equal(ol_slot_processes(&s), 0);
	tick(&s, t0 + OL_MSEC(250));
	ol_slot_ready(&s, 2, t0 + OL_SEC(1));
	r.refuse = 1;
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0 + OL_SEC(2));
	assert_int_equal(
	    tick(&s, t0 + OL_SEC(2)), t0 + OL_SEC(2) + OL_MSEC(250));
	assert_acts(&r, "start 2; start 3; ");
	assert_true(ol_slot_serves(&s));
	assert_int_equal(r.impossible, 0);
}

static void
test_never_ready(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	make(&s, &r, &usual);
	ol_slot_start(&s, t0);
	assert_int_equal(tick(&s, t0), t0 + OL_SEC(20));
	tick(&s, t0 + OL_SEC(20));
	assert_acts(&r, "start 1; tell 1 0; ");
	tick(&s, t0 + OL_SEC(20) + OL_MSEC(250));
	assert_acts(&r, "start 2; ");
	tick(&s, t0 + OL_SEC(30) + OL_LEAVER_SLACK);
	assert_acts(&r, "kill 1; ");
}

static void
test_stop(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	ol_slot_stop(&s, "stop", false, t0);
	assert_int_equal(tick(&s, t0), t0 + OL_SEC(80));
	assert_acts(&r, "tell 1 90; ");
	assert_int_equal(ol_slot_deadline(&s), t0 + OL_SEC(90));
	tick(&s, t0 + OL_SEC(80));
	tick(&s, t0 + OL_SEC(90) + OL_LEAVER_SLACK);
	assert_acts(&r, "tell 1 0; kill 1; ");
	ol_slot_exited(&s, 1, "SIGKILL", false, t0 + OL_SEC(90));
	assert_int_equal(ol_slot_processes(&s), 0);
	assert_int_equal(ol_slot_deadline(&s), 0);
	assert_int_equal(tick(&s, t0 + OL_SEC(90)), OL_NEVER);
	assert_acts(&r, "");
}

static void
test_second_term(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_to(&s, &r, OL_SLOT_RENEWING);
	ol_slot_stop(&s, "stop", false, t0);
	tick(&s, t0);
	assert_acts(&r, "tell 1 90; tell 2 90; ");
	ol_slot_stop_now(&s, t0 + OL_SEC(1));
	assert_int_equal(tick(&s, t0 + OL_SEC(1)), OL_NEVER);
	assert_acts(&r, "kill 1; kill 2; ");
	/* At once without a first one, too. */
	bring_up(&s, &r, &usual);
	ol_slot_stop_now(&s, t0);
	assert_acts(&r, "tell 1 90; kill 1; ");
	assert_int_equal(r.impossible, 0);
}

static void
test_quit_and_then_term(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	ol_slot_stop(&s, "stop", true, t0);
	assert_int_equal(tick(&s, t0 + OL_SEC(100000)), OL_NEVER);
	assert_acts(&r, "tell 1 -1; ");
	ol_slot_stop(&s, "stop", false, t0 + OL_SEC(100000));
	tick(&s, t0 + OL_SEC(100000));
	assert_acts(&r, "tell 1 90; ");
	tick(&s, t0 + OL_SEC(100091));
	assert_acts(&r, "kill 1; ");
	assert_int_equal(r.impossible, 0);
}

static void
test_stops_by_itself(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	/* Somebody sent it a plain TERM: a successor at once. */
	ol_slot_stopping(&s, 1, t0 + OL_SEC(10));
	tick(&s, t0 + OL_SEC(10));
	assert_acts(&r, "start 2; ");
	ol_slot_stopping(&s, 1, t0 + OL_SEC(11));
	/* It has the budget that it knows of, not one second more. */
	assert_int_equal(ol_slot_deadline(&s), t0 + OL_SEC(100));
	ol_slot_ready(&s, 2, t0 + OL_SEC(11));
	tick(&s, t0 + OL_SEC(90));
	tick(&s, t0 + OL_SEC(100) + OL_LEAVER_SLACK);
	assert_acts(&r, "tell 1 0; kill 1; ");
	ol_slot_exited(&s, 1, "SIGKILL", false, t0 + OL_SEC(100));
	/* One that does it as soon as it is ready is paced. */
	ol_slot_stopping(&s, 2, t0 + OL_SEC(101));
	tick(&s, t0 + OL_SEC(101));
	ol_slot_ready(&s, 3, t0 + OL_SEC(101));
	ol_slot_stopping(&s, 3, t0 + OL_SEC(101));
	assert_int_equal(
	    tick(&s, t0 + OL_SEC(101)), t0 + OL_SEC(101) + OL_MSEC(250));
	assert_int_equal(r.impossible, 0);
}

static void
test_reload_while_starting(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	make(&s, &r, &usual);
	ol_slot_start(&s, t0);
	tick(&s, t0);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0 + OL_SEC(1));
	tick(&s, t0 + OL_SEC(1));
	assert_acts(&r, "start 1; tell 1 90; start 2; ");
	ol_slot_ready(&s, 1, t0 + OL_SEC(2)); /* too late */
	assert_false(ol_slot_serves(&s));
	bring_to(&s, &r, OL_SLOT_RENEWING);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0 + OL_SEC(1));
	tick(&s, t0 + OL_SEC(1));
	assert_acts(&r, "tell 2 90; start 3; ");
	assert_int_equal(s.state, OL_SLOT_RENEWING);
	assert_int_equal(s.current.generation, 1);
	assert_int_equal(r.impossible, 0);
}

/* A process computes with what it was started with. */
static void
test_times_of_the_start(void **state)
{
	struct ol_slot_rules longer_rules = usual;
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	longer_rules.shutdown_delay = OL_SEC(200);
	longer_rules.kill_grace = OL_SEC(2);
	ol_slot_set(&s, &longer_rules, 0, 1);
	ol_slot_stop(&s, "stop", false, t0);
	assert_acts(&r, "tell 1 90; ");
	assert_int_equal(tick(&s, t0), t0 + OL_SEC(88));
}

static void
test_recycle_by_age(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s[4];
	struct record r[4];
	int64_t when[4];
	int i, j;

	(void)state;
	rules.recycle_time = OL_SEC(1000);
	for (i = 0; i < 4; i++) {
		bring_up(&s[i], &r[i], &rules);
		ol_slot_set(&s[i], &rules, i, 4);
		when[i] = tick(&s[i], t0);
		assert_in_range(when[i], t0 + OL_SEC(750), t0 + OL_SEC(1000));
		for (j = 0; j < i; j++)
			assert_true(when[j] - when[i] >= OL_SEC(60));
	}
	assert_int_equal(when[0], t0 + OL_SEC(1000));
	tick(&s[0], when[0] - 1);
	assert_acts(&r[0], "");
	tick(&s[0], when[0]);
	assert_acts(&r[0], "start 2; ");
	ol_slot_ready(&s[0], 2, when[0] + OL_SEC(1));
	assert_non_null(strstr(r[0].said, "leaves (recycle time)"));
}

/* A limit that the process itself has reached. */
static void
test_recycle_when_worn(void **state)
{
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	assert_false(ol_slot_worn(&s, 7, OL_SLOT_REQUESTS, t0));
	assert_true(ol_slot_worn(&s, 1, OL_SLOT_REQUESTS, t0));
	/* It goes on reporting. */
	assert_false(ol_slot_worn(&s, 1, OL_SLOT_MEMORY, t0));
	/* Another slot's turn. */
	ol_slot_hold(&s, true);
	assert_int_equal(tick(&s, t0), OL_NEVER);
	assert_acts(&r, "");
	ol_slot_hold(&s, false);
	tick(&s, t0);
	assert_acts(&r, "start 2; ");
	/* The successor is not thrown away for it. */
	assert_false(ol_slot_worn(&s, 1, OL_SLOT_REQUESTS, t0));
	assert_true(ol_slot_renews(&s));
	ol_slot_ready(&s, 2, t0);
	assert_acts(&r, "tell 1 90; ");
	assert_non_null(strstr(r.said, "leaves (recycle requests)"));
	/* A reload does not wait for its turn. */
	assert_true(ol_slot_worn(&s, 2, OL_SLOT_CLOCK, t0));
	ol_slot_hold(&s, true);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
	tick(&s, t0);
	assert_acts(&r, "start 3; ");
	assert_int_equal(r.impossible, 0);
}

static void
test_hung(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s;
	struct record r;
	int64_t now = t0;

	(void)state;
	rules.ping_response_time = OL_SEC(9);
	bring_up(&s, &r, &rules);
	/* Who never pings is not expected to. */
	assert_int_equal(tick(&s, now + OL_SEC(100)), OL_NEVER);
	ol_slot_alive(&s, 1, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(9));
	now += OL_SEC(5);
	ol_slot_alive(&s, 1, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(9));
	now += OL_SEC(9);
	assert_int_equal(tick(&s, now - 1), now);
	assert_acts(&r, "");
	/* It may say where, and is killed within the second; the successor does
	 * not wait for that. */
	tick(&s, now);
	assert_acts(&r, "abort 1; start 2; ");
	assert_non_null(strstr(r.said, "hangs: no ping (WATCHDOG=1) in 9.0 s"));
	tick(&s, now + OL_MSEC(500));
	assert_acts(&r, "kill 1; ");
	ol_slot_exited(&s, 1, "SIGKILL", false, now + OL_MSEC(500));
	/* It is not asked for pings while a successor starts that has none. */
	ol_slot_ready(&s, 2, now);
	ol_slot_alive(&s, 2, now);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, now + OL_SEC(8));
	assert_int_equal(tick(&s, now + OL_SEC(8)), now + OL_SEC(9));
	assert_acts(&r, "start 3; ");
	tick(&s, now + OL_SEC(9));
	assert_acts(&r, "abort 2; ");
	assert_int_equal(s.state, OL_SLOT_STARTING);
	ol_slot_ready(&s, 3, now + OL_SEC(9));
	assert_true(ol_slot_serves(&s));
	assert_int_equal(r.impossible, 0);
}

/* The machine stood still: its ping waits behind us. */
static void
test_not_hung(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s;
	struct record r;
	int64_t now = t0 + OL_SEC(3600);

	(void)state;
	rules.ping_response_time = OL_SEC(9);
	bring_up(&s, &r, &rules);
	ol_slot_alive(&s, 1, t0);
	tick(&s, t0);
	assert_int_equal(tick(&s, now), now + OL_SEC(1));
	assert_acts(&r, "");
	/* But one second only. */
	tick(&s, now + OL_SEC(1));
	assert_acts(&r, "abort 1; start 2; ");
	assert_int_equal(r.impossible, 0);
}

/* A program that knows nothing of us. */
static void
test_simple(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s;
	struct record r;
	int64_t now = t0;

	(void)state;
	rules.simple = true;
	make(&s, &r, &rules);
	ol_slot_start(&s, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(1));
	tick(&s, now + OL_SEC(1) - 1);
	assert_false(ol_slot_serves(&s));
	now += OL_SEC(1);
	assert_int_equal(tick(&s, now), OL_NEVER);
	assert_true(ol_slot_serves(&s));
	/* It ends by itself after some requests: at once, and no warning. */
	ol_slot_exited(&s, 1, "exit 0", true, now);
	assert_int_equal(tick(&s, now), now + OL_SEC(1));
	assert_acts(&r, "start 1; start 2; ");
	assert_null(strstr(r.said, "unasked"));
	/* One that ends at once is paced, as is one that fails. */
	ol_slot_exited(&s, 2, "exit 0", true, now + OL_MSEC(999));
	now += OL_MSEC(999);
	assert_int_equal(tick(&s, now), now + OL_MSEC(250));
	now += OL_MSEC(250);
	tick(&s, now);
	now += OL_SEC(1);
	tick(&s, now);
	ol_slot_exited(&s, 3, "exit 1", false, now);
	assert_int_equal(tick(&s, now), now + OL_MSEC(500));
	assert_acts(&r, "start 3; ");
	/* The successor serves a second beside the old one. */
	now += OL_MSEC(500);
	tick(&s, now);
	now += OL_SEC(1);
	tick(&s, now);
	ol_slot_recycle(&s, OL_SLOT_RELOAD, now);
	tick(&s, now);
	assert_acts(&r, "start 4; start 5; ");
	ol_slot_exited(&s, 4, "exit 0", true, now);
	tick(&s, now + OL_SEC(1));
	assert_acts(&r, "");
	assert_int_equal(s.current.generation, 5);
	assert_true(ol_slot_serves(&s));
	assert_int_equal(r.impossible, 0);
}

/* What counts for rapid_fail: where nobody serves for it. */
static void
test_crashes(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s;
	struct record r;

	(void)state;
	bring_up(&s, &r, &usual);
	/* A successor that fails leaves the old one in service. */
	ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
	tick(&s, t0);
	ol_slot_exited(&s, 2, "exit 1", false, t0);
	assert_int_equal(r.crashes, 0);
	ol_slot_exited(&s, 1, "SIGSEGV", false, t0);
	assert_int_equal(r.crashes, 1);
	/* Not ready in time; a process that was told is none. */
	tick(&s, t0 + OL_SEC(1));
	tick(&s, t0 + OL_SEC(21));
	assert_int_equal(r.crashes, 2);
	ol_slot_exited(&s, 3, "SIGKILL", false, t0 + OL_SEC(21));
	ol_slot_stop(&s, "stop", false, t0 + OL_SEC(22));
	ol_slot_exited(&s, 4, "SIGSEGV", false, t0 + OL_SEC(22));
	assert_int_equal(r.crashes, 2);
	/* It leaves by itself: an operator's word, but not before READY. */
	bring_up(&s, &r, &usual);
	ol_slot_stopping(&s, 1, t0);
	assert_int_equal(r.crashes, 0);
	tick(&s, t0 + OL_SEC(1));
	ol_slot_stopping(&s, 2, t0 + OL_SEC(1));
	assert_int_equal(r.crashes, 1);
	/* The normal end of a simple program, and one at once. */
	rules.simple = true;
	make(&s, &r, &rules);
	ol_slot_start(&s, t0);
	tick(&s, t0);
	tick(&s, t0 + OL_SEC(1));
	ol_slot_exited(&s, 1, "exit 0", true, t0 + OL_SEC(1));
	assert_int_equal(r.crashes, 0);
	tick(&s, t0 + OL_SEC(1));
	ol_slot_exited(&s, 2, "exit 0", true, t0 + OL_SEC(1));
	assert_int_equal(r.crashes, 1);
}

/* The old one first: without overlap, or when the type has changed. */
static void
test_make_way(void **state)
{
	struct ol_slot_rules rules = usual;
	struct ol_slot s;
	struct record r;
	int change;

	(void)state;
	for (change = 0; change < 2; change++) {
		rules = usual;
		bring_up(&s, &r, &rules);
		rules.overlap = change != 0;
		rules.simple = change != 0;
		ol_slot_set(&s, &rules, 0, 1);
		ol_slot_recycle(&s, OL_SLOT_RELOAD, t0);
		ol_slot_block(&s, true);
		tick(&s, t0);
		assert_acts(&r, "tell 1 90; ");
		assert_non_null(strstr(r.said, "leaves (reload)"));
		assert_false(ol_slot_serves(&s));
		/* It has said that it does not accept any more. */
		ol_slot_block(&s, false);
		tick(&s, t0 + OL_SEC(1));
		assert_acts(&r, "start 2; ");
		assert_int_equal(ol_slot_processes(&s), 2);
		assert_int_equal(r.impossible, 0);
	}
}

/* --- A million events at random. --- */

static uint64_t
draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

enum { ALIVE = 8 };

struct world {
	struct {
		unsigned generation;
		int told; /* -2: not */
		bool killed, said_stopping, said_ready;
	} p[ALIVE];
	uint64_t seed;
	unsigned last;
	int alive, impossible;
	long starts, ends, kills, aborts, crashes;
};

static int
world_find(const struct world *w, unsigned generation)
{
	int i;

	for (i = 0; i < ALIVE; i++)
		if (w->p[i].generation == generation)
			return i;
	return -1;
}

static int
world_start(void *arg, unsigned generation)
{
	struct world *w = arg;
	int i;

	assert_true(generation > w->last);
	w->last = generation;
	if (draw(&w->seed) % 50 == 0)
		return -1;
	i = world_find(w, 0);
	assert_true(i >= 0);
	memset(&w->p[i], 0, sizeof(w->p[i]));
	w->p[i].generation = generation;
	w->p[i].told = -2;
	w->alive++;
	w->starts++;
	return 0;
}

static void
world_tell(void *arg, unsigned generation, int seconds)
{
	struct world *w = arg;
	int i = world_find(w, generation);

	assert_true(i >= 0);
	assert_false(w->p[i].killed);
	assert_true(seconds >= -1);
	w->p[i].told = seconds;
}

static void
world_abort(void *arg, unsigned generation)
{
	struct world *w = arg;
	int i = world_find(w, generation);

	assert_true(i >= 0);
	assert_int_equal(w->p[i].told, -2);
	w->p[i].told = 0;
	w->aborts++;
}

static void
world_kill(void *arg, unsigned generation, const char *why)
{
	struct world *w = arg;
	int i = world_find(w, generation);

	(void)why;
	assert_true(i >= 0);
	assert_false(w->p[i].killed);
	/* Nobody is killed without a word before. */
	assert_true(w->p[i].told != -2 || w->p[i].said_stopping);
	w->p[i].killed = true;
	w->kills++;
}

static void
world_say(
    void *arg, unsigned generation, enum ol_log_level level, const char *line)
{
	struct world *w = arg;

	(void)generation;
	(void)level;
	if (strncmp(line, "impossible", 10) == 0) {
		print_error("%s\n", line);
		w->impossible++;
	}
}

static void
world_crashed(void *arg)
{
	((struct world *)arg)->crashes++;
}

static const struct ol_acts world_acts = {
	.start = world_start,
	.tell = world_tell,
	.abort = world_abort,
	.kill = world_kill,
	.crashed = world_crashed,
	.say = world_say,
};

static void
check(const struct world *w, const struct ol_slot *s)
{
	int i, accepting = 0;

	assert_int_equal(w->impossible, 0);
	assert_int_equal(w->alive, ol_slot_processes(s));
	assert_true(w->alive <= 3);
	for (i = 0; i < ALIVE; i++) {
		bool seated;

		if (w->p[i].generation == 0)
			continue;
		seated = !ol_slot_leaves(s, w->p[i].generation);
		/* Who was not told and did not leave has a seat; else not. */
		assert_int_equal(seated, w->p[i].told == -2 &&
					     !w->p[i].said_stopping &&
					     !w->p[i].killed);
		accepting += seated && w->p[i].said_ready;
	}
	/* The successor's READY takes the old one's seat in the same step. */
	assert_true(accepting <= 1);
	assert_int_equal(accepting, ol_slot_serves(s));
	assert_true(s->state != OL_SLOT_EMPTY ||
		    (s->current.generation == 0 && s->next.generation == 0));
}

static void
reap(struct world *w, struct ol_slot *s, int i, int64_t now)
{
	unsigned generation = w->p[i].generation;

	w->p[i].generation = 0;
	w->alive--;
	w->ends++;
	ol_slot_exited(s, generation, "exit 0", true, now);
}

static void
one_event(struct world *w, struct ol_slot *s, int64_t now)
{
	int i = (int)(draw(&w->seed) % ALIVE);
	bool here = w->p[i].generation != 0;

	switch (draw(&w->seed) % 18) {
	case 16:
		if (here)
			ol_slot_alive(s, w->p[i].generation, now);
		break;
	case 0:
		ol_slot_start(s, now);
		break;
	case 1:
		ol_slot_stop(s, "stop", draw(&w->seed) % 4 == 0, now);
		break;
	case 2:
		if (draw(&w->seed) % 8 == 0)
			ol_slot_stop_now(s, now);
		break;
	case 3:
		ol_slot_recycle(s, OL_SLOT_RELOAD, now);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		if (here && !w->p[i].killed) {
			if (!ol_slot_leaves(s, w->p[i].generation))
				w->p[i].said_ready = true;
			ol_slot_ready(s, w->p[i].generation, now);
		}
		break;
	case 8:
		if (here && !w->p[i].killed && draw(&w->seed) % 4 == 0) {
			w->p[i].said_stopping = true;
			ol_slot_stopping(s, w->p[i].generation, now);
		}
		break;
	case 9:
		if (here)
			ol_slot_extend(s, w->p[i].generation,
			    (int64_t)(draw(&w->seed) % OL_SEC(400)), now);
		break;
	case 10:
	case 11:
		if (here && (w->p[i].told != -2 || draw(&w->seed) % 8 == 0))
			reap(w, s, i, now);
		break;
	default:
		if (here && w->p[i].killed)
			reap(w, s, i, now);
		break;
	}
}

static void
test_random_life(void **state)
{
	const char *given = getenv("SEED");
	struct world w = { 0 };
	struct ol_slot s;
	struct ol_slot_rules rules = usual;
	int64_t now = t0, next;
	long n, events = 1500000;
	int i;

	(void)state;
	w.seed = given != NULL ? strtoull(given, NULL, 10)
			       : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("SEED=%llu\n", (unsigned long long)w.seed);
	rules.recycle_time = OL_SEC(500);
	rules.ping_response_time = OL_SEC(5);
	ol_slot_init(&s, &world_acts, &w, 0);
	ol_slot_set(&s, &rules, 1, 3);
	ol_slot_start(&s, now);
	for (n = 0; n < events; n++) {
		one_event(&w, &s, now);
		next = tick(&s, now);
		check(&w, &s);
		/* Mostly little time passes; sometimes all that is due. */
		switch (draw(&w.seed) % 8) {
		case 0:
			if (next != OL_NEVER)
				now = next;
			break;
		case 1:
			now += (int64_t)(draw(&w.seed) % OL_SEC(100));
			break;
		default:
			now += (int64_t)(draw(&w.seed) % OL_MSEC(200));
			break;
		}
		tick(&s, now);
		check(&w, &s);
	}
	/* In the end everything that was started comes to its end. */
	ol_slot_stop(&s, "stop", false, now);
	while ((next = tick(&s, now)) != OL_NEVER)
		now = next;
	for (i = 0; i < ALIVE; i++)
		if (w.p[i].generation != 0) {
			assert_true(w.p[i].killed);
			reap(&w, &s, i, now);
		}
	assert_int_equal(tick(&s, now), OL_NEVER);
	assert_int_equal(ol_slot_processes(&s), 0);
	assert_int_equal(w.starts, w.ends);
	print_message(
	    "%ld events, %ld starts, %ld kills\n", events, w.starts, w.kills);
	/* Not a quiet life. */
	assert_true(w.starts > events / 100 && w.kills > 100);
	assert_true(w.aborts > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_failed_successor),
		cmocka_unit_test(test_old_one_dies_while_successor_starts),
		cmocka_unit_test(test_two_generations),
		cmocka_unit_test(test_pacing),
		cmocka_unit_test(test_start_tries_again_at_once),
		cmocka_unit_test(test_start_that_cannot_fork),
		cmocka_unit_test(test_never_ready),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_second_term),
		cmocka_unit_test(test_quit_and_then_term),
		cmocka_unit_test(test_stops_by_itself),
		cmocka_unit_test(test_reload_while_starting),
		cmocka_unit_test(test_times_of_the_start),
		cmocka_unit_test(test_recycle_by_age),
		cmocka_unit_test(test_recycle_when_worn),
		cmocka_unit_test(test_simple),
		cmocka_unit_test(test_make_way),
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_hung),
		cmocka_unit_test(test_not_hung),
		cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
