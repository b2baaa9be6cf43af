/* Task blocks, the store, and the listeners of the task API. */
#include <sys/types.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "config/conf.h"

#include "fake_world.h"

static const char whole[] =
    "pid /run/x/x.pid;\n"
    "user outlast;\n"
    "state /srv/state/;\n"
    "listen unix:/run/tasks.sock mode=0600 group=www-data backlog=7 "
    "access=operator;\n"
    "listen unix:/run/app.sock;\n"
    "listen [::1]:9000;\n"
    "listen 127.0.0.1:9000 access=viewer;\n"
    "base /ops/tasks;\n"
    "shutdown_delay 60s; shutdown_delay_max 10m; kill_grace 4s;\n"
    "store sqlite { retain 1d failed=2d; }\n"
    "task thumb {\n"
    "    program /bin/thumb --size \"2 00\" '';\n"
    "    result_type \"text/plain; charset=utf-8\";\n"
    "    user shop;\n"
    "    directory /srv/shop;\n"
    "    env A b; env SECRET_KEY hunter2; env B 'x ${NAME} \\$y';\n"
    "    limit memory=512m processes=32 cpu=2m;\n"
    "    timeout 1h30m;\n"
    "    shutdown_delay 30s;\n"
    "    kill_grace 500ms;\n"
    "    retries 8;\n"
    "    backoff exponential 20s max=2h;\n"
    "    concurrency 4;\n"
    "    max_waiting 77;\n"
    "    when_full refuse;\n"
    "    durable lazy;\n"
    "    max_payload 64k; max_result 3g;\n"
    "    expires 5m;\n"
    "    priority -100;\n"
    "    poison_after 7;\n"
    "    methods DELETE GET PATCH;\n"
    "    submit_by operator;\n"
    "    client_cancel on;\n"
    "    context request_id Remote_Addr;\n"
    "}\n"
    "task other-1 { program /bin/o; backoff fixed 30s; expires off;\n"
    "    poison_after off; durable off; }\n";

#define LISTEN "listen unix:/run/t.sock;"

/* Load text as a main file; errors must be none. */
static struct ol_conf *
load_with(const struct ol_world *world, const char *text, const char *extra)
{
	char path[] = "/tmp/outlast-task-XXXXXX";
	int fd = mkstemp(path);
	struct ol_conf *conf;

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	conf = ol_conf_load_in(world, path, extra, stderr, false);
	unlink(path);
	assert_non_null(conf);
	return conf;
}

static struct ol_conf *
load(const char *text)
{
	struct ol_world world = fake_world();

	return load_with(&world, text, NULL);
}

static struct ol_conf *
load_as_root(const char *text)
{
	struct ol_world world = fake_world();

	world.euid = 0;
	return load_with(&world, text, NULL);
}

/* The errors of a text that is wrong, as -g of an empty file. */
static char *
load_wrong(const char *text)
{
	struct ol_world world = fake_world();
	char *errors;
	size_t size;
	FILE *out = open_memstream(&errors, &size);

	assert_null(ol_conf_load_in(&world, "/dev/null", text, out, false));
	fclose(out);
	return errors;
}

static const struct ol_conf_task *
task_of(const struct ol_conf *conf, const char *name)
{
	const struct ol_conf_task *task;

	TAILQ_FOREACH (task, &conf->tasks, link)
		if (strcmp(task->name, name) == 0)
			return task;
	fail_msg("no task %s", name);
	return NULL;
}

