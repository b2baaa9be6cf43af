/*
 * What programs leave behind: nothing. Each program here tries to get away; the
 * control shows that it does when nobody looks after it.
 */
#include <sys/prctl.h>
#include <sys/wait.h>
#include <dirent.h>
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

#include "house.h"

/*
 * Each calls its runaways "sleep 4711", so that they are found by their words;
 * see marked().
 */
#define PYTHON(code) "exec python3 -c '" code "'"

static const struct script scripts[] = {
	{ "background", "sleep 4711 & exit 0", NULL },
	{ "daemon", "setsid sh -c 'sleep 4711 & sleep 4711 & exit 0' & wait",
	    NULL },
	{ "closed",
	    "setsid sleep 4711 </dev/null >/dev/null 2>&1 & "
	    "sleep 0.1; exit 3",
	    NULL },
	{ "bare",
	    "setsid env -i sh -c 'sleep 4711 & exit 0' </dev/null "
	    ">/dev/null 2>&1 & sleep 0.1",
	    NULL },
	{ "stopped",
	    "setsid sleep 4711 & kill -STOP $!; setsid env -i sleep 4711 & "
	    "kill -STOP $!; sleep 0.1",
	    NULL },
	{ "deaf",
	    "trap '' TERM HUP INT; setsid sh -c "
	    "'trap \"\" TERM; sleep 4711; sleep 4711' & sleep 0.1",
	    NULL },
	{ "reaper",
	    PYTHON(
		"import ctypes, os, time\n"
		"ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\n"
		"for i in range(3):\n"
		"  if os.fork() == 0:\n"
		"    os.setsid()\n"
		"    if os.fork() == 0:\n"
		"      os.execve(\"/bin/sleep\", [\"sleep\", \"4711\"], {})\n"
		"    os._exit(0)\n"
		"time.sleep(0.1)\n"),
	    NULL },
	/* 200 processes, each in a session of its own, without environment. */
	{ "bomb",
	    PYTHON(
		"import os\n"
		"for i in range(200):\n"
		"  if os.fork() == 0:\n"
		"    os.setsid()\n"
		"    if os.fork():\n"
		"      os._exit(0)\n"
		"    os.execve(\"/bin/sleep\", [\"sleep\", \"4711\"], {})\n"),
	    NULL },
	/* Always one step ahead: the parent is gone when the child runs. */
	{ "chain",
	    PYTHON("import os, sys, time\n"
		   "if os.fork():\n"
		   "  time.sleep(0.05)\n"
		   "  sys.exit(0)\n"
		   "end = time.time() + 20\n"
		   "while time.time() < end:\n"
		   "  os.setsid()\n"
		   "  if os.fork():\n"
		   "    os._exit(0)\n"
		   "os.execve(\"/bin/sleep\", [\"sleep\", \"4711\"], {})\n"),
	    NULL },
	{ "killed", "setsid sleep 4711 & kill -KILL $$", NULL },
	{ "long", "setsid sh -c 'sleep 4712 & exit 0' & wait $!; exec sleep 30",
	    "concurrency 4;" },
	/* Nothing but the kernel knows whose helper that is. */
	{ "hidden",
	    "setsid env -i sleep 4712 </dev/null >/dev/null 2>&1 & "
	    "sleep 0.1; echo ready; exec sleep 30",
	    "concurrency 4;" },
	/* Takes the mark of somebody who sleeps 4712, if that is lower. */
	{ "turncoat",
	    PYTHON(
		"import glob, os, re, resource\n"
		"r, w = os.pipe()\n"
		"if os.fork():\n"
		"  os.read(r, 1)\n"
		"  os._exit(0)\n"
		"os.setsid()\n"
		"for path in glob.glob(\"/proc/[0-9]*\"):\n"
		"  try:\n"
		"    line = open(path + \"/cmdline\", \"rb\").read()\n"
		"    if not line.startswith(b\"sleep\") or b\"4712\" not in line:\n"
		"      continue\n"
		"    text = open(path + \"/limits\").read()\n"
		"    n = int(re.search(\"file locks +([0-9]+)\", text)[1])\n"
		"    resource.setrlimit(10, (n, n))\n"
		"    os.write(1, b\"turned\")\n"
		"    break\n"
		"  except (OSError, TypeError, ValueError):\n"
		"    pass\n"
		"os.write(w, b\".\")\n"
		"for i in range(3):\n"
		"  os.close(i)\n"
		"os.execve(\"/bin/sleep\", [\"sleep\", \"4711\"], {})\n"),
	    NULL },
	{ "many", "setsid sleep 4711 & exit 0", "concurrency 16;" },
};

enum { SCRIPTS = sizeof(scripts) / sizeof(scripts[0]) };

static struct house h;
/* Seconds to sleep, of this run alone: 1 and 2 are put before them. */
static char mark[16];

