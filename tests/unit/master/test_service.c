#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "master/service.c"

static const int64_t t0 = OL_SEC(1000);

/* Hands that write down what they are told to do. */
struct hands {
	char acts[512]; /* "start 1; kill engine; sweep; " */
	char said[4096];
	int impossible;
	int refuse; /* so many starts fail */
	int left;   /* programs that the next sweeps find */
};

static void
add(struct hands *h, const char *text)
{
	strlcat(h->acts, text, sizeof(h->acts));
}

static int
hand_start(void *arg, bool engine)
{
	struct hands *h = arg;

	add(h, engine ? "start both; " : "start spawner; ");
	return h->refuse-- > 0 ? -1 : 0;
}

static void
hand_kill(void *arg, enum ol_service_role role, const char *why)
{
	(void)why;
	add(arg,
	    role == OL_SERVICE_ENGINE ? "kill engine; " : "kill spawner; ");
}

static int
hand_sweep(void *arg)
{
	struct hands *h = arg;

	add(h, "sweep; ");
	return h->left > 0 ? h->left-- : h->left;
}

static void
hand_say(void *arg, enum ol_log_level level, const char *line)
{
	struct hands *h = arg;

	(void)level;
	h->impossible += strncmp(line, "impossible", 10) == 0;
	strlcat(h->said, line, sizeof(h->said));
	strlcat(h->said, "\n", sizeof(h->said));
}

static const struct ol_service_acts hands = {
	.start = hand_start,
	.kill = hand_kill,
	.sweep = hand_sweep,
	.say = hand_say,
};

#define assert_acts(h, expected) \
	do { \
		assert_string_equal((h)->acts, expected); \
		(h)->acts[0] = '\0'; \
	} while (0)

static void
begin(struct ol_service *s, struct hands *h)
{
	memset(h, 0, sizeof(*h));
	ol_service_init(s, &hands, h);
}

/* A pair that runs since t0. */
static void
begin_up(struct ol_service *s, struct hands *h)
{
	begin(s, h);
	ol_service_want(s, true, t0);
	ol_service_tick(s, t0);
	assert_acts(h, "start both; ");
	assert_int_equal(s->state, OL_SERVICE_UP);
}

/* The table, written a second time: N is impossible. */
static void
test_every_pair(void **state)
{
	enum {
		N = -1,
		O = OL_SERVICE_OFF,
		D = OL_SERVICE_DUE,
		U = OL_SERVICE_UP,
		S = OL_SERVICE_NO_SPAWNER,
		H = OL_SERVICE_HALF,
		A = OL_SERVICE_ALONE,
		E = OL_SERVICE_NO_ENGINE,
		W = OL_SERVICE_SWEEPING
	};
	static const int expected[OL_SERVICE_STATES][OL_SERVICE_EVENTS] = {
		/*       BEGIN END STARTED FAILED ENGINE SPAWNER LEFT SWEPT
			 OVERDUE */
		/* OFF */ { D, N, N, N, N, N, N, N, N },
		/* DUE */ { N, O, U, D, N, N, N, N, N },
		/* UP */ { N, N, N, N, E, S, A, N, U },
		/* NO_SPAWNER */ { N, N, N, N, W, N, N, H, S },
		/* HALF */ { N, N, U, H, W, N, N, N, H },
		/* ALONE */ { N, N, N, N, W, N, N, N, A },
		/* NO_ENGINE */ { N, N, N, N, N, W, N, N, E },
		/* SWEEPING */ { N, N, N, N, N, N, N, D, N },
	};
	int from, event;

	(void)state;
	for (from = 0; from < OL_SERVICE_STATES; from++)
		for (event = 0; event < OL_SERVICE_EVENTS; event++) {
			struct ol_service s;
			struct hands h;

			begin(&s, &h);
			s.wanted = true;
			s.state = (enum ol_service_state)from;
			move(&s, (enum ol_service_event)event, t0);
			if (expected[from][event] == N) {
				assert_int_equal(h.impossible, 1);
				assert_int_equal(s.state, from);
			} else {
				assert_int_equal(h.impossible, 0);
				assert_int_equal(
				    s.state, expected[from][event]);
			}
		}
}