static void
assert_whole_task(const struct ol_conf_task *task)
{
	assert_string_equal(task->program[0], "/bin/thumb");
	assert_string_equal(task->program[1], "--size");
	assert_string_equal(task->program[2], "2 00");
	assert_string_equal(task->program[3], "");
	assert_null(task->program[4]);
	assert_string_equal(task->result_type, "text/plain; charset=utf-8");
	assert_string_equal(task->user, "shop");
	assert_int_equal(task->uid, 1001);
	assert_int_equal(task->gid, 1001);
	assert_string_equal(task->directory, "/srv/shop");
	assert_int_equal(task->nenv, 3);
	assert_string_equal(task->env[0].name, "A");
	assert_string_equal(task->env[0].value, "b");
	assert_string_equal(task->env[1].value, "hunter2");
	assert_string_equal(task->env[2].value, "x a value $y");
	assert_true(task->limit.memory == (int64_t)512 << 20);
	assert_int_equal(task->limit.processes, 32);
	assert_true(task->limit.cpu == OL_SEC(120));
	assert_true(task->timeout == OL_SEC(5400));
	assert_true(task->shutdown_delay == OL_SEC(30));
	assert_true(task->kill_grace == OL_MSEC(500));
	assert_int_equal(task->retries, 8);
	assert_true(task->backoff_exponential);
	assert_true(task->backoff == OL_SEC(20));
	assert_true(task->backoff_max == OL_SEC(7200));
	assert_int_equal(task->concurrency, 4);
	assert_int_equal(task->max_waiting, 77);
	assert_int_equal(task->durable, OL_DURABLE_LAZY);
	assert_true(task->max_payload == 65536);
	assert_true(task->max_result == (int64_t)3 << 30);
	assert_true(task->expires == OL_SEC(300));
	assert_int_equal(task->priority, -100);
	assert_int_equal(task->poison_after, 7);
	assert_int_equal(
	    task->methods, OL_METHOD_GET | OL_METHOD_PATCH | OL_METHOD_DELETE);
	assert_int_equal(task->submit_by, OL_ACCESS_OPERATOR);
	assert_true(task->client_cancel);
	assert_int_equal(task->ncontext, 2);
	assert_string_equal(task->context[0], "REQUEST_ID");
	assert_string_equal(task->context[1], "REMOTE_ADDR");
}

static void
assert_whole(const struct ol_conf *conf)
{
	const struct ol_conf_task *other;

	assert_string_equal(conf->user, "outlast");
	assert_int_equal(conf->uid, 1003);
	assert_int_equal(conf->gid, 1003);
	assert_string_equal(conf->state, "/srv/state");
	assert_string_equal(conf->base, "/ops/tasks");
	assert_int_equal(conf->nlisten, 4);
	assert_string_equal(conf->listen[0].text, "unix:/run/tasks.sock");
	assert_string_equal(
	    ol_addr_path(&conf->listen[0].addr), "/run/tasks.sock");
	assert_int_equal(conf->listen[0].mode, 0600);
	assert_string_equal(conf->listen[0].group, "www-data");
	assert_int_equal(conf->listen[0].gid, 33);
	assert_int_equal(conf->listen[0].backlog, 7);
	assert_int_equal(conf->listen[0].access, OL_ACCESS_OPERATOR);
	assert_int_equal(conf->listen[1].mode, 0660);
	assert_int_equal(conf->listen[1].gid, (gid_t)-1);
	assert_int_equal(conf->listen[1].backlog, 1000);
	assert_int_equal(conf->listen[1].access, OL_ACCESS_APP);
	assert_int_equal(conf->listen[2].access, OL_ACCESS_CLIENT);
	assert_int_equal(conf->listen[3].access, OL_ACCESS_VIEWER);
	assert_true(conf->shutdown_delay == OL_SEC(60));
	assert_true(conf->shutdown_delay_max == OL_SEC(600));
	assert_true(conf->kill_grace == OL_SEC(4));
	assert_true(conf->store.retain == OL_SEC(86400));
	assert_true(conf->store.retain_failed == 2 * OL_SEC(86400));
	assert_whole_task(task_of(conf, "thumb"));
	other = task_of(conf, "other-1");
	assert_string_equal(other->user, "outlast-run");
	assert_int_equal(other->uid, 1002);
	assert_false(other->backoff_exponential);
	assert_true(other->backoff == OL_SEC(30));
	assert_true(other->backoff_max == OL_SEC(30));
	assert_true(other->expires == 0);
	assert_int_equal(other->poison_after, 0);
	assert_int_equal(other->durable, OL_DURABLE_OFF);
	/* Top level's. */
	assert_true(other->shutdown_delay == OL_SEC(60));
	assert_true(other->kill_grace == OL_SEC(4));
}

static void
test_values_arrive(void **state)
{
	struct ol_conf *conf = load_as_root(whole);

	(void)state;
	assert_whole(conf);
	ol_conf_free(conf);
}