static int
count_words(const char *words, size_t len)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char path[300], text[256];
	int n = 0;

	while ((entry = readdir(proc)) != NULL) {
		FILE *f;
		size_t got;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
		if ((f = fopen(path, "re")) == NULL)
			continue;
		got = fread(text, 1, sizeof(text), f);
		fclose(f);
		n += got == len && memcmp(text, words, len) == 0;
	}
	closedir(proc);
	return n;
}

static int
sleepers(char kind)
{
	char words[32];
	int len = snprintf(words, sizeof(words), "sleep %c%s", kind, mark);

	words[5] = '\0';
	return count_words(words, (size_t)len + 1);
}

/* Until so many helpers sleep, however busy the machine is. */
static void
await_helpers(int n)
{
	int i;

	for (i = 0; i < 3000 && sleepers('2') != n; i++)
		house_pause(&h, 10);
	assert_int_equal(sleepers('2'), n);
}

static int
runaways(void)
{
	return sleepers('1');
}

static int
children(pid_t pid)
{
	char path[64];
	int n = 0, child;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid,
	    (int)pid);
	f = fopen(path, "re");
	assert_non_null(f);
	while (fscanf(f, "%d", &child) == 1)
		n++;
	fclose(f);
	return n;
}

static int
descriptors(pid_t pid)
{
	struct dirent *entry;
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Whether the spawner has made a cgroup: it holds its folder open. */
static bool
has_cgroup(void)
{
	struct dirent *entry;
	char path[300], target[300];
	bool found = false;
	ssize_t n;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)h.spawner);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		n = readlinkat(
		    dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		found = found || strstr(target, "/outlast.") != NULL;
	}
	closedir(dir);
	return found;
}

/* The scripts, with this run's numbers for 4711 and 4712. */
static struct script *
marked(void)
{
	static struct script copies[SCRIPTS]; /* as long as the program */
	const char *from;
	size_t i, size;
	char *text;
	FILE *f;

	for (i = 0; i < SCRIPTS && copies[i].name == NULL; i++) {
		f = open_memstream(&text, &size);
		for (from = scripts[i].text; *from != '\0'; from++) {
			if (strncmp(from, "471", 3) != 0) {
				putc(*from, f);
				continue;
			}
			from += 3;
			fprintf(f, "%c%s", *from, mark);
		}
		fclose(f);
		copies[i] = scripts[i];
		copies[i].text = text;
	}
	return copies;
}

/* How many children of ours there are; each is killed and reaped. */
static int
end_children(void)
{
	char path[64];
	int n = 0, pid;
	FILE *f;

	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	while (fscanf(f, "%d", &pid) == 1) {
		if (pid == h.spawner)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		n++;
	}
	fclose(f);
	return n;
}

