#include <sys/types.h>
#include <sys/stat.h>
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

#include "base/clock.h"
#include "config/conf.h"

#include "fake_world.h"

static const char whole[] =
    "pid /run/x/x.pid;\n"
    "log syslog: info;\n"
    "log \"/var/log/a b.log\" json debug;\n"
    "kill_grace 3s;\n"
    "pool shop {\n"
    "    listen unix:/run/shop.sock mode=0600 group=www-data backlog=7;\n"
    "    program /srv/shop.fcgi \"a b\" '' \"\\\"\\\\\\t\\n\" '\\${X}' #c\n"
    "        ${NAME} x=y;\n"
    "    processes 4;\n"
    "    user shop;\n"
    "    directory /srv;\n"
    "    env LANG C.UTF-8;\n"
    "    env EMPTY '';\n"
    "    shutdown_delay 1m;\n"
    "    shutdown_delay_max 10m;\n"
    "    kill_grace 500ms;\n"
    "    startup_time_limit 5s;\n"
    "    recycle time=29h requests=10000 memory=256m at=15:30,03:00;\n"
    "    ping_interval 2s; ping_response_time 4s;\n"
    "    rapid_fail 7 1h retry=2m; idle_timeout 20m; overlap off;\n"
    "    limit memory=1g processes=64 cpu=2m;\n"
    "    on_crash /usr/bin/tell ops;\n"
    "}\n"
    "pool blog { listen [::1]:9000; program /b; }\n";

enum { SOCKET_MAX = 107 };

static const char small[] = "pool a { listen 127.0.0.1:9; program /a; }";

/* Load text as a main file; errors must be none. */
static struct ol_conf *
load(const struct ol_world *world, const char *text, const char *extra)
{
	char path[] = "/tmp/outlast-conf-XXXXXX";
	int fd = mkstemp(path);
	struct ol_conf *conf;

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	conf = ol_conf_load_in(world, path, extra, stderr, false);
	unlink(path);
	return conf;
}

static char *
dump_as(const struct ol_conf *conf, bool masked)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (masked)
		ol_conf_dump_masked(conf, out);
	else
		ol_conf_dump(conf, out);
	fclose(out);
	/* Without the first line, which names the file. */
	memmove(
	    text, strchr(text, '\n') + 1, strlen(strchr(text, '\n') + 1) + 1);
	return text;
}

static char *
dump(const struct ol_conf *conf)
{
	return dump_as(conf, false);
}

static const struct ol_conf_pool *
pool_of(const struct ol_conf *conf, const char *name)
{
	const struct ol_conf_pool *pool;

	TAILQ_FOREACH (pool, &conf->pools, link)
		if (strcmp(pool->name, name) == 0)
			return pool;
	fail_msg("no pool %s", name);
	return NULL;
}

