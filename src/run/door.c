#include <sys/random.h>
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/notify.h"
#include "run/door.h"

enum { SECRET = 16, NAME = 2 * SECRET };

/*
 * Every user can read in /proc/net/unix by which name a socket was bound. So it
 * is bound by another one than that by which it is found.
 */
#define BOUND_AS "new"

static int
draw_name(char name[NAME + 1])
{
	unsigned char secret[SECRET];
	size_t i;

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return -1;
	for (i = 0; i < sizeof(secret); i++)
		snprintf(name + 2 * i, 3, "%02x", secret[i]);
	return 0;
}

static char *
join(const char *folder, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", folder, name) == -1)
		ol_must(NULL);
	return path;
}

int
ol_door_open(const char *folder, char **path)
{
	char name[NAME + 1], *bound, *found;
	int fd, saved;

	if (draw_name(name) == -1)
		return -1;
	bound = join(folder, BOUND_AS);
	found = join(folder, name);
	if ((fd = ol_notify_bind(bound, (unsigned)-1)) == -1)
		goto err;
	if (chmod(bound, 0666) == -1 || rename(bound, found) == -1)
		goto err;
	free(bound);
	*path = found;
	return fd;
err:
	saved = errno;
	if (fd != -1) {
		close(fd);
		unlink(bound);
	}
	free(bound);
	free(found);
	errno = saved;
	return -1;
}

void
ol_door_sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}
