#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "spawner/children.h"

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
