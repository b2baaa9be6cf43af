/*
 * Golden faults: every NAME.conf in faults/ must give exactly NAME.expected.
 * The first line may set the scene: "#:root" (started as root), "#:bare" (as
 * root, and there is no account outlast-run), "#:extra TEXT" (outlastd -g).
 *
 * "test_config_faults --write" writes the .expected files anew, to be read
 * with care before they are committed.
 */
#include <sys/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_world.h"

static char *
read_text(const char *path)
{
	FILE *in = fopen(path, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (in == NULL)
		return NULL;
	n = getdelim(&text, &size, '\0', in);
	fclose(in);
	if (n == -1) {
		free(text);
		return strdup("");
	}
	return text;
}

/* Two texts, line by line from the first that differs. */
static void
print_difference(const char *name, const char *expected, const char *got)
{
	while (*expected != '\0' && *got != '\0') {
		size_t n = strcspn(expected, "\n"), m = strcspn(got, "\n");

		if (n != m || strncmp(expected, got, n) != 0)
			break;
		expected += n + (expected[n] != '\0');
		got += m + (got[m] != '\0');
	}
	print_error("%s: from the first line that differs,\n--- expected\n%s"
		    "--- got\n%s---\n",
	    name, expected, got);
}

/* What loading file in the scene of its first line reports. */
static char *
report(const char *file, const char *scene)
{
	struct ol_world world = fake_world();
	char *errors, *extra = NULL;
	struct ol_conf *conf;
	size_t size;
	FILE *out;

	if (scene != NULL && strncmp(scene, "#:root\n", 7) == 0)
		world.euid = 0;
	if (scene != NULL && strncmp(scene, "#:bare\n", 7) == 0) {
		world.euid = 0;
		world.user = fake_bare_user;
	}
	if (scene != NULL && strncmp(scene, "#:extra ", 8) == 0)
		extra = strndup(scene + 8, strcspn(scene + 8, "\n"));
	out = open_memstream(&errors, &size);
	conf = ol_conf_load_in(&world, file, extra, out, false);
	fclose(out);
	assert_true((conf == NULL) == (size > 0));
	ol_conf_free(conf);
	free(extra);
	return errors;
}

static int
check_one(const char *file, bool write)
{
	char *name = strndup(file, strlen(file) - strlen(".conf"));
	char *path, *expected, *got, *scene = read_text(file);
	int rc = 0;

	assert_true(asprintf(&path, "%s.expected", name) != -1);
	expected = read_text(path);
	got = report(file, scene);
	if (write) {
		FILE *out = fopen(path, "w");

		assert_non_null(out);
		fputs(got, out);
		fclose(out);
	} else if (expected == NULL) {
		print_error("%s is missing\n", path);
		rc = 1;
	} else if (*got == '\0' || strcmp(expected, got) != 0) {
		print_difference(name, expected, got);
		rc = 1;
	}
	free(scene);
	free(expected);
	free(got);
	free(path);
	free(name);
	return rc;
}

static void
test_faults(void **state)
{
	bool write = *state != NULL;
	glob_t found;
	int failed = 0;
	size_t i;

	assert_int_equal(glob("*.conf", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 30);
	for (i = 0; i < found.gl_pathc; i++)
		failed += check_one(found.gl_pathv[i], write);
	globfree(&found);
	assert_int_equal(failed, 0);
}

/* Load size bytes made of fill, with head before and tail behind them. */
static char *
report_large(const char *head, size_t size, char fill, const char *tail)
{
	char path[] = "/tmp/outlast-faults-XXXXXX", *got, *shown, *p;
	int fd = mkstemp(path);
	FILE *out = fdopen(fd, "w");
	size_t i;

	assert_non_null(out);
	fputs(head, out);
	for (i = 0; i < size; i++)
		putc(fill, out);
	fputs(tail, out);
	assert_int_equal(fclose(out), 0);
	got = report(path, NULL);
	unlink(path);
	/* The name is not the same in every run. */
	shown = strdup(got);
	for (p = shown; (p = strstr(p, path)) != NULL;)
		memmove(p + 1, p + strlen(path), strlen(p + strlen(path)) + 1),
		    *p++ = 'F';
	free(got);
	return shown;
}

static const char good_pool[] = "pool a {\n"
				"    listen unix:/run/a.sock;\n"
				"    program /bin/a;\n"
				"}\n";

static void
test_line_of_a_mebibyte(void **state)
{
	char *got = report_large(
	    good_pool, (1 << 20) - 100, 'x', "\npidd /run/x.pid;\n");

	(void)state;
	assert_string_equal(got,
	    "F:5:65537: error: the line is longer than 65536 bytes and was "
	    "passed over: break it, or check that this is a configuration "
	    "file\n"
	    "     5 | ...xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...\n"
	    "       |                                                      "
	    "^\n"
	    "F:6:1: error: unknown directive \"pidd\"; did you mean \"pid\"?\n"
	    "     6 | pidd /run/x.pid;\n"
	    "       | ^~~~\n");
	free(got);
}

static void
test_file_too_large(void **state)
{
	char *got = report_large(good_pool, 1 << 20, '\n', "");

	(void)state;
	assert_string_equal(got, "F: error: cannot read the file: the file is "
				 "larger than 1 MiB\n");
	free(got);
}

static void
test_too_many_words(void **state)
{
	char *got = report_large(good_pool, 300000, ';', "");

	(void)state;
	/* A line too long, then nothing: no flood. */
	assert_non_null(strstr(got, "the line is longer"));
	free(got);
	got = report_large("", 50000, ';', "\n");
	assert_non_null(strstr(got, "49000 more errors are not shown\n"));
	free(got);
}

/* Memory is slow under a sanitizer; what is quadratic is seen without one. */
#ifdef __SANITIZE_ADDRESS__
enum { SHARE = 10 };
#else
enum { SHARE = 1 };
#endif

static void
assert_quick(const char *unit, size_t n, const char *head, const char *tail)
{
	char *text, *got;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	clock_t start = clock();

	for (i = 0; i < n / SHARE; i++)
		fputs(unit, out);
	fputs(tail, out);
	fclose(out);
	assert_true(size < 1000000);
	assert_true(asprintf(&got, "%s%s", head, text) != -1);
	free(text);
	text = report_large(got, 0, ' ', "");
	assert_true(*text != '\0');
	free(text);
	free(got);
	/* Seconds, where a quadratic step would take minutes. */
	assert_true((clock() - start) / CLOCKS_PER_SEC < 20);
}

static void
test_large_files_are_quick(void **state)
{
	(void)state;
	assert_quick("env A 1;\n", 100000, "pool a {\n", "}");
	assert_quick("x\n", 190000, "pool a\n", "{}");
	assert_quick("x ", 30000, "pool a ", "{}");
	assert_quick(
	    "shutdown_dealy_shutdown_dealy_shutdown\n", 24000, "program ", ";");
	assert_quick("pool a{listen [::1]:1;program /x;}\n", 28000, "", "");
}

static void
test_nesting(void **state)
{
	char *got = report_large("a ", 60000, '{', "");
	char *first = strchr(got, '\n');

	(void)state;
	assert_non_null(first);
	free(got);
	got = report_large("a{a{a{a{a{a{a{a{", 1, 'a', "{ a{b;} }}}}}}}}}\n");
	assert_non_null(strstr(got, "blocks are nested deeper than 8\n"));
	free(got);
}

static void
test_file_not_there(void **state)
{
	char *got = report("not-there", NULL);

	(void)state;
	assert_string_equal(got, "not-there: error: cannot read the file: No "
				 "such file or directory\n");
	free(got);
	got = report(".", NULL);
	assert_string_equal(
	    got, ".: error: cannot read the file: it is a folder\n");
	free(got);
}

int
main(int argc, char **argv)
{
	bool write = argc > 1 && strcmp(argv[1], "--write") == 0;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(test_faults, write ? argv : NULL),
		cmocka_unit_test(test_line_of_a_mebibyte),
		cmocka_unit_test(test_file_too_large),
		cmocka_unit_test(test_too_many_words),
		cmocka_unit_test(test_large_files_are_quick),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_file_not_there),
	};

	if (chdir(FAULTS) == -1) {
		perror(FAULTS);
		return 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
