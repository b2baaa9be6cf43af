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

#include "base/clock.h"
#include "base/log.h"

static char dir[] = "/tmp/outlast-test-XXXXXX";
static char text[8192];

/* What is in the file name of the folder; "" when there is none. */
static const char *
contents(const char *name)
{
	char path[80];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if ((fd = open(path, O_RDONLY)) != -1) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void
test_levels_formats_and_rotation(void **state)
{
	char plain[80], json[80], old[80];
	const struct ol_log_sink sinks[] = {
		{ .target = OL_LOG_FILE, .path = plain, .level = OL_LOG_INFO },
		{ .target = OL_LOG_FILE,
		    .path = json,
		    .level = OL_LOG_WARN,
		    .json = true },
	};
	const size_t stamp = strlen("2026-11-20T21:05:11.123Z");
	struct ol_log log;

	(void)state;
	snprintf(plain, sizeof(plain), "%s/plain", dir);
	snprintf(json, sizeof(json), "%s/json", dir);
	snprintf(old, sizeof(old), "%s/old", dir);
	assert_int_equal(ol_log_open(sinks, 2, NULL), 0);
	ol_log_about(&log, "pool %s[%d]", "shop", 0);
	errno = ENOTTY;
	ol_log_debug(&log, "not for these");
	ol_log_info(&log, "line\none");
	ol_log_warn(NULL, "quote \"%s\"", "\x1b");
	assert_int_equal(errno, ENOTTY);
	contents("plain");
	assert_string_equal(
	    strchr(text, '\n') + 1 + stamp, " warn quote \"\\x1b\"\n");
	*strchr(text, '\n') = '\0';
	assert_string_equal(text + stamp, " info pool shop[0]: line\\x0aone");
	contents("json");
	assert_non_null(
	    strstr(text, "\"level\":\"warn\",\"about\":\"\","
			 "\"message\":\"quote \\\"\\u001b\\\"\"}\n"));
	assert_int_equal(rename(plain, old), 0);
	assert_int_equal(ol_log_reopen(), 0);
	ol_log_info(NULL, "after");
	assert_null(strstr(contents("old"), "after"));
	assert_non_null(strstr(contents("plain"), "after"));
	ol_log_close();
	unlink(plain);
	unlink(json);
	unlink(old);
}

/* Sinks that cannot be opened leave the old ones, and say which it was. */
static void
test_a_file_that_cannot_be(void **state)
{
	char good[80], bad[80];
	struct ol_log_sink sinks[] = {
		{ .target = OL_LOG_FILE, .path = good, .level = OL_LOG_INFO },
		{ .target = OL_LOG_FILE, .path = bad, .level = OL_LOG_INFO },
	};
	size_t failed = 9;

	(void)state;
	snprintf(good, sizeof(good), "%s/good", dir);
	snprintf(bad, sizeof(bad), "%s/no/such/folder", dir);
	assert_int_equal(ol_log_open(sinks, 1, NULL), 0);
	assert_int_equal(ol_log_open(sinks, 2, &failed), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(failed, 1);
	ol_log_info(NULL, "still here");
	assert_non_null(strstr(contents("good"), "still here"));
	ol_log_close();
	unlink(good);
}

static void
test_a_line_has_an_end(void **state)
{
	char path[80], *message = malloc(5001);
	const struct ol_log_sink sink = {
		.target = OL_LOG_FILE, .path = path, .level = OL_LOG_INFO
	};

	(void)state;
	memset(message, '\n', 5000);
	message[5000] = '\0';
	snprintf(path, sizeof(path), "%s/long", dir);
	assert_int_equal(ol_log_open(&sink, 1, NULL), 0);
	ol_log_info(NULL, "%s", message);
	contents("long");
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	ol_log_close();
	unlink(path);
	free(message);
}

static void
test_names(void **state)
{
	enum ol_log_level level;

	(void)state;
	assert_int_equal(ol_log_level_find("notice", &level), 0);
	assert_string_equal(ol_log_level_name(level), "notice");
	assert_int_equal(ol_log_level_find("loud", &level), -1);
}

/* Opened by another process: written by its number, and by nobody's path. */
static void
test_adopted_files(void **state)
{
	char one[80], two[80], moved[80];
	const struct ol_log_sink sinks[] = {
		{ .target = OL_LOG_FILE, .path = one, .level = OL_LOG_INFO },
		{ .target = OL_LOG_STDERR, .level = OL_LOG_ERROR },
		{ .target = OL_LOG_FILE, .path = two, .level = OL_LOG_WARN },
	};
	int fds[4], got[4];

	(void)state;
	snprintf(one, sizeof(one), "%s/one", dir);
	snprintf(two, sizeof(two), "%s/two", dir);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	/* Too few, too many: nothing changes, and they are closed. */
	fds[0] = open(one, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(ol_log_adopt(sinks, 3, fds, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(ol_log_files(got, 4), 0);
	fds[0] = open(moved, O_WRONLY | O_CREAT | O_APPEND, 0600);
	fds[1] = open(two, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(ol_log_adopt(sinks, 3, fds, 2), 0);
	assert_int_equal(ol_log_files(got, 1), 2);
	assert_int_equal(got[0], fds[0]);
	ol_log_info(NULL, "first");
	assert_non_null(strstr(contents("moved"), "info first"));
	assert_string_equal(contents("two"), "");
	/* After a rotation. */
	got[0] = open(one, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(ol_log_adopt_again(got, 1), -1);
	assert_int_equal(fcntl(got[0], F_GETFD), -1);
	got[0] = open(one, O_WRONLY | O_CREAT | O_APPEND, 0600);
	got[1] = open(two, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_int_equal(ol_log_adopt_again(got, 2), 0);
	ol_log_warn(NULL, "second");
	assert_null(strstr(contents("moved"), "second"));
	assert_non_null(strstr(contents("one"), "warn second"));
	assert_non_null(strstr(contents("two"), "warn second"));
	ol_log_close();
	assert_int_equal(fcntl(got[0], F_GETFD), -1);
	unlink(one);
	unlink(two);
	unlink(moved);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels_formats_and_rotation),
		cmocka_unit_test(test_a_file_that_cannot_be),
		cmocka_unit_test(test_adopted_files),
		cmocka_unit_test(test_a_line_has_an_end),
		cmocka_unit_test(test_names),
	};
	int rc;

	if (mkdtemp(dir) == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(dir);
	return rc;
}
