#include <sys/socket.h>
#include <sys/stat.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/notify.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";

static int
parse(struct ol_notify *n, const char *text)
{
	return ol_notify_parse(n, text, strlen(text));
}

static void
test_words(void **state)
{
	struct ol_notify n;

	(void)state;
	assert_int_equal(parse(&n, "READY=1\nSTATUS=up = yes\n\nMAINPID=7"), 0);
	assert_true(n.ready);
	assert_false(n.stopping || n.reloading || n.watchdog);
	assert_string_equal(n.status, "up = yes");
	assert_int_equal(n.extend_usec, -1);
	assert_int_equal(n.progress, -1);
	assert_int_equal(parse(&n, "X_OUTLAST_TASKS=0\nX_OUTLAST_REQUESTS=12\n"
				   "X_OUTLAST_PROGRESS=45 page 3"),
	    0);
	assert_false(n.ready);
	assert_int_equal(n.tasks, 0);
	assert_int_equal(n.requests, 12);
	assert_int_equal(n.progress, 45);
	assert_string_equal(n.status, "page 3");
}

/* One bad line, and nothing of the datagram counts. */
static void
test_rubbish(void **state)
{
	static const char *const bad[] = { "READY=1\nrubbish", "READY=1\n=1",
		"READY=1\nWATCHDOG=yes", "READY=1\nX_OUTLAST_TASKS=-1",
		"READY=1\nX_OUTLAST_TASKS=", "READY=1\nX_OUTLAST_PROGRESS=101",
		"READY=1\nEXTEND_TIMEOUT_USEC=9223372036854775808" };
	char large[OL_NOTIFY_MAX + 1];
	struct ol_notify n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&n, bad[i]), -1);
		assert_false(n.ready);
	}
	assert_int_equal(ol_notify_parse(&n, "READY=1\0", 8), -1);
	memset(large, 'x', sizeof(large));
	memcpy(large, "STATUS=", 7);
	assert_int_equal(ol_notify_parse(&n, large, sizeof(large)), -1);
	assert_int_equal(ol_notify_parse(&n, large, sizeof(large) - 1), 0);
	assert_int_equal(strlen(n.status), sizeof(n.status) - 1);
}

static void
test_from_end_to_end(void **state)
{
	char path[80], buf[64], large[OL_NOTIFY_MAX + 1];
	struct stat st;
	int in, out, i;

	(void)state;
	snprintf(path, sizeof(path), "%s/n", dir);
	in = ol_notify_bind(path, (unsigned)-1);
	assert_true(in >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	out = ol_notify_connect(path);
	assert_true(out >= 0);
	assert_int_equal(ol_notify_send(out, "READY=%d", 1), 0);
	assert_int_equal(recv(in, buf, sizeof(buf), 0), 7);
	assert_memory_equal(buf, "READY=1", 7);
	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	assert_int_equal(ol_notify_send(out, "%s=", large), -1);
	assert_int_equal(errno, EMSGSIZE);
	/* A receiver that does not read does not hold the sender. */
	for (i = 0; i < 10000 && ol_notify_send(out, "WATCHDOG=1") == 0; i++)
		;
	assert_int_equal(errno, EAGAIN);
	close(out);
	close(in);
	unlink(path);
	assert_int_equal(ol_notify_connect("relative"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ol_notify_connect(path), -1);
	assert_int_equal(errno, ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_from_end_to_end),
	};
	int rc;

	if (mkdtemp(dir) == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
