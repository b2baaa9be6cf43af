#include <sys/stat.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/addr.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";

static void
test_what_is_an_address(void **state)
{
	static const char *const bad[] = { "", "unix:", "9000", ":9000",
		"localhost:9000", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:+9",
		"127.0.0.1:65536", "127.0.0.1:90x", "::1:9000", "[::1:9000",
		"[:9000", "[]:9000", "256.0.0.1:9000",
		"111111111111111111111111111111111111111111111111111:9000" };
	struct ol_addr addr;
	char longest[5 + 108 + 1] = "unix:";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ol_addr_parse(&addr, bad[i]) == NULL)
			fail_msg("\"%s\" was taken", bad[i]);
	memset(longest + 5, 'x', 107);
	assert_null(ol_addr_parse(&addr, longest));
	assert_int_equal(strlen(ol_addr_path(&addr)), 107);
	longest[5 + 107] = 'x';
	assert_non_null(ol_addr_parse(&addr, longest));
}

static void
test_what_it_means(void **state)
{
	struct ol_addr addr;

	(void)state;
	assert_null(ol_addr_parse(&addr, "*:9000"));
	assert_null(ol_addr_path(&addr));
	assert_int_equal(addr.u.in.sin_addr.s_addr, INADDR_ANY);
	assert_int_equal(ntohs(addr.u.in.sin_port), 9000);
	assert_null(ol_addr_parse(&addr, "[::1]:65535"));
	assert_int_equal(addr.u.in6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(addr.u.in6.sin6_port), 65535);
	assert_null(ol_addr_parse(&addr, "unix:/run/a:9000"));
	assert_string_equal(ol_addr_path(&addr), "/run/a:9000");
}

/* A dead server's socket is taken over; a living one's, or a file, is not. */
static void
test_listen(void **state)
{
	struct ol_addr addr;
	struct stat st;
	char text[80];
	int fd;

	(void)state;
	snprintf(text, sizeof(text), "unix:%s/s", dir);
	assert_null(ol_addr_parse(&addr, text));
	fd = ol_addr_listen(&addr, 5, 0640);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(stat(text + 5, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(ol_addr_listen(&addr, 5, 0640), -1);
	assert_int_equal(errno, EADDRINUSE);
	close(fd);
	fd = ol_addr_listen(&addr, 5, 0640);
	assert_true(fd >= 0);
	close(fd);
	unlink(text + 5);
	close(creat(text + 5, 0600));
	assert_int_equal(ol_addr_listen(&addr, 5, 0640), -1);
	assert_int_equal(errno, ENOTSOCK);
	assert_int_equal(unlink(text + 5), 0);
}

static void
test_text(void **state)
{
	static const char *const texts[] = { "unix:/run/a b.sock",
		"127.0.0.1:9000", "[::1]:65535", "[2001:db8::7]:1" };
	struct ol_addr addr;
	char text[OL_ADDR_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(ol_addr_parse(&addr, texts[i]));
		assert_string_equal(
		    ol_addr_text(&addr, text, sizeof(text)), texts[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_an_address),
		cmocka_unit_test(test_what_it_means),
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_text),
	};
	int rc;

	if (mkdtemp(dir) == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
