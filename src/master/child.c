#include <sys/prctl.h>
#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/signals.h"
#include "master/child.h"

/* Set NAME=value in env[0 … *n), which has room. Takes entry. */
static void
set_env(char **env, size_t *n, char *entry)
{
	size_t i, len = (size_t)(strchr(entry, '=') - entry) + 1;

	for (i = 0; i < *n; i++)
		if (strncmp(env[i], entry, len) == 0) {
			free(env[i]);
			env[i] = entry;
			return;
		}
	env[(*n)++] = entry;
}

static char *
pair(const char *name, const char *value)
{
	char *entry;

	if (asprintf(&entry, "%s=%s", name, value) == -1)
		ol_must(NULL);
	return entry;
}

static const char *
folder(const struct ol_conf_pool *conf)
{
	return conf->directory != NULL ? conf->directory : "/";
}

char **
ol_child_env(
    const struct ol_conf_pool *conf, const char *const *extra, size_t nextra)
{
	char **env = ol_must(calloc(conf->nenv + nextra + 4, sizeof(*env)));
	size_t i, n = 0;

	set_env(env, &n, pair("PATH", "/usr/local/bin:/usr/bin:/bin"));
	set_env(env, &n, pair("HOME", folder(conf)));
	set_env(env, &n, pair("LANG", "C.UTF-8"));
	for (i = 0; i < conf->nenv; i++)
		set_env(env, &n, pair(conf->env[i].name, conf->env[i].value));
	for (i = 0; i < nextra; i++)
		set_env(env, &n, ol_must(strdup(extra[i])));
	return env;
}

void
ol_child_env_free(char **env)
{
	size_t i;

	for (i = 0; env[i] != NULL; i++)
		free(env[i]);
	free(env);
}

static void fail(int fd, const char *what, const char *name)
    __attribute__((noreturn));

static void
fail(int fd, const char *what, const char *name)
{
	dprintf(fd, "cannot %s %s: %s\n", what, name, strerror(errno));
	_exit(127);
}

static int
become(const struct ol_conf_pool *conf)
{
	if (conf->uid == (uid_t)-1)
		return 0;
	if (initgroups(conf->user, conf->gid) == -1 ||
	    setresgid(conf->gid, conf->gid, conf->gid) == -1 ||
	    setresuid(conf->uid, conf->uid, conf->uid) == -1)
		return -1;
	return 0;
}

/* Soft and hard at most so much; 0: as it is. */
static int
limit(__rlimit_resource_t resource, int64_t most)
{
	struct rlimit now, wanted;

	if (most == 0)
		return 0;
	wanted.rlim_cur = wanted.rlim_max = (rlim_t)most;
	/* Only root may raise a hard limit. */
	if (getrlimit(resource, &now) == 0 && wanted.rlim_max > now.rlim_max)
		wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
	return setrlimit(resource, &wanted);
}

static int
limit_all(const struct ol_conf_limit *l)
{
	return limit(RLIMIT_AS, l->memory) == -1 ||
		       limit(RLIMIT_NPROC, l->processes) == -1 ||
		       limit(RLIMIT_CPU,
			   (l->cpu + OL_SEC(1) - 1) / OL_SEC(1)) == -1
		   ? -1
		   : 0;
}

void
ol_child_run(const struct ol_conf_pool *conf, char **env, int listen_fd,
    int crash_fd, pid_t master)
{
	setpgid(0, 0);
	if (dup2(listen_fd, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
		fail(crash_fd, "arrange", "descriptors");
	/* A simple program does not know it, and would pass it on. */
	if ((crash_fd != OL_CHILD_CRASH_FD &&
		dup2(crash_fd, OL_CHILD_CRASH_FD) == -1) ||
	    fcntl(OL_CHILD_CRASH_FD, F_SETFD,
		conf->type == OL_CONF_SIMPLE ? FD_CLOEXEC : 0) == -1)
		fail(crash_fd, "arrange", "descriptors");
	crash_fd = OL_CHILD_CRASH_FD;
	closefrom(OL_CHILD_CRASH_FD + 1);
	if (limit_all(&conf->limit) == -1)
		fail(crash_fd, "set the limits of", conf->program[0]);
	if (become(conf) == -1)
		fail(crash_fd, "become user", conf->user);
	if (chdir(folder(conf)) == -1)
		fail(crash_fd, "change to directory", folder(conf));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		fail(crash_fd, "set", "no_new_privs");
	/*
	 * Cleared by a change of user, so set after it. A master that was
	 * killed leaves processes that finish what they have and end.
	 */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1 || getppid() != master) {
		errno = ESRCH;
		fail(crash_fd, "follow", "the master");
	}
	ol_signals_reset();
	execve(conf->program[0], conf->program, env);
	/* The file is there: what its first line names is not. */
	if (errno == ENOENT && access(conf->program[0], F_OK) == 0)
		fail(
		    crash_fd, "find the interpreter (#!) of", conf->program[0]);
	fail(crash_fd, "execute", conf->program[0]);
}
