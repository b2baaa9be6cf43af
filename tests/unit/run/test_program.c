/* Programs of all kinds, with a real spawner: how they end, what they get. */
#include <sys/stat.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "run/program.h"
#include "spawner/environment.h"

#include "house.h"

static struct house h;

static const struct script scripts[] = {
	{ "hello", "echo hello", "result_type text/plain;" },
	{ "fails", "echo why >&2; exit 1", NULL },
	{ "later", "exit 75", NULL },
	{ "usage", "exit 64", NULL },
	{ "data", "exit 65", NULL },
	{ "config", "exit 78", NULL },
	{ "segv", "kill -SEGV $$", NULL },
	{ "kill9", "kill -KILL $$", NULL },
	{ "echo", "cat", "max_result 10m;" },
	{ "deaf", "exec <&-; sleep 0.1; echo deaf", NULL },
	{ "large", "head -c 100000 /dev/zero | tr '\\0' x", NULL },
	{ "edge", "head -c 32768 /dev/zero", NULL },
	{ "exact", "head -c 2000 /dev/zero", "max_result 2000;" },
	{ "beyond", "head -c 2001 /dev/zero; sleep 30", "max_result 2000;" },
	{ "flood", "yes out", "max_result 1m;" },
	{ "floods", "head -c 1073741824 /dev/zero >&2; echo last words >&2",
	    "timeout 100s;" },
	{ "slow", "exec sleep 30", "timeout 200ms; kill_grace 100ms;" },
	{ "stubborn", "trap '' TERM; while :; do sleep 1; done",
	    "timeout 200ms; kill_grace 300ms;" },
	{ "graceful", "trap 'echo done; exit 0' TERM; sleep 30 & wait",
	    "timeout 200ms; kill_grace 10s;" },
	{ "long", "echo begun >&2; exec sleep 30", "kill_grace 200ms;" },
	{ "extends",
	    "printf 'EXTEND_TIMEOUT_USEC=30000000' >x; "
	    "python3 -c 'import os, socket; s = socket.socket("
	    "socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("
	    "os.environ[\"NOTIFY_SOCKET\"]); s.send(open(\"x\").read()"
	    ".encode())'; sleep 1; echo extended",
	    "timeout 500ms; kill_grace 100ms;" },
	{ "progress",
	    "python3 -c 'import os, socket, time; s = socket.socket("
	    "socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("
	    "os.environ[\"OUTLAST_NOTIFY\"])\n"
	    "for i in range(100):\n"
	    "  s.send(b\"X_OUTLAST_PROGRESS=%d page %d\\xff\" % (i, i))\n"
	    "  time.sleep(0.003)'",
	    NULL },
	{ "rubbish",
	    "python3 -c 'import os, socket; s = socket.socket("
	    "socket.AF_UNIX, socket.SOCK_DGRAM); s.connect("
	    "os.environ[\"NOTIFY_SOCKET\"]); s.send(b\"x\" * 2000); "
	    "s.send(b\"X_OUTLAST_PROGRESS=101\"); s.send(b\"\")'",
	    NULL },
	{ "env", "exec env",
	    "env GREETING hello; env LANG de_AT.UTF-8;"
	    "context request_id remote_addr;" },
	{ "folder", "pwd; echo $TMPDIR; ls -A | wc -l; stat -c %a .", NULL },
	{ "home", "pwd; echo $HOME", "directory /usr;" },
	{ "fds", "exec ls -l /proc/self/fd", NULL },
	{ "signals", "exec grep -E '^Sig(Blk|Ign)' /proc/self/status", NULL },
	{ "status", "exec grep -E '^(NoNewPrivs|Uid|Groups)' /proc/self/status",
	    NULL },
	{ "limits", "ulimit -v; ulimit -t; ulimit -c; ulimit -p",
	    "limit memory=256m processes=500 cpu=7s;" },
	{ "hungry", "exec head -c 2g /dev/zero | tail -c 1g",
	    "limit memory=64m;" },
	{ "burns", "while :; do :; done", "limit cpu=1s;" },
	{ "litter",
	    "pwd; mkdir -p a/b/c; touch a/b/c/d; ln -s /etc a/etc; "
	    "mkdir locked; touch locked/x; chmod 0 locked; chmod 0 a/b",
	    NULL },
	{ "nobody",
	    "id -u; id -g; id -G; echo err >/dev/stderr; "
	    "stat -c '%u %a' . $NOTIFY_SOCKET; touch x; mkdir -p a/b; "
	    "kill -0 $PPID 2>/dev/null && echo could kill; "
	    "setsid sleep 100 & exit 0",
	    "user nobody;" },
	/* Stops whatever of its user the spawner starts, on its way. */
	{ "stopper",
	    "exec python3 -c 'import os, signal, time\n"
	    "parent, end = os.getppid(), time.time() + 6\n"
	    "print(1, flush=True)\n"
	    "path = \"/proc/%d/task/%d/children\" % (parent, parent)\n"
	    "while time.time() < end:\n"
	    "  for pid in open(path).read().split():\n"
	    "    if int(pid) != os.getpid():\n"
	    "      try:\n"
	    "        os.kill(int(pid), signal.SIGSTOP)\n"
	    "      except OSError:\n"
	    "        pass'",
	    "user nobody;" },
	{ "victim", "exec true", "user nobody; timeout 1s; kill_grace 1s;" },
	{ "absent", NULL, NULL },
	{ "interpreter", NULL, NULL },
	{ "windows", NULL, NULL },
	{ "headless", NULL, NULL },
	{ "lost", "exec sleep 30", NULL },
};