static void
test_defaults(void **state)
{
	struct ol_conf *conf = load(LISTEN "task a { program /bin/a; }");
	const struct ol_conf_task *task = task_of(conf, "a");

	(void)state;
	assert_null(conf->user);
	assert_int_equal(conf->uid, (uid_t)-1);
	assert_string_equal(conf->state, "/var/lib/outlast");
	assert_string_equal(conf->base, "/tasks");
	assert_true(conf->shutdown_delay == OL_SEC(90));
	assert_true(conf->shutdown_delay_max == OL_SEC(90));
	assert_true(conf->kill_grace == OL_SEC(10));
	assert_true(conf->store.retain == 7 * OL_SEC(86400));
	assert_true(conf->store.retain_failed == 30 * OL_SEC(86400));
	assert_true(TAILQ_EMPTY(&conf->pools));
	assert_string_equal(task->result_type, "application/octet-stream");
	assert_null(task->user);
	assert_int_equal(task->uid, (uid_t)-1);
	assert_null(task->directory);
	assert_int_equal(task->nenv, 0);
	assert_true(task->limit.memory == 0 && task->limit.cpu == 0 &&
		    task->limit.processes == 0);
	assert_true(task->timeout == OL_SEC(300));
	assert_true(task->shutdown_delay == OL_SEC(90));
	assert_true(task->kill_grace == OL_SEC(10));
	assert_int_equal(task->retries, 3);
	assert_true(task->backoff_exponential);
	assert_true(task->backoff == OL_SEC(15));
	assert_true(task->backoff_max == OL_SEC(3600));
	assert_int_equal(task->concurrency, 1);
	assert_int_equal(task->max_waiting, 10000);
	assert_int_equal(task->durable, OL_DURABLE_FULL);
	assert_true(task->max_payload == 1 << 20);
	assert_true(task->max_result == 10 << 20);
	assert_true(task->expires == 0);
	assert_int_equal(task->priority, 0);
	assert_int_equal(task->poison_after, 3);
	assert_int_equal(task->methods, OL_METHOD_POST);
	assert_int_equal(task->submit_by, OL_ACCESS_CLIENT);
	assert_false(task->client_cancel);
	assert_int_equal(task->ncontext, 0);
	ol_conf_free(conf);
}

/* Top level's defaults, before and after the block; each taken as a whole. */
static void
test_top_level_defaults(void **state)
{
	struct ol_conf *conf =
	    load(LISTEN "result_type image/png; limit memory=1g processes=9;"
			"context request_id remote_addr; directory /srv;"
			"methods PUT; client_cancel on; submit_by app;"
			"backoff exponential 5s max=10m; expires 1h;"
			"task a { program /bin/a; }"
			"task b { program /bin/b; limit cpu=5s; directory "
			"scratch; context server_name; methods POST;"
			"client_cancel off; expires off;"
			"backoff exponential 2h; }"
			"retries 0; durable off; priority 3;");
	const struct ol_conf_task *a = task_of(conf, "a");
	const struct ol_conf_task *b = task_of(conf, "b");

	(void)state;
	assert_string_equal(a->result_type, "image/png");
	assert_true(a->limit.memory == 1 << 30);
	assert_int_equal(a->limit.processes, 9);
	assert_int_equal(a->ncontext, 2);
	assert_string_equal(a->directory, "/srv");
	assert_int_equal(a->methods, OL_METHOD_PUT);
	assert_true(a->client_cancel);
	assert_int_equal(a->submit_by, OL_ACCESS_APP);
	assert_true(a->backoff_max == OL_SEC(600));
	assert_true(a->expires == OL_SEC(3600));
	assert_int_equal(a->retries, 0);
	assert_int_equal(a->durable, OL_DURABLE_OFF);
	assert_int_equal(a->priority, 3);
	assert_string_equal(b->result_type, "image/png");
	assert_true(b->limit.memory == 0);
	assert_int_equal(b->limit.processes, 0);
	assert_true(b->limit.cpu == OL_SEC(5));
	assert_null(b->directory);
	assert_int_equal(b->ncontext, 1);
	assert_string_equal(b->context[0], "SERVER_NAME");
	assert_int_equal(b->methods, OL_METHOD_POST);
	assert_false(b->client_cancel);
	assert_true(b->expires == 0);
	/* Not below the first delay, nor top level's. */
	assert_true(b->backoff_max == OL_SEC(7200));
	ol_conf_free(conf);
}

static void
assert_store(const char *text, const char *extra, enum ol_durable durable,
    int days, int failed)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load_with(&world, text, extra);

	assert_int_equal(task_of(conf, "a")->durable, durable);
	assert_true(conf->store.retain == days * OL_SEC(86400));
	assert_true(conf->store.retain_failed == failed * OL_SEC(86400));
	ol_conf_free(conf);
}

