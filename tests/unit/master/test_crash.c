#include <sys/mman.h>
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/must.h"
#include "master/crash.h"

static void
summary_is(const char *report, size_t len, size_t size, const char *expected)
{
	char *dst = ol_must(malloc(size)); /* its exact size, for ASan */

	ol_crash_summary(dst, size, report, len);
	assert_string_equal(dst, expected);
	free(dst);
}

static void
test_summary(void **state)
{
	static const char good[] = "SIGSEGV at 0x10 in work item \"resize\" "
				   "(40 % drawing page 3)\npid: 12\n";

	(void)state;
	summary_is(good, sizeof(good) - 1, 200,
	    "SIGSEGV at 0x10 in work item \"resize\" (40 % drawing page 3)");
	summary_is("", 0, 10, "");
	summary_is("\n\nx", 3, 10, "");
	summary_is("no newline", 10, 200, "no newline");
	summary_is("0123456789", 10, 5, "0123");
	summary_is("x", 1, 1, "");
	/* No colour, no second line, no directive, no half character. */
	summary_is("\033[2J\r\x9b%s%n\0\xc3\xa4\n", 13, 40, "?[2J??%s%n???");
}

static void
test_status(void **state)
{
	char how[64];

	(void)state;
	ol_crash_status(how, sizeof(how), 3 << 8);
	assert_string_equal(how, "exit 3");
	ol_crash_status(how, sizeof(how), SIGSEGV | 0x80);
	assert_string_equal(how, "SIGSEGV (core dumped)");
	ol_crash_status(how, sizeof(how), SIGTERM);
	assert_string_equal(how, "SIGTERM");
	ol_crash_status(how, sizeof(how), SIGRTMIN + 1);
	assert_string_equal(how, "signal 35");
}

static void
test_report_is_bounded(void **state)
{
	static char big[OL_CRASH_MAX];
	size_t len;
	int fd = ol_crash_open();
	char *report;

	(void)state;
	assert_true(fd >= 0);
	assert_null(ol_crash_read(fd, &len));
	memset(big, 'x', sizeof(big));
	assert_int_equal(write(fd, big, sizeof(big)), sizeof(big));
	assert_int_equal(write(fd, "y", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 1 << 30), -1);
	report = ol_crash_read(fd, &len);
	assert_int_equal(len, OL_CRASH_MAX);
	free(report);
	/* Its writer made it shorter. */
	assert_int_equal(ftruncate(fd, 3), 0);
	report = ol_crash_read(fd, &len);
	assert_string_equal(report, "xxx");
	free(report);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_null(ol_crash_read(fd, &len));
	close(fd);
}

static char *
slurp(const char *path)
{
	FILE *f = ol_must(fopen(path, "r"));
	char *text = ol_must(calloc(1, 1 << 20));

	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

static void
remove_all(const char *folder)
{
	DIR *dir = ol_must(opendir(folder));
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
}

static void
test_keep(void **state)
{
	static const char hostile[] = "SIGSEGV\n\tat 0x1\033]0;x\a\r\\\n\xff";
	char folder[] = "/tmp/outlast-test-XXXXXX", name[40], other[80];
	char *path, *text, *big;
	struct timespec times[2] = { { 0 } };
	struct dirent *entry;
	struct stat st;
	int i, n = 0;
	DIR *dir;

	(void)state;
	ol_must(mkdtemp(folder));
	path = ol_crash_keep(
	    NULL, folder, "shop-0-1.txt", hostile, sizeof(hostile) - 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	text = slurp(path);
	assert_string_equal(
	    text, "SIGSEGV\n\\x09at 0x1\\x1b]0;x\\x07\\x0d\\x5c\n\\xff");
	free(text);
	/* A link in its place is not followed. */
	snprintf(other, sizeof(other), "%s/victim", folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(other, path), 0);
	free(path);
	path = ol_crash_keep(NULL, folder, "shop-0-1.txt", "a", 1);
	assert_non_null(path);
	assert_int_equal(stat(other, &st), -1);
	free(path);
	/* One long line is cut nowhere. */
	big = ol_must(malloc(60000));
	memset(big, 'z', 60000);
	path = ol_crash_keep(NULL, folder, "shop-0-2.txt", big, 60000);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 60000);
	free(path);
	free(big);
	/* Only the newest stay. */
	for (i = 1; i < 3; i++) {
		snprintf(other, sizeof(other), "%s/shop-0-%d.txt", folder, i);
		assert_int_equal(unlink(other), 0);
	}
	for (i = 3; i < 40; i++) {
		snprintf(name, sizeof(name), "shop-0-%d.txt", i);
		path = ol_crash_keep(NULL, folder, name, "a", 1);
		times[0].tv_sec = times[1].tv_sec = 1000 + i;
		assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
		free(path);
	}
	dir = ol_must(opendir(folder));
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.') {
			n++;
			assert_true(atoi(entry->d_name + 7) >= 20);
		}
	closedir(dir);
	assert_int_equal(n, OL_CRASH_KEPT);
	remove_all(folder);
	assert_null(ol_crash_keep(NULL, folder, "x", "a", 1));
}

/* 30 000 lines of a hostile report are not 30 000 lines of ours. */
static void
test_log_is_bounded(void **state)
{
	char path[] = "/tmp/outlast-crash-XXXXXX", report[2000];
	struct ol_log_sink sink = {
		.target = OL_LOG_FILE, .level = OL_LOG_INFO, .path = path
	};
	int lines = 0, c, fd = mkstemp(path);
	FILE *f;

	(void)state;
	assert_true(fd >= 0);
	memset(report, '\n', sizeof(report));
	assert_int_equal(ol_log_open(&sink, 1, NULL), 0);
	ol_crash_log(NULL, report, 200);
	ol_crash_log(NULL, report, sizeof(report));
	ol_log_close();
	f = fdopen(fd, "r");
	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	assert_int_equal(lines, 200 + 201);
	fclose(f);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_report_is_bounded),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_log_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
