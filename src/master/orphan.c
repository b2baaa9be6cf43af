#include <sys/types.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "master/orphan.h"

/* Our children, malloc'ed. */
static size_t
list_children(pid_t **children)
{
	char path[64];
	size_t n = 0;
	int child;
	FILE *f;

	*children = NULL;
	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fscanf(f, "%d", &child) == 1) {
		if ((n & (n - 1)) == 0)
			*children = ol_must(reallocarray(
			    *children, n > 0 ? 2 * n : 1, sizeof(**children)));
		(*children)[n++] = child;
	}
	fclose(f);
	return n;
}

int
ol_orphan_kill(void)
{
	pid_t *children;
	size_t i, n = list_children(&children);

	for (i = 0; i < n; i++)
		kill(children[i], SIGKILL);
	free(children);
	return (int)n;
}

void
ol_orphans_note(struct ol_orphans *o, ol_orphan_fn *is_ours,
    ol_orphan_fn *spawner_lives, void *arg)
{
	pid_t *children;
	size_t i, kept = 0, n = list_children(&children);

	/* It may have died while they were listed. */
	if (!spawner_lives(arg, 0)) {
		free(children);
		return;
	}
	for (i = 0; i < n; i++)
		if (!is_ours(arg, children[i]))
			children[kept++] = children[i];
	free(o->pids);
	o->pids = children;
	o->n = kept;
}

static bool
is_noted(const struct ol_orphans *o, pid_t pid)
{
	size_t i;

	for (i = 0; i < o->n; i++)
		if (o->pids[i] == pid)
			return true;
	return false;
}

/* Whether its environment says that it is of a pool. */
static bool
is_pools(pid_t pid, const char *instance)
{
	char path[64], wanted[64], *text;
	size_t len, size = 1 << 16, at;
	ssize_t n;
	bool found = false;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	len = (size_t)snprintf(
	    wanted, sizeof(wanted), "OUTLAST_INSTANCE=%s", instance);
	text = ol_must(malloc(size + 1));
	n = read(fd, text, size);
	close(fd);
	if (n > 0) {
		text[n] = '\0';
		for (at = 0; at < (size_t)n && !found;
		     at += strlen(text + at) + 1)
			found = strncmp(text + at, wanted, len + 1) == 0;
	}
	free(text);
	return found;
}

/*
 * It is ours, so its number is nobody else's until it is reaped; and the same
 * of its group, if it leads one. What is below it comes to us next.
 */
static void
kill_stray(pid_t pid)
{
	if (getpgid(pid) == pid)
		kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

int
ol_orphans_kill(const struct ol_orphans *o, ol_orphan_fn *is_ours, void *arg,
    const char *instance)
{
	pid_t *children;
	size_t i, n = list_children(&children);
	int left = 0;

	for (i = 0; i < n; i++) {
		if (is_ours(arg, children[i]) || is_noted(o, children[i]) ||
		    is_pools(children[i], instance))
			continue;
		kill_stray(children[i]);
		left++;
	}
	free(children);
	return left;
}

void
ol_orphans_clear(struct ol_orphans *o)
{
	free(o->pids);
	o->pids = NULL;
	o->n = 0;
}
