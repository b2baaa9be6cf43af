#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mark.h"
#include "base/random.h"

uint64_t
ol_mark_new(void)
{
	struct rlimit ours = { RLIM_INFINITY, RLIM_INFINITY };
	uint64_t mark;

	getrlimit(RLIMIT_LOCKS, &ours);
	ol_random_fill(&mark, sizeof(mark));
	mark &= INT64_MAX;
	/* We may be a program of a task ourselves. */
	if (ours.rlim_max != RLIM_INFINITY && ours.rlim_max > 0)
		mark %= ours.rlim_max;
	return mark != 0 ? mark : 1;
}

void
ol_mark_set(uint64_t mark)
{
	struct rlimit limit = { mark, mark };

	/* When it is refused, there is the session to go by. */
	setrlimit(RLIMIT_LOCKS, &limit);
}

uint64_t
ol_mark_get(pid_t pid)
{
	static const char name[] = "Max file locks ";
	char path[32], text[4096], *at;
	uint64_t mark = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	errno = 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strstr(text, name);
	/* "unlimited" is no number: none. */
	if (at == NULL || sscanf(at + strlen(name), "%*s %" SCNu64, &mark) != 1)
		return 0;
	return mark;
}
