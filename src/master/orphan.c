#include <sys/types.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mark.h"
#include "base/must.h"
#include "master/orphan.h"

struct pids {
	pid_t *all; /* malloc'ed */
	size_t n;
};

static int
open_children(void)
{
	char path[64];

	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The file as text, malloc'ed; NULL with errno set. */
static char *
read_all(int fd)
{
	size_t len = 0, size = 4096;
	char *text = ol_must(malloc(size));
	ssize_t n;

	if (lseek(fd, 0, SEEK_SET) == -1)
		goto err;
	while ((n = read(fd, text + len, size - len - 1)) != 0) {
		if (n == -1 && errno != EINTR)
			goto err;
		if (n > 0 && (len += (size_t)n) == size - 1)
			text = ol_must(realloc(text, size *= 2));
	}
	text[len] = '\0';
	return text;
err:
	free(text);
	return NULL;
}

static int
list_once(int fd, struct pids *pids)
{
	char *text, *at, *end;
	long pid;

	*pids = (struct pids){ 0 };
	if ((text = read_all(fd)) == NULL)
		return -1;
	for (at = text; (pid = strtol(at, &end, 10)) > 0 && end != at;
	     at = end) {
		if ((pids->n & (pids->n - 1)) == 0)
			pids->all = ol_must(reallocarray(pids->all,
			    pids->n > 0 ? 2 * pids->n : 1, sizeof(*pids->all)));
		pids->all[pids->n++] = (pid_t)pid;
	}
	free(text);
	return 0;
}

static bool
are_equal(const struct pids *a, const struct pids *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->all, b->all,
						 a->n * sizeof(*a->all)) == 0);
}

/*
 * Our children. One that ends while they are listed may hide the one after it:
 * they are listed until two lists are equal.
 */
static int
list_children(int fd, struct pids *pids)
{
	enum { TRIES = 10 };
	struct pids before;
	int i;

	if (list_once(fd, pids) == -1)
		return -1;
	for (i = 0; i < TRIES; i++) {
		bool same;

		before = *pids;
		if (list_once(fd, pids) == -1) {
			free(before.all);
			return -1;
		}
		same = are_equal(&before, pids);
		free(before.all);
		if (same)
			break;
	}
	return 0;
}

int
ol_orphan_kill(void)
{
	struct pids pids;
	size_t i;
	int fd = open_children(), rc;

	if (fd == -1)
		return 0;
	rc = list_children(fd, &pids);
	close(fd);
	if (rc == -1)
		return 0;
	for (i = 0; i < pids.n; i++)
		kill(pids.all[i], SIGKILL);
	free(pids.all);
	return (int)pids.n;
}

void
ol_orphans_init(struct ol_orphans *o)
{
	*o = (struct ol_orphans){
		.children = -1,
		.mark = ol_mark_get(getpid()),
	};
}

void
ol_orphans_fini(struct ol_orphans *o)
{
	if (o->children != -1)
		close(o->children);
	free(o->pids);
	*o = (struct ol_orphans){ .children = -1 };
}

int
ol_orphans_open(struct ol_orphans *o)
{
	if (o->children == -1)
		o->children = open_children();
	return o->children == -1 ? -1 : 0;
}

void
ol_orphans_note(struct ol_orphans *o, ol_orphan_fn *is_ours,
    ol_orphan_fn *spawner_lives, void *arg)
{
	struct pids pids;
	size_t i, kept = 0;

	/* What was noted is better than nothing. */
	if (list_children(o->children, &pids) == -1)
		return;
	/* It may have died while they were listed. */
	if (!spawner_lives(arg, 0)) {
		free(pids.all);
		return;
	}
	for (i = 0; i < pids.n; i++)
		if (!is_ours(arg, pids.all[i]))
			pids.all[kept++] = pids.all[i];
	free(o->pids);
	o->pids = pids.all;
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

enum whose { OF_A_POOL, OF_THE_SPAWNER, OF_NOBODY_KNOWS };

/* Programs of tasks bear a mark, and one of our own is not theirs. */
static enum whose
find_whose(const struct ol_orphans *o, pid_t pid)
{
	uint64_t mark;

	if ((mark = ol_mark_get(pid)) != 0)
		return mark != o->mark ? OF_THE_SPAWNER : OF_A_POOL;
	return errno == EMFILE || errno == ENFILE || errno == ENOMEM
		   ? OF_NOBODY_KNOWS
		   : OF_A_POOL;
}

/*
 * It is ours, so its number is nobody else's until it is reaped; and the same
 * of its group, if it leads one. What is below it comes to us next. False: we
 * may not; then it has become another user, which no program of a task can.
 */
static bool
kill_stray(pid_t pid)
{
	if (getpgid(pid) == pid)
		kill(-pid, SIGKILL);
	return kill(pid, SIGKILL) == 0 || errno != EPERM;
}

int
ol_orphans_kill(const struct ol_orphans *o, ol_orphan_fn *is_ours, void *arg)
{
	struct pids pids;
	size_t i;
	int left = 0;

	if (list_children(o->children, &pids) == -1)
		return -1;
	for (i = 0; i < pids.n; i++) {
		pid_t pid = pids.all[i];

		if (is_ours(arg, pid) || is_noted(o, pid))
			continue;
		switch (find_whose(o, pid)) {
		case OF_A_POOL:
			break;
		case OF_THE_SPAWNER:
			left += kill_stray(pid);
			break;
		case OF_NOBODY_KNOWS:
			left++;
			break;
		}
	}
	free(pids.all);
	return left;
}
