#include <sys/stat.h>
#include <sys/syscall.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "spawner/scratch.h"

int
ol_scratch_make(const char *path, uid_t uid, gid_t gid)
{
	int saved;

	if (mkdir(path, S_IRWXU) == -1)
		return -1;
	if (uid == (uid_t)-1 || lchown(path, uid, gid) == 0)
		return 0;
	saved = errno;
	rmdir(path);
	errno = saved;
	return -1;
}

int
ol_scratch_remove_empty(const char *path)
{
	return rmdir(path) == -1 && errno != ENOENT ? -1 : 0;
}

/* All below path, without following a link. In a process of its own. */
static int
empty(char *path)
{
	char *paths[] = { path, NULL };
	FTSENT *entry;
	FTS *fts;

	if ((fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV, NULL)) == NULL)
		return -1;
	while ((entry = fts_read(fts)) != NULL) {
		switch (entry->fts_info) {
		case FTS_D:
			/* Before it is read: its owner may have locked it. */
			chmod(entry->fts_accpath, S_IRWXU);
			break;
		case FTS_DP:
			if (entry->fts_level > 0)
				rmdir(entry->fts_accpath);
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			break;
		default:
			unlink(entry->fts_accpath);
		}
	}
	return fts_close(fts);
}

static void
run_remover(const char *path, uid_t uid, gid_t gid)
{
	sigset_t none;
	char *copy = strdup(path);

	sigemptyset(&none);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (close_range(3, ~0U, 0) == -1 || copy == NULL)
		_exit(1);
	if (uid != (uid_t)-1 && uid != geteuid() &&
	    (syscall(SYS_setgroups, 0, NULL) == -1 ||
		syscall(SYS_setresgid, gid, gid, gid) == -1 ||
		syscall(SYS_setresuid, uid, uid, uid) == -1))
		_exit(1);
	_exit(empty(copy) == 0 ? 0 : 1);
}

pid_t
ol_scratch_remove(const char *path, uid_t uid, gid_t gid)
{
	sigset_t all, before;
	pid_t pid;

	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	if ((pid = fork()) == 0)
		run_remover(path, uid, gid);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

void
ol_scratch_sweep(const char *base,
    void (*fn)(void *arg, const char *path, uid_t uid, gid_t gid), void *arg)
{
	DIR *dir = opendir(base);
	struct dirent *entry;
	struct stat st;
	char *path;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strspn(entry->d_name, "0123456789abcdef") !=
			OL_SCRATCH_NAME ||
		    fstatat(dirfd(dir), entry->d_name, &st,
			AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		if (S_ISSOCK(st.st_mode))
			unlinkat(dirfd(dir), entry->d_name, 0);
		if (!S_ISDIR(st.st_mode) ||
		    entry->d_name[OL_SCRATCH_NAME] != '\0')
			continue;
		if (asprintf(&path, "%s/%s", base, entry->d_name) == -1)
			ol_must(NULL);
		fn(arg, path, st.st_uid, st.st_gid);
		free(path);
	}
	closedir(dir);
}
