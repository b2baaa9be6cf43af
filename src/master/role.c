#include <sys/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/log.h"
#include "base/must.h"
#include "base/order.h"
#include "base/signals.h"
#include "master/role.h"

/*
 * What of our environment a role needs: where libraries are and what tests ask
 * of them. The rest may be secrets of the configuration.
 */
static bool
is_passed(const char *entry)
{
	static const char *const passed[] = { "PATH=", "LANG=", "LC_ALL=",
		"TZ=", "LD_LIBRARY_PATH=", "LD_PRELOAD=", "ASAN_OPTIONS=",
		"UBSAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS=",
		"OUTLAST_FAILPOINT" };
	size_t i;

	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (strncmp(entry, passed[i], strlen(passed[i])) == 0)
			return true;
	return false;
}

static char **
make_env(void)
{
	char **env;
	size_t i, n = 0;

	for (i = 0; environ[i] != NULL; i++)
		;
	env = ol_must(calloc(i + 1, sizeof(*env)));
	for (i = 0; environ[i] != NULL; i++)
		if (is_passed(environ[i]))
			env[n++] = environ[i];
	return env;
}

static void fail(const char *what, const char *name) __attribute__((noreturn));

static void
fail(const char *what, const char *name)
{
	dprintf(STDERR_FILENO, "outlastd: cannot %s %s: %s\n", what, name,
	    strerror(errno));
	_exit(127);
}

static void
arrange_descriptors(int master, int peer)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Out of the way of the numbers that they get. */
	master = fcntl(master, F_DUPFD_CLOEXEC, OL_ORDER_PEER_FD + 1);
	peer = fcntl(peer, F_DUPFD_CLOEXEC, OL_ORDER_PEER_FD + 1);
	if (null == -1 || master == -1 || peer == -1 ||
	    dup2(null, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1 ||
	    dup2(master, OL_ORDER_MASTER_FD) == -1 ||
	    dup2(peer, OL_ORDER_PEER_FD) == -1)
		fail("arrange", "descriptors");
	closefrom(OL_ORDER_PEER_FD + 1);
}

static void run(const struct ol_role_options *, char **env, int channel)
    __attribute__((noreturn));

static void
run(const struct ol_role_options *o, char **env, int channel)
{
	char name[] = "outlastd", option[] = "--role";
	char role[16], *argv[] = { name, option, role, NULL };

	strlcpy(role, o->name, sizeof(role));
	/* The terminal's signals are for the master alone. */
	setsid();
	arrange_descriptors(channel, o->peer);
	if (o->user != NULL && (initgroups(o->user, o->gid) == -1 ||
				   setresgid(o->gid, o->gid, o->gid) == -1 ||
				   setresuid(o->uid, o->uid, o->uid) == -1))
		fail("become user", o->user);
	if (chdir("/") == -1)
		fail("change to directory", "/");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fail("set", "no_new_privs");
	ol_signals_reset();
	/* Our own file, also when another one has taken its name. */
	execve("/proc/self/exe", argv, env);
	fail("execute", "/proc/self/exe");
}

pid_t
ol_role_start(const struct ol_role_options *o, int *channel)
{
	sigset_t all, before;
	int ends[2], saved;
	char **env;
	pid_t pid;

	if (ol_channel_pair(ends) == -1) {
		ol_log_error(NULL, "cannot make a channel to the %s: %s",
		    o->name, strerror(errno));
		return -1;
	}
	env = make_env();
	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		run(o, env, ends[1]);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(env);
	close(ends[1]);
	if (pid == -1) {
		ol_log_error(
		    NULL, "cannot fork the %s: %s", o->name, strerror(saved));
		close(ends[0]);
		return -1;
	}
	*channel = ends[0];
	return pid;
}