static void
test_store(void **state)
{
#define TASK LISTEN "task a { program /bin/a; }"
	(void)state;
	assert_store(TASK "store sqlite { durable lazy; }", NULL,
	    OL_DURABLE_LAZY, 7, 30);
	assert_store(
	    TASK "store sqlite { retain 2d; }", NULL, OL_DURABLE_FULL, 2, 30);
	assert_store(
	    TASK "store sqlite { retain 40d; }", NULL, OL_DURABLE_FULL, 40, 40);
	assert_store(TASK "store sqlite { retain 40d failed=1d; }", NULL,
	    OL_DURABLE_FULL, 40, 1);
	/* -g takes the block's place whole, and durable's wherever it stands.
	 */
	assert_store(TASK "store sqlite { durable off; retain 1d; }",
	    "store sqlite { retain 2d; }", OL_DURABLE_FULL, 2, 30);
	assert_store(TASK "store sqlite { durable off; retain 1d; }",
	    "durable lazy;", OL_DURABLE_LAZY, 1, 30);
	assert_store(TASK "durable off;", "store sqlite { durable lazy; }",
	    OL_DURABLE_LAZY, 7, 30);
	assert_store(LISTEN "store sqlite { durable off; }"
			    "task a { program /bin/a; durable full; }",
	    NULL, OL_DURABLE_FULL, 7, 30);
}

static void
test_extra(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load_with(&world,
	    "listen unix:/run/a.sock; listen unix:/run/b.sock; retries 1;"
	    "task a { program /bin/a; }",
	    "listen unix:/run/c.sock; retries 2; task b { program /bin/b; }");

	(void)state;
	assert_int_equal(conf->nlisten, 1);
	assert_string_equal(conf->listen[0].text, "unix:/run/c.sock");
	assert_int_equal(task_of(conf, "a")->retries, 2);
	assert_int_equal(task_of(conf, "b")->retries, 2);
	ol_conf_free(conf);
}

/* The daemon's account matters where there are tasks, and as root alone. */
static void
test_own_user(void **state)
{
	struct ol_conf *conf;
	struct ol_world world = fake_world();

	(void)state;
	conf = load_as_root(LISTEN "task a { program /bin/a; }");
	assert_string_equal(conf->user, "outlast");
	assert_int_equal(conf->uid, 1003);
	assert_string_equal(task_of(conf, "a")->user, "outlast-run");
	ol_conf_free(conf);
	world.euid = 0;
	world.user = fake_bare_user;
	conf = load_with(
	    &world, "pool a { listen unix:/a; program /a; user shop; }", NULL);
	assert_null(conf->user);
	ol_conf_free(conf);
	conf = load_as_root("user shop;" LISTEN "task a { program /bin/a; }");
	assert_string_equal(conf->user, "shop");
	ol_conf_free(conf);
}

static char *
dump(const struct ol_conf *conf, size_t *size)
{
	char *text;
	FILE *out = open_memstream(&text, size);

	ol_conf_dump(conf, out);
	fclose(out);
	return text;
}

/* What another process reads, which is not root and has another environment. */
static void
test_load_text(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load_as_root(whole), *again;
	size_t size, other_size;
	char *text = dump(conf, &size), *other;

	(void)state;
	world.variable = NULL;
	world.open_file = NULL;
	again = ol_conf_load_text_in(&world, text, size, stderr);
	assert_non_null(again);
	assert_whole(again);
	other = dump(again, &other_size);
	assert_string_equal(strchr(text, '\n'), strchr(other, '\n'));
	ol_conf_free(conf);
	ol_conf_free(again);
	free(text);
	free(other);
}

/* Without users, root reads it, and no user is made up. */
static void
test_load_text_without_users(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load(LISTEN "task a { program /bin/a; }"),
		       *again;
	size_t size;
	char *text = dump(conf, &size);

	(void)state;
	world.euid = 0;
	again = ol_conf_load_text_in(&world, text, size, stderr);
	assert_non_null(again);
	assert_null(again->user);
	assert_null(task_of(again, "a")->user);
	assert_int_equal(task_of(again, "a")->uid, (uid_t)-1);
	ol_conf_free(conf);
	ol_conf_free(again);
	free(text);
}

