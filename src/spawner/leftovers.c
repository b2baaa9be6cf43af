#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spawner/leftovers.h"
#include "spawner/scratch.h"

/* How long a process may take to die of SIGKILL, before we go on. */
#define PATIENCE OL_SEC(5)

static struct ol_job *
find_session(struct ol_jobs *jobs, pid_t sid)
{
	struct ol_job *job;

	LIST_FOREACH (job, &jobs->list, link)
		if (job->pid == sid)
			return job;
	return NULL;
}

static struct ol_remover *
find_remover(struct ol_jobs *jobs, pid_t pid)
{
	struct ol_remover *remover;

	LIST_FOREACH (remover, &jobs->removers, link)
		if (remover->pid == pid)
			return remover;
	return NULL;
}

static struct ol_job *
first_ending(struct ol_jobs *jobs)
{
	struct ol_job *job;

	LIST_FOREACH (job, &jobs->list, link)
		if (job->ending)
			return job;
	return NULL;
}

static bool
has_running(struct ol_jobs *jobs)
{
	struct ol_job *job;

	LIST_FOREACH (job, &jobs->list, link)
		if (!job->ending)
			return true;
	return false;
}

/* --- who ended --- */

static void
end_remover(struct ol_remover *remover)
{
	if (ol_scratch_remove_empty(remover->path) == -1)
		ol_log_warn(NULL, "cannot remove %s: %s; remove it by hand",
		    remover->path, strerror(errno));
	LIST_REMOVE(remover, link);
	free(remover->path);
	free(remover);
}

/* pid is a zombie: while it is, no other process can have its number. */
static void
reap(struct ol_jobs *jobs, pid_t pid)
{
	struct ol_job *job = find_session(jobs, pid);
	struct ol_job *session;
	struct ol_remover *remover;
	int status;

	if (job != NULL && !job->ending) {
		kill(-pid, SIGKILL);
		if (wait4(pid, &job->status, 0, &job->usage) != pid)
			return;
		job->ending = true;
		job->give_up = ol_clock_now() + PATIENCE;
		jobs->pause = 0;
		return;
	}
	session = find_session(jobs, getsid(pid));
	if (waitpid(pid, &status, 0) != pid)
		return;
	if ((remover = find_remover(jobs, pid)) != NULL) {
		end_remover(remover);
		return;
	}
	if (session == NULL)
		session = first_ending(jobs);
	if (session != NULL && session->ending && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL)
		session->leftovers++;
}

static void
reap_all(struct ol_jobs *jobs)
{
	siginfo_t info;

	for (;;) {
		memset(&info, 0, sizeof(info));
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ==
			-1 ||
		    info.si_pid == 0)
			return;
		reap(jobs, info.si_pid);
	}
}

/* --- who is left --- */

/* Whether it belongs to an attempt whose process still runs. */
static bool
is_needed(struct ol_jobs *jobs, pid_t pid)
{
	struct ol_job *job = find_session(jobs, getsid(pid));
	char instance[33];

	if (job != NULL)
		return !job->ending;
	if (!ol_children_instance(pid, instance))
		return false;
	LIST_FOREACH (job, &jobs->list, link)
		if (!job->ending && strcmp(job->instance, instance) == 0)
			return true;
	return false;
}

static void
kill_one(struct ol_jobs *jobs, pid_t pid)
{
	pid_t group = getpgid(pid);
	struct ol_job *job;

	kill(pid, SIGKILL);
	/* Its siblings, before they multiply. A group is within one session. */
	if (group <= 1 || group == getpgrp())
		return;
	job = find_session(jobs, group);
	if (job == NULL || job->ending || jobs->leaving)
		kill(-group, SIGKILL);
}

/*
 * Kill all children that no attempt needs. Returns how many there were. When
 * there is none, nothing below us is left of the attempts that end: the
 * children of whoever died became ours in the same moment.
 */
static size_t
kill_leftovers(struct ol_jobs *jobs)
{
	bool running = !jobs->leaving && has_running(jobs);
	struct ol_job *job;
	size_t n = 0;
	pid_t pid;

	if (ol_children_read(&jobs->children) == -1) {
		ol_log_error(NULL, "cannot read the list of our children: %s",
		    strerror(errno));
		return 1;
	}
	while ((pid = ol_children_next(&jobs->children)) != 0) {
		if (find_remover(jobs, pid) != NULL)
			continue;
		job = find_session(jobs, pid);
		if (!jobs->leaving && job != NULL && !job->ending)
			continue;
		if (running && is_needed(jobs, pid))
			continue;
		kill_one(jobs, pid);
		n++;
	}
	return n;
}

static void
end_jobs(struct ol_jobs *jobs, bool all, int64_t now)
{
	struct ol_job *job, *next;

	LIST_FOREACH_SAFE (job, &jobs->list, link, next) {
		if (!job->ending || (!all && now < job->give_up))
			continue;
		if (!all)
			ol_log_error(&job->log,
			    "left processes behind that do not die of SIGKILL");
		ol_jobs_ended(jobs, job);
	}
}

static void
look_again(struct ol_jobs *jobs, int64_t now)
{
	jobs->pause = jobs->pause == 0 ? OL_MSEC(1) : 2 * jobs->pause;
	if (jobs->pause > OL_MSEC(64))
		jobs->pause = OL_MSEC(64);
	ol_timer_at(jobs->timer, now + jobs->pause);
}

static void
leave(struct ol_jobs *jobs, size_t left, int64_t now)
{
	struct ol_remover *remover;

	if (left == 0 && LIST_EMPTY(&jobs->list) &&
	    LIST_EMPTY(&jobs->removers)) {
		jobs->on_empty(jobs->arg);
		return;
	}
	if (now >= jobs->give_up) {
		LIST_FOREACH (remover, &jobs->removers, link)
			kill(remover->pid, SIGKILL);
		if (left > 0)
			ol_log_error(
			    NULL, "%zu processes do not die of SIGKILL", left);
		jobs->on_empty(jobs->arg);
		return;
	}
	look_again(jobs, now);
}

void
ol_leftovers_look(struct ol_jobs *jobs)
{
	int64_t now;
	size_t left;

	reap_all(jobs);
	if (!jobs->leaving && first_ending(jobs) == NULL)
		return;
	left = kill_leftovers(jobs);
	now = ol_clock_now();
	end_jobs(jobs, left == 0, now);
	if (jobs->leaving)
		leave(jobs, left, now);
	else if (first_ending(jobs) != NULL)
		look_again(jobs, now);
}
