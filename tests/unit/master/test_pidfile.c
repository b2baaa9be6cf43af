#include <sys/stat.h>
#include <sys/wait.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/must.h"
#include "master/runtime.h"
#include "master/pidfile.h"

static void
put(const char *path, const char *text)
{
	FILE *f = ol_must(fopen(path, "w"));

	fputs(text, f);
	fclose(f);
}

static void
test_life(void **state)
{
	char folder[] = "/tmp/outlast-test-XXXXXX", below[64], path[80];
	struct ol_pidfile *p;
	pid_t predecessor = -1, child;
	int status;

	(void)state;
	ol_must(mkdtemp(folder));
	snprintf(below, sizeof(below), "%s/run", folder);
	snprintf(path, sizeof(path), "%s/o.pid", below);
	assert_int_equal(ol_pidfile_holder(path), 0);
	p = ol_pidfile_open(path, &predecessor); /* makes run/ */
	assert_non_null(p);
	assert_int_equal(predecessor, 0);
	assert_int_equal(ol_pidfile_write(p), 0);
	assert_int_equal(ol_pidfile_holder(path), getpid());
	/* A second master, which is another process. */
	if ((child = fork()) == 0)
		_exit(ol_pidfile_open(path, &predecessor) == NULL ? 7 : 8);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 7);
	ol_pidfile_close(p);
	assert_int_equal(access(path, F_OK), -1);
	/* One that died leaves its number and no lock. */
	put(path, "4711\n");
	assert_int_equal(ol_pidfile_holder(path), 0);
	p = ol_pidfile_open(path, &predecessor);
	assert_non_null(p);
	assert_int_equal(predecessor, 4711);
	/* A start that fails here leaves it for the next. */
	ol_pidfile_close(p);
	p = ol_pidfile_open(path, &predecessor);
	assert_int_equal(predecessor, 4711);
	ol_pidfile_close(p);
	put(path, "4711 rubbish\n");
	p = ol_pidfile_open(path, &predecessor);
	assert_int_equal(predecessor, 0);
	assert_int_equal(ol_pidfile_write(p), 0);
	ol_pidfile_close(p);
	/* A link is not followed: root writes here. */
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_null(ol_pidfile_open(path, &predecessor));
	unlink(path);
	rmdir(below);
	rmdir(folder);
}

static void
test_folders(void **state)
{
	char folder[] = "/tmp/outlast-test-XXXXXX", file[64], *made;
	static const char *const names[] = { "shop.0.12", "shop-3-4.txt",
		"shop.0.99999999999999", "README", "x.", "-7", "a-b-41.txt" };
	struct stat st;
	size_t i;

	(void)state;
	ol_must(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/o.pid", folder);
	made = ol_runtime_make(file, "notify", 0711);
	assert_non_null(made);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0711);
	assert_int_equal(ol_runtime_sweep(made), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", made, names[i]);
		put(file, "");
	}
	assert_int_equal(ol_runtime_sweep(made), 41);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(file, sizeof(file), "%s/%s", made, names[i]);
		assert_int_equal(unlink(file), 0);
	}
	assert_int_equal(rmdir(made), 0);
	/* Not through a link to where others may write. */
	assert_int_equal(symlink("/tmp", made), 0);
	snprintf(file, sizeof(file), "%s/o.pid", folder);
	assert_null(ol_runtime_make(file, "notify", 0711));
	unlink(made);
	free(made);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_folders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
