#include <sys/stat.h>
#include <sys/wait.h>
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

#include "base/clock.h"
#include "base/must.h"
#include "master/messenger.h"

#define STR(s) ((char[]){ s })

/* What the program wrote in its folder. */
static char folder[] = "/tmp/outlast-messenger-XXXXXX";

static char *
copy(const char *text)
{
	return ol_must(strdup(text));
}

/* A pool whose on_crash is that line of the shell, in the folder. */
static struct ol_conf_pool
pool_with(char **argv, char *line)
{
	static char shell[] = "/bin/sh", option[] = "-c", name[] = "shop";

	argv[0] = shell;
	argv[1] = option;
	argv[2] = line;
	argv[3] = NULL;
	return (struct ol_conf_pool){ .name = name,
		.on_crash = argv,
		.directory = folder,
		.uid = (uid_t)-1 };
}

/* Its status. */
static int
reap(struct ol_messenger *m)
{
	int status;

	assert_true(m->pid > 0);
	assert_int_equal(waitpid(m->pid, &status, 0), m->pid);
	ol_messenger_reaped(m, status);
	assert_int_equal(m->pid, 0);
	return status;
}

static void
expect_file(const char *name, const char *wanted)
{
	char path[128], text[4096] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_non_null(f = fopen(path, "r"));
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	unlink(path);
	assert_string_equal(text, wanted);
}

static void
test_report(void **state)
{
	char *argv[4], line[] = "cat >report; echo $OUTLAST_POOL "
				"$OUTLAST_CRASH_PID $OUTLAST_CRASHES_LEFT_OUT "
				">env; ls /proc/self/fd | wc -l >fds";
	struct ol_conf_pool conf = pool_with(argv, line);
	struct ol_messenger m;

	(void)state;
	ol_messenger_init(&m, "shop");
	assert_true(ol_messenger_tick(&m, &conf, 5) == OL_NEVER);
	assert_int_equal(m.pid, 0);
	ol_messenger_tell(&m, 812, copy("SIGSEGV in /buy\nmore\n"));
	assert_true(ol_messenger_tick(&m, &conf, 5) == 5 + OL_SEC(30));
	assert_int_equal(reap(&m), 0);
	expect_file("report", "SIGSEGV in /buy\nmore\n");
	expect_file("env", "shop 812 0\n");
	/* 0, 1, 2, and that of the folder. */
	expect_file("fds", "4\n");
	assert_true(ol_messenger_tick(&m, &conf, 6) == OL_NEVER);
	assert_int_equal(m.pid, 0);
	ol_messenger_fini(&m);
}

/* One at a time, and the last one wins. */
static void
test_last_wins(void **state)
{
	char *argv[4],
	    line[] = "cat >>report; echo $OUTLAST_CRASHES_LEFT_OUT >>report";
	struct ol_conf_pool conf = pool_with(argv, line);
	struct ol_messenger m;
	pid_t first;

	(void)state;
	ol_messenger_init(&m, "shop");
	ol_messenger_tell(&m, 1, copy("one\n"));
	ol_messenger_tick(&m, &conf, 0);
	first = m.pid;
	ol_messenger_tell(&m, 2, copy("two\n"));
	ol_messenger_tick(&m, &conf, 0);
	ol_messenger_tell(&m, 3, copy("three\n"));
	ol_messenger_tick(&m, &conf, 0);
	assert_int_equal(m.pid, first);
	assert_int_equal(reap(&m), 0);
	ol_messenger_tick(&m, &conf, 0);
	assert_int_not_equal(m.pid, 0);
	assert_int_equal(reap(&m), 0);
	ol_messenger_tick(&m, &conf, 0);
	assert_int_equal(m.pid, 0);
	expect_file("report", "one\n0\nthree\n1\n");
	ol_messenger_fini(&m);
}

/* Killed after its time, with what it started; and the next one has its turn.
 */
static void
test_time(void **state)
{
	char *argv[4], line[] = "sleep 1000 & wait";
	struct ol_conf_pool conf = pool_with(argv, line);
	struct ol_messenger m;

	(void)state;
	ol_messenger_init(&m, "shop");
	ol_messenger_tell(&m, 1, copy("one\n"));
	ol_messenger_tick(&m, &conf, 0);
	ol_messenger_tell(&m, 1, copy("two\n"));
	assert_true(ol_messenger_tick(&m, &conf, OL_SEC(30) - 1) == OL_SEC(30));
	assert_int_equal(waitpid(m.pid, NULL, WNOHANG), 0);
	assert_true(ol_messenger_tick(&m, &conf, OL_SEC(30)) == OL_NEVER);
	assert_int_equal(WTERMSIG(reap(&m)), SIGKILL);
	assert_true(ol_messenger_tick(&m, &conf, OL_SEC(31)) == OL_SEC(61));
	ol_messenger_fini(&m);
	/* It killed it. */
	assert_int_equal(waitpid(m.pid, NULL, 0), m.pid);
}

/* One that cannot be started, or fails, leads to nothing more. */
static void
test_failures(void **state)
{
	char *missing[] = { STR("/nonexistent"), NULL };
	char *argv[4], line[] = "kill -SEGV $$";
	struct ol_conf_pool conf = pool_with(argv, line);
	struct ol_messenger m;

	(void)state;
	ol_messenger_init(&m, "shop");
	ol_messenger_tell(&m, 1, copy("one\n"));
	ol_messenger_tick(&m, &conf, 0);
	assert_int_equal(WTERMSIG(reap(&m)), SIGSEGV);
	assert_true(ol_messenger_tick(&m, &conf, 0) == OL_NEVER);
	conf.on_crash = missing;
	ol_messenger_tell(&m, 1, copy("two\n"));
	ol_messenger_tick(&m, &conf, 0);
	assert_int_equal(WEXITSTATUS(reap(&m)), 127);
	assert_true(ol_messenger_tick(&m, &conf, 0) == OL_NEVER);
	assert_int_equal(m.pid, 0);
	ol_messenger_fini(&m);
}

/* A pool that is stopped, or says on_crash no more, tells nothing. */
static void
test_stopped(void **state)
{
	char *argv[4], line[] = "true";
	struct ol_conf_pool conf = pool_with(argv, line);
	struct ol_messenger m;

	(void)state;
	ol_messenger_init(&m, "shop");
	ol_messenger_tell(&m, 1, copy("one\n"));
	assert_true(ol_messenger_tick(&m, NULL, 0) == OL_NEVER);
	ol_messenger_tick(&m, &conf, 0);
	assert_int_equal(m.pid, 0);
	conf.on_crash = NULL;
	ol_messenger_tell(&m, 1, copy("two\n"));
	assert_true(ol_messenger_tick(&m, &conf, 0) == OL_NEVER);
	assert_int_equal(m.pid, 0);
	assert_null(m.waiting);
	ol_messenger_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_last_wins),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_stopped),
	};
	int rc;

	alarm(60);
	if (mkdtemp(folder) == NULL)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(folder);
	return rc;
}