static void
test_values_arrive(void **state)
{
	struct ol_world world = fake_world();
	const struct ol_conf_pool *pool;
	struct ol_conf *conf;

	(void)state;
	world.euid = 0;
	conf = load(&world, whole, NULL);
	assert_non_null(conf);
	assert_string_equal(conf->pid, "/run/x/x.pid");
	assert_int_equal(conf->nlogs, 2);
	assert_int_equal(conf->logs[0].target, OL_LOG_SYSLOG);
	assert_int_equal(conf->logs[0].level, OL_LOG_INFO);
	assert_false(conf->logs[0].json);
	assert_int_equal(conf->logs[1].target, OL_LOG_FILE);
	assert_string_equal(conf->logs[1].path, "/var/log/a b.log");
	assert_int_equal(conf->logs[1].level, OL_LOG_DEBUG);
	assert_true(conf->logs[1].json);
	pool = pool_of(conf, "shop");
	assert_string_equal(pool->listen.text, "unix:/run/shop.sock");
	assert_string_equal(ol_addr_path(&pool->listen.addr), "/run/shop.sock");
	assert_int_equal(pool->listen.mode, 0600);
	assert_string_equal(pool->listen.group, "www-data");
	assert_int_equal(pool->listen.gid, 33);
	assert_int_equal(pool->listen.backlog, 7);
	assert_string_equal(pool->program[0], "/srv/shop.fcgi");
	assert_string_equal(pool->program[1], "a b");
	assert_string_equal(pool->program[2], "");
	assert_string_equal(pool->program[3], "\"\\\t\n");
	assert_string_equal(pool->program[4], "${X}");
	assert_string_equal(pool->program[5], "a value");
	assert_string_equal(pool->program[6], "x=y");
	assert_null(pool->program[7]);
	assert_int_equal(pool->processes, 4);
	assert_string_equal(pool->user, "shop");
	assert_int_equal(pool->uid, 1001);
	assert_int_equal(pool->gid, 1001);
	assert_string_equal(pool->directory, "/srv");
	assert_int_equal(pool->nenv, 2);
	assert_string_equal(pool->env[0].name, "LANG");
	assert_string_equal(pool->env[0].value, "C.UTF-8");
	assert_string_equal(pool->env[1].value, "");
	assert_true(pool->shutdown_delay == OL_SEC(60));
	assert_true(pool->shutdown_delay_max == OL_SEC(600));
	assert_true(pool->kill_grace == OL_MSEC(500));
	assert_true(pool->startup_time_limit == OL_SEC(5));
	assert_true(pool->recycle_time == OL_SEC(29 * 3600));
	assert_true(pool->idle_timeout == OL_SEC(1200));
	assert_false(pool->overlap);
	assert_true(pool->limit.memory == 1 << 30);
	assert_int_equal(pool->limit.processes, 64);
	assert_true(pool->limit.cpu == OL_SEC(120));
	assert_string_equal(pool->on_crash[0], "/usr/bin/tell");
	assert_string_equal(pool->on_crash[1], "ops");
	assert_null(pool->on_crash[2]);
	assert_int_equal(pool->rapid_crashes, 7);
	assert_true(pool->rapid_window == OL_SEC(3600));
	assert_true(pool->rapid_retry == OL_SEC(120));
	assert_true(pool->ping_interval == OL_SEC(2));
	assert_true(pool->ping_response_time == OL_SEC(4));
	assert_int_equal(pool->recycle_requests, 10000);
	assert_true(pool->recycle_memory == 256 << 20);
	assert_int_equal(pool->recycle_at.n, 2);
	assert_int_equal(pool->recycle_at.minutes[0], 3 * 60);
	assert_int_equal(pool->recycle_at.minutes[1], 15 * 60 + 30);
	pool = pool_of(conf, "blog");
	assert_null(pool->on_crash);
	assert_string_equal(pool->user, "outlast-run");
	assert_int_equal(pool->uid, 1002);
	assert_true(pool->kill_grace == OL_SEC(3));
	ol_conf_free(conf);
}

