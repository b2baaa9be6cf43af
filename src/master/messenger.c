#include <sys/mman.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "master/child.h"
#include "master/crash.h"
#include "master/messenger.h"

static const int64_t patience = OL_SEC(30);

void
ol_messenger_init(struct ol_messenger *m, const char *pool)
{
	*m = (struct ol_messenger){ .pool = pool, .said = -1 };
}

static void
end(const struct ol_messenger *m)
{
	if (kill(-m->pid, SIGKILL) == -1)
		kill(m->pid, SIGKILL);
}

void
ol_messenger_fini(struct ol_messenger *m)
{
	if (m->pid != 0)
		end(m);
	if (m->said != -1)
		close(m->said);
	free(m->waiting);
}

void
ol_messenger_tell(struct ol_messenger *m, pid_t crashed, char *report)
{
	if (m->waiting != NULL)
		m->dropped++;
	free(m->waiting);
	m->waiting = report;
	m->crashed = crashed;
}

/* The report as a file that is read from its beginning. -1 with errno set. */
static int
open_report(const char *report)
{
	size_t len = strlen(report);
	int fd = memfd_create("outlast-report", MFD_CLOEXEC), saved;

	if (fd == -1)
		return -1;
	if (pwrite(fd, report, len, 0) == (ssize_t)len)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static char **
make_env(const struct ol_messenger *m, const struct ol_conf_pool *conf)
{
	char pool[64], pid[48], dropped[48];
	const char *const extra[] = { pool, pid, dropped };

	snprintf(pool, sizeof(pool), "OUTLAST_POOL=%s", m->pool);
	snprintf(pid, sizeof(pid), "OUTLAST_CRASH_PID=%d", (int)m->crashed);
	snprintf(dropped, sizeof(dropped), "OUTLAST_CRASHES_LEFT_OUT=%d",
	    m->dropped);
	return ol_child_env(conf, extra, 3);
}

/* -1 with errno set. */
static int
start(struct ol_messenger *m, const struct ol_conf_pool *conf)
{
	/* In all else as the pool's own program. */
	struct ol_conf_pool own = *conf;
	pid_t master = getpid(), pid;
	sigset_t all, before;
	int in, saved;
	char **env;

	own.program = conf->on_crash;
	own.type = OL_CONF_SIMPLE;
	if ((in = open_report(m->waiting)) == -1)
		goto err0;
	if ((m->said = ol_crash_open()) == -1)
		goto err1;
	env = make_env(m, conf);
	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		ol_child_run(&own, env, in, m->said, master);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	ol_child_env_free(env);
	errno = saved;
	if (pid == -1)
		goto err2;
	setpgid(pid, pid);
	close(in);
	m->pid = pid;
	return 0;
err2:
	saved = errno;
	close(m->said);
	m->said = -1;
	errno = saved;
err1:
	saved = errno;
	close(in);
	errno = saved;
err0:
	return -1;
}

static void
forget(struct ol_messenger *m)
{
	free(m->waiting);
	m->waiting = NULL;
	m->dropped = 0;
}

int64_t
ol_messenger_tick(
    struct ol_messenger *m, const struct ol_conf_pool *conf, int64_t now)
{
	if (m->pid != 0 && now >= m->deadline) {
		ol_log_warn(NULL,
		    "pool %s: on_crash pid %d takes longer than %.0f s, "
		    "killed",
		    m->pool, (int)m->pid, (double)patience / 1e9);
		end(m);
		m->deadline = OL_NEVER;
	}
	if (conf == NULL || conf->on_crash == NULL)
		forget(m);
	if (m->pid != 0)
		return m->deadline;
	if (m->waiting == NULL)
		return OL_NEVER;
	if (start(m, conf) == -1) {
		ol_log_error(NULL, "pool %s: cannot start on_crash %s: %s",
		    m->pool, conf->on_crash[0], strerror(errno));
		forget(m);
		return OL_NEVER;
	}
	if (m->dropped > 0)
		ol_log_warn(NULL,
		    "pool %s: %d crash reports came too fast for on_crash, "
		    "which gets the last one",
		    m->pool, m->dropped);
	ol_log_info(NULL, "pool %s: on_crash %s started, pid %d", m->pool,
	    conf->on_crash[0], (int)m->pid);
	forget(m);
	m->deadline = ol_clock_after(now, patience);
	return m->deadline;
}

void
ol_messenger_reaped(struct ol_messenger *m, int status)
{
	char how[64], summary[512] = "", *said;
	size_t len;

	ol_crash_status(how, sizeof(how), status);
	if ((said = ol_crash_read(m->said, &len)) != NULL)
		ol_crash_summary(summary, sizeof(summary), said, len);
	free(said);
	if (status != 0)
		ol_log_error(NULL, "pool %s: on_crash pid %d ended: %s%s%s",
		    m->pool, (int)m->pid, how, *summary ? ": " : "", summary);
	close(m->said);
	m->said = -1;
	m->pid = 0;
}