/* The next engine comes when the last program of the first is gone. */
static void
test_engine_dies(void **state)
{
	struct ol_service s;
	struct hands h;
	int64_t now = t0 + OL_SEC(60);

	(void)state;
	begin_up(&s, &h);
	assert_int_equal(ol_service_tick(&s, now), OL_NEVER);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGSEGV", now);
	assert_int_equal(ol_service_tick(&s, now), now + OL_SERVICE_CLEAR);
	assert_acts(&h, "");
	h.left = 1;
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", now);
	assert_true(ol_service_tick(&s, now) <= now + OL_MSEC(10));
	assert_acts(&h, "sweep; ");
	ol_service_tick(&s, now);
	assert_acts(&h, "sweep; start both; ");
	assert_int_equal(s.state, OL_SERVICE_UP);
	assert_non_null(strstr(h.said, "SIGSEGV"));
	assert_int_equal(h.impossible, 0);
}

/* At once; then 1 s, 2 s, … 30 s; one that lives long begins anew. */
static void
test_back_off(void **state)
{
	static const int wait[] = { 0, 1, 2, 4, 8, 16, 30, 30 };
	struct ol_service s;
	struct hands h;
	int64_t now = t0;
	size_t i;

	(void)state;
	begin_up(&s, &h);
	for (i = 0; i < sizeof(wait) / sizeof(wait[0]); i++) {
		now += OL_SEC(9);
		ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 1", now);
		ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", now);
		h.acts[0] = '\0';
		if (wait[i] > 0) {
			assert_int_equal(
			    ol_service_tick(&s, now), now + OL_SEC(wait[i]));
			assert_acts(&h, "sweep; ");
			now += OL_SEC(wait[i]);
			ol_service_tick(&s, now - 1);
			assert_acts(&h, "");
			ol_service_tick(&s, now);
			assert_acts(&h, "start both; ");
		} else {
			ol_service_tick(&s, now);
			assert_acts(&h, "sweep; start both; ");
		}
	}
	assert_non_null(strstr(h.said, "died 3 times in a row; the next one "
				       "starts in 2 s"));
	now += OL_SEC(10);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 1", now);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", now);
	ol_service_tick(&s, now);
	assert_acts(&h, "sweep; start both; ");
}

static void
test_start_fails(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin(&s, &h);
	h.refuse = 2;
	ol_service_want(&s, true, t0);
	assert_int_equal(ol_service_tick(&s, t0), t0);
	assert_int_equal(ol_service_tick(&s, t0), t0 + OL_SEC(1));
	assert_int_equal(ol_service_tick(&s, t0 + OL_SEC(1)), OL_NEVER);
	assert_acts(&h, "start both; start both; start both; ");
	assert_int_equal(s.state, OL_SERVICE_UP);
}

static void
test_spawner_dies(void **state)
{
	struct ol_service s;
	struct hands h;
	int64_t now = t0 + OL_SEC(60);

	(void)state;
	begin_up(&s, &h);
	h.left = 2;
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "SIGKILL", now);
	ol_service_tick(&s, now);
	ol_service_tick(&s, now);
	assert_acts(&h, "sweep; sweep; ");
	assert_int_equal(s.state, OL_SERVICE_NO_SPAWNER);
	assert_int_equal(ol_service_tick(&s, now), OL_NEVER);
	assert_acts(&h, "sweep; start spawner; ");
	assert_int_equal(s.state, OL_SERVICE_UP);
	/* It also counts its own deaths. */
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "SIGKILL", now);
	assert_int_equal(ol_service_tick(&s, now), now + OL_SEC(1));
	assert_acts(&h, "sweep; ");
	assert_int_equal(s.state, OL_SERVICE_HALF);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGKILL", now);
	ol_service_tick(&s, now);
	assert_acts(&h, "sweep; start both; ");
	assert_int_equal(h.impossible, 0);
}

