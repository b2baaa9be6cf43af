/* Real processes: our children, and theirs that come to us. */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

#include "base/mark.h"
#include "master/orphan.h"

/* A child that sleeps and bears that mark; 0: none. Group 0: it leads one, -1:
 * ours. */
static pid_t
sleeper_in(pid_t group, uint64_t mark)
{
	char name[] = "sleep", time[] = "1000", *argv[] = { name, time, NULL };
	char *env[] = { NULL };
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	if ((pid = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (group != -1 && setpgid(0, group) == -1)
			_exit(126);
		if (mark != 0)
			ol_mark_set(mark);
		execve("/bin/sleep", argv, env);
		_exit(127);
	}
	close(ends[1]);
	/* Closed by the exec. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	return pid;
}

static pid_t
sleeper(uint64_t mark)
{
	return sleeper_in(-1, mark);
}

static bool
lives(pid_t pid)
{
	siginfo_t info = { .si_pid = 0 };

	/* What was killed ends soon. */
	usleep(20000);
	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) ==
		   0 &&
	       info.si_pid == 0;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool
is_that(void *arg, pid_t pid)
{
	return pid == *(pid_t *)arg;
}

static bool
yes(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	return true;
}

static bool
no(void *arg, pid_t pid)
{
	(void)arg;
	(void)pid;
	return false;
}

/* Ours, those of a pool by note or without a mark, and those that are left. */
static void
test_who_is_killed(void **state)
{
	struct ol_orphans o;
	pid_t ours, noted, of_pool, kin, other, stray;

	(void)state;
	ours = sleeper(7);
	noted = sleeper(8);
	ol_orphans_init(&o);
	assert_int_equal(ol_orphans_open(&o), 0);
	ol_orphans_note(&o, is_that, yes, &ours);
	of_pool = sleeper(0);
	/* We bear one ourselves, as a program of a task. */
	o.mark = 5;
	kin = sleeper(5);
	other = sleeper(9);
	stray = sleeper(UINT64_C(1) << 62);
	/* With a dead spawner, what is listed may be its. */
	ol_orphans_note(&o, is_that, no, &ours);

	assert_int_equal(ol_orphans_kill(&o, is_that, &ours), 2);
	assert_false(lives(stray));
	assert_false(lives(other));
	assert_true(lives(ours));
	assert_true(lives(noted));
	assert_true(lives(of_pool));
	assert_true(lives(kin));
	/* Until they are reaped, they are left. */
	assert_int_equal(ol_orphans_kill(&o, is_that, &ours), 2);
	end(stray);
	end(other);
	assert_int_equal(ol_orphans_kill(&o, is_that, &ours), 0);
	end(ours);
	end(noted);
	end(of_pool);
	end(kin);
	assert_int_equal(ol_orphans_kill(&o, is_that, &ours), 0);
	ol_orphans_fini(&o);
}

/* The group that a stray leads goes with it. */
static void
test_group(void **state)
{
	struct ol_orphans o;
	pid_t leader, member;

	(void)state;
	leader = sleeper_in(0, 7);
	member = sleeper_in(leader, 7);
	ol_orphans_init(&o);
	assert_int_equal(ol_orphans_open(&o), 0);
	/* That one of the group is ours does not save it. */
	assert_int_equal(ol_orphans_kill(&o, is_that, &member), 1);
	assert_false(lives(leader));
	assert_false(lives(member));
	end(leader);
	end(member);
	ol_orphans_fini(&o);
}

/*
 * Without a descriptor to be had: they can still be listed; whose they are
 * cannot be read, so they are left, and live.
 */
static void
test_no_descriptors(void **state)
{
	struct rlimit limit, none;
	struct ol_orphans o;
	pid_t stray, nobody = 0;

	(void)state;
	ol_orphans_init(&o);
	/* Not open: unknown, which is not "nothing is left". */
	assert_int_equal(ol_orphans_kill(&o, is_that, &nobody), -1);
	assert_int_equal(ol_orphans_open(&o), 0);
	stray = sleeper(7);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(ol_orphans_kill(&o, is_that, &nobody), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(lives(stray));
	assert_int_equal(ol_orphans_kill(&o, is_that, &nobody), 1);
	assert_false(lives(stray));
	end(stray);
	ol_orphans_fini(&o);
}

/* More than one buffer of pids. */
static void
test_many(void **state)
{
	enum { MANY = 700 };
	static const struct rlimit mark = { 7, 7 };
	static pid_t pids[MANY];
	struct ol_orphans o;
	pid_t nobody = 0;
	int i;

	(void)state;
	for (i = 0; i < MANY; i++) {
		if ((pids[i] = fork()) == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pause();
			_exit(0);
		}
		assert_true(pids[i] > 0);
		assert_int_equal(
		    prlimit(pids[i], RLIMIT_LOCKS, &mark, NULL), 0);
	}
	ol_orphans_init(&o);
	assert_int_equal(ol_orphans_open(&o), 0);
	assert_int_equal(ol_orphans_kill(&o, is_that, &nobody), MANY);
	for (i = 0; i < MANY; i++)
		assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
	assert_int_equal(ol_orphan_kill(), 0);
	ol_orphans_fini(&o);
}

static void
test_at_the_end(void **state)
{
	pid_t one = sleeper(7), two = sleeper(7);

	(void)state;
	assert_int_equal(ol_orphan_kill(), 2);
	assert_false(lives(one));
	assert_false(lives(two));
	end(one);
	end(two);
	assert_int_equal(ol_orphan_kill(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_killed),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_no_descriptors),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_at_the_end),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
