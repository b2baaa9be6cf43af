#include <sys/socket.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "master/briefing.h"
#include "master/wire.h"

static const int64_t t0 = OL_SEC(1000);

/* A wire to ourselves; the other end is *other. */
static void
begin(struct ol_wire *w, int *other)
{
	int ends[2];

	assert_int_equal(ol_channel_pair(ends), 0);
	ol_wire_init(w);
	w->channel = ends[0];
	*other = ends[1];
}

static void
say(int other, enum ol_order_verb verb)
{
	const struct ol_order order = { .verb = verb, .generation = 1 };

	assert_int_equal(ol_order_send(other, &order, NULL), 0);
}

static int
open_descriptors(void)
{
	int fd, n = 0;

	for (fd = 0; fd < 256; fd++)
		n += dup2(fd, fd) != -1;
	return n;
}

static void
test_hear(void **state)
{
	struct ol_order order;
	struct ol_wire w;
	int other;

	(void)state;
	begin(&w, &other);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_NOTHING);
	say(other, OL_ORDER_READY);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_ORDER);
	assert_int_equal(order.verb, OL_ORDER_READY);
	/* What was said before the end is heard. */
	say(other, OL_ORDER_DRAINED);
	close(other);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_ORDER);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_END);
	ol_wire_hang_up(&w);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_NOTHING);
	assert_true(ol_wire_tell(
	    &w, &(struct ol_order){ .verb = OL_ORDER_EXIT }, NULL));
}

static void
test_rubbish(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} all[] = { { "", 0 }, { "ready ", 6 }, { "ready\0", 6 }, { "nose", 4 },
		{ "applied 0", 9 }, { "running 4294967296", 18 },
		{ "deadline -1", 11 }, { "config 1 0 0", 12 } };
	struct ol_order order;
	struct ol_wire w;
	char big[4000];
	int other;
	size_t i;

	(void)state;
	begin(&w, &other);
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(
		    send(other, all[i].bytes, all[i].len, 0), (int)all[i].len);
		assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_RUBBISH);
	}
	memset(big, 'x', sizeof(big));
	assert_int_equal(send(other, big, sizeof(big), 0), (int)sizeof(big));
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_RUBBISH);
	close(other);
	ol_wire_hang_up(&w);
}

/* Descriptors are closed, those of an order that is ours to give, too. */
static void
test_descriptors(void **state)
{
	struct ol_order order = { .verb = OL_ORDER_SPAWNER };
	int other, was, fds[OL_CHANNEL_FDS];
	struct ol_wire w;
	size_t i;

	(void)state;
	begin(&w, &other);
	was = open_descriptors();
	for (i = 0; i < OL_CHANNEL_FDS; i++)
		fds[i] = other;
	assert_int_equal(ol_order_send(other, &order, fds), 0);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_RUBBISH);
	assert_int_equal(
	    ol_channel_send(other, "ready", 5, fds, OL_CHANNEL_FDS), 0);
	assert_int_equal(ol_wire_hear(&w, &order, t0), OL_WIRE_RUBBISH);
	assert_int_equal(open_descriptors(), was);
	close(other);
	ol_wire_hang_up(&w);
}

static void
test_flood(void **state)
{
	struct ol_order order;
	struct ol_wire w;
	int64_t now = t0;
	int other, i;

	(void)state;
	begin(&w, &other);
	/* As many in each second are heard. */
	for (i = 0; i < 3 * OL_WIRE_MOST; i++) {
		if (i % OL_WIRE_MOST == 0)
			now += OL_WIRE_WHILE;
		say(other, OL_ORDER_READY);
		assert_int_equal(ol_wire_hear(&w, &order, now), OL_WIRE_ORDER);
	}
	say(other, OL_ORDER_READY);
	assert_int_equal(ol_wire_hear(&w, &order, now), OL_WIRE_RUBBISH);
	close(other);
	ol_wire_hang_up(&w);
}

/* One that does not read is told later, one that is gone never. */
static void
test_tell(void **state)
{
	const struct ol_order ping = { .verb = OL_ORDER_PING };
	struct ol_order order;
	struct ol_wire w, back;
	int other, n = 0;

	(void)state;
	begin(&w, &other);
	ol_wire_init(&back);
	back.channel = other;
	while (ol_wire_tell(&w, &ping, NULL))
		assert_true(++n < 100000);
	assert_int_equal(ol_wire_hear(&back, &order, t0), OL_WIRE_ORDER);
	assert_true(ol_wire_tell(&w, &ping, NULL));
	ol_wire_hang_up(&back);
	assert_true(ol_wire_tell(&w, &ping, NULL));
	ol_wire_hang_up(&w);
}

/* Descriptors under way are limited to RLIMIT_NOFILE of a user that is not
 * root; what is not taken stays to be told. A configuration is told once. */
static void
test_brief(void **state)
{
	struct ol_order order;
	struct ol_briefing b;
	struct ol_wire w;
	int other, fds[OL_CHANNEL_FDS];

	(void)state;
	begin(&w, &other);
	w.pid = getpid();
	ol_briefing_init(&b);
	ol_briefing_set(&b, dup(other), NULL, 0);
	assert_int_equal(b.generation, 1);
	assert_true(ol_briefing_tell_engine(&b, &w, t0));
	assert_true(ol_briefing_tell_engine(&b, &w, t0));
	assert_int_equal(ol_order_receive(other, &order, fds), 1);
	assert_int_equal(order.verb, OL_ORDER_CONFIG);
	assert_int_equal(order.generation, 1);
	close(fds[0]);
	assert_int_equal(ol_order_receive(other, &order, fds), -1);

	/* It could not be taken: after 1 s, then 2, then 4, up to 300. */
	ol_briefing_failed(&w, t0);
	assert_true(ol_briefing_due(&w) == t0 + OL_SEC(1));
	assert_true(ol_briefing_tell_engine(&b, &w, t0 + OL_SEC(1) - 1));
	assert_int_equal(ol_order_receive(other, &order, fds), -1);
	assert_true(ol_briefing_tell_engine(&b, &w, t0 + OL_SEC(1)));
	assert_int_equal(ol_order_receive(other, &order, fds), 1);
	close(fds[0]);
	assert_true(ol_briefing_due(&w) == OL_NEVER);
	ol_briefing_failed(&w, t0);
	assert_true(ol_briefing_due(&w) == t0 + OL_SEC(2));
	ol_briefing_failed(&w, t0);
	assert_true(ol_briefing_due(&w) == t0 + OL_SEC(4));
	/* The next one is told at once, and begins anew. */
	ol_briefing_set(&b, dup(other), NULL, 0);
	assert_true(ol_briefing_tell_engine(&b, &w, t0));
	assert_int_equal(ol_order_receive(other, &order, fds), 1);
	assert_int_equal(order.generation, 2);
	close(fds[0]);
	ol_briefing_failed(&w, t0);
	assert_true(ol_briefing_due(&w) == t0 + OL_SEC(1));

	/* The log's files are told once, too. */
	w.again = 0;
	w.reopen_owed = true;
	assert_true(ol_briefing_tell_spawner(&b, &w, t0));
	assert_true(ol_briefing_tell_spawner(&b, &w, t0));
	assert_int_equal(ol_order_receive(other, &order, fds), 1);
	assert_int_equal(order.verb, OL_ORDER_REOPEN);
	assert_int_equal(ol_order_receive(other, &order, fds), -1);
	ol_briefing_fini(&b);
	close(other);
	ol_wire_hang_up(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hear),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_tell),
		cmocka_unit_test(test_brief),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
