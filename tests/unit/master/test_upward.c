/* What the service manager is told of a stop without a limit, and the watchdog.
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "master/upward.h"

static int manager = -1;
static char path[64];

static const int64_t t0 = OL_SEC(1000);

static int
set_up(void **state)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	(void)state;
	snprintf(path, sizeof(path), "/tmp/outlast-upward.%d", (int)getpid());
	unlink(path);
	strlcpy(un.sun_path, path, sizeof(un.sun_path));
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_not_equal(manager, -1);
	assert_int_equal(
	    bind(manager, (const struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	close(manager);
	unlink(path);
	return 0;
}

/* The next datagram; "" for none. */
static const char *
told(char text[128])
{
	ssize_t n = recv(manager, text, 127, 0);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
unlimited(void **state)
{
	struct ol_upward u;
	char text[128];
	int i;

	(void)state;
	ol_upward_init(&u);
	ol_upward_unlimited(&u, true);
	ol_upward_extend(&u, OL_NEVER);
	/* A minute, and the two seconds that every extension has. */
	for (i = 0; i < 3; i++) {
		int64_t now = t0 + i * OL_SEC(30);

		assert_true(ol_upward_tick(&u, now) == now + OL_SEC(30));
		assert_string_equal(told(text), "EXTEND_TIMEOUT_USEC=62000000");
		assert_true(
		    ol_upward_tick(&u, now + OL_SEC(29)) == now + OL_SEC(30));
		assert_string_equal(told(text), "");
	}
	/* A limit that follows is none of ours to repeat. */
	ol_upward_unlimited(&u, false);
	ol_upward_extend(&u, t0 + OL_SEC(100));
	assert_true(ol_upward_tick(&u, t0 + OL_SEC(80)) == OL_NEVER);
	assert_string_equal(told(text), "");
	ol_upward_fini(&u);
}

static void
watchdog(void **state)
{
	struct ol_upward u;
	char text[128];

	(void)state;
	setenv("WATCHDOG_USEC", "10000000", 1);
	ol_upward_init(&u);
	assert_true(ol_upward_tick(&u, t0) == t0 + OL_SEC(5));
	assert_string_equal(told(text), "WATCHDOG=1");
	assert_true(ol_upward_tick(&u, t0 + OL_SEC(4)) == t0 + OL_SEC(5));
	assert_string_equal(told(text), "");
	/* While all is not well, nothing is said. */
	ol_upward_well(&u, false);
	assert_true(ol_upward_tick(&u, t0 + OL_SEC(5)) == t0 + OL_SEC(10));
	assert_string_equal(told(text), "");
	ol_upward_well(&u, true);
	ol_upward_tick(&u, t0 + OL_SEC(10));
	assert_string_equal(told(text), "WATCHDOG=1");
	ol_upward_fini(&u);
}

static void
no_watchdog(void **state)
{
	static const char *const bad[] = { "", "0", "-1", "10s", "999",
		"99999999999999999999" };
	struct ol_upward u;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("WATCHDOG_USEC", bad[i], 1);
		ol_upward_init(&u);
		assert_true(u.watchdog == 0);
		ol_upward_fini(&u);
	}
	/* Somebody else's. */
	setenv("WATCHDOG_USEC", "10000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	ol_upward_init(&u);
	assert_true(u.watchdog == 0);
	ol_upward_fini(&u);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unlimited, set_up, tear_down),
		cmocka_unit_test_setup_teardown(watchdog, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_watchdog, set_up, tear_down),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