static void
expect(const char *type, enum ol_outcome outcome, const char *kind)
{
	struct ended e = { 0 };

	house_run(&h, type, &e);
	if (e.end.ending.outcome != outcome || strcmp(e.kind, kind) != 0)
		fail_msg("%s: outcome %d, kind %s: %s", type,
		    (int)e.end.ending.outcome, e.kind, e.end.message);
	assert_false(e.end.ending.unreachable);
	ended_free(&e);
}

static void
test_exits(void **state)
{
	struct ended e = { 0 };

	(void)state;
	expect("hello", OL_OUTCOME_OK, "");
	expect("later", OL_OUTCOME_RETRY, "exit");
	expect("usage", OL_OUTCOME_FAIL, "exit");
	expect("data", OL_OUTCOME_FAIL, "exit");
	expect("config", OL_OUTCOME_FAIL, "exit");
	house_run(&h, "hello", &e);
	assert_string_equal(e.text, "hello\n");
	assert_string_equal(e.end.result_type, "text/plain");
	assert_int_equal(e.end.exit, 0);
	ended_free(&e);
	house_run(&h, "fails", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_RETRY);
	assert_int_equal(e.end.exit, 1);
	assert_int_equal(e.end.ending.delay, -1);
	assert_string_equal(e.errors, "why\n");
	assert_null(e.result);
	ended_free(&e);
}

static void
test_crashes(void **state)
{
	struct ended e = { 0 };

	(void)state;
	house_run(&h, "segv", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_LOST);
	assert_true(e.end.ending.crashed);
	assert_string_equal(e.kind, "signal");
	assert_int_equal(e.end.signal, SIGSEGV);
	assert_int_equal(e.end.exit, -1);
	assert_string_equal(e.end.message, "killed by SIGSEGV");
	ended_free(&e);
	house_run(&h, "kill9", &e);
	assert_true(e.end.ending.crashed);
	assert_int_equal(e.end.signal, SIGKILL);
	ended_free(&e);
}

