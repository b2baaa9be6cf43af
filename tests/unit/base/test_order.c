#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/order.h"

/* Each verb, as it is written; the table a second time. */
static const struct {
	const char *text;
	struct ol_order order;
	size_t fds;
} verbs[] = {
	{ "config 4294967295 2 1",
	    { .verb = OL_ORDER_CONFIG,
		.generation = UINT32_MAX,
		.nlisten = 2,
		.nlog = 1 },
	    4 },
	{ "config 1 0 0", { .verb = OL_ORDER_CONFIG, .generation = 1 }, 1 },
	{ "reopen 3", { .verb = OL_ORDER_REOPEN, .nlog = 3 }, 3 },
	{ "spawner", { .verb = OL_ORDER_SPAWNER }, 1 },
	{ "stop -1 0", { .verb = OL_ORDER_STOP, .left_ms = -1 }, 0 },
	{ "stop 90000 10000",
	    { .verb = OL_ORDER_STOP, .left_ms = 90000, .grace_ms = 10000 }, 0 },
	{ "exit 250", { .verb = OL_ORDER_EXIT, .left_ms = 250 }, 0 },
	{ "ready", { .verb = OL_ORDER_READY }, 0 },
	{ "applied 7", { .verb = OL_ORDER_APPLIED, .generation = 7 }, 0 },
	{ "running 0", { .verb = OL_ORDER_RUNNING }, 0 },
	{ "running 12", { .verb = OL_ORDER_RUNNING, .running = 12 }, 0 },
	{ "deadline 0", { .verb = OL_ORDER_DEADLINE }, 0 },
	{ "closed 4294967295 60000",
	    { .verb = OL_ORDER_CLOSED, .number = UINT32_MAX, .left_ms = 60000 },
	    1 },
	{ "open 3", { .verb = OL_ORDER_OPEN, .number = 3 }, 0 },
	{ "opened 3", { .verb = OL_ORDER_OPENED, .number = 3 }, 0 },
	{ "ping", { .verb = OL_ORDER_PING }, 0 },
	{ "alive", { .verb = OL_ORDER_ALIVE }, 0 },
	{ "drained", { .verb = OL_ORDER_DRAINED }, 0 },
	{ "failed no such user",
	    { .verb = OL_ORDER_FAILED, .reason = "no such user" }, 0 },
};

static void
test_there_and_back(void **state)
{
	char text[OL_ORDER_MAX];
	struct ol_order order;
	bool seen[OL_ORDER_VERBS] = { false };
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		len = ol_order_format(&verbs[i].order, text);
		assert_int_equal(len, strlen(verbs[i].text));
		assert_memory_equal(text, verbs[i].text, len);
		assert_int_equal(ol_order_fds(&verbs[i].order), verbs[i].fds);
		assert_int_equal(
		    ol_order_parse(&order, text, len, verbs[i].fds), 0);
		assert_memory_equal(&order, &verbs[i].order, sizeof(order));
		seen[order.verb] = true;
	}
	for (i = 0; i < OL_ORDER_VERBS; i++)
		assert_true(seen[i]);
}

static void
test_not_orders(void **state)
{
	static const char *const bad[] = { "", " ", "exit ", " exit", "EXIT",
		"exi", "exitt", "closed 0 1", "closed 1 -1", "closed 1",
		"open 0", "open", "opened -1", "exit -1", "exit", "ready\n",
		"config", "config 1 0", "config 1 0 0 0", "config 0 0 0",
		"config 4294967296 0 0", "config 1 64 0", "config 1 0 64",
		"config 1  0 0", "config 01 0 0", "config +1 0 0",
		"config 1 0 -0", "config 1 0 0 ", "config 0x1 0 0", "stop -2 0",
		"stop -1 -1", "stop 1", "stop 9223372036855 0",
		"stop 99999999999999999999 0", "applied -1", "running -1",
		"running 4294967296", "deadline -1", "failed", "failed ",
		"failed a\nb", "failed \033[2J", "failed \xff", "unknown 1" };
	struct ol_order order, empty;
	size_t i, fds;

	(void)state;
	memset(&empty, 0, sizeof(empty));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (fds = 0; fds < 3; fds++) {
			if (ol_order_parse(
				&order, bad[i], strlen(bad[i]), fds) == 0)
				fail_msg("\"%s\" was taken", bad[i]);
			assert_memory_equal(&order, &empty, sizeof(order));
		}
	assert_int_equal(ol_order_parse(&order, "exit 1\0", 7, 0), -1);
}

/* One more or one less descriptor than the verb has is another order. */
static void
test_descriptors_counted(void **state)
{
	struct ol_order order;
	size_t i, fds;

	(void)state;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		for (fds = 0; fds <= OL_CHANNEL_FDS; fds++)
			assert_int_equal(ol_order_parse(&order, verbs[i].text,
					     strlen(verbs[i].text), fds),
			    fds == verbs[i].fds ? 0 : -1);
}

/* A reason of any length and of any bytes arrives as a line. */
static void
test_reasons(void **state)
{
	struct ol_order order = { .verb = OL_ORDER_FAILED }, got;
	char text[OL_ORDER_MAX];
	size_t len;
	int c;

	(void)state;
	for (c = 0; c < 256; c++) {
		memset(order.reason, c, sizeof(order.reason));
		len = ol_order_format(&order, text);
		assert_true(len <= OL_ORDER_MAX);
		assert_int_equal(ol_order_parse(&got, text, len, 0), 0);
		assert_true(strlen(got.reason) > 0);
		assert_null(strchr(got.reason, '\n'));
	}
}

static size_t
open_descriptors(void)
{
	size_t n = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
test_over_a_channel(void **state)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG,
		.generation = 3,
		.nlisten = 1,
		.nlog = 1 };
	size_t before;
	int ends[2], files[3], fds[OL_CHANNEL_FDS], i;
	struct stat sent, got;

	(void)state;
	assert_int_equal(ol_channel_pair(ends), 0);
	for (i = 0; i < 3; i++)
		files[i] = open(i == 1 ? "/dev/zero" : "/dev/null", O_RDWR);
	before = open_descriptors();
	assert_int_equal(ol_order_receive(ends[1], &order, fds), -1);
	assert_int_equal(errno, EAGAIN);
	order = (struct ol_order){ .verb = OL_ORDER_CONFIG,
		.generation = 3,
		.nlisten = 1,
		.nlog = 1 };
	assert_int_equal(ol_order_send(ends[0], &order, files), 0);
	assert_int_equal(ol_order_receive(ends[1], &order, fds), 1);
	assert_int_equal(order.generation, 3);
	assert_int_equal(fstat(files[1], &sent), 0);
	assert_int_equal(fstat(fds[1], &got), 0);
	assert_int_equal(sent.st_rdev, got.st_rdev);
	for (i = 0; i < 3; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}
	/* What is no order leaves no descriptor behind. */
	assert_int_equal(ol_channel_send(ends[0], "exit", 4, files, 3), 0);
	assert_int_equal(ol_order_receive(ends[1], &order, fds), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(open_descriptors(), before);
	close(ends[0]);
	assert_int_equal(ol_order_receive(ends[1], &order, fds), 0);
	close(ends[1]);
	for (i = 0; i < 3; i++)
		close(files[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_not_orders),
		cmocka_unit_test(test_descriptors_counted),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_over_a_channel),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
