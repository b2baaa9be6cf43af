#include "base/failpoint.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4 }; /* points that act */

/* Whether the file FOLDER/NAME.SUFFIX was made by this call. */
static bool
leave(const char *folder, const char *name, const char *suffix)
{
	char path[512];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s.%s", folder, name, suffix) >=
	    (int)sizeof(path))
		return (false);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd == -1)
		return (false);
	close(fd);
	return (true);
}

/* What the environment asks of this point: its place among those that it asks
 * of, *action and *nth; or -1. */
static int
find(const char *name, const char **action, long *nth)
{
	const char *spec = getenv("OUTLAST_FAILPOINT");
	size_t len = strlen(name);
	int i;

	for (i = 0; spec != NULL && i < MOST; i++) {
		if (strncmp(spec, name, len) == 0 && spec[len] == ':') {
			*action = spec + len + 1;
			len = strcspn(*action, ":,");
			*nth = (*action)[len] == ':'
				   ? strtol(*action + len + 1, NULL, 10)
				   : 1;
			return (i);
		}
		if ((spec = strchr(spec, ',')) != NULL)
			spec++;
	}
	return (-1);
}

bool
ol_failpoint_pass(const char *name)
{
	static atomic_long passed[MOST];
	const struct timespec pause = { .tv_nsec = 300 * 1000 * 1000 };
	const char *folder = getenv("OUTLAST_FAILPOINT_FOLDER");
	const char *action;
	long nth;
	int at;

	if (folder != NULL)
		leave(folder, name, "hit");
	if ((at = find(name, &action, &nth)) == -1)
		return (false);
	if (nth > 0 && atomic_fetch_add(&passed[at], 1) + 1 != nth)
		return (false);
	if (folder != NULL && !leave(folder, name, "acted") && nth > 0)
		return (false);
	if (strncmp(action, "exit", 4) == 0)
		_exit(70);
	if (strncmp(action, "sleep", 5) == 0)
		nanosleep(&pause, NULL);
	return (strncmp(action, "error", 5) == 0);
}
