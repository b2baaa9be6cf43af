#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <linux/magic.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/must.h"
#include "base/random.h"
#include "base/signals.h"
#include "base/text.h"
#include "spawner/environment.h"
#include "spawner/jobs.h"
#include "spawner/leftovers.h"
#include "base/mark.h"
#include "spawner/scratch.h"
#include "spawner/start.h"

/* How long a child may take to execute its program: its user may stop it. */
#define PATIENCE OL_SEC(5)

/* --- its folder, its notify socket --- */

static void
forget_report(struct ol_job *job)
{
	ol_timer_free(job->late);
	job->late = NULL;
	if (job->report != -1)
		close(job->report);
	job->report = -1;
}

static void
free_job(struct ol_job *job)
{
	forget_report(job);
	free(job->failure);
	free(job->notify);
	free(job);
}

/* Takes path. */
static void
await_remover(struct ol_jobs *jobs, pid_t pid, char *path)
{
	struct ol_remover *remover;

	if (pid == -1) {
		ol_log_warn(
		    NULL, "cannot remove %s: %s", path, strerror(errno));
		free(path);
		return;
	}
	remover = ol_must(calloc(1, sizeof(*remover)));
	remover->pid = pid;
	remover->path = path;
	LIST_INSERT_HEAD(&jobs->removers, remover, link);
}

/* What an earlier life left. */
static void
remove_folder(void *arg, const char *path, uid_t uid, gid_t gid)
{
	pid_t pid = ol_scratch_remove(path, uid, gid);

	if (pid != 0)
		await_remover(arg, pid, ol_must(strdup(path)));
}

static void
give_folder(struct ol_jobs *jobs, struct ol_job *job)
{
	char *path = NULL;
	pid_t pid = ol_scratch_give(&jobs->scratch, &job->folder, &path);

	if (pid != 0)
		await_remover(jobs, pid, path);
}

static int
bind_notify(const struct ol_job *job, int fd)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t mask;
	int rc;

	if (strlcpy(un.sun_path, job->notify, sizeof(un.sun_path)) >=
	    sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	mask = umask(0177);
	rc = bind(fd, (struct sockaddr *)&un, sizeof(un));
	umask(mask);
	if (rc == -1)
		return -1;
	if (job->folder.uid == (uid_t)-1)
		return 0;
	return lchown(job->notify, job->folder.uid, (gid_t)-1);
}

/* So that the program may open /dev/stdout, too: it asks for the owner. */
static void
give_pipes(const struct ol_job *job, const int *fds)
{
	struct statfs fs;
	int i;

	if (job->folder.uid == (uid_t)-1)
		return;
	for (i = 0; i < 3; i++)
		if (fstatfs(fds[i], &fs) == 0 && fs.f_type == PIPEFS_MAGIC &&
		    fchown(fds[i], job->folder.uid, job->folder.gid) == -1)
			ol_log_debug(&job->log, "cannot give it its pipes: %s",
			    strerror(errno));
}

/* --- what the engine hears --- */

static struct ol_job *
find(struct ol_jobs *jobs, uint64_t tag)
{
	struct ol_job *job;

	LIST_FOREACH (job, &jobs->list, link)
		if (job->tag == tag)
			return job;
	return NULL;
}

static void
refuse(struct ol_jobs *jobs, uint64_t tag, int error, const char *why)
{
	char text[OL_SPAWN_TEXT_MAX];
	struct ol_spawn message = { .verb = OL_SPAWN_REFUSED,
		.tag = tag,
		.error = error,
		.text = text };

	ol_text_escape(text, sizeof(text), why, strlen(why));
	jobs->tell(jobs->arg, &message);
}

/* --- whether it has executed its program --- */

static void
fail(struct ol_job *job, const struct ol_start_failure *failure)
{
	job->failure = ol_must(malloc(sizeof(*failure)));
	*job->failure = *failure;
}

/*
 * When it has ended, or taken too long: nobody waits to hear that all is well,
 * and one that failed ends at once.
 */
bool
ol_jobs_ask(struct ol_job *job)
{
	struct ol_start_failure failure;
	enum ol_start_news news;

	if (job->report == -1)
		return true;
	news = ol_start_news(job->report, &failure);
	if (news == OL_START_NO_NEWS)
		return false;
	forget_report(job);
	/* Its end is told when it was reaped. */
	if (news == OL_START_FAILED)
		fail(job, &failure);
	return true;
}

static void
on_late(void *arg)
{
	static const struct ol_start_failure late = { ETIMEDOUT,
		"the new process did not come to execute its program" };
	struct ol_job *job = arg;

	if (ol_jobs_ask(job))
		return;
	forget_report(job);
	fail(job, &late);
	kill(job->pid, SIGKILL);
}