/* One that exits as it should, but unasked, is replaced, too. */
static void
test_spawner_leaves_unasked(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0 + OL_SEC(60));
	ol_service_tick(&s, t0 + OL_SEC(60));
	assert_acts(&h, "sweep; start spawner; ");
}

static void
test_end(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	ol_service_want(&s, false, t0);
	assert_int_equal(s.state, OL_SERVICE_UP);
	ol_service_ending(&s, t0 + OL_SEC(5));
	assert_int_equal(ol_service_tick(&s, t0), t0 + OL_SEC(5));
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0);
	assert_int_equal(s.state, OL_SERVICE_ALONE);
	assert_int_equal(ol_service_tick(&s, t0), t0 + OL_SEC(5));
	assert_acts(&h, "");
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 0", t0);
	assert_int_equal(ol_service_tick(&s, t0), OL_NEVER);
	assert_acts(&h, "sweep; ");
	assert_int_equal(s.state, OL_SERVICE_OFF);
	assert_null(strstr(h.said, "died"));
	/* And again. */
	ol_service_want(&s, true, t0);
	ol_service_tick(&s, t0);
	assert_acts(&h, "start both; ");
}

static void
test_overdue(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	ol_service_want(&s, false, t0);
	ol_service_ending(&s, t0 + OL_SEC(5));
	ol_service_tick(&s, t0 + OL_SEC(5) - 1);
	assert_acts(&h, "");
	/* Once. */
	assert_int_equal(ol_service_tick(&s, t0 + OL_SEC(5)), OL_NEVER);
	ol_service_tick(&s, t0 + OL_SEC(6));
	assert_acts(&h, "kill engine; ");
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGKILL", t0 + OL_SEC(6));
	/* A spawner that does not follow: the time for the engine was all. */
	assert_true(OL_SERVICE_CLEAR_LATE < OL_SERVICE_CLEAR_LAST);
	assert_int_equal(ol_service_tick(&s, t0 + OL_SEC(6)),
	    t0 + OL_SEC(6) + OL_SERVICE_CLEAR_LATE);
	ol_service_tick(&s, t0 + OL_SEC(6) + OL_SERVICE_CLEAR_LATE);
	assert_acts(&h, "kill spawner; ");
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "SIGKILL", t0 + OL_SEC(12));
	ol_service_tick(&s, t0 + OL_SEC(12));
	assert_acts(&h, "sweep; ");
	assert_int_equal(s.state, OL_SERVICE_OFF);
	assert_int_equal(h.impossible, 0);
}

/* A spawner dies in a stop: the engine still needs one to hear of its end. */
static void
test_spawner_dies_in_a_stop(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	ol_service_want(&s, false, t0);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "SIGKILL", t0 + OL_SEC(60));
	ol_service_tick(&s, t0 + OL_SEC(60));
	assert_acts(&h, "sweep; start spawner; ");
	/* The engine as well: nothing is started any more. */
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGKILL", t0 + OL_SEC(61));
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0 + OL_SEC(61));
	ol_service_tick(&s, t0 + OL_SEC(61));
	assert_acts(&h, "sweep; ");
	assert_int_equal(s.state, OL_SERVICE_OFF);
}

