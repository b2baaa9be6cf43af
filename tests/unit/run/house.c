#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <sched.h>
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

#include "base/channel.h"
#include "base/clock.h"
#include "base/must.h"
#include "base/order.h"
#include "base/sealed.h"
#include "spawner/spawner.h"

#include "house.h"

static void
on_spawner(void *arg, bool connected)
{
	struct house *h = arg;

	h->connected = connected;
	ol_loop_stop(h->loop);
}

static void
on_limit(void *arg)
{
	struct house *h = arg;

	ol_loop_stop(h->loop);
}

static void
write_script(const struct house *h, const struct script *script)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", h->folder, script->name);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script->text);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0755), 0);
}

static void
write_conf(struct house *h, const struct script *scripts, size_t n)
{
	size_t size, i;
	FILE *f = open_memstream(&h->text, &size);

	fprintf(f,
	    "state %s;\npid %s/pid;\nlisten unix:%s/sock;\n"
	    "concurrency 1000;\n",
	    h->folder, h->folder, h->folder);
	for (i = 0; i < n; i++) {
		if (scripts[i].text != NULL)
			write_script(h, &scripts[i]);
		fprintf(f, "task %s { program %s/%s; %s }\n", scripts[i].name,
		    h->folder, scripts[i].name,
		    scripts[i].directives != NULL ? scripts[i].directives : "");
	}
	fclose(f);
	h->conf = ol_conf_load_text(h->text, strlen(h->text), stderr);
	assert_non_null(h->conf);
}

enum { MOUNT_POINT = 512 };

/* Where a hierarchy of cgroup v2 is mounted. */
static bool
has_cgroup_mount(char mount_point[MOUNT_POINT])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024];
	bool found = false;

	while (!found && fgets(line, sizeof(line), f) != NULL)
		found = strstr(line, " - cgroup2 ") != NULL &&
			sscanf(line, "%*s %*s %*s %*s %511s", mount_point) == 1;
	fclose(f);
	return found;
}

/* Whatever is mounted where; in a mount namespace of its own. As root. */
static void
hide_cgroups(void)
{
	char mount_point[MOUNT_POINT];
	bool again = has_cgroup_mount(mount_point);

	/* Where there is none, the mounts need not be ours to change. */
	if (!again)
		return;
	if (unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1)
		_exit(70);
	while (again && umount2(mount_point, MNT_DETACH) == 0)
		again = has_cgroup_mount(mount_point);
}

void
house_spawn(struct house *h)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG, .generation = 1 };
	int master[2], engine[2], fd;

	assert_int_equal(ol_channel_pair(master), 0);
	assert_int_equal(ol_channel_pair(engine), 0);
	fflush(NULL);
	h->spawner = fork();
	if (h->spawner == 0) {
		alarm(0);
		close(master[0]);
		close(engine[0]);
		if (h->bare)
			hide_cgroups();
		_exit(ol_spawner_run(master[1], engine[1]));
	}
	close(master[1]);
	close(engine[1]);
	fd = ol_sealed_new(h->text, strlen(h->text));
	assert_true(fd >= 0);
	assert_int_equal(ol_order_send(master[0], &order, &fd), 0);
	close(fd);
	h->master = master[0];
	ol_programs_connect(h->programs, engine[0]);
	ol_programs_configured(h->programs, 1);
	while (!h->connected)
		ol_loop_run(h->loop);
}

