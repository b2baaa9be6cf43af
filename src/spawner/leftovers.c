#include <sys/wait.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "spawner/leftovers.h"
#include "base/mark.h"
#include "spawner/scratch.h"

/* How long a process may take to die of SIGKILL, before we go on: one of the
 * attempt's, and one of which nobody knows whose it is. */
#define PATIENCE	  OL_SEC(5)
#define PATIENCE_STRANGER OL_MSEC(100)

static struct ol_job *
find_session(struct ol_jobs *jobs, pid_t sid)
{
	struct ol_job *job;

	LIST_FOREACH (job, &jobs->list, link)
		if (job->pid == sid)
			return job;
	return NULL;
}

/*
 * Whose child of ours it is: nobody can join the session of another, and who
 * made one of his own still bears the mark. NULL: it cannot be told.
 */
static struct ol_job *
find_owner(struct ol_jobs *jobs, pid_t pid)
{
	struct ol_job *job = find_session(jobs, pid);
	uint64_t mark;

	if (job == NULL)
		job = find_session(jobs, getsid(pid));
	if (job != NULL || (mark = ol_mark_get(pid)) == 0)
		return job;
	LIST_FOREACH (job, &jobs->list, link)
		if (job->mark == mark)
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
	struct ol_job *owner;
	struct ol_remover *remover;
	int status;

	if (job != NULL && !job->ending) {
		ol_jobs_ask(job);
		kill(-pid, SIGKILL);
		if (wait4(pid, &job->status, 0, &job->usage) != pid)
			return;
		job->ending = true;
		job->ended = ol_clock_now();
		if (job->leaf != NULL)
			ol_cgroup_kill(job->leaf);
		jobs->pause = 0;
		return;
	}
	owner = find_owner(jobs, pid);
	if (waitpid(pid, &status, 0) != pid)
		return;
	if ((remover = find_remover(jobs, pid)) != NULL) {
		end_remover(remover);
		return;
	}
	if (owner != NULL && owner->ending && WIFSIGNALED(status) &&
	    WTERMSIG(status) == SIGKILL)
		owner->leftovers++;
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
 * Kill all children that no attempt needs. Returns how many there were, and in
 * *strangers those that cannot be told whose. What is below them becomes ours
 * when they die: nothing is left when there is none.
 */
static size_t
kill_leftovers(struct ol_jobs *jobs, size_t *strangers)
{
	struct ol_job *owner;
	size_t n = 0;
	pid_t pid;

	*strangers = 0;
	LIST_FOREACH (owner, &jobs->list, link)
		owner->left = false;
	if (ol_children_read(&jobs->children) == -1) {
		ol_log_error(NULL, "cannot read the list of our children: %s",
		    strerror(errno));
		return *strangers = 1;
	}
	while ((pid = ol_children_next(&jobs->children)) != 0) {
		if (find_remover(jobs, pid) != NULL)
			continue;
		owner = find_owner(jobs, pid);
		if (owner != NULL && !owner->ending && !jobs->leaving)
			continue;
		kill_one(jobs, pid);
		if (owner != NULL)
			owner->left = true;
		else
			++*strangers;
		n++;
	}
	return n;
}

/*
 * Whether nobody is in its cgroup any more. One that its programs could not
 * change, as they were another user's, will do for the next attempt.
 */
static bool
leave_leaf(struct ol_jobs *jobs, struct ol_job *job)
{
	uid_t uid = job->folder.uid;

	if (job->leaf != NULL &&
	    !ol_cgroup_give(&jobs->cgroups, job->leaf,
		uid != (uid_t)-1 && uid != 0 && uid != geteuid()))
		return false;
	job->leaf = NULL;
	return true;
}

/* Whether all of it is gone, or will not go. */
static bool
is_over(struct ol_jobs *jobs, struct ol_job *job, size_t strangers, int64_t now)
{
	bool gone = !job->left && leave_leaf(jobs, job);

	if (gone)
		return strangers == 0 || now >= job->ended + PATIENCE_STRANGER;
	if (now < job->ended + PATIENCE)
		return false;
	ol_log_error(
	    &job->log, "left processes behind that do not die of SIGKILL");
	return true;
}

static void
end_jobs(struct ol_jobs *jobs, size_t strangers, int64_t now)
{
	struct ol_job *job, *next;

	LIST_FOREACH_SAFE (job, &jobs->list, link, next)
		if (job->ending && is_over(jobs, job, strangers, now))
			ol_jobs_ended(jobs, job);
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
	size_t left, strangers;

	reap_all(jobs);
	if (!jobs->leaving && first_ending(jobs) == NULL)
		return;
	left = kill_leftovers(jobs, &strangers);
	now = ol_clock_now();
	end_jobs(jobs, strangers, now);
	if (jobs->leaving)
		leave(jobs, left, now);
	else if (first_ending(jobs) != NULL)
		look_again(jobs, now);
}
