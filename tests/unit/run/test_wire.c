/* An engine that is broken, or not ours any more: what it can do to a spawner,
 * and to the machine. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
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
#include "base/order.h"
#include "base/sealed.h"
#include "run/spawn.h"
#include "spawner/spawner.h"

enum { MANY = 10000 };

static char folder[32];
static pid_t spawner;
static int master, engine;

/* What was heard. */
static int refused, exited, garbled;

static void
open_spawner(void)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG, .generation = 1 };
	int ours[2], theirs[2], fd;
	char text[512];

	snprintf(text, sizeof(text),
	    "state %s; pid %s/pid; listen unix:%s/s; concurrency 1000;\n"
	    "task true { program /bin/true; }\n"
	    "task sleep { program /bin/sleep 1000; }\n"
	    "task few { program /bin/sleep 1000; concurrency 3; }\n",
	    folder, folder, folder);
	assert_int_equal(ol_channel_pair(ours), 0);
	assert_int_equal(ol_channel_pair(theirs), 0);
	fflush(NULL);
	if ((spawner = fork()) == 0) {
		alarm(0);
		/* Ten thousand lines of its log would be too many. */
		if (freopen("/dev/null", "we", stderr) == NULL)
			_exit(70);
		close(ours[0]);
		close(theirs[0]);
		_exit(ol_spawner_run(ours[1], theirs[1]));
	}
	close(ours[1]);
	close(theirs[1]);
	fd = ol_sealed_new(text, strlen(text));
	assert_int_equal(ol_order_send(ours[0], &order, &fd), 0);
	close(fd);
	master = ours[0];
	engine = theirs[0];
	ol_spawn_prepare(engine);
	refused = exited = garbled = 0;
}

/* It ends by itself, well, and has left nothing in its folders. */
static void
close_spawner(void)
{
	char path[64];
	int status = -1;

	if (engine != -1)
		close(engine);
	assert_int_equal(waitpid(spawner, &status, 0), spawner);
	assert_int_equal(status, 0);
	close(master);
	snprintf(path, sizeof(path), "%s/notify", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkdir(path, 0711), 0);
	snprintf(path, sizeof(path), "%s/scratch", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkdir(path, 0711), 0);
}

/* All that waits. */
static void
hear(void)
{
	unsigned char message[OL_SPAWN_MAX];
	int fds[OL_CHANNEL_FDS];
	struct ol_spawn m;
	size_t nfds;
	ssize_t n;

	while ((n = ol_channel_receive(
		    engine, message, sizeof(message), fds, &nfds)) > 0) {
		if (ol_spawn_parse(&m, message, (size_t)n, nfds) == -1) {
			garbled++;
			continue;
		}
		refused += m.verb == OL_SPAWN_REFUSED;
		exited += m.verb == OL_SPAWN_EXITED;
	}
	assert_true(n != 0);
}

/* -1 with errno EAGAIN: the spawner does not read. */
static int
say(const void *message, size_t len, const int *fds, size_t nfds)
{
	struct pollfd p = { .fd = engine, .events = POLLOUT };

	while (ol_channel_send(engine, message, len, fds, nfds) == -1) {
		if (errno != EAGAIN && errno != ENOBUFS &&
		    errno != ETOOMANYREFS)
			return -1;
		assert_int_equal(poll(&p, 1, 60000), 1);
		usleep(100);
	}
	return 0;
}

static void
say_word(enum ol_spawn_verb verb, uint64_t tag)
{
	unsigned char message[OL_SPAWN_MAX];
	struct ol_spawn m = { .verb = verb, .tag = tag };

	assert_int_equal(
	    say(message, ol_spawn_format(&m, message), NULL, 0), 0);
}

static void
say_start(const char *type, uint64_t tag, uint32_t generation)
{
	static const char env[] = "OUTLAST_TASK_ID=0";
	unsigned char message[OL_SPAWN_MAX];
	struct ol_spawn m = { .verb = OL_SPAWN_START,
		.tag = tag,
		.generation = generation,
		.type = type,
		.attempt = "wire",
		.env = env,
		.env_size = sizeof(env) };
	int fds[OL_SPAWN_FDS] = { 0, 1, 2, -1 };
	size_t len = ol_spawn_format(&m, message);

	fds[OL_SPAWN_NOTIFY] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(say(message, len, fds, OL_SPAWN_FDS), 0);
	close(fds[OL_SPAWN_NOTIFY]);
}

static void
hear_until(const int *count, int wanted)
{
	struct pollfd p = { .fd = engine, .events = POLLIN };

	while (*count < wanted) {
		assert_int_equal(poll(&p, 1, 60000), 1);
		hear();
	}
}

/* The descriptors that it holds. */
static int
descriptors(void)
{
	char path[64];
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)spawner);
	dir = opendir(path);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Those of the message that it answers are closed a little later. */