static void
test_defaults(void **state)
{
	struct ol_world world = fake_world();
	const struct ol_conf_pool *pool;
	struct ol_conf *conf;

	(void)state;
	conf = load(&world, small, NULL);
	assert_non_null(conf);
	assert_string_equal(conf->pid, "/run/outlast/outlastd.pid");
	assert_int_equal(conf->nlogs, 1);
	assert_int_equal(conf->logs[0].target, OL_LOG_STDERR);
	assert_int_equal(conf->logs[0].level, OL_LOG_NOTICE);
	pool = TAILQ_FIRST(&conf->pools);
	assert_int_equal(pool->listen.mode, 0660);
	assert_int_equal(pool->listen.backlog, 1000);
	assert_null(pool->listen.group);
	assert_true(pool->listen.gid == (gid_t)-1);
	assert_int_equal(pool->processes, 1);
	assert_null(pool->user);
	assert_true(pool->uid == (uid_t)-1);
	assert_string_equal(pool->directory, "/");
	assert_int_equal(pool->nenv, 0);
	assert_true(pool->shutdown_delay == OL_SEC(90));
	assert_true(pool->shutdown_delay_max == OL_SEC(90));
	assert_true(pool->kill_grace == OL_SEC(10));
	assert_true(pool->startup_time_limit == OL_SEC(90));
	assert_true(pool->recycle_time == 0);
	assert_int_equal(pool->type, OL_CONF_NOTIFY);
	assert_int_equal(pool->stop_signal, SIGTERM);
	assert_true(pool->idle_timeout == 0);
	assert_true(pool->overlap);
	assert_int_equal(pool->rapid_crashes, 5);
	assert_true(pool->rapid_window == OL_SEC(300));
	assert_true(pool->rapid_retry == OL_SEC(60));
	assert_true(pool->ping_interval == OL_SEC(30));
	assert_true(pool->ping_response_time == OL_SEC(90));
	assert_int_equal(pool->recycle_requests, 0);
	assert_true(pool->recycle_memory == 0);
	assert_int_equal(pool->recycle_at.n, 0);
	ol_conf_free(conf);
}

/* -g over the file's top level; a pool's own line over both. */
static void
test_extra_wins(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf;

	(void)state;
	conf = load(&world,
	    "pid /run/a.pid; log stderr debug; log syslog:; kill_grace 1s;"
	    "shutdown_delay 2s; pool a { listen 127.0.0.1:9; program /a; }"
	    "pool b { listen 127.0.0.1:8; program /a; kill_grace 9s; }",
	    "pid /run/b.pid; log stderr warn; kill_grace 5s;"
	    "pool c { listen 127.0.0.1:7; program /c; }");
	assert_non_null(conf);
	assert_string_equal(conf->pid, "/run/b.pid");
	assert_int_equal(conf->nlogs, 1);
	assert_int_equal(conf->logs[0].level, OL_LOG_WARN);
	assert_true(pool_of(conf, "a")->kill_grace == OL_SEC(5));
	assert_true(pool_of(conf, "a")->shutdown_delay == OL_SEC(2));
	assert_true(pool_of(conf, "a")->shutdown_delay_max == OL_SEC(2));
	assert_true(pool_of(conf, "b")->kill_grace == OL_SEC(9));
	assert_true(pool_of(conf, "c")->kill_grace == OL_SEC(5));
	ol_conf_free(conf);
}

static void
test_dump_loads_again(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *first, *second;
	char *one, *two;

	(void)state;
	world.euid = 0;
	first = load(&world, whole, NULL);
	one = dump(first);
	second = load(&world, one, NULL);
	assert_non_null(second);
	two = dump(second);
	assert_string_equal(one, two);
	assert_true(ol_conf_pool_same_process(
	    pool_of(first, "shop"), pool_of(second, "shop")));
	assert_true(ol_conf_pool_same_process(
	    pool_of(first, "blog"), pool_of(second, "blog")));
	ol_conf_free(first);
	ol_conf_free(second);
	free(one);
	free(two);
}

static void
test_dump_text(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load(&world, small, NULL);
	char *text = dump(conf);

	(void)state;
	assert_string_equal(text, "pid /run/outlast/outlastd.pid;\n"
				  "log stderr notice;\n"
				  "state /var/lib/outlast;\n"
				  "control "
				  "unix:/run/outlast/control.sock "
				  "mode=0600;\n"
				  "base /tasks;\n"
				  "wait_max 50s;\n"
				  "shutdown_delay 1m30s;\n"
				  "shutdown_delay_max 1m30s;\n"
				  "kill_grace 10s;\n"
				  "store sqlite {\n"
				  "    retain 7d failed=30d;\n"
				  "}\n"
				  "pool a {\n"
				  "    listen 127.0.0.1:9 backlog=1000;\n"
				  "    program /a;\n"
				  "    type notify;\n"
				  "    stop_signal TERM;\n"
				  "    processes 1;\n"
				  "    directory /;\n"
				  "    shutdown_delay 1m30s;\n"
				  "    shutdown_delay_max 1m30s;\n"
				  "    kill_grace 10s;\n"
				  "    startup_time_limit 1m30s;\n"
				  "    ping_interval 30s;\n"
				  "    ping_response_time 1m30s;\n"
				  "    rapid_fail 5 5m retry=1m;\n"
				  "    idle_timeout off;\n"
				  "    overlap on;\n"
				  "}\n");
	ol_conf_free(conf);
	free(text);
}