/* Run it without a spawner; whether it has left something behind. */
static bool
gets_away(const struct script *script)
{
	char path[64];
	int status, n;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/%s", h.folder, script->name);
	if ((pid = fork()) == 0) {
		setsid();
		execl(path, path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	if (strcmp(script->name, "background") != 0)
		kill(-pid, SIGKILL);
	for (n = 0; n < 100 && end_children() == 0; n++)
		usleep(10000);
	while (end_children() > 0)
		usleep(1000);
	return n < 100;
}

/* Without a spawner, they get away: we must be a subreaper to find them. */
static void
test_control(void **state)
{
	size_t i;
	int n;

	(void)state;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	for (i = 0; strcmp(scripts[i].name, "long") != 0; i++) {
		/* On a busy machine 0.1 s may be too short to hide. */
		for (n = 0; n < 20 && !gets_away(&scripts[i]); n++)
			;
		if (n == 20)
			fail_msg("%s leaves nothing behind", scripts[i].name);
	}
	prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	assert_int_equal(runaways(), 0);
}

static void
test_each(void **state)
{
	struct ended e = { 0 };
	int before, after, i, trials = 1;
	size_t k;

	(void)state;
	if (getenv("TRIALS") != NULL && atoi(getenv("TRIALS")) > 1)
		trials = atoi(getenv("TRIALS"));
	house_run(&h, "background", &e);
	ended_free(&e);
	before = descriptors(h.spawner);
	for (i = 0; i < 3 * trials; i++)
		for (k = 0; strcmp(scripts[k].name, "long") != 0; k++) {
			house_run(&h, scripts[k].name, &e);
			/* EXITED says that all are gone: now, not soon. */
			if (runaways() != 0 || children(h.spawner) != 0)
				fail_msg("%s left %d sleeping, %d children",
				    scripts[k].name, runaways(),
				    children(h.spawner));
			ended_free(&e);
		}
	after = descriptors(h.spawner);
	assert_int_equal(before, after);
}

/* The end of one attempt is not that of another's helpers. */
static void
test_neighbours(void **state)
{
	struct ended longs[3] = { { 0 } }, e[16] = { { 0 } };
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		house_start(&h, "long", &longs[i]);
	await_helpers(3);
	for (i = 0; i < 16; i++)
		house_start(&h, "many", &e[i]);
	for (i = 0; i < 16; i++)
		house_wait(&h, &e[i]);
	assert_int_equal(runaways(), 0);
	assert_int_equal(sleepers('2'), 3);
	for (i = 0; i < 3; i++) {
		ol_run_stop(longs[i].running, OL_RUN_KILL);
		house_wait(&h, &longs[i]);
		assert_int_equal(sleepers('2'), 2 - i);
	}
	assert_int_equal(children(h.spawner), 0);
}

/*
 * Helpers with a session of their own and no environment: each dies with its
 * attempt, and not earlier.
 */
static void
test_hidden(void **state)
{
	struct ended hidden[3] = { { 0 } }, e = { 0 };
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		house_start(&h, "hidden", &hidden[i]);
	await_helpers(3);
	for (i = 0; i < 3; i++) {
		house_run(&h, "bare", &e);
		assert_int_equal(runaways(), 0);
		assert_int_equal(sleepers('2'), 3 - i);
		house_run(&h, "chain", &e);
		assert_int_equal(runaways(), 0);
		assert_int_equal(sleepers('2'), 3 - i);
		ol_run_stop(hidden[i].running, OL_RUN_KILL);
		house_wait(&h, &hidden[i]);
		ended_free(&hidden[i]);
		assert_int_equal(sleepers('2'), 2 - i);
	}
	assert_int_equal(children(h.spawner), 0);
}

/*
 * One that passes for another attempt's: the cgroup is not deceived. Without
 * it, it lives as long as that one, which is the control.
 */
static void
test_turncoat(void **state)
{
	struct ended hidden[3] = { { 0 } }, e = { 0 };
	bool turned = false;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		house_start(&h, "hidden", &hidden[i]);
	await_helpers(3);
	for (i = 0; i < 64 && !turned; i++) {
		house_run(&h, "turncoat", &e);
		turned = strncmp(e.text, "turned", 6) == 0;
		ended_free(&e);
	}
	assert_true(turned);
	/* Where it lives on, it has yet to become the sleeper that is counted.
	 */
	for (i = 0; i < (has_cgroup() ? 100 : 10000) && runaways() == 0; i++)
		house_pause(&h, 2);
	assert_int_equal(runaways(), has_cgroup() ? 0 : 1);
	assert_false(h.bare && has_cgroup());
	for (i = 0; i < 3; i++) {
		ol_run_stop(hidden[i].running, OL_RUN_KILL);
		house_wait(&h, &hidden[i]);
		ended_free(&hidden[i]);
	}
	assert_int_equal(runaways(), 0);
	assert_int_equal(children(h.spawner), 0);
}

/*
 * What a spawner that was killed left in its cgroup is ended by the next one;
 * what a living one has there is not.
 */
static void
test_predecessor(void **state)
{
	struct house other = { .bare = h.bare };
	struct ended e = { 0 };
	int status;

	(void)state;
	if (!has_cgroup())
		skip();
	house_start(&h, "hidden", &e);
	await_helpers(1);
	house_open(&other, marked(), SCRIPTS);
	house_close(&other);
	assert_int_equal(sleepers('2'), 1);
	kill(h.spawner, SIGKILL);
	status = house_reap(&h);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(sleepers('2'), 1);
	while (h.connected)
		ol_loop_run(h.loop);
	house_spawn(&h);
	house_wait(&h, &e);
	ended_free(&e);
	house_run(&h, "background", &e);
	assert_int_equal(sleepers('2'), 0);
}

/* The spawner's own end takes all with it. */
static void
test_last(void **state)
{
	struct ended e[8] = { { 0 } };
	int i;

	(void)state;
	for (i = 0; i < 8; i++)
		house_start(&h, i % 2 == 0 ? "long" : "bomb", &e[i]);
	await_helpers(4);
	house_close(&h);
	assert_int_equal(runaways(), 0);
	assert_int_equal(sleepers('2'), 0);
}

static int
open_house(void **state)
{
	(void)state;
	house_open(&h, marked(), SCRIPTS);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_turncoat),
		cmocka_unit_test(test_predecessor),
		cmocka_unit_test(test_last),
	};
	int failed;

	alarm(200);
	snprintf(mark, sizeof(mark), "%07d", (int)getpid());
	failed = cmocka_run_group_tests(tests, open_house, NULL);
	if (geteuid() != 0)
		return failed;
	/* Here they have been without it all the time. */
	h.bare = true;
	return failed + cmocka_run_group_tests_name(
			    "without cgroups", tests, open_house, NULL);
}
