#include <sys/file.h>
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "master/pidfile.h"

struct ol_pidfile {
	char *path;
	int fd;
	bool written;
};

static void
make_folder(const char *path)
{
	char *copy = ol_must(strdup(path));
	const char *folder = dirname(copy);

	/* When this fails, opening the file says why. */
	if (mkdir(folder, 0755) == 0) {
		/* Whatever our umask: the pools' users have to get through. */
		chmod(folder, 0755);
		ol_log_info(NULL, "made the folder %s", folder);
	}
	free(copy);
}

static pid_t
read_pid(int fd)
{
	char text[16];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid;
	char *end;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	pid = strtol(text, &end, 10);
	return *end == '\n' && pid > 1 && pid < 1 << 30 ? (pid_t)pid : 0;
}

/* 1: locked, and still the file at path; 0: it was removed; -1: errno. */
static int
lock(int fd, const char *path)
{
	struct stat ours, there;
	int tries;

	/* ol_pidfile_holder() may hold it for a moment: it is nobody's rival.
	 */
	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB) == -1; tries++) {
		if (errno != EWOULDBLOCK || tries == 3)
			return -1;
		usleep(20000);
	}
	if (fstat(fd, &ours) == -1)
		return -1;
	if (stat(path, &there) == -1)
		return errno == ENOENT ? 0 : -1;
	return ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

struct ol_pidfile *
ol_pidfile_open(const char *path, pid_t *predecessor)
{
	struct ol_pidfile *p;
	int fd, rc;

	make_folder(path);
	for (;;) {
		fd =
		    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd == -1) {
			ol_log_error(NULL, "cannot open pid file %s: %s", path,
			    strerror(errno));
			return NULL;
		}
		if ((rc = lock(fd, path)) == 1)
			break;
		if (rc == -1) {
			if (errno == EWOULDBLOCK)
				ol_log_error(NULL,
				    "another outlastd runs, pid %d (pid file "
				    "%s)",
				    (int)read_pid(fd), path);
			else
				ol_log_error(NULL,
				    "cannot lock pid file %s: %s", path,
				    strerror(errno));
			close(fd);
			return NULL;
		}
		/* Its last holder removed it between open and lock. */
		close(fd);
	}
	*predecessor = read_pid(fd);
	p = ol_must(malloc(sizeof(*p)));
	p->path = ol_must(strdup(path));
	p->fd = fd;
	p->written = false;
	return p;
}

struct ol_pidfile *
ol_pidfile_resume(const char *path, int fd)
{
	struct ol_pidfile *p = ol_must(malloc(sizeof(*p)));

	p->path = ol_must(strdup(path));
	p->fd = fd;
	p->written = true;
	return p;
}

int
ol_pidfile_fd(const struct ol_pidfile *p)
{
	return p->fd;
}

int
ol_pidfile_write(struct ol_pidfile *p)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(p->fd, 0) == -1 ||
	    pwrite(p->fd, text, (size_t)n, 0) != n) {
		ol_log_error(NULL, "cannot write pid file %s: %s", p->path,
		    strerror(errno));
		return -1;
	}
	p->written = true;
	return 0;
}

void
ol_pidfile_close(struct ol_pidfile *p)
{
	if (p == NULL)
		return;
	/* A start that failed leaves the predecessor's pid for the next. */
	if (p->written)
		unlink(p->path);
	close(p->fd);
	free(p->path);
	free(p);
}

pid_t
ol_pidfile_holder(const char *path)
{
	pid_t pid = 0;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : -1;
	if (flock(fd, LOCK_SH | LOCK_NB) == -1)
		pid = errno == EWOULDBLOCK ? read_pid(fd) : -1;
	close(fd);
	return pid;
}