static void
test_dump_masks_secrets(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load(&world,
	    "pool a { listen 127.0.0.1:9; program /a;"
	    "env DB_PASSWORD hunter2; env api_key hunter3;"
	    "env DB postgres://me:hunter4@db/shop;"
	    "env PARTNER https://partner.example/a:b@c; }",
	    NULL);
	char *text = dump_as(conf, true);

	(void)state;
	assert_null(strstr(text, "hunter"));
	assert_non_null(strstr(text, "env DB_PASSWORD ********;\n"));
	assert_non_null(strstr(text, "env DB ********;\n"));
	ol_conf_free(conf);
	free(text);
}

static void
test_long_words_dump(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf, *again;
	char *text, *one, *two;
	size_t size, i;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	fputs("pool a { listen 127.0.0.1:9; program /a", out);
	for (i = 0; i < 100; i++)
		fprintf(out, "\n '%010000zu'", i);
	fputs(";}", out);
	fclose(out);
	conf = load(&world, text, NULL);
	assert_non_null(conf);
	one = dump(conf);
	again = load(&world, one, NULL);
	assert_non_null(again);
	two = dump(again);
	assert_string_equal(one, two);
	ol_conf_free(conf);
	ol_conf_free(again);
	free(one);
	free(two);
	free(text);
}

/* Its notify sockets must fit 107 bytes, and one byte more is too much. */
static void
test_notify_path(void **state)
{
	static const char digits[] = "0123456789012345678901234567890123456789"
				     "0123456789012345678901234567890123456789"
				     "0123456789";
	struct ol_world world = fake_world();
	struct ol_conf *conf;
	char text[256];
	size_t folder = SOCKET_MAX - strlen("/notify/a.99.4294967295");
	FILE *errors;
	char *told;
	size_t size;

	(void)state;
	snprintf(text, sizeof(text),
	    "pid /%.*s/x.pid; pool a { listen 127.0.0.1:9; program /a; "
	    "processes 100; }",
	    (int)folder - 1, digits);
	conf = load(&world, text, NULL);
	assert_non_null(conf);
	ol_conf_free(conf);
	snprintf(text, sizeof(text),
	    "pid /%.*s/x.pid; pool a { listen 127.0.0.1:9; program /a; "
	    "processes 101; }",
	    (int)folder - 1, digits);
	errors = open_memstream(&told, &size);
	assert_null(
	    ol_conf_load_in(&world, "/dev/null/x", text, errors, false));
	fclose(errors);
	assert_non_null(strstr(told, "is 1 bytes too long"));
	free(told);
}

#define POOL(text) \
	"pool a { listen unix:/a; program /a x; env A 1; env B 2; " text "}"

static bool
same(const char *left, const char *right)
{
	struct ol_world world = fake_world();
	struct ol_conf *a, *b;
	bool result;

	world.euid = 0;
	a = load(&world, left, NULL);
	b = load(&world, right, NULL);
	assert_non_null(a);
	assert_non_null(b);
	result = ol_conf_pool_same_process(
	    TAILQ_FIRST(&a->pools), TAILQ_FIRST(&b->pools));
	assert_int_equal(
	    result, ol_conf_pool_same_process(
			TAILQ_FIRST(&b->pools), TAILQ_FIRST(&a->pools)));
	ol_conf_free(a);
	ol_conf_free(b);
	return result;
}