/* A file may have a mebibyte; what it means may be longer. */
static void
test_load_text_of_any_size(void **state)
{
	char *text, *handed;
	size_t size, i, n = 0;
	FILE *out = open_memstream(&text, &size);
	struct ol_conf *conf, *again;
	const struct ol_conf_task *task;
	struct ol_world world = fake_world();

	(void)state;
	fputs(LISTEN "context", out);
	for (i = 0; i < 32; i++)
		fprintf(out, " a_name_of_a_parameter_that_is_long_%zu", i);
	fputs(";", out);
	for (i = 0; i < 2500; i++)
		fprintf(out, "task t%zu { program /bin/a; }\n", i);
	fclose(out);
	conf = load(text);
	handed = dump(conf, &size);
	assert_true(size > 2 << 20);
	again = ol_conf_load_text_in(&world, handed, size, stderr);
	assert_non_null(again);
	TAILQ_FOREACH (task, &again->tasks, link) {
		assert_int_equal(task->ncontext, 32);
		n++;
	}
	assert_int_equal(n, 2500);
	ol_conf_free(conf);
	ol_conf_free(again);
	free(text);
	free(handed);
}

static void
test_load_text_damaged(void **state)
{
	static const char text[] = LISTEN "task a { program bin/a; }";
	char *errors;
	size_t size;
	FILE *out = open_memstream(&errors, &size);

	(void)state;
	assert_null(ol_conf_load_text(text, strlen(text), out));
	/* And a part of it. */
	assert_null(ol_conf_load_text(text, strlen(LISTEN) + 5, NULL));
	fclose(out);
	assert_non_null(strstr(errors, "configuration:1:42: error: invalid"));
	free(errors);
}

/* The sockets of attempts below it must fit 107 bytes. */
static void
test_state_length(void **state)
{
	static const char digits[] = "0123456789012345678901234567890123456789"
				     "0123456789012345678901234567890123456789";
	const size_t most = 107 - strlen("/scratch/") - 16 - strlen(".n");
	char text[256], *errors;

	(void)state;
	snprintf(text, sizeof(text),
	    LISTEN "state /%.*s; task a { program /bin/a; }", (int)most - 1,
	    digits);
	ol_conf_free(load(text));
	snprintf(text, sizeof(text),
	    LISTEN "state /%.*s; task a { program /bin/a; }", (int)most,
	    digits);
	errors = load_wrong(text);
	assert_non_null(strstr(errors, "the path is 1 bytes too long"));
	free(errors);
}

static void
test_names(void **state)
{
	static const char *const good[] = { "a", "a-b_9", "retry2", "z",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaa" };
	static const char *const bad[] = { "queues", "pools", "schedules",
		"retry", "cancel", "ui", "events", "metrics", "livez", "readyz",
		"A", "9", "-a", "_a", "a.b", "a/b", "\xc3\xa4",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaa" };
	char text[256], *errors;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text),
		    LISTEN "task %s { program /bin/a; }", good[i]);
		ol_conf_free(load(text));
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
		    LISTEN "task %s { program /bin/a; }", bad[i]);
		errors = load_wrong(text);
		if (strstr(errors, "invalid task name") == NULL)
			fail_msg("%s: %s", bad[i], errors);
		free(errors);
	}
}

static int
any_user(const char *name, uid_t *uid, gid_t *gid)
{
	/* Each another one. */
	*uid = *gid = 2000 + (uid_t)strlen(name);
	return 0;
}

/* The sample is good, and what it shows as defaults are the defaults. */
static void
test_sample(void **state)
{
	struct ol_world world = fake_world();
	const struct ol_conf_task *task, *plain;
	struct ol_conf *conf;

	(void)state;
	world.euid = 0;
	world.user = any_user;
	conf = ol_conf_load_in(&world, SAMPLE, NULL, stderr, false);
	assert_non_null(conf);
	task = task_of(conf, "thumbnail");
	plain = task_of(conf, "nightly");
	assert_null(task->directory);
	assert_true(task->timeout == plain->timeout);
	assert_true(task->kill_grace == plain->kill_grace);
	assert_int_equal(task->retries, plain->retries);
	assert_true(task->backoff == plain->backoff);
	assert_true(task->backoff_max == plain->backoff_max);
	assert_int_equal(task->poison_after, plain->poison_after);
	assert_int_equal(task->max_waiting, plain->max_waiting);
	assert_true(task->expires == plain->expires);
	assert_int_equal(task->priority, plain->priority);
	assert_int_equal(task->durable, plain->durable);
	assert_true(task->max_payload == plain->max_payload);
	assert_true(task->max_result == plain->max_result);
	assert_int_equal(task->methods, plain->methods);
	assert_int_equal(task->submit_by, plain->submit_by);
	assert_int_equal(task->client_cancel, plain->client_cancel);
	ol_conf_free(conf);
}

