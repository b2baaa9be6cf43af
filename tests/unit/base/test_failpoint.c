/* base/failpoint.h, compiled in here whatever configure was told. */
#define OL_FAILPOINTS 1

#include "base/failpoint.c"

#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static char folder[] = "/tmp/outlast-failpoint-XXXXXX";

/* In a child: the point is passed n times; its exit code, with the number of
 * times that OL_FAILS() was true. */
static int
passes(const char *spec, int n)
{
	int status, failed = 0;
	pid_t child = fork();

	assert_int_not_equal(child, -1);
	if (child == 0) {
		if (spec == NULL)
			unsetenv("OUTLAST_FAILPOINT");
		else
			setenv("OUTLAST_FAILPOINT", spec, 1);
		while (n-- > 0)
			failed += OL_FAILS("here");
		_exit(failed);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (WEXITSTATUS(status));
}

static bool
take(const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return (unlink(path) == 0);
}

static void
test_without_a_folder(void **state)
{
	(void)state;
	unsetenv("OUTLAST_FAILPOINT_FOLDER");
	assert_int_equal(passes(NULL, 3), 0);
	assert_int_equal(passes("here:error", 3), 1);
	assert_int_equal(passes("here:error:3", 2), 0);
	assert_int_equal(passes("here:error:0", 3), 3);
	assert_int_equal(passes("here:exit:2", 1), 0);
	assert_int_equal(passes("here:exit:2", 2), 70);
	assert_int_equal(passes("there:exit", 2), 0);
	assert_int_equal(passes("her:exit", 2), 0);
	assert_int_equal(passes("here", 2), 0);
	assert_int_equal(passes("here:nothing", 2), 0);
	assert_int_equal(passes("a:exit,here:error:2,b:exit", 1), 0);
	assert_int_equal(passes("a:exit,here:error:2,b:exit", 3), 1);
	assert_int_equal(passes("a:error:2,here:exit", 1), 70);
}

static void
test_acts_once_over_all_processes(void **state)
{
	(void)state;
	setenv("OUTLAST_FAILPOINT_FOLDER", folder, 1);
	assert_int_equal(passes(NULL, 2), 0);
	assert_true(take("here.hit"));
	assert_false(take("here.acted"));
	assert_int_equal(passes("here:exit:2", 5), 70);
	assert_int_equal(passes("here:exit:2", 5), 0);
	assert_true(take("here.acted"));
	assert_true(take("here.hit"));
	/* Each time means each time. */
	assert_int_equal(passes("here:error:0", 5), 5);
	assert_int_equal(passes("here:error:0", 5), 5);
	assert_true(take("here.acted"));
	assert_true(take("here.hit"));
}

static void
test_sleeps(void **state)
{
	struct timespec a, b;

	(void)state;
	unsetenv("OUTLAST_FAILPOINT_FOLDER");
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(passes("here:sleep", 3), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_in_range(
	    (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000,
	    299, 5000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_folder),
		cmocka_unit_test(test_acts_once_over_all_processes),
		cmocka_unit_test(test_sleeps),
	};
	int failed;

	alarm(30);
	if (mkdtemp(folder) == NULL)
		return (1);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return (failed);
}
