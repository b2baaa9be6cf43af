/* Tasks with fastcgi_pass. */
#include <sys/types.h>
#include <sys/socket.h>
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

#define LISTEN "listen unix:/run/t.sock;"

enum {
	ALL_METHODS = OL_METHOD_GET | OL_METHOD_POST | OL_METHOD_PUT |
		      OL_METHOD_PATCH | OL_METHOD_DELETE,
};

static struct ol_conf *
load_as(uid_t euid, const char *text)
{
	char path[] = "/tmp/outlast-backend-XXXXXX";
	struct ol_world world = fake_world();
	int fd = mkstemp(path);
	struct ol_conf *conf;

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	world.euid = euid;
	conf = ol_conf_load_in(&world, path, NULL, stderr, false);
	unlink(path);
	assert_non_null(conf);
	return conf;
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

static const char whole[] =
    LISTEN "wait_max 20s; result_type image/png; limit memory=1g;"
	   "directory /srv;\n"
	   "task report {\n"
	   "    fastcgi_param SCRIPT_FILENAME /srv/shop/report.php;\n"
	   "    fastcgi_param HTTP_AUTHORIZATION 'Basic aHVudGVyMg==';\n"
	   "    fastcgi_param EMPTY '';\n"
	   "    fastcgi_param PRICE '\\$5 \"net\"';\n"
	   "    drop_param HTTP_REFERER HTTP_DNT;\n"
	   "    drop_param HTTP_PRIORITY;\n"
	   "    request POST /report.php?a=b application/json;\n"
	   "    retry_on timeout;\n"
	   "    retries 2; methods GET;\n"
	   "    fastcgi_pass [::1]:9000;\n"
	   "}\n"
	   "task plain { fastcgi_pass unix:/run/php/php8.2-fpm.sock; }\n"
	   "task bare { fastcgi_pass 127.0.0.1:9000; request GET /; }\n";

static void
assert_whole(const struct ol_conf *conf)
{
	const struct ol_conf_task *report = task_of(conf, "report");
	const struct ol_conf_task *plain = task_of(conf, "plain");
	const struct ol_conf_backend *b = report->backend;

	assert_true(conf->wait_max == OL_SEC(20));
	assert_null(report->program);
	assert_non_null(b);
	assert_string_equal(b->text, "[::1]:9000");
	assert_int_equal(b->addr.u.sa.sa_family, AF_INET6);
	assert_int_equal(b->nparams, 4);
	assert_string_equal(b->params[0].name, "SCRIPT_FILENAME");
	assert_string_equal(b->params[0].value, "/srv/shop/report.php");
	assert_string_equal(b->params[1].value, "Basic aHVudGVyMg==");
	assert_string_equal(b->params[2].value, "");
	assert_string_equal(b->params[3].value, "$5 \"net\"");
	assert_int_equal(b->ndrop, 3);
	assert_string_equal(b->drop[0], "HTTP_REFERER");
	assert_string_equal(b->drop[1], "HTTP_DNT");
	assert_string_equal(b->drop[2], "HTTP_PRIORITY");
	assert_string_equal(b->method, "POST");
	assert_string_equal(b->uri, "/report.php?a=b");
	assert_string_equal(b->content_type, "application/json");
	assert_int_equal(report->retry_on, OL_RETRY_ON_TIMEOUT);
	assert_int_equal(report->retries, 2);
	assert_int_equal(report->methods, OL_METHOD_GET);
	/* What runs a program is none of its business. */
	assert_null(report->user);
	assert_int_equal(report->uid, (uid_t)-1);
	b = plain->backend;
	assert_string_equal(ol_addr_path(&b->addr), "/run/php/php8.2-fpm.sock");
	assert_int_equal(b->nparams, 0);
	assert_int_equal(b->ndrop, 0);
	assert_null(b->method);
	assert_null(b->content_type);
	assert_int_equal(plain->retry_on, OL_RETRY_ON_NOTHING);
	assert_int_equal(plain->retries, 0);
	assert_int_equal(plain->methods, ALL_METHODS);
	assert_null(task_of(conf, "bare")->backend->content_type);
}

static void
test_values_arrive(void **state)
{
	struct ol_conf *conf = load_as(1000, whole);

	(void)state;
	assert_whole(conf);
	ol_conf_free(conf);
	/* There is no account to run as, and none is needed. */
	conf = load_as(0, whole);
	assert_whole(conf);
	ol_conf_free(conf);
}

/* What the block or top level says, wins over what the executor suggests. */
static void
test_defaults(void **state)
{
	struct ol_conf *conf = load_as(1000, LISTEN
	    "task a { fastcgi_pass 127.0.0.1:9; retries 1; }"
	    "task b { fastcgi_pass 127.0.0.1:9; retry_on off; methods PUT; }"
	    "task c { program /bin/c; }"
	    "retries 7; retry_on timeout; methods DELETE;");

	(void)state;
	assert_true(conf->wait_max == OL_SEC(50));
	assert_int_equal(task_of(conf, "a")->retries, 1);
	assert_int_equal(task_of(conf, "a")->retry_on, OL_RETRY_ON_TIMEOUT);
	assert_int_equal(task_of(conf, "a")->methods, OL_METHOD_DELETE);
	assert_int_equal(task_of(conf, "b")->retries, 7);
	assert_int_equal(task_of(conf, "b")->retry_on, OL_RETRY_ON_NOTHING);
	assert_int_equal(task_of(conf, "b")->methods, OL_METHOD_PUT);
	assert_int_equal(task_of(conf, "c")->retries, 7);
	assert_null(task_of(conf, "c")->backend);
	ol_conf_free(conf);
	conf = load_as(1000, LISTEN "task a { program /bin/a; }"
				    "task b { fastcgi_pass 127.0.0.1:9; }");
	assert_int_equal(task_of(conf, "a")->retries, 3);
	assert_int_equal(task_of(conf, "a")->methods, OL_METHOD_POST);
	assert_int_equal(task_of(conf, "b")->retries, 0);
	assert_int_equal(task_of(conf, "b")->methods, ALL_METHODS);
	ol_conf_free(conf);
}

static char *
dump(const struct ol_conf *conf, void (*fn)(const struct ol_conf *, FILE *))
{
	size_t size;
	char *text;
	FILE *out = open_memstream(&text, &size);

	fn(conf, out);
	fclose(out);
	return text;
}

static void
test_dump_and_load(void **state)
{
	struct ol_world world = fake_world();
	struct ol_conf *conf = load_as(0, whole), *again;
	char *text = dump(conf, ol_conf_dump), *other;

	(void)state;
	again = ol_conf_load_text_in(&world, text, strlen(text), stderr);
	assert_non_null(again);
	assert_whole(again);
	other = dump(again, ol_conf_dump);
	assert_string_equal(strchr(text, '\n'), strchr(other, '\n'));
	ol_conf_free(again);
	free(other);
	/* For people, without the password. */
	assert_non_null(strstr(text, "aHVudGVyMg"));
	other = dump(conf, ol_conf_dump_masked);
	assert_null(strstr(other, "aHVudGVyMg"));
	assert_non_null(
	    strstr(other, "    fastcgi_param HTTP_AUTHORIZATION ********;\n"));
	assert_non_null(
	    strstr(other, "    fastcgi_param SCRIPT_FILENAME /srv/shop/"));
	free(other);
	ol_conf_free(conf);
	free(text);
}

/* --- the world ----------------------------------------------------------- */

/* What -t says of the socket at path, and how many errors that are. */
static int
check(const char *folder, const char *path, char **said)
{
	char text[1024];
	struct ol_conf *conf;
	size_t size;
	FILE *out = open_memstream(said, &size);
	int n;

	snprintf(text, sizeof(text),
	    "pid %s/x.pid;\nstate %s/state;\nlisten unix:%s/t.sock;\n"
	    "task a {\n    fastcgi_pass unix:%s;\n}",
	    folder, folder, folder, path);
	conf = load_as(0, text);
	n = ol_conf_check_world(conf, out, false);
	fclose(out);
	ol_conf_free(conf);
	return n;
}

static void
assert_said(const char *folder, const char *path, int n, const char *told)
{
	char *said;

	assert_int_equal(check(folder, path, &said), n);
	if (told == NULL && *said != '\0')
		fail_msg("said: %s", said);
	if (told != NULL && strstr(said, told) == NULL)
		fail_msg("not said: %s\n%s", told, said);
	free(said);
}

static void
test_check_world(void **state)
{
	char folder[] = "/tmp/outlast-backend-XXXXXX", path[64];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(path, sizeof(path), "%s/php.sock", folder);
	/* It may be started later. */
	assert_said(folder, path, 0, ":5:18: warning: nobody listens on \"");
	strlcpy(un.sun_path, path, sizeof(un.sun_path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
	assert_int_equal(chmod(path, 0666), 0);
	assert_said(folder, path, 0, NULL);
	/* As php-fpm's is, with a user who is not in its group. */
	assert_int_equal(chmod(path, 0660), 0);
	assert_said(
	    folder, path, 1, ":5:18: error: outlast may not connect to \"");
	close(fd);
	unlink(path);
	fd = creat(path, 0666);
	assert_true(fd != -1);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	assert_said(folder, path, 1, "is not a socket");
	unlink(path);
	rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_arrive),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_dump_and_load),
		cmocka_unit_test(test_check_world),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