/* --- the world ----------------------------------------------------------- */

struct scene {
	char folder[64];
	char program[128];
};

static void
make_scene(struct scene *s)
{
	FILE *out;

	strlcpy(s->folder, "/tmp/outlast-world-XXXXXX", sizeof(s->folder));
	assert_non_null(mkdtemp(s->folder));
	assert_int_equal(chmod(s->folder, 0755), 0);
	snprintf(s->program, sizeof(s->program), "%s/p", s->folder);
	out = fopen(s->program, "w");
	assert_non_null(out);
	fclose(out);
	assert_int_equal(chmod(s->program, 0755), 0);
}

/* The problems that -t finds as root; told when there is to be one. */
static int
check(const struct scene *s, const char *state, const char *task,
    const char *told)
{
	char text[1024], *errors;
	struct ol_conf *conf;
	size_t size;
	FILE *out = open_memstream(&errors, &size);
	int n;

	snprintf(text, sizeof(text),
	    "pid %s/x.pid;\nstate %s/%s;\nlisten unix:%s/t.sock;\n"
	    "task a {\nprogram %s;\n%s }",
	    s->folder, s->folder, state, s->folder, s->program, task);
	conf = load_as_root(text);
	n = ol_conf_check_world(conf, out, false);
	fclose(out);
	if (told != NULL && strstr(errors, told) == NULL)
		fail_msg("not told: %s\n%s", told, errors);
	ol_conf_free(conf);
	free(errors);
	return n;
}

static void
test_check_world(void **state)
{
	struct scene s;
	char path[128];

	(void)state;
	make_scene(&s);
	/* The last folder of the state is made, not those above it. */
	assert_int_equal(check(&s, "state", "", NULL), 0);
	assert_int_equal(check(&s, "state/", "", NULL), 0);
	assert_int_equal(
	    check(&s, "not/there", "", ":2:7: error: the folder"), 1);
	assert_int_equal(
	    check(&s, "p", "", ":2:7: error: cannot keep tasks"), 1);
	assert_int_equal(
	    check(&s, "p/q", "", ":2:7: error: cannot keep tasks"), 1);
	/* One that is there must be outlastd's own, whatever its modes. */
	snprintf(path, sizeof(path), "%s/state", s.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(check(&s, "state", "", NULL), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1003, 1003), 0);
		assert_int_equal(check(&s, "state", "", NULL), 0);
		assert_int_equal(chown(path, 1001, 1001), 0);
		assert_int_equal(check(&s, "state", "",
				     "belongs to somebody else than outlast;"),
		    1);
	}
	rmdir(path);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(check(&s, "state", "", "it is no folder"), 1);
	unlink(path);
	/* Its programs must come through to what is below it. */
	assert_int_equal(chmod(s.folder, 0700), 0);
	assert_int_equal(check(&s, "state", "",
			     ":2:7: error: outlast-run of task \"a\" cannot "
			     "reach"),
	    2);
	assert_int_equal(chmod(s.folder, 0755), 0);
	/* The task's user, program and folder. */
	assert_int_equal(chmod(s.program, 0750), 0);
	assert_int_equal(
	    check(&s, "state", "", ":5:9: error: outlast-run may not execute"),
	    1);
	assert_int_equal(check(&s, "state", "user shop;",
			     ":5:9: error: shop may not execute"),
	    1);
	assert_int_equal(chmod(s.program, 0755), 0);
	assert_int_equal(check(&s, "state", "directory /not-there;",
			     ":6:11: error: outlast-run cannot work in"),
	    1);
	assert_int_equal(check(&s, "state",
			     "} directory /not-there; task b {"
			     "program /bin/sh; directory /;",
			     ":6:13: error: outlast-run cannot work in"),
	    1);
	assert_int_equal(check(&s, "state", "directory scratch;", NULL), 0);
	snprintf(path, sizeof(path), "%s/t.sock", s.folder);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(check(&s, "state", "", ":3:8: error: \"/tmp/"), 1);
	rmdir(path);
	unlink(s.program);
	rmdir(s.folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_top_level_defaults),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_extra),
		cmocka_unit_test(test_own_user),
		cmocka_unit_test(test_load_text),
		cmocka_unit_test(test_load_text_without_users),
		cmocka_unit_test(test_load_text_of_any_size),
		cmocka_unit_test(test_load_text_damaged),
		cmocka_unit_test(test_state_length),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_check_world),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