/* In a stop the master does not stay for a spawner that hangs: it is killed. */
static void
test_spawner_hangs_in_a_stop(void **state)
{
	struct ol_service s;
	struct hands h;
	int64_t now = t0 + OL_SEC(60), limit = now + OL_MSEC(350);

	(void)state;
	begin_up(&s, &h);
	ol_service_want(&s, false, now);
	ol_service_ending(&s, limit);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 0", now);
	now += OL_SERVICE_CLEAR_LAST;
	assert_int_equal(ol_service_tick(&s, now - 1), now);
	assert_acts(&h, "");
	ol_service_tick(&s, now);
	assert_acts(&h, "kill spawner; ");

	/* Also when its engine died a moment before the stop. */
	begin_up(&s, &h);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGSEGV", now);
	ol_service_want(&s, false, now);
	now += OL_SERVICE_CLEAR_LAST;
	ol_service_tick(&s, now);
	assert_acts(&h, "kill spawner; ");
	assert_int_equal(h.impossible, 0);
}

static void
test_not_wanted_any_more(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin(&s, &h);
	ol_service_want(&s, true, t0);
	ol_service_want(&s, false, t0);
	assert_int_equal(ol_service_tick(&s, t0), OL_NEVER);
	assert_acts(&h, "");
	/* Wanted again while it ends: the next one follows. */
	begin_up(&s, &h);
	ol_service_want(&s, false, t0);
	ol_service_ending(&s, t0 + OL_SEC(60));
	ol_service_want(&s, true, t0);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0 + OL_SEC(30));
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 0", t0 + OL_SEC(30));
	assert_int_equal(ol_service_tick(&s, t0 + OL_SEC(30)), OL_NEVER);
	assert_acts(&h, "sweep; start both; ");
	assert_int_equal(s.limit, OL_NEVER);
}

/* Tasks that come back while their engine ends have the next one at once. */
static void
test_wanted_again(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 1", t0);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0);
	ol_service_tick(&s, t0);
	h.acts[0] = '\0';
	ol_service_want(&s, false, t0);
	ol_service_ending(&s, t0 + OL_SEC(5));
	ol_service_want(&s, true, t0 + 1);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "exit 0", t0 + 2);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0 + 2);
	ol_service_tick(&s, t0 + 2);
	assert_acts(&h, "sweep; start both; ");
	assert_int_equal(h.impossible, 0);
}

/* What cannot be seen is not gone. */
static void
test_sweep_is_blind(void **state)
{
	struct ol_service s;
	struct hands h;
	int i;

	(void)state;
	begin_up(&s, &h);
	ol_service_ended(&s, OL_SERVICE_ENGINE, "SIGKILL", t0);
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "exit 0", t0);
	h.left = -1;
	for (i = 0; i < 600; i++)
		ol_service_tick(&s, t0 + i * OL_MSEC(10));
	assert_int_equal(s.state, OL_SERVICE_SWEEPING);
	assert_non_null(strstr(h.said, "cannot see what"));
	h.left = 0;
	h.acts[0] = '\0';
	ol_service_tick(&s, t0 + OL_SEC(7));
	assert_acts(&h, "sweep; start both; ");
}

static void
test_what_does_not_die(void **state)
{
	struct ol_service s;
	struct hands h;

	(void)state;
	begin_up(&s, &h);
	h.left = 1000;
	ol_service_ended(&s, OL_SERVICE_SPAWNER, "SIGKILL", t0);
	ol_service_tick(&s, t0 + OL_SEC(4));
	assert_null(strstr(h.said, "do not die"));
	ol_service_tick(&s, t0 + OL_SEC(5));
	assert_non_null(strstr(h.said, "do not die of SIGKILL"));
	h.said[0] = '\0';
	ol_service_tick(&s, t0 + OL_SEC(6));
	assert_string_equal(h.said, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_engine_dies),
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_start_fails),
		cmocka_unit_test(test_spawner_dies),
		cmocka_unit_test(test_spawner_leaves_unasked),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_overdue),
		cmocka_unit_test(test_spawner_dies_in_a_stop),
		cmocka_unit_test(test_spawner_hangs_in_a_stop),
		cmocka_unit_test(test_not_wanted_any_more),
		cmocka_unit_test(test_wanted_again),
		cmocka_unit_test(test_sweep_is_blind),
		cmocka_unit_test(test_what_does_not_die),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
