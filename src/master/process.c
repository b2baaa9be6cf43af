#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/text.h"
#include "master/child.h"
#include "master/crash.h"
#include "master/process.h"
#include "master/threads.h"

/* The next datagram: 1 read, 0 none waits, -1 rubbish. */
static int
receive(struct ol_process *p, struct ol_notify *n)
{
	char data[OL_NOTIFY_MAX + 1];
	ssize_t len;

	do
		len = recv(p->notify_fd, data, sizeof(data), MSG_DONTWAIT);
	while (len == -1 && errno == EINTR);
	if (len == -1)
		return 0;
	if (ol_notify_parse(n, data, (size_t)len) == -1) {
		if (p->rubbish++ == 0)
			ol_log_warn(&p->log,
			    "sent a notify datagram that makes no sense; "
			    "further ones are not mentioned");
		return -1;
	}
	return 1;
}

static void
keep_words(struct ol_process *p, const struct ol_notify *n)
{
	if (n->ready || n->tasks > 0 ||
	    (n->tasks >= 0 && n->tasks != p->tasks) ||
	    (n->requests >= 0 && n->requests != p->requests))
		p->active = ol_clock_now();
	if (n->tasks >= 0)
		p->tasks = n->tasks;
	if (n->requests >= 0)
		p->requests = n->requests;
	if (n->status[0] == '\0' || strcmp(n->status, p->status) == 0)
		return;
	strlcpy(p->status, n->status, sizeof(p->status));
	ol_log_info(&p->log, "says: %s", p->status);
}

/*
 * It accepts nobody any more: when it was the last one at an address that was
 * given up, that address ends here.
 */
static void
let_go(struct ol_process *p)
{
	p->leaving = true;
	ol_listener_unref(p->listener);
	p->listener = NULL;
}

static void
on_notify_readable(void *arg)
{
	enum { AT_ONCE = 16 }; /* then the others have their turn */
	struct ol_process *p = arg;
	struct ol_notify n;
	int i, rc;

	for (i = 0; i < AT_ONCE && (rc = receive(p, &n)) != 0; i++) {
		if (rc == -1)
			continue;
		keep_words(p, &n);
		if (n.stopping) {
			let_go(p);
			p->accepts = NULL;
		}
		p->on_notify(p, &n, p->arg);
	}
}

static char **
make_env(const struct ol_process *p, const struct ol_process_options *o)
{
	char *extra[7], **env;
	size_t i, n = 0;

#define ADD(...) \
	do { \
		if (asprintf(&extra[n++], __VA_ARGS__) == -1) \
			ol_must(NULL); \
	} while (0)
	if (!p->simple) {
		ADD("NOTIFY_SOCKET=%s", p->notify_path);
		ADD("OUTLAST_CRASH_FD=%d", OL_CHILD_CRASH_FD);
	}
	ADD("OUTLAST_INSTANCE=%s", o->house->instance);
	ADD("OUTLAST_POOL=%s", o->conf->name);
	ADD("OUTLAST_SHUTDOWN_DELAY=%lld",
	    (long long)(o->conf->shutdown_delay / OL_SEC(1)));
	ADD("OUTLAST_SHUTDOWN_DELAY_MAX=%lld",
	    (long long)(o->conf->shutdown_delay_max / OL_SEC(1)));
	/* Twice in that time, it pings. */
	if (o->conf->ping_interval != 0)
		ADD("WATCHDOG_USEC=%lld",
		    (long long)(o->conf->ping_interval * 2 / 1000));
#undef ADD
	env = ol_child_env(o->conf, (const char *const *)extra, n);
	for (i = 0; i < n; i++)
		free(extra[i]);
	return env;
}

/* -1 with errno set. */
static int
fork_child(struct ol_process *p, const struct ol_process_options *o)
{
	char **env = make_env(p, o);
	pid_t master = getpid();
	sigset_t all, before;
	int saved;

	/*
	 * A handler of ours must not run in the child: it would write into
	 * the pipe of our loop.
	 */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	p->pid = fork();
	if (p->pid == 0)
		ol_child_run(o->conf, env, ol_listener_fd(p->listener),
		    p->crash_fd, master);
	saved = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	ol_child_env_free(env);
	/* Both sides do this, so that neither has to wait for the other. */
	if (p->pid > 0)
		setpgid(p->pid, p->pid);
	errno = saved;
	return p->pid == -1 ? -1 : 0;
}

static void
name_notify(struct ol_process *p, const struct ol_house *house,
    const char *pool, int slot)
{
	if (asprintf(&p->notify_path, "%s/%s.%d.%u", house->notify_folder, pool,
		slot, p->generation) == -1)
		ol_must(NULL);
}

/* -1: logged. */
static int
open_notify(struct ol_process *p, const struct ol_process_options *o)
{
	name_notify(p, o->house, o->conf->name, o->slot);
	p->notify_fd = ol_notify_bind(p->notify_path, o->conf->uid);
	if (p->notify_fd == -1) {
		ol_log_error(&p->log, "cannot make notify socket %s: %s",
		    p->notify_path, strerror(errno));
		return -1;
	}
	p->watch = ol_must(
	    ol_watch_new(o->house->loop, p->notify_fd, on_notify_readable, p));
	return 0;
}

