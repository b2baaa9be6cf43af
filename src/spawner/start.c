#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/sched.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "base/mark.h"
#include "spawner/start.h"

enum step {
	STEP_NONE,
	STEP_SESSION,
	STEP_DESCRIPTORS,
	STEP_MEMORY,
	STEP_PROCESSES,
	STEP_CPU,
	STEP_PRIVILEGES,
	STEP_USER,
	STEP_DIRECTORY,
	STEP_EXECUTE,
	STEP_INTERPRETER,
};

struct child {
	const struct ol_start *start;
	pid_t parent;
	int report;    /* where its failure is written to */
	bool handlers; /* it has ours */
};

static int
limit(int resource, rlim_t soft, rlim_t hard)
{
	struct rlimit now, wanted = { soft, hard };

	/* Without privileges, no limit that we have can be raised. */
	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 &&
	    geteuid() != 0) {
		if (wanted.rlim_max > now.rlim_max)
			wanted.rlim_max = now.rlim_max;
		if (wanted.rlim_cur > wanted.rlim_max)
			wanted.rlim_cur = wanted.rlim_max;
	}
	return setrlimit((__rlimit_resource_t)resource, &wanted);
}

static enum step
set_limits(const struct ol_conf_limit *conf)
{
	struct rlimit none = { 0, 0 };
	rlim_t n;

	setrlimit(RLIMIT_CORE, &none);
	n = (rlim_t)conf->memory;
	if (n > 0 && limit(RLIMIT_AS, n, n) == -1)
		return STEP_MEMORY;
	n = (rlim_t)conf->processes;
	if (n > 0 && limit(RLIMIT_NPROC, n, n) == -1)
		return STEP_PROCESSES;
	/* SIGXCPU, which says what it is, a second before SIGKILL. */
	n = (rlim_t)((conf->cpu + OL_SEC(1) - 1) / OL_SEC(1));
	if (n > 0 && limit(RLIMIT_CPU, n, n + 1) == -1)
		return STEP_CPU;
	return STEP_NONE;
}

/* By the kernel's calls: those of the C library look for threads. */
static int
become(const struct ol_start *start)
{
	const struct ol_conf_task *conf = start->conf;

	if (conf->uid == (uid_t)-1)
		return 0;
	if (syscall(SYS_setgroups, start->ngroups, start->groups) == -1 ||
	    syscall(SYS_setresgid, conf->gid, conf->gid, conf->gid) == -1 ||
	    syscall(SYS_setresuid, conf->uid, conf->uid, conf->uid) == -1)
		return -1;
	return 0;
}

/* Everything up to the program; returns where it failed, with errno set. */
static enum step
go(const struct child *child)
{
	const struct ol_start *start = child->start;
	char *const *argv = start->conf->program;
	enum step step;
	int i;

	if (setsid() == -1)
		return STEP_SESSION;
	for (i = 0; i < 3; i++)
		if (dup2(start->fds[i], i) == -1)
			return STEP_DESCRIPTORS;
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == -1)
		return STEP_DESCRIPTORS;
	ol_mark_set(start->mark);
	if ((step = set_limits(&start->conf->limit)) != STEP_NONE)
		return step;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return STEP_PRIVILEGES;
	if (become(start) == -1)
		return STEP_USER;
	/* Cleared by a change of user, so set after it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != child->parent)
		kill(getpid(), SIGKILL);
	if (chdir(start->directory) == -1)
		return STEP_DIRECTORY;
	if (child->handlers)
		ol_signals_reset();
	else
		ol_signals_heed(start->ignored);
	execve(argv[0], argv, start->env);
	/* The file is there: what its first line names is not. */
	if (errno == ENOENT && access(argv[0], F_OK) == 0) {
		errno = ENOENT;
		return STEP_INTERPRETER;
	}
	return STEP_EXECUTE;
}

/* What the first line of the file names; "" when that cannot be read. */
static void
read_interpreter(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, buf, size - 1) : -1;
	const char *start;

	if (fd != -1)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	if (strncmp(buf, "#!", 2) != 0) {
		buf[0] = '\0';
		return;
	}
	buf[strcspn(buf, "\n")] = '\0';
	start = buf + 2 + strspn(buf + 2, " \t");
	memmove(buf, start, strlen(start) + 1);
	buf[strcspn(buf, " \t")] = '\0';
}

