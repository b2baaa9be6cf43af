#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "spawner/children.h"

enum {
	/* Of an environment: what is further back is not looked at. */
	ENVIRON_MAX = 1024 * 1024,
	INSTANCE = 32,
};

int
ol_children_init(struct ol_children *children)
{
	char path[64];

	memset(children, 0, sizeof(*children));
	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	children->fd = open(path, O_RDONLY | O_CLOEXEC);
	return children->fd == -1 ? -1 : 0;
}

void
ol_children_fini(struct ol_children *children)
{
	if (children->fd != -1)
		close(children->fd);
	free(children->text);
	memset(children, 0, sizeof(*children));
	children->fd = -1;
}

int
ol_children_read(struct ol_children *children)
{
	size_t len = 0;
	ssize_t n;

	children->next = NULL;
	do {
		if (len + 2 > children->room) {
			children->room =
			    children->room == 0 ? 4096 : children->room * 2;
			children->text =
			    ol_must(realloc(children->text, children->room));
		}
		n = pread(children->fd, children->text + len,
		    children->room - len - 1, (off_t)len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		len += (size_t)n;
	} while (n != 0);
	children->text[len] = '\0';
	children->next = children->text;
	return 0;
}

pid_t
ol_children_next(struct ol_children *children)
{
	char *end;
	long pid;

	if (children->next == NULL)
		return 0;
	pid = strtol(children->next, &end, 10);
	children->next = end == children->next ? NULL : end;
	return (pid_t)pid;
}

bool
ol_children_instance(pid_t pid, char instance[INSTANCE + 1])
{
	static const char name[] = "OUTLAST_INSTANCE=";
	enum { NAME = sizeof(name) - 1 };
	char path[32], *text, *at = NULL;
	size_t len = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return false;
	text = ol_must(malloc(ENVIRON_MAX + 1));
	/* A line begins after a NUL: let the first one do so, too. */
	text[len++] = '\0';
	while (len < ENVIRON_MAX &&
	       (n = read(fd, text + len, ENVIRON_MAX - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	at = memmem(text, len, "\0OUTLAST_INSTANCE=", NAME + 1);
	if (at == NULL || strlen(at + 1) != NAME + INSTANCE) {
		free(text);
		return false;
	}
	memcpy(instance, at + 1 + NAME, INSTANCE + 1);
	free(text);
	return true;
}