void
house_open(struct house *h, const struct script *scripts, size_t n)
{
	struct ol_programs_options options = {
		.on_spawner = on_spawner,
		.arg = h,
	};
	char path[64];

	*h = (struct house){ .bare = h->bare };
	strlcpy(h->folder, "/tmp/outlast-test-XXXXXX", sizeof(h->folder));
	assert_non_null(mkdtemp(h->folder));
	chmod(h->folder, 0755);
	snprintf(path, sizeof(path), "%s/scratch", h->folder);
	assert_int_equal(mkdir(path, 0711), 0);
	snprintf(path, sizeof(path), "%s/notify", h->folder);
	assert_int_equal(mkdir(path, 0711), 0);
	write_conf(h, scripts, n);
	h->loop = ol_loop_new();
	h->spool = open(h->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	h->limit = ol_timer_new(h->loop, on_limit, h);
	options.loop = h->loop;
	options.spool = h->spool;
	h->programs = ol_programs_new(&options);
	house_spawn(h);
}

int
house_reap(struct house *h)
{
	int status = -1;

	assert_int_equal(waitpid(h->spawner, &status, 0), h->spawner);
	close(h->master);
	return status;
}

void
house_close(struct house *h)
{
	char command[64], path[64];

	ol_programs_free(h->programs);
	assert_int_equal(house_reap(h), 0);
	snprintf(path, sizeof(path), "%s/scratch", h->folder);
	assert_int_equal(rmdir(path), 0); /* nothing was left there */
	snprintf(path, sizeof(path), "%s/notify", h->folder);
	assert_int_equal(rmdir(path), 0);
	ol_timer_free(h->limit);
	ol_loop_free(h->loop);
	ol_conf_free(h->conf);
	free(h->text);
	close(h->spool);
	snprintf(command, sizeof(command), "rm -r %s", h->folder);
	assert_int_equal(system(command), 0);
}

const struct ol_conf_task *
house_task(const struct house *h, const char *type)
{
	const struct ol_conf_task *task;

	TAILQ_FOREACH (task, &h->conf->tasks, link)
		if (strcmp(task->name, type) == 0)
			return task;
	fail_msg("no task %s", type);
	return NULL;
}

static void
on_progress(void *arg, int percent, const char *text)
{
	struct ended *e = arg;

	e->reports++;
	e->percent = percent;
	strlcpy(e->progress, text, sizeof(e->progress));
	if (e->on_progress != NULL)
		e->on_progress(e);
}

static void
on_extend(void *arg, int64_t nsec)
{
	struct ended *e = arg;

	e->extended = nsec;
}

static void
on_end(void *arg, const struct ol_run_end *end)
{
	struct ended *e = arg;
	ssize_t n = 0;

	assert_false(e->done);
	e->done = true;
	e->end = *end;
	strlcpy(e->kind, end->kind != NULL ? end->kind : "", sizeof(e->kind));
	memcpy(e->errors, end->error_text, end->error_size);
	e->result = ol_body_ref(end->result);
	if (e->result != NULL && e->result->data != NULL) {
		n = e->result->size < 4095 ? e->result->size : 4095;
		memcpy(e->text, e->result->data, (size_t)n);
	} else if (e->result != NULL)
		n = pread(e->result->fd, e->text, 4095, 0);
	e->text[n] = '\0';
	e->house->running--;
	ol_loop_stop(e->house->loop);
}

void
house_start(struct house *h, const char *type, struct ended *e)
{
	static const struct ol_run_events events = {
		.on_progress = on_progress,
		.on_extend = on_extend,
		.on_end = on_end,
	};
	struct ol_run_job job = {
		.conf = house_task(h, type),
		.id = { { 1, 2, 3, 4, 5, 6, 0x70, 8, 0x80 } },
		.attempt = e->attempt != 0 ? e->attempt : 1,
		.owner = e->owner != NULL ? e->owner : "",
		.content_type = e->content_type != NULL ? e->content_type : "",
		.payload = e->payload,
		.context = e->context,
		.ncontext = e->ncontext,
	};

	e->house = h;
	e->done = false;
	h->running++;
	e->running = ol_programs_start(h->programs, &job, &events, e);
	assert_false(e->done); /* never from within the call */
}

void
house_wait(struct house *h, struct ended *e)
{
	ol_timer_at(h->limit, ol_clock_now() + OL_SEC(30));
	while (!e->done) {
		ol_loop_run(h->loop);
		if (!e->done && h->running == 0)
			fail_msg("it did not end");
	}
	ol_timer_cancel(h->limit);
}

void
house_pause(struct house *h, int msec)
{
	int64_t until = ol_clock_now() + OL_MSEC(msec);

	while (ol_clock_now() < until) {
		ol_timer_at(h->limit, until);
		ol_loop_run(h->loop);
	}
}

void
house_run(struct house *h, const char *type, struct ended *e)
{
	house_start(h, type, e);
	house_wait(h, e);
}

void
ended_free(struct ended *e)
{
	ol_body_free(e->result);
	ol_body_free(e->payload);
	memset(e, 0, sizeof(*e));
}