static void
describe_interpreter(const char *program, char *text, size_t size)
{
	char name[256];
	size_t len;

	read_interpreter(program, name, sizeof(name));
	if ((len = strcspn(name, "\r")) < strlen(name))
		snprintf(text, size,
		    "cannot find the interpreter %.*s<CR> of %s, whose lines "
		    "end as in Windows",
		    (int)len, name, program);
	else if (len > 0)
		snprintf(text, size, "cannot find the interpreter %s of %s",
		    name, program);
	else
		snprintf(text, size, "cannot find the interpreter (#!) of %s",
		    program);
}

static void
describe(const struct ol_start *start, enum step step, int error,
    struct ol_start_failure *failure)
{
	const struct ol_conf_task *conf = start->conf;
	size_t size = sizeof(failure->text);
	char *text = failure->text;

	memset(failure, 0, sizeof(*failure));
	failure->error = error;

	switch (step) {
	case STEP_NONE:
		strlcpy(text, "cannot start a process", size);
		break;
	case STEP_SESSION:
		strlcpy(text, "cannot make a session", size);
		break;
	case STEP_DESCRIPTORS:
		strlcpy(text, "cannot arrange descriptors", size);
		break;
	case STEP_MEMORY:
		strlcpy(text, "cannot limit its memory", size);
		break;
	case STEP_PROCESSES:
		strlcpy(text, "cannot limit its processes", size);
		break;
	case STEP_CPU:
		strlcpy(text, "cannot limit its CPU time", size);
		break;
	case STEP_PRIVILEGES:
		strlcpy(text, "cannot give up privileges", size);
		break;
	case STEP_USER:
		snprintf(text, size, "cannot become user %s", conf->user);
		break;
	case STEP_DIRECTORY:
		snprintf(text, size, "cannot change to directory %s",
		    start->directory);
		break;
	case STEP_EXECUTE:
		snprintf(text, size, "cannot execute %s%s", conf->program[0],
		    error == ENOEXEC
			? ", a script without #! or of another machine"
			: "");
		break;
	case STEP_INTERPRETER:
		describe_interpreter(conf->program[0], text, size);
		break;
	}
	strlcat(text, ": ", size);
	strlcat(text, strerror(error), size);
}

static void run_child(const struct child *) __attribute__((noreturn));

static void
run_child(const struct child *child)
{
	struct ol_start_failure failure;
	enum step step = go(child);
	ssize_t n;

	describe(child->start, step, errno, &failure);
	n = write(child->report, &failure, sizeof(failure));
	(void)n; /* nobody else is there to be told */
	_exit(127);
}

/* As fork(), without our handlers, and into the cgroup unless it is -1. */
static pid_t
fork_into(int cgroup)
{
	struct clone_args args = {
		.flags = CLONE_CLEAR_SIGHAND,
		.exit_signal = SIGCHLD,
	};

	if (cgroup != -1) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (__u64)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static pid_t
start_child(struct child *child, int *cgroup)
{
	pid_t pid = fork_into(*cgroup);

	if (pid == -1 && errno != EAGAIN && errno != ENOMEM && *cgroup != -1) {
		*cgroup = -1;
		pid = fork_into(-1);
	}
	/* An old kernel, or a container that forbids it. */
	if (pid == -1 && errno != EAGAIN && errno != ENOMEM) {
		child->handlers = true;
		pid = fork();
	}
	if (pid == 0)
		run_child(child);
	return pid;
}

pid_t
ol_start(struct ol_start *start, int *report, struct ol_start_failure *failure)
{
	struct child child = { .start = start, .parent = getpid() };
	sigset_t all, before;
	int pipe[2], error;
	pid_t pid = -1;

	/* A handler of ours must not run in the child. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) == 0) {
		child.report = pipe[1];
		pid = start_child(&child, &start->cgroup);
		error = errno;
		close(pipe[1]);
		if (pid == -1)
			close(pipe[0]);
	} else {
		error = errno;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid == -1)
		describe(start, STEP_NONE, error, failure);
	else
		*report = pipe[0];
	return pid;
}

enum ol_start_news
ol_start_news(int report, struct ol_start_failure *failure)
{
	ssize_t n = read(report, failure, sizeof(*failure));

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return OL_START_NO_NEWS;
	if (n != sizeof(*failure))
		return OL_START_EXECUTED;
	failure->text[sizeof(failure->text) - 1] = '\0';
	return OL_START_FAILED;
}