static void
await_report(struct ol_job *job)
{
	job->late = ol_must(ol_timer_new(job->jobs->loop, on_late, job));
	ol_timer_at(job->late, ol_clock_now() + PATIENCE);
}

/* --- start --- */

/* Its process, with all that it is given. -1: *failure. */
static int
start_job(struct ol_jobs *jobs, struct ol_job *job, struct ol_start *start,
    const struct ol_spawn *message, struct ol_start_failure *failure)
{
	struct ol_environment environment = {
		.env = message->env,
		.env_size = message->env_size,
		.home = start->directory,
		.scratch = job->folder.path,
		.notify = job->notify,
		.instance = job->instance,
	};
	struct ol_cgroup *leaf = NULL;

	if (OL_FAILS("spawn")) {
		*failure = (struct ol_start_failure){ EAGAIN, "a failpoint" };
		return -1;
	}
	job->mark = start->mark = ol_mark_new();
	start->ignored = &jobs->ignored;
	/* Without one it is found all the same. */
	if (jobs->cgroups.path != NULL &&
	    (leaf = ol_cgroup_take(&jobs->cgroups)) == NULL)
		ol_log_warn(
		    &job->log, "cannot make its cgroup: %s", strerror(errno));
	start->cgroup = leaf != NULL ? leaf->folder : -1;
	give_pipes(job, start->fds);
	start->env = ol_environment_new(start->conf, &environment);
	job->pid = ol_start(start, &job->report, failure);
	ol_environment_free(start->env);
	if (leaf != NULL && start->cgroup == -1)
		ol_log_warn(&job->log, "cannot enter its cgroup");
	if (leaf != NULL && (job->pid == -1 || start->cgroup == -1)) {
		ol_cgroup_give(&jobs->cgroups, leaf, false);
		leaf = NULL;
	}
	job->leaf = leaf;
	return job->pid == -1 ? -1 : 0;
}

/* Its folder and its notify socket. -1: *failure. */
static int
furnish(struct ol_jobs *jobs, struct ol_job *job, int notify,
    struct ol_start_failure *failure)
{
	if (ol_scratch_take(&jobs->scratch, &job->folder) == -1) {
		failure->error = errno;
		snprintf(failure->text, sizeof(failure->text),
		    "cannot make folder %s: %s", job->folder.path,
		    strerror(errno));
		free(job->folder.path);
		return -1;
	}
	if (bind_notify(job, notify) == -1) {
		failure->error = errno;
		snprintf(failure->text, sizeof(failure->text),
		    "cannot make notify socket %s: %s", job->notify,
		    strerror(errno));
		unlink(job->notify);
		give_folder(jobs, job);
		return -1;
	}
	return 0;
}

/* Whether an engine that is in its right mind would not ask for one more. */
static bool
are_too_many(const struct ol_jobs *jobs, const struct ol_conf_task *conf)
{
	const struct ol_job *job;
	int n = 0;

	LIST_FOREACH (job, &jobs->list, link)
		n += strcmp(job->type, conf->name) == 0;
	return n >= 2 * conf->concurrency;
}

static struct ol_job *
new_job(struct ol_jobs *jobs, const struct ol_spawn *message,
    const struct ol_conf_task *conf)
{
	struct ol_job *job = ol_must(calloc(1, sizeof(*job)));

	job->jobs = jobs;
	job->tag = message->tag;
	strlcpy(job->type, conf->name, sizeof(job->type));
	job->report = -1;
	job->folder.uid = conf->uid;
	job->folder.gid = conf->gid;
	ol_log_about(&job->log, "task %s %s", message->type, message->attempt);
	ol_random_hex(job->instance, sizeof(job->instance));
	if (asprintf(&job->notify, "%s/%.16s.n", jobs->notify,
		job->instance + OL_SCRATCH_NAME) == -1)
		ol_must(NULL);
	return job;
}

void
ol_jobs_start(struct ol_jobs *jobs, const struct ol_catalog *catalog,
    const struct ol_spawn *message, const int *fds)
{
	struct ol_start start = { .fds = { fds[0], fds[1], fds[2] } };
	struct ol_start_failure failure;
	struct ol_job *job;

	start.conf = ol_catalog_find(
	    catalog, message->type, &start.groups, &start.ngroups);
	if (start.conf == NULL || jobs->leaving ||
	    find(jobs, message->tag) != NULL) {
		refuse(jobs, message->tag, ENOENT,
		    start.conf == NULL ? "no such task type is configured"
		    : jobs->leaving    ? "the spawner ends"
				       : "that tag is in use");
		return;
	}
	if (are_too_many(jobs, start.conf)) {
		refuse(jobs, message->tag, EAGAIN,
		    "more of this type run than its concurrency allows");
		return;
	}
	job = new_job(jobs, message, start.conf);
	if (furnish(jobs, job, fds[OL_SPAWN_NOTIFY], &failure) == -1)
		goto err0;
	start.directory = start.conf->directory != NULL ? start.conf->directory
							: job->folder.path;
	if (start_job(jobs, job, &start, message, &failure) == -1)
		goto err1;
	LIST_INSERT_HEAD(&jobs->list, job, link);
	OL_FAILPOINT("spawned");
	ol_log_debug(&job->log, "runs as pid %d", (int)job->pid);
	await_report(job);
	return;

err1:
	unlink(job->notify);
	give_folder(jobs, job);
err0:
	refuse(jobs, job->tag, failure.error, failure.text);
	free_job(job);
}