struct ol_process *
ol_process_start(const struct ol_process_options *o)
{
	struct ol_process *p = ol_must(calloc(1, sizeof(*p)));
	int flags;

	p->generation = o->generation;
	p->tasks = p->requests = -1;
	p->notify_fd = p->crash_fd = -1;
	p->on_notify = o->on_notify;
	p->arg = o->arg;
	p->simple = o->conf->type == OL_CONF_SIMPLE;
	p->stop_signal = (int)o->conf->stop_signal;
	p->listener = ol_listener_ref(o->listener);
	ol_log_about(&p->log, "pool %s[%d]", o->conf->name, o->slot);
	if (!p->simple && open_notify(p, o) == -1)
		goto err;
	if ((p->crash_fd = ol_crash_open()) == -1) {
		ol_log_error(
		    &p->log, "cannot make a crash report: %s", strerror(errno));
		goto err;
	}
	/* The flag is the shared socket's: an older process may have
	 * changed it. */
	flags = fcntl(ol_listener_fd(p->listener), F_GETFL);
	fcntl(ol_listener_fd(p->listener), F_SETFL,
	    p->simple ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
	if (fork_child(p, o) == -1) {
		ol_log_error(&p->log, "cannot fork: %s", strerror(errno));
		goto err;
	}
	p->accepts = p->listener;
	ol_log_about(
	    &p->log, "pool %s[%d] pid %d", o->conf->name, o->slot, (int)p->pid);
	ol_log_notice(&p->log, "started %s, generation %u", o->conf->program[0],
	    o->generation);
	return p;
err:
	ol_process_free(p);
	return NULL;
}

int64_t
ol_process_memory(const struct ol_process *p)
{
	long long pages = -1;
	char path[48];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)p->pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	if (fscanf(f, "%*d %lld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages == -1 ? -1 : pages * sysconf(_SC_PAGESIZE);
}

void
ol_process_tell(struct ol_process *p, int seconds)
{
	union sigval value = { .sival_int = seconds };
	int signo = p->stop_signal;

	let_go(p);
	if (p->simple && seconds == 0)
		signo = SIGTERM;
	if (!p->simple && sigqueue(p->pid, signo, value) == 0)
		return;
	/* Without room for the number, the bare signal is better than none. */
	if ((!p->simple && errno != EAGAIN) || kill(p->pid, signo) == -1)
		ol_log_error(
		    &p->log, "cannot signal it to stop: %s", strerror(errno));
}

void
ol_process_abort(struct ol_process *p)
{
	let_go(p);
	p->aborted = true;
	ol_threads_log(&p->log, p->pid);
	if (kill(p->pid, SIGABRT) == -1)
		ol_log_error(
		    &p->log, "cannot send SIGABRT: %s", strerror(errno));
}

void
ol_process_kill(struct ol_process *p, const char *why)
{
	p->killed = why;
	if (kill(-p->pid, SIGKILL) == -1 && kill(p->pid, SIGKILL) == -1)
		ol_log_error(&p->log, "cannot kill: %s", strerror(errno));
	if (p->tasks > 0)
		ol_log_warn(&p->log, "killed %s: %lld work items are lost%s%s",
		    why, (long long)p->tasks, *p->status ? "; it said: " : "",
		    p->status);
	else
		ol_log_warn(&p->log, "killed %s%s%s", why,
		    *p->status ? "; it said: " : "", p->status);
}

/* Signals that no fault of the program raises; the OOM killer sends KILL. */
static bool
from_outside(int signo)
{
	return signo == SIGKILL || signo == SIGTERM || signo == SIGINT ||
	       signo == SIGHUP || signo == SIGUSR1 || signo == SIGUSR2;
}

static void
log_crash(struct ol_process *p, const struct ol_house *house, int slot,
    const char *pool, int status, const char *report, size_t len)
{
	char summary[512], signame[24], *path;
	char name[80];

	if (report == NULL) {
		bool outside = from_outside(WTERMSIG(status));

		ol_log_error(&p->log, "%s %s%s%s%s",
		    outside ? "killed from outside with" : "crashed with",
		    ol_text_signal(signame, sizeof(signame), WTERMSIG(status)),
		    WTERMSIG(status) == SIGKILL
			? " (an operator, or the kernel out of memory)"
		    : WCOREDUMP(status) ? " (core dumped)"
					: " (no core dump)",
		    *p->status ? "; it said: " : "", p->status);
		return;
	}
	ol_crash_summary(summary, sizeof(summary), report, len);
	snprintf(name, sizeof(name), "%s-%d-%u.txt", pool, slot, p->generation);
	path = ol_crash_keep(&p->log, house->crash_folder, name, report, len);
	ol_log_error(&p->log, "%s %s; report: %s",
	    WIFEXITED(status) ? "ended by itself and left a crash report:"
	    : p->aborted      ? "hung, and was ended with"
			      : "crashed with",
	    summary, path != NULL ? path : "not kept");
	ol_crash_log(&p->log, report, len);
	free(path);
}

/* A process that dies of our SIGTERM or SIGKILL did not crash. */
static bool
ended_by_us(const struct ol_process *p, int status)
{
	if (WIFEXITED(status))
		return true;
	return p->killed != NULL || p->aborted ||
	       (p->leaving && (WTERMSIG(status) == SIGTERM ||
				  WTERMSIG(status) == p->stop_signal));
}

/* What on_crash is told; not of an end that was asked for, or that is none of
 * the program's. */
static char *
what_to_tell(const struct ol_process *p, int status, const char *how,
    const char *report, size_t len)
{
	bool crashed;
	char *text;

	if (report != NULL)
		return ol_crash_escape(report, len);
	if (p->aborted)
		crashed = true;
	else if (p->killed != NULL)
		crashed = false;
	else if (WIFEXITED(status))
		crashed = WEXITSTATUS(status) != 0 && !p->leaving;
	else
		crashed = !ended_by_us(p, status);
	if (!crashed)
		return NULL;
	if (asprintf(&text, "%s%s\n", p->aborted ? "hung, and was ended: " : "",
		how) == -1)
		ol_must(NULL);
	return text;
}

void
ol_process_ended(struct ol_process *p, const struct ol_house *house, int slot,
    const char *pool, int status, char *how, size_t size)
{
	char *report;
	size_t len;
	struct ol_notify n;
	int i, rc;

	/*
	 * The kernel holds a dozen datagrams at most. A READY among them
	 * must not count any more: its sender serves nobody.
	 */
	for (i = 0; p->notify_fd != -1 && i < 64 && (rc = receive(p, &n)) != 0;
	     i++)
		if (rc == 1)
			keep_words(p, &n);
	ol_crash_status(how, size, status);
	report = ol_crash_read(p->crash_fd, &len);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && report != NULL &&
	    strncmp(report, "cannot ", 7) == 0) {
		char summary[512];

		ol_crash_summary(summary, sizeof(summary), report, len);
		ol_log_error(&p->log, "%s", summary);
	} else if (report != NULL || !ended_by_us(p, status))
		log_crash(p, house, slot, pool, status, report, len);
	/* The count of one that ends well may be a second old. */
	if (p->killed == NULL && p->tasks > 0 &&
	    !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
		ol_log_warn(
		    &p->log, "%lld work items are lost", (long long)p->tasks);
	p->crash = what_to_tell(p, status, how, report, len);
	free(report);
}

void
ol_process_free(struct ol_process *p)
{
	if (p == NULL)
		return;
	ol_watch_free(p->watch);
	if (p->notify_fd != -1) {
		close(p->notify_fd);
		unlink(p->notify_path);
	}
	free(p->notify_path);
	if (p->crash_fd != -1)
		close(p->crash_fd);
	ol_listener_unref(p->listener);
	free(p->crash);
	free(p);
}

void
ol_process_save(const struct ol_process *p, struct ol_handover_process *to)
{
	*to = (struct ol_handover_process){
		.generation = p->generation,
		.pid = p->pid,
		.notify_fd = p->notify_fd,
		.crash_fd = p->crash_fd,
		.listener = -1,
		.accepts = -1,
		.tasks = p->tasks,
		.requests = p->requests,
		.active = p->active,
		.measured = p->measured,
		.rubbish = p->rubbish,
		.leaving = p->leaving,
		.aborted = p->aborted,
		.killed = p->killed != NULL,
		.simple = p->simple,
		.stop_signal = p->stop_signal,
	};
	strlcpy(to->status, p->status, sizeof(to->status));
}

struct ol_process *
ol_process_resume(const struct ol_process_options *o, const char *pool,
    const struct ol_handover_process *from)
{
	struct ol_process *p = ol_must(calloc(1, sizeof(*p)));

	p->generation = from->generation;
	p->pid = from->pid;
	p->notify_fd = from->notify_fd;
	p->crash_fd = from->crash_fd;
	p->tasks = from->tasks;
	p->requests = from->requests;
	p->active = from->active;
	p->measured = from->measured;
	p->rubbish = from->rubbish;
	p->leaving = from->leaving;
	p->aborted = from->aborted;
	p->killed = from->killed ? "before the upgrade" : NULL;
	p->simple = from->simple;
	p->stop_signal = from->stop_signal;
	strlcpy(p->status, from->status, sizeof(p->status));
	p->on_notify = o->on_notify;
	p->arg = o->arg;
	if (o->listener != NULL)
		p->listener = ol_listener_ref(o->listener);
	ol_log_about(&p->log, "pool %s[%d] pid %d", pool, o->slot, (int)p->pid);
	if (p->notify_fd == -1)
		return p;
	name_notify(p, o->house, pool, o->slot);
	p->watch = ol_must(
	    ol_watch_new(o->house->loop, p->notify_fd, on_notify_readable, p));
	return p;
}