static void
assert_descriptors(int wanted)
{
	int i;

	for (i = 0; i < 500 && descriptors() != wanted; i++)
		usleep(10000);
	assert_int_equal(descriptors(), wanted);
}

static void
test_garbage(void **state)
{
	unsigned char bytes[300];
	int fds[OL_CHANNEL_FDS] = { 0 }, i, before;
	size_t k, len;

	(void)state;
	open_spawner();
	say_start("true", 1, 1);
	hear_until(&exited, 1);
	before = descriptors();
	srandom(4711);
	for (i = 0; i < MANY; i++) {
		len = 1 + (size_t)random() % sizeof(bytes);
		for (k = 0; k < len; k++)
			bytes[k] = (unsigned char)random();
		bytes[0] = (unsigned char)(random() % 8);
		assert_int_equal(say(bytes, len, fds, (size_t)random() % 5), 0);
	}
	/* It says what only the spawner may say. */
	for (i = OL_SPAWN_REFUSED; i <= OL_SPAWN_EXITED; i++) {
		memset(bytes, 0, sizeof(bytes));
		bytes[0] = (unsigned char)i;
		bytes[9] = 1;
		say(bytes, 13, NULL, 0);
	}
	say_start("true", 2, 1);
	hear_until(&exited, 2);
	assert_descriptors(before);
	assert_int_equal(garbled, 0);
	close_spawner();
}

static void
test_foreign(void **state)
{
	int i;

	(void)state;
	open_spawner();
	say_start("sleep", 1, 1);
	for (i = 0; i < MANY; i++)
		say_word(
		    i % 2 ? OL_SPAWN_TERM : OL_SPAWN_KILL, (uint64_t)i + 2);
	/* A type that is not configured, a tag that is in use, and a
	 * configuration of tomorrow. */
	say_start("rm", 5, 1);
	say_start("../bin/sh", 6, 1);
	say_start("true", 1, 1);
	say_start("true", 7, 2);
	hear_until(&refused, 4);
	assert_int_equal(exited, 0);
	say_word(OL_SPAWN_KILL, 1);
	hear_until(&exited, 1);
	close_spawner();
}

/* Ten thousand, and no answer is read until all were sent. */
static void
test_many(void **state)
{
	int i, before;

	(void)state;
	open_spawner();
	say_start("true", MANY + 1, 1);
	hear_until(&exited, 1);
	before = descriptors();
	for (i = 0; i < MANY / 10; i++)
		say_start("true", (uint64_t)i + 1, 1);
	for (; i < MANY; i++)
		say_start("absent", (uint64_t)i + 1, 1);
	hear_until(&exited, MANY / 10 + 1);
	hear_until(&refused, MANY - MANY / 10);
	assert_descriptors(before);
	close_spawner();
}

/* It forgets what it may have at once. */
static void
test_too_many(void **state)
{
	int i;

	(void)state;
	open_spawner();
	for (i = 0; i < 10; i++)
		say_start("few", (uint64_t)i + 1, 1);
	hear_until(&refused, 4);
	assert_int_equal(exited, 0);
	/* Another type is not affected; and what ended makes room. */
	say_start("true", 20, 1);
	hear_until(&exited, 1);
	say_word(OL_SPAWN_KILL, 1);
	hear_until(&exited, 2);
	say_start("few", 21, 1);
	say_start("few", 22, 1);
	hear_until(&refused, 5);
	close_spawner();
}

/* The master asks whether it still answers. */
static void
test_ping(void **state)
{
	static const struct ol_order ping = { .verb = OL_ORDER_PING };
	struct pollfd p = { .events = POLLIN };
	int fds[OL_CHANNEL_FDS], i;
	struct ol_order answer;

	(void)state;
	open_spawner();
	p.fd = master;
	for (i = 0; i < 3; i++) {
		assert_int_equal(ol_order_send(master, &ping, NULL), 0);
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(ol_order_receive(master, &answer, fds), 1);
		assert_int_equal(answer.verb, OL_ORDER_ALIVE);
	}
	close_spawner();
}

/* It goes away with two hundred on their way. */
static void
test_gone(void **state)
{
	int i;

	(void)state;
	open_spawner();
	for (i = 0; i < 200; i++)
		say_start("sleep", (uint64_t)i + 1, 1);
	close(engine);
	engine = -1;
	close_spawner();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_gone),
	};
	char path[64];
	int failed;

	alarm(280);
	strlcpy(folder, "/tmp/outlast-test-XXXXXX", sizeof(folder));
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/notify", folder);
	mkdir(path, 0711);
	snprintf(path, sizeof(path), "%s/scratch", folder);
	mkdir(path, 0711);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/notify", folder);
	rmdir(path);
	rmdir(folder);
	return failed;
}
