#include <sys/file.h>
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "master/runtime.h"

char *
ol_runtime_make(const char *file, const char *name, mode_t mode)
{
	char *copy = ol_must(strdup(file)), *path;
	struct stat st;
	int fd = -1;

	if (asprintf(&path, "%s/%s", dirname(copy), name) == -1)
		ol_must(NULL);
	free(copy);
	if (mkdir(path, mode) == -1 && errno != EEXIST)
		goto err;
	/* By descriptor: what is changed is what was looked at. */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		goto err;
	if (st.st_uid != geteuid()) {
		errno = EPERM;
		goto err;
	}
	if (fchmod(fd, mode) == -1)
		goto err;
	close(fd);
	return path;
err:
	ol_log_error(NULL, "cannot use the folder %s: %s", path,
	    errno == EPERM ? "it belongs to somebody else" : strerror(errno));
	if (fd != -1)
		close(fd);
	free(path);
	return NULL;
}

int
ol_runtime_lock(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd != -1 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		ol_log_error(NULL,
		    "another outlastd uses the folder %s: \"pid\" needs a "
		    "folder of its own for each",
		    folder);
	else
		ol_log_error(
		    NULL, "cannot lock %s: %s", folder, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

/* The number after the last '.' or '-' before an optional ".txt". */
static unsigned
generation_of(const char *name)
{
	size_t len = strlen(name), i;
	unsigned long n;

	if (len > 4 && strcmp(name + len - 4, ".txt") == 0)
		len -= 4;
	for (i = len; i > 0 && name[i - 1] >= '0' && name[i - 1] <= '9'; i--)
		;
	if (i == 0 || i == len || len - i > 9 ||
	    (name[i - 1] != '.' && name[i - 1] != '-'))
		return 0;
	n = strtoul(name + i, NULL, 10);
	return (unsigned)n;
}

unsigned
ol_runtime_sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned generation, most = 0;
	struct dirent *entry;
	struct stat st;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if ((generation = generation_of(entry->d_name)) > most)
			most = generation;
		if (fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	return most;
}
