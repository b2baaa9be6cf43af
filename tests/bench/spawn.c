/*
 * Programs a second: /bin/true through the spawner, against posix_spawn() and
 * wait() alone, with so many at once. Prints both and the ratio; as root also
 * for a task with a user of its own.
 *
 *     bench_spawn [SECONDS [CONCURRENCY…]]
 *     bench_spawn --bare PROGRAMS CONCURRENCY
 *
 * The second prints the rate of posix_spawn() and wait() alone, for so many.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/clock.h"
#include "base/order.h"
#include "base/sealed.h"
#include "run/spawn.h"
#include "spawner/spawner.h"

extern char **environ;

/* Until so much time has passed, or so many have ended. */
static double
bare(double seconds, int programs, int concurrency)
{
	char name[] = "true", *argv[] = { name, NULL };
	int64_t begun = ol_clock_now(), end;
	int started = 0, done = 0;
	pid_t pid;

	end = seconds > 0 ? begun + (int64_t)(seconds * 1e9) : OL_NEVER;
	for (;;) {
		while (started - done < concurrency && started < programs &&
		       ol_clock_now() < end) {
			errno = posix_spawn(
			    &pid, "/bin/true", NULL, NULL, argv, environ);
			if (errno != 0)
				err(1, "posix_spawn");
			started++;
		}
		if (started == done)
			return done / ((double)(ol_clock_now() - begun) / 1e9);
		if (wait(NULL) > 0)
			done++;
	}
}

static void
ask(int channel, const char *type, uint64_t tag)
{
	static const char env[] = "OUTLAST_TASK_ID=0\0OUTLAST_ATTEMPT=1";
	unsigned char message[OL_SPAWN_MAX];
	struct ol_spawn m = { .verb = OL_SPAWN_START,
		.tag = tag,
		.generation = 1,
		.type = type,
		.attempt = "bench",
		.env = env,
		.env_size = sizeof(env) };
	int fds[OL_SPAWN_FDS] = { 0, 1, 2, -1 };
	size_t len = ol_spawn_format(&m, message);

	fds[OL_SPAWN_NOTIFY] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ol_channel_send(channel, message, len, fds, OL_SPAWN_FDS) == -1)
		err(1, "cannot ask the spawner");
	close(fds[OL_SPAWN_NOTIFY]);
}

/* How many have ended. */
static int
hear(int channel)
{
	unsigned char message[OL_SPAWN_MAX];
	struct pollfd p = { .fd = channel, .events = POLLIN };
	int fds[OL_CHANNEL_FDS], done = 0;
	struct ol_spawn m;
	size_t nfds;
	ssize_t n;

	poll(&p, 1, -1);
	while ((n = ol_channel_receive(
		    channel, message, sizeof(message), fds, &nfds)) > 0) {
		if (ol_spawn_parse(&m, message, (size_t)n, nfds) == -1)
			errx(1, "the spawner said what is no message");
		if (m.verb == OL_SPAWN_REFUSED)
			errx(1, "refused: %s", m.text);
		done += m.verb == OL_SPAWN_EXITED;
	}
	if (n == 0)
		errx(1, "the spawner is gone");
	return done;
}

static double
spawned(int channel, const char *type, double seconds, int concurrency)
{
	int64_t begun = ol_clock_now(), end;
	int running = 0, done = 0, n;
	uint64_t tag = 0;

	end = begun + (int64_t)(seconds * 1e9);
	while (ol_clock_now() < end || running > 0) {
		while (running < concurrency && ol_clock_now() < end) {
			ask(channel, type, ++tag);
			running++;
		}
		if (running == 0)
			continue;
		n = hear(channel);
		running -= n;
		done += n;
	}
	return done / ((double)(ol_clock_now() - begun) / 1e9);
}

static int
start_spawner(const char *folder, const char *runtime, pid_t *pid, int *channel)
{
	struct ol_order order = { .verb = OL_ORDER_CONFIG, .generation = 1 };
	int master[2], engine[2], fd;
	char text[512];

	snprintf(text, sizeof(text),
	    "state %s; pid %s/pid; listen unix:%s/s; concurrency 1000;\n"
	    "task true { program /bin/true; }\n"
	    "task other { program /bin/true; %s }\n",
	    folder, runtime, folder, geteuid() == 0 ? "user nobody;" : "");
	if (ol_channel_pair(master) == -1 || ol_channel_pair(engine) == -1 ||
	    (fd = ol_sealed_new(text, strlen(text))) == -1 ||
	    (*pid = fork()) == -1)
		err(1, "cannot start the spawner");
	if (*pid == 0) {
		close(master[0]);
		close(engine[0]);
		_exit(ol_spawner_run(master[1], engine[1]));
	}
	close(master[1]);
	close(engine[1]);
	ol_order_send(master[0], &order, &fd);
	close(fd);
	*channel = engine[0];
	return master[0];
}

int
main(int argc, char **argv)
{
	static const int usual[] = { 1, 4, 16 };
	char folder[64], runtime[] = "/dev/shm/outlast-bench-XXXXXX",
			 scratch[80], notify[64];
	double seconds = argc > 1 ? atof(argv[1]) : 3, a, b, c;
	int i, n, round, concurrency, master, channel;
	pid_t pid;

	if (argc == 4 && strcmp(argv[1], "--bare") == 0) {
		printf("%.0f\n", bare(0, atoi(argv[2]), atoi(argv[3])));
		return 0;
	}
	snprintf(folder, sizeof(folder), "%s/outlast-bench-XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	if (mkdtemp(folder) == NULL)
		err(1, "mkdtemp");
	snprintf(scratch, sizeof(scratch), "%s/scratch", folder);
	chmod(folder, 0711);
	mkdir(scratch, 0711);
	/* As /run is. */
	if (mkdtemp(runtime) == NULL)
		err(1, "mkdtemp");
	chmod(runtime, 0711);
	snprintf(notify, sizeof(notify), "%s/notify", runtime);
	mkdir(notify, 0711);
	master = start_spawner(folder, runtime, &pid, &channel);
	n = argc > 2 ? argc - 2 : 3;
	for (i = 0; i < n; i++) {
		concurrency = argc > 2 ? atoi(argv[i + 2]) : usual[i];
		/* In turns: what else the machine does hits both. */
		for (round = 0, a = b = c = 0; round < 4; round++) {
			a += bare(seconds / 8, INT_MAX, concurrency) / 4;
			b +=
			    spawned(channel, "true", seconds / 8, concurrency) /
			    4;
			if (geteuid() == 0)
				c += spawned(channel, "other", seconds / 8,
					 concurrency) /
				     4;
		}
		printf("%2d at once: posix_spawn %.0f/s, spawner %.0f/s, "
		       "ratio %.2f",
		    concurrency, a, b, b / a);
		if (geteuid() == 0)
			printf(
			    "; as another user %.0f/s, ratio %.2f", c, c / a);
		putchar('\n');
	}
	close(channel);
	waitpid(pid, NULL, 0);
	close(master);
	rmdir(scratch);
	rmdir(folder);
	rmdir(notify);
	rmdir(runtime);
	return 0;
}