static void
test_same_process(void **state)
{
	static const char *const may_differ[] = {
		POOL(""),
		POOL("processes 9;"),
		POOL("kill_grace 1s;"),
		POOL("startup_time_limit 1s;"),
		POOL("recycle time=1h;"),
		POOL("on_crash /bin/true;"),
		POOL("directory /;"),
		POOL("shutdown_delay 90s;"),
		"pool a { env B 2; env A 1; program /a x; listen unix:/a "
		"mode=0600 group=www-data backlog=5; }",
		"kill_grace 2s;" POOL(""),
	};
	static const char *const must_not[] = {
		POOL("user shop;"),
		POOL("directory /tmp;"),
		POOL("shutdown_delay 80s; shutdown_delay_max 90s;"),
		POOL("shutdown_delay_max 91s;"),
		POOL("env C 3;"),
		"shutdown_delay 80s;" POOL("shutdown_delay_max 90s;"),
		"pool b { listen unix:/a; program /a x; env A 1; env B 2; }",
		"pool a { listen unix:/b; program /a x; env A 1; env B 2; }",
		"pool a { listen unix:/a; program /b x; env A 1; env B 2; }",
		"pool a { listen unix:/a; program /a; env A 1; env B 2; }",
		"pool a { listen unix:/a; program /a x y; env A 1; env B 2; }",
		"pool a { listen unix:/a; program /a x; env A 1; env B 1; }",
		"pool a { listen unix:/a; program /a x; env A 1; env C 2; }",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(may_differ) / sizeof(may_differ[0]); i++)
		if (!same(POOL(""), may_differ[i]))
			fail_msg("not the same: %s", may_differ[i]);
	for (i = 0; i < sizeof(must_not) / sizeof(must_not[0]); i++)
		if (same(POOL(""), must_not[i]))
			fail_msg("the same: %s", must_not[i]);
}

static void
test_colour(void **state)
{
	struct ol_world world = fake_world();
	char *errors;
	size_t size;
	FILE *out = open_memstream(&errors, &size);

	(void)state;
	assert_null(ol_conf_load_in(&world, "/dev/null/x", NULL, out, true));
	fclose(out);
	assert_string_equal(errors,
	    "\033[1m/dev/null/x: \033[1;31merror\033[0m: cannot read the "
	    "file: Not a directory\n");
	free(errors);
	/* And nowhere at all. */
	assert_null(ol_conf_load_in(&world, "/dev/null/x", "}", NULL, true));
}

/* -t: what the file names is looked for in the world. */
static void
test_check_world(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf;
	char *errors;
	size_t size;
	FILE *out;
	int n;

	(void)state;
	conf = load(&world,
	    "pid /tmp/x.pid; log /tmp/x.log;"
	    "pool a { listen unix:/tmp/a.sock; program /bin/sh; }",
	    NULL);
	assert_int_equal(ol_conf_check_world(conf, stderr, false), 0);
	ol_conf_free(conf);
	conf = load(&world,
	    "pid /not-there/run/x.pid;\nlog /tmp;\nlog /not-there/log;\n"
	    "pool a {\n"
	    "listen unix:/not-there/a.sock;\n"
	    "program /bin/not-there;\n"
	    "directory /bin/sh;\n"
	    "}\n"
	    "pool b { listen 127.0.0.1:9;\n"
	    "program /etc/passwd; }\n"
	    "pool c { listen 127.0.0.1:8;\n"
	    "program /usr; }\n"
	    "pool d { listen unix:/tmp; program /bin/sh; }",
	    NULL);
	out = open_memstream(&errors, &size);
	n = ol_conf_check_world(conf, out, false);
	fclose(out);
	assert_int_equal(n, 9);
	assert_non_null(strstr(errors, ":1:5: error: the folder \"/not-there\" "
				       "cannot be written to: No such file"));
	assert_non_null(strstr(errors, ":2:5: error: \"/tmp\" is a folder"));
	assert_non_null(strstr(errors, ":3:5: error: the folder"));
	assert_non_null(strstr(errors, ":5:8: error: the folder"));
	assert_non_null(strstr(errors, ":6:9: error: cannot execute "
				       "\"/bin/not-there\": No such file"));
	assert_non_null(strstr(errors, ":7:11: error: this user cannot work"));
	assert_non_null(strstr(errors, ":10:9: error: this user may not "
				       "execute \"/etc/passwd\""));
	assert_non_null(strstr(errors, ":12:9: error: \"/usr\" is not a file"));
	assert_non_null(strstr(errors, ":13:17: error: \"/tmp\" exists and is "
				       "not a socket"));
	free(errors);
	ol_conf_free(conf);
}