static void
echo(size_t size, bool in_file)
{
	struct ended e = { 0 };
	char *data = malloc(size + 1), *back = malloc(size + 1), path[64];
	size_t i;
	int fd;

	for (i = 0; i < size; i++)
		data[i] = (char)(i * 7 + i / 256);
	if (in_file) {
		snprintf(path, sizeof(path), "%s/payload", h.folder);
		fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, data, size), size);
		/* Its place in the file is nobody's business. */
		e.payload = ol_body_file(fd, (int64_t)size);
		unlink(path);
	} else
		e.payload = ol_body_new(data, size);
	house_run(&h, "echo", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	if (size == 0)
		assert_null(e.result);
	else {
		assert_int_equal(e.result->size, size);
		if (size <= OL_PROGRAM_MEMORY)
			memcpy(back, e.result->data, size);
		else
			assert_int_equal(
			    pread(e.result->fd, back, size, 0), size);
		assert_memory_equal(data, back, size);
	}
	ended_free(&e);
	free(data);
	free(back);
}

static void
test_payloads(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, 32768, 32769, 65536, 65537,
		1000000, 5000000 };
	struct ended e = { 0 };
	char *big;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		echo(sizes[i], false);
		echo(sizes[i], true);
	}
	e.payload = ol_body_new("x", 1);
	house_run(&h, "deaf", &e);
	assert_string_equal(e.text, "deaf\n");
	ended_free(&e);
	/* Longer than the pipe, and never read. */
	big = calloc(1, 300000);
	e.payload = ol_body_new(big, 300000);
	free(big);
	house_run(&h, "deaf", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	ended_free(&e);
}

static long
rss(void)
{
	long pages = 0, rest;
	FILE *f = fopen("/proc/self/statm", "re");

	assert_int_equal(fscanf(f, "%ld %ld", &rest, &pages), 2);
	fclose(f);
	return pages * 4096;
}