/* --- end --- */

/* To its process group; or before there is one, to the process. */
static void
send_signal(const struct ol_job *job, int signo)
{
	if (kill(-job->pid, signo) == -1 && errno == ESRCH)
		kill(job->pid, signo);
}

void
ol_jobs_term(struct ol_jobs *jobs, uint64_t tag)
{
	struct ol_job *job = find(jobs, tag);

	if (job == NULL || job->ending)
		return;
	/* One that is stopped has to go on to hear it. */
	send_signal(job, SIGTERM);
	send_signal(job, SIGCONT);
}

void
ol_jobs_kill(struct ol_jobs *jobs, uint64_t tag)
{
	struct ol_job *job = find(jobs, tag);

	if (job == NULL || job->ending)
		return;
	/* What is left after that, is ended when the process was reaped. */
	send_signal(job, SIGKILL);
	if (job->leaf != NULL)
		ol_cgroup_kill(job->leaf);
}

void
ol_jobs_ended(struct ol_jobs *jobs, struct ol_job *job)
{
	const struct rusage *u = &job->usage;
	struct ol_spawn message = {
		.verb = OL_SPAWN_EXITED,
		.tag = job->tag,
		.status = job->status,
		.leftovers = job->leftovers,
		.user_usec =
		    u->ru_utime.tv_sec * INT64_C(1000000) + u->ru_utime.tv_usec,
		.system_usec =
		    u->ru_stime.tv_sec * INT64_C(1000000) + u->ru_stime.tv_usec,
		.max_rss = u->ru_maxrss * INT64_C(1024),
	};

	LIST_REMOVE(job, link);
	OL_FAILPOINT("reaped");
	unlink(job->notify);
	give_folder(jobs, job);
	if (job->failure != NULL)
		refuse(jobs, job->tag, job->failure->error, job->failure->text);
	else
		jobs->tell(jobs->arg, &message);
	OL_FAILPOINT("reaped_told");
	free_job(job);
}

void
ol_jobs_end(struct ol_jobs *jobs)
{
	struct ol_job *job;

	if (jobs->leaving)
		return;
	jobs->leaving = true;
	jobs->give_up = ol_clock_now() + OL_SEC(10);
	LIST_FOREACH (job, &jobs->list, link)
		if (!job->ending)
			send_signal(job, SIGKILL);
	ol_cgroups_kill(&jobs->cgroups);
	ol_timer_at(jobs->timer, 0);
}

/* --- the life of it all --- */

static void
on_look(void *arg)
{
	ol_leftovers_look(arg);
}

int
ol_jobs_init(struct ol_jobs *jobs)
{
	LIST_INIT(&jobs->list);
	LIST_INIT(&jobs->removers);
	LIST_INIT(&jobs->scratch.spares);
	if (ol_children_init(&jobs->children) == -1) {
		ol_log_error(NULL, "cannot read the list of our children: %s",
		    strerror(errno));
		return -1;
	}
	jobs->timer = ol_must(ol_timer_new(jobs->loop, on_look, jobs));
	jobs->sigchld =
	    ol_must(ol_signal_new(jobs->loop, SIGCHLD, on_look, jobs));
	ol_signals_ignored(&jobs->ignored);
	ol_cgroups_init(&jobs->cgroups);
	ol_scratch_sweep(jobs->scratch.base, remove_folder, jobs);
	ol_scratch_sweep(jobs->notify, remove_folder, jobs);
	return 0;
}

void
ol_jobs_fini(struct ol_jobs *jobs)
{
	struct ol_job *job;
	struct ol_remover *remover;

	while ((job = LIST_FIRST(&jobs->list)) != NULL) {
		LIST_REMOVE(job, link);
		free_job(job);
	}
	while ((remover = LIST_FIRST(&jobs->removers)) != NULL) {
		LIST_REMOVE(remover, link);
		free(remover->path);
		free(remover);
	}
	ol_signal_free(jobs->sigchld);
	ol_timer_free(jobs->timer);
	ol_children_fini(&jobs->children);
	ol_cgroups_fini(&jobs->cgroups);
	ol_scratch_fini(&jobs->scratch);
	free(jobs->notify);
}
