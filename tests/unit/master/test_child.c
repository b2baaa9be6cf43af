#include <sys/stat.h>
#include <sys/wait.h>
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
#include "master/child.h"
#include "master/crash.h"

/* Writable, as main() gets its words. */
#define STR(s) ((char[]){ s })

static const char *
get(char **env, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (; *env != NULL; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=') {
			assert_null(found); /* no name twice */
			found = *env + len + 1;
		}
	return found;
}

static void
test_environment(void **state)
{
	static const char *const extra[] = { "NOTIFY_SOCKET=/n", "OUTLAST=1" };
	struct ol_conf_env lines[] = { { STR("LANG"), STR("de_AT") },
		{ STR("EMPTY"), STR("") }, { STR("EQUALS"), STR("a=b") },
		{ STR("NOTIFY_SOCKET"), STR("/evil") } };
	struct ol_conf_pool conf = {
		.directory = STR("/srv"), .env = lines, .nenv = 4
	};
	char **env;

	(void)state;
	setenv("SECRET", "of the master", 1);
	env = ol_child_env(&conf, extra, 2);
	assert_string_equal(get(env, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	assert_string_equal(get(env, "HOME"), "/srv");
	assert_string_equal(get(env, "LANG"), "de_AT");
	assert_string_equal(get(env, "EMPTY"), "");
	assert_string_equal(get(env, "EQUALS"), "a=b");
	assert_string_equal(get(env, "NOTIFY_SOCKET"), "/n");
	assert_string_equal(get(env, "OUTLAST"), "1");
	assert_null(get(env, "SECRET"));
	ol_child_env_free(env);
}

/* Run the command; its exit status, and what is in the crash report. */
static int
run(char *const *argv, const char *folder, char **report)
{
	struct ol_conf_pool conf = { .program = (char **)(uintptr_t)argv,
		.directory = (char *)(uintptr_t)folder,
		.uid = (uid_t)-1 };
	char **env = ol_child_env(&conf, NULL, 0);
	int crash = ol_crash_open(), listener = open("/dev/zero", O_RDONLY);
	int leak = dup(1), status;
	pid_t pid, self = getpid();
	size_t len;

	assert_true(leak > 3);
	if ((pid = fork()) == 0)
		ol_child_run(&conf, env, listener, crash, self);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*report = ol_crash_read(crash, &len);
	close(crash);
	close(listener);
	close(leak);
	ol_child_env_free(env);
	return status;
}

static void
test_what_a_program_finds(void **state)
{
	/*
	 * Each line that is not as promised ends with its number. What a child
	 * inherits is looked at: the shell blocks signals while it waits. 32
	 * and 33 are the C library's own, which changes them for nobody.
	 */
	static const char script[] =
	    "[ \"$(readlink /proc/$$/fd/0)\" = /dev/zero ] || exit 1\n"
	    "[ \"$(readlink /proc/$$/fd/1)\" = \"$(readlink /proc/$$/fd/2)\" ]"
	    " || exit 2\n"
	    "for fd in /proc/$$/fd/*; do [ -e $fd ] || continue\n"
	    "case ${fd##*/} in [0123]) ;; *) exit 3;; esac; done\n"
	    "set -- $(cat /proc/$$/stat); [ $5 = $$ ] || exit 4\n"
	    "grep -q '^NoNewPrivs:.1' /proc/self/status || exit 5\n"
	    "grep -q '^SigBlk:.0000000000000000' /proc/self/status || exit 6\n"
	    "grep -q '^SigIgn:.0000000[01][08]0000000$' /proc/self/status || "
	    "exit 7\n"
	    "[ \"$PWD\" = /usr ] || exit 8\n"
	    "echo report >&3\n"
	    "kill -SEGV $$\n";
	char *const argv[] = { STR("/bin/sh"), STR("-c"),
		(char *)(uintptr_t)script, NULL };
	sigset_t all, before;
	char *report;
	int status;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	status = run(argv, "/usr", &report);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (WIFEXITED(status))
		print_error("line %d\n", WEXITSTATUS(status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	assert_string_equal(report, "report\n");
	free(report);
}

static void
test_what_cannot_be_started(void **state)
{
	char *const missing[] = { STR("/nowhere/at/all"), NULL };
	char *const folder[] = { STR("/usr"), NULL };
	char *const fine[] = { STR("/bin/true"), NULL };
	char script[] = "/tmp/outlast-child-XXXXXX", expected[128];
	char *const orphan[] = { script, NULL };
	int fd = mkstemp(script);
	char *report;

	(void)state;
	assert_int_equal(write(fd, "#!/nowhere\n", 11), 11);
	fchmod(fd, 0700);
	close(fd);
	assert_int_equal(WEXITSTATUS(run(orphan, NULL, &report)), 127);
	unlink(script);
	snprintf(expected, sizeof(expected),
	    "cannot find the interpreter (#!) of %s: No such file or "
	    "directory\n",
	    script);
	assert_string_equal(report, expected);
	free(report);
	assert_int_equal(WEXITSTATUS(run(missing, NULL, &report)), 127);
	assert_string_equal(report,
	    "cannot execute /nowhere/at/all: No such file or directory\n");
	free(report);
	assert_int_equal(WEXITSTATUS(run(folder, NULL, &report)), 127);
	assert_string_equal(report, "cannot execute /usr: Permission denied\n");
	free(report);
	assert_int_equal(WEXITSTATUS(run(fine, "/nowhere", &report)), 127);
	assert_string_equal(report,
	    "cannot change to directory /nowhere: No such file or "
	    "directory\n");
	free(report);
	assert_int_equal(run(fine, NULL, &report), 0);
	assert_null(report);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_what_a_program_finds),
		cmocka_unit_test(test_what_cannot_be_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