static void
test_results(void **state)
{
	struct ended e = { 0 };
	long before;

	(void)state;
	house_run(&h, "large", &e);
	assert_int_equal(e.result->size, 100000);
	assert_true(e.result->fd >= 0);
	ended_free(&e);
	house_run(&h, "edge", &e);
	assert_true(e.result->fd == -1);
	ended_free(&e);
	expect("exact", OL_OUTCOME_OK, "");
	expect("beyond", OL_OUTCOME_FAIL, "result_too_large");
	expect("flood", OL_OUTCOME_FAIL, "result_too_large");
	before = rss();
	house_run(&h, "floods", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_int_equal(e.end.error_size, OL_RUN_STDERR_MAX);
	assert_string_equal(
	    e.errors + OL_RUN_STDERR_MAX - strlen("last words\n"),
	    "last words\n");
	assert_true(rss() - before < 4 << 20);
	ended_free(&e);
}

static void
test_timeouts(void **state)
{
	struct ended e = { 0 };
	int64_t begun = ol_clock_now(), took;

	(void)state;
	expect("slow", OL_OUTCOME_RETRY, "timeout");
	took = ol_clock_now() - begun;
	assert_true(took >= OL_MSEC(200) && took < OL_SEC(10));
	begun = ol_clock_now();
	house_run(&h, "stubborn", &e);
	took = ol_clock_now() - begun;
	assert_true(took >= OL_MSEC(500) && took < OL_SEC(10));
	assert_int_equal(e.end.signal, SIGKILL);
	assert_string_equal(e.kind, "timeout");
	assert_false(e.end.ending.crashed);
	ended_free(&e);
	house_run(&h, "graceful", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_string_equal(e.text, "done\n");
	ended_free(&e);
	house_run(&h, "extends", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_string_equal(e.text, "extended\n");
	assert_true(e.extended == OL_SEC(30));
	ended_free(&e);
}

static void
stop_long(enum ol_run_stop how, int signal)
{
	struct ended e = { 0 };

	house_start(&h, "long", &e);
	house_pause(&h, 200);
	ol_run_stop(e.running, how);
	assert_false(e.done);
	house_wait(&h, &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_INTERRUPTED);
	assert_false(e.end.ending.unreachable);
	assert_int_equal(e.end.signal, signal);
	assert_string_equal(e.errors, "begun\n");
	ended_free(&e);
}

static void
test_stops(void **state)
{
	struct ended e = { 0 };

	(void)state;
	stop_long(OL_RUN_CANCEL, SIGTERM);
	stop_long(OL_RUN_INTERRUPT, SIGTERM);
	stop_long(OL_RUN_KILL, SIGKILL);
	/* At once, with the start still on its way. */
	house_start(&h, "long", &e);
	ol_run_stop(e.running, OL_RUN_KILL);
	house_wait(&h, &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_INTERRUPTED);
	ended_free(&e);
	/* A cancelled one that does not hear. */
	house_start(&h, "stubborn", &e);
	house_pause(&h, 100);
	ol_run_stop(e.running, OL_RUN_CANCEL);
	house_wait(&h, &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_INTERRUPTED);
	assert_int_equal(e.end.signal, SIGKILL);
	ended_free(&e);
	/* Forgotten: no callback, and the spawner goes on. */
	house_start(&h, "hello", &e);
	ol_run_forget(e.running);
	house_pause(&h, 300);
	assert_false(e.done);
	h.running--;
	expect("hello", OL_OUTCOME_OK, "");
}

static void
forget_it(struct ended *e)
{
	ol_run_forget(e->running);
}

static void
test_progress(void **state)
{
	struct ended e = { 0 };

	(void)state;
	house_run(&h, "progress", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	/* 100 reports in 0.3 s and more: 10 a second, the first, the last. */
	assert_true(e.reports >= 2 && e.reports < 50);
	assert_int_equal(e.percent, 99);
	assert_string_equal(e.progress, "page 99\xef\xbf\xbd");
	ended_free(&e);
	house_run(&h, "rubbish", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_int_equal(e.reports, 0);
	ended_free(&e);
	/* Forgotten within its own callback. */
	e.on_progress = forget_it;
	house_start(&h, "progress", &e);
	house_pause(&h, 1000);
	assert_int_equal(e.reports, 1);
	assert_false(e.done);
	h.running--;
	ended_free(&e);
}

static const char *
get(const char *text, const char *name)
{
	static char value[512];
	size_t len = strlen(name);
	const char *at, *found = NULL;

	for (at = text; at != NULL && *at != '\0';
	     at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, name, len) == 0 && at[len] == '=') {
			assert_null(found);
			found = at + len + 1;
		}
	if (found == NULL)
		return NULL;
	snprintf(
	    value, sizeof(value), "%.*s", (int)strcspn(found, "\n"), found);
	return value;
}

static void
test_environment(void **state)
{
	static const struct ol_run_variable context[] = {
		{ "REQUEST_ID", "r1=2" },
		{ "REMOTE_ADDR", "::1" },
		{ "OTHER", "not in the configuration" },
		{ "LD_PRELOAD", "/evil.so" },
		{ "lower", "x" },
		{ "", "x" },
		{ "A=B", "x" },
		{ "PATH", "/evil" },
		{ "GREETING", "evil" },
		{ "OUTLAST_NOTIFY", "/evil" },
	};
	static const char *const names[] = { "TMPDIR", "NOTIFY_SOCKET",
		"OUTLAST_NOTIFY", "OUTLAST_INSTANCE", "OUTLAST_TASK_ID",
		"OUTLAST_TASK_TYPE", "OUTLAST_ATTEMPT", "OUTLAST_DEADLINE",
		"OUTLAST_OWNER", "OUTLAST_CONTENT_TYPE", "OUTLAST_PAYLOAD_SIZE",
		"REQUEST_ID", "REMOTE_ADDR", "GREETING", "LANG", "PATH",
		"HOME" };
	struct ended e = { .owner = "x y\n; $(id)",
		.content_type = "text/plain",
		.payload = ol_body_new("12345", 5),
		.context = context,
		.ncontext = sizeof(context) / sizeof(context[0]),
		.attempt = 7 };
	char scratch[64], value[64];
	long long deadline;
	size_t i, n;

	(void)state;
	setenv("SECRET", "of the daemon", 1);
	house_run(&h, "env", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	for (i = n = 0; e.text[i] != '\0'; i++)
		n += e.text[i] == '\n';
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (get(e.text, names[i]) == NULL)
			fail_msg("no %s in:\n%s", names[i], e.text);
	/* The owner has a line more; the shell adds PWD. */
	assert_int_equal(n, i + 1 + 1);
	assert_non_null(get(e.text, "PWD"));
	assert_string_equal(get(e.text, "OUTLAST_TASK_ID"),
	    "01020304-0506-7008-8000-000000000000");
	assert_string_equal(get(e.text, "OUTLAST_TASK_TYPE"), "env");
	assert_string_equal(get(e.text, "OUTLAST_ATTEMPT"), "7");
	assert_string_equal(get(e.text, "OUTLAST_OWNER"), "x y");
	assert_string_equal(get(e.text, "OUTLAST_CONTENT_TYPE"), "text/plain");
	assert_string_equal(get(e.text, "OUTLAST_PAYLOAD_SIZE"), "5");
	deadline = atoll(get(e.text, "OUTLAST_DEADLINE"));
	assert_true(
	    deadline >= time(NULL) + 290 && deadline <= time(NULL) + 301);
	assert_string_equal(get(e.text, "REQUEST_ID"), "r1=2");
	assert_string_equal(get(e.text, "GREETING"), "hello");
	assert_string_equal(get(e.text, "LANG"), "de_AT.UTF-8");
	assert_string_equal(
	    get(e.text, "PATH"), "/usr/local/bin:/usr/bin:/bin");
	snprintf(scratch, sizeof(scratch), "%s/scratch/", h.folder);
	assert_int_equal(
	    strncmp(get(e.text, "TMPDIR"), scratch, strlen(scratch)), 0);
	strlcpy(value, get(e.text, "TMPDIR"), sizeof(value));
	assert_string_equal(get(e.text, "HOME"), value);
	strlcpy(value, get(e.text, "NOTIFY_SOCKET"), sizeof(value));
	assert_string_equal(get(e.text, "OUTLAST_NOTIFY"), value);
	ended_free(&e);
}

/* Not even when the configuration lets them. */
static void
test_steering(void **state)
{
	static const char env[] = "LD_PRELOAD=/evil.so\0BASH_ENV=/evil\0"
				  "OUTLAST_INSTANCE=evil\0FINE=1";
	char names[][20] = { "LD_PRELOAD", "BASH_ENV", "OUTLAST_INSTANCE",
		"FINE" };
	char *context[] = { names[0], names[1], names[2], names[3] };
	struct ol_conf_task conf = { .context = context, .ncontext = 4 };
	struct ol_environment e = { env, sizeof(env), "/", "/s", "/n", "i" };
	char **made = ol_environment_new(&conf, &e);
	size_t i;

	(void)state;
	for (i = 0; made[i] != NULL; i++)
		assert_null(strstr(made[i], "evil"));
	assert_int_equal(i, 4 + 3 + 1);
	assert_string_equal(made[i - 1], "FINE=1");
	ol_environment_free(made);
}

static void
test_too_much_environment(void **state)
{
	char *big = calloc(1, 70000);
	struct ended e = { .owner = big };

	(void)state;
	memset(big, 'x', 69999);
	house_run(&h, "env", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_FAIL);
	assert_string_equal(e.kind, "refused");
	ended_free(&e);
	/* As much as is possible goes through. */
	big[60000] = '\0';
	e.owner = big;
	house_run(&h, "hello", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	ended_free(&e);
	free(big);
}

static void
test_place(void **state)
{
	struct ended e = { 0 };
	char path[64], *line;
	int n;

	(void)state;
	house_run(&h, "folder", &e);
	line = strtok(e.text, "\n");
	strlcpy(path, line, sizeof(path));
	assert_string_equal(strtok(NULL, "\n"), path);
	assert_non_null(strstr(path, "/scratch/"));
	assert_string_equal(strtok(NULL, "\n"), "0");
	assert_string_equal(strtok(NULL, "\n"), "700");
	ended_free(&e);
	house_run(&h, "home", &e);
	assert_string_equal(e.text, "/usr\n/usr\n");
	ended_free(&e);
	house_run(&h, "litter", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	strlcpy(path, strtok(e.text, "\n"), sizeof(path));
	for (n = 0; n < 300 && access(path, F_OK) == 0; n++)
		house_pause(&h, 10);
	assert_int_equal(access(path, F_OK), -1);
	ended_free(&e);
	assert_int_equal(access("/etc/passwd", F_OK), 0);
}

static void
test_isolation(void **state)
{
	struct ended e = { 0 };
	char *at;
	int n;

	(void)state;
	house_run(&h, "fds", &e);
	for (n = 0, at = e.text; (at = strstr(at, " -> ")) != NULL; at++)
		n++;
	assert_int_equal(n, 4); /* 0, 1, 2, and that of ls */
	ended_free(&e);
	house_run(&h, "signals", &e);
	at = strstr(e.text, "SigBlk:\t0000000000000000\nSigIgn:\t");
	assert_ptr_equal(at, e.text);
	/*
	 * 32 and 33 are the C library's own, which nobody can set: whoever was
	 * started by posix_spawn(), as by make, has them ignored.
	 */
	assert_int_equal(
	    strtoull(strrchr(at, '\t') + 1, NULL, 16) & ~0x180000000ULL, 0);
	ended_free(&e);
	house_run(&h, "status", &e);
	assert_non_null(strstr(e.text, "NoNewPrivs:\t1\n"));
	ended_free(&e);
}

/* As another user, which only root can be. */
static void
test_user(void **state)
{
	struct ended e = { 0 };

	(void)state;
	if (geteuid() != 0)
		skip();
	house_run(&h, "nobody", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_string_equal(
	    e.text, "65534\n65534\n65534\n65534 700\n65534 600\n");
	assert_string_equal(e.errors, "err\n");
	ended_free(&e);
}

/* One user's programs cannot hold up another's by stopping their own. */
static void
test_stopper(void **state)
{
	struct ended stopper = { 0 }, victims[8] = { { 0 } }, e = { 0 };
	int64_t begun;
	int i;

	(void)state;
	if (geteuid() != 0)
		skip();
	house_start(&h, "stopper", &stopper);
	house_pause(&h, 500);
	begun = ol_clock_now();
	for (i = 0; i < 8; i++)
		house_start(&h, "victim", &victims[i]);
	house_run(&h, "hello", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_true(ol_clock_now() - begun < OL_SEC(4));
	ended_free(&e);
	for (i = 0; i < 8; i++) {
		house_wait(&h, &victims[i]);
		ended_free(&victims[i]);
	}
	ol_run_stop(stopper.running, OL_RUN_KILL);
	house_wait(&h, &stopper);
	ended_free(&stopper);
}

static void
test_limits(void **state)
{
	struct ended e = { 0 };

	(void)state;
	house_run(&h, "limits", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	assert_string_equal(e.text, "262144\n7\n0\n500\n");
	ended_free(&e);
	house_run(&h, "burns", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_LOST);
	assert_true(e.end.ending.crashed);
	assert_int_equal(e.end.signal, SIGXCPU);
	ended_free(&e);
	house_run(&h, "hungry", &e);
	assert_int_not_equal(e.end.ending.outcome, OL_OUTCOME_OK);
	ended_free(&e);
}

static void
test_refusals(void **state)
{
	struct ended e = { 0 };
	char expected[256];

	(void)state;
	house_run(&h, "absent", &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_INTERRUPTED);
	assert_true(e.end.ending.unreachable);
	assert_string_equal(e.kind, "unreachable");
	snprintf(expected, sizeof(expected),
	    "cannot execute %s/absent: No such file or directory", h.folder);
	assert_string_equal(e.end.message, expected);
	ended_free(&e);
	house_run(&h, "interpreter", &e);
	snprintf(expected, sizeof(expected),
	    "cannot find the interpreter /nowhere/sh of %s/interpreter: "
	    "No such file or directory",
	    h.folder);
	assert_string_equal(e.end.message, expected);
	ended_free(&e);
	house_run(&h, "windows", &e);
	snprintf(expected, sizeof(expected),
	    "cannot find the interpreter /bin/sh<CR> of %s/windows, whose "
	    "lines end as in Windows: No such file or directory",
	    h.folder);
	assert_string_equal(e.end.message, expected);
	ended_free(&e);
	house_run(&h, "headless", &e);
	snprintf(expected, sizeof(expected),
	    "cannot execute %s/headless, a script without #! or of another "
	    "machine: Exec format error",
	    h.folder);
	assert_string_equal(e.end.message, expected);
	ended_free(&e);
	/* A configuration that the spawner never got. */
	ol_programs_configured(h.programs, 2);
	house_run(&h, "hello", &e);
	assert_true(e.end.ending.unreachable);
	assert_string_equal(
	    e.end.message, "the spawner has not got the configuration");
	ol_programs_configured(h.programs, 1);
	ended_free(&e);
}

/* The spawner dies: limbo, until there is another one. */
static void
test_lost(void **state)
{
	struct ended e = { 0 }, f = { 0 };

	(void)state;
	house_start(&h, "lost", &e);
	house_pause(&h, 200);
	kill(h.spawner, SIGKILL);
	assert_true(house_reap(&h) != 0);
	while (h.connected)
		ol_loop_run(h.loop);
	house_run(&h, "hello", &f);
	assert_int_equal(f.end.ending.outcome, OL_OUTCOME_INTERRUPTED);
	assert_true(f.end.ending.unreachable);
	assert_false(e.done);
	house_spawn(&h);
	house_wait(&h, &e);
	assert_int_equal(e.end.ending.outcome, OL_OUTCOME_LOST);
	assert_false(e.end.ending.crashed);
	ended_free(&e);
	ended_free(&f);
	expect("hello", OL_OUTCOME_OK, "");
}

/* The end of the engine ends what it ran, and the spawner. */
static void
test_end(void **state)
{
	struct ended e = { 0 };

	(void)state;
	house_start(&h, "stubborn", &e);
	house_pause(&h, 100);
	house_close(&h);
	assert_false(e.done);
	ended_free(&e);
	house_open(&h, scripts, sizeof(scripts) / sizeof(scripts[0]));
	house_start(&h, "stubborn", &e);
	house_pause(&h, 100);
	close(h.master);
	while (h.connected)
		ol_loop_run(h.loop);
	h.master = -1;
	ol_run_forget(e.running);
	ended_free(&e);
}

static void
put_program(const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", h.folder, name);
	f = fopen(path, "we");
	fputs(text, f);
	fclose(f);
	chmod(path, 0755);
}

static int
open_house(void **state)
{
	(void)state;
	house_open(&h, scripts, sizeof(scripts) / sizeof(scripts[0]));
	put_program("interpreter", "#!/nowhere/sh -e\n");
	put_program("windows", "#!/bin/sh\r\necho hello\r\n");
	put_program("headless", "echo hello\n");
	return 0;
}

static int
close_house(void **state)
{
	(void)state;
	house_close(&h);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exits),
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_payloads),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_stops),
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_steering),
		cmocka_unit_test(test_too_much_environment),
		cmocka_unit_test(test_place),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_stopper),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_end),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, open_house, close_house);
}