/* The folder of the pid file is made at the start, if it can be. */
static void
test_check_world_makes_run(void **state)
{
	struct ol_world world = fake_world();
	char folder[] = "/tmp/outlast-world-XXXXXX", text[256];
	struct ol_conf *conf;

	(void)state;
	world.euid = 0;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(text, sizeof(text),
	    "pid %s/run/x.pid; pool a { listen 127.0.0.1:9; program /bin/sh; "
	    "user shop; }",
	    folder);
	conf = load(&world, text, NULL);
	assert_non_null(conf);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 0);
	ol_conf_free(conf);
	/* With what else is in it, but no other folder, nor one below it. */
	snprintf(text, sizeof(text),
	    "pid %s/run/x.pid; pool a { listen unix:%s/run/a.sock; program "
	    "/bin/sh; user shop; }",
	    folder, folder);
	conf = load(&world, text, NULL);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 0);
	ol_conf_free(conf);
	snprintf(text, sizeof(text),
	    "pid %s/run/x.pid; pool a { listen unix:%s/ran/a.sock; program "
	    "/bin/sh; user shop; } pool b { listen unix:%s/run/x/b.sock; "
	    "program /bin/sh; user shop; }",
	    folder, folder, folder);
	conf = load(&world, text, NULL);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 2);
	ol_conf_free(conf);
	/* One that is there must let the pool's user through. */
	snprintf(text, sizeof(text),
	    "pid %s/x.pid; pool a { listen 127.0.0.1:9; program /bin/sh; "
	    "user shop; }",
	    folder);
	conf = load(&world, text, NULL);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 0);
	assert_int_equal(chmod(folder, 0700), 0);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 1);
	ol_conf_free(conf);
	rmdir(folder);
}

/* The modes are judged for the pool's user, not for root. */
static void
test_check_world_as_user(void **state)
{
	struct ol_world world = fake_world();
	char folder[] = "/tmp/outlast-world-XXXXXX", text[256], program[64];
	struct ol_conf *conf;
	FILE *out;

	(void)state;
	world.euid = 0;
	assert_non_null(mkdtemp(folder));
	snprintf(program, sizeof(program), "%s/p", folder);
	out = fopen(program, "w");
	assert_non_null(out);
	fclose(out);
	assert_int_equal(chmod(program, 0755), 0);
	snprintf(text, sizeof(text),
	    "pid /tmp/x.pid; pool a { listen 127.0.0.1:9; program %s; "
	    "user shop; }",
	    program);
	conf = load(&world, text, NULL);
	assert_non_null(conf);
	/* The folder is 0700 of somebody else. */
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 1);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 0);
	assert_int_equal(chmod(program, 0750), 0);
	assert_int_equal(ol_conf_check_world(conf, NULL, false), 1);
	ol_conf_free(conf);
	unlink(program);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_extra_wins),
		cmocka_unit_test(test_dump_loads_again),
		cmocka_unit_test(test_dump_text),
		cmocka_unit_test(test_dump_masks_secrets),
		cmocka_unit_test(test_long_words_dump),
		cmocka_unit_test(test_notify_path),
		cmocka_unit_test(test_same_process),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_check_world),
		cmocka_unit_test(test_check_world_makes_run),
		cmocka_unit_test(test_check_world_as_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
