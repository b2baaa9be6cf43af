/*
 * A task's program that can bear witness (tests/lib/oracle.py reads it). Its
 * payload is one line:
 *
 *     TOKEN [MILLISECONDS [EXIT]]
 *
 * In the folder $CHORE it appends to "runs"
 *
 *     ID ATTEMPT start TOKEN TIME
 *     ID ATTEMPT end TOKEN TIME   after so many milliseconds
 *
 * and, when another attempt of the same task is alive, "ID ATTEMPT overlap
 * TOKEN": each holds a lock on locks/ID as long as it lives. Its result is the
 * token. TIME is in microseconds since 1970. EXIT is that of the first attempt;
 * later ones are good. Exit codes of its own: 64 the payload, 71 the folder.
 */
#include <sys/file.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct chore {
	const char *id, *attempt;
	char token[64];
	int runs;
};

/* One write(2) to a file that is open for appending: whole, or not at all. */
static void
witness(const struct chore *chore, const char *what)
{
	char line[256];
	struct timespec now;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	n = snprintf(line, sizeof(line), "%s %s %s %s %lld\n", chore->id,
	    chore->attempt, what, chore->token,
	    now.tv_sec * 1000000LL + now.tv_nsec / 1000);
	if (n < 0 || (size_t)n >= sizeof(line) ||
	    write(chore->runs, line, (size_t)n) != n)
		err(71, "runs");
}

static void
lock(const struct chore *chore)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "locks/%s", chore->id);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd == -1)
		err(71, "%s", path);
	/* Open until the end of this process. */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return;
	if (errno != EWOULDBLOCK)
		err(71, "%s", path);
	witness(chore, "overlap");
}

static void
pause_ms(long ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

int
main(void)
{
	struct chore chore = { .id = getenv("OUTLAST_TASK_ID"),
		.attempt = getenv("OUTLAST_ATTEMPT") };
	const char *folder = getenv("CHORE");
	char line[128];
	long ms = 0;
	int code = 0;

	if (chore.id == NULL || chore.attempt == NULL || folder == NULL)
		errx(
		    64, "OUTLAST_TASK_ID, OUTLAST_ATTEMPT or CHORE is missing");
	if (fgets(line, sizeof(line), stdin) == NULL ||
	    sscanf(line, "%63s %ld %d", chore.token, &ms, &code) < 1)
		errx(64, "no token in the payload");
	if (chdir(folder) == -1)
		err(71, "%s", folder);
	chore.runs =
	    open("runs", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (chore.runs == -1)
		err(71, "runs");
	lock(&chore);
	witness(&chore, "start");
	if (ms > 0)
		pause_ms(ms);
	witness(&chore, "end");
	puts(chore.token);
	return (strcmp(chore.attempt, "1") == 0 ? code : 0);
}
