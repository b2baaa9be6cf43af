#include <sys/stat.h>
#include <sys/syscall.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "base/random.h"
#include "spawner/scratch.h"

enum {
	SPARES = 64,
	TWO_ENTRIES = 48, /* bytes of . and .. in getdents(2) */
};

struct ol_scratch_spare {
	LIST_ENTRY(ol_scratch_spare) link;
	struct ol_scratch_folder folder;
};

static char *
new_path(const char *base)
{
	char name[OL_SCRATCH_NAME + 1], *path;

	ol_random_hex(name, sizeof(name));
	if (asprintf(&path, "%s/%s", base, name) == -1)
		ol_must(NULL);
	return path;
}

int
ol_scratch_take(struct ol_scratch *scratch, struct ol_scratch_folder *folder)
{
	struct ol_scratch_spare *spare;
	struct stat st;
	int saved;

	LIST_FOREACH (spare, &scratch->spares, link)
		if (spare->folder.uid == folder->uid &&
		    spare->folder.gid == folder->gid) {
			*folder = spare->folder;
			LIST_REMOVE(spare, link);
			free(spare);
			scratch->nspares--;
			return 0;
		}
	folder->path = new_path(scratch->base);
	if (mkdir(folder->path, S_IRWXU) == -1)
		return -1;
	if ((folder->uid == (uid_t)-1 ||
		lchown(folder->path, folder->uid, folder->gid) == 0) &&
	    lstat(folder->path, &st) == 0) {
		folder->made = st.st_ctim;
		return 0;
	}
	saved = errno;
	rmdir(folder->path);
	errno = saved;
	return -1;
}

/* Whether nobody made anything there, and nobody changed who may. */
static bool
is_untouched(const struct ol_scratch_folder *folder)
{
	char entries[128];
	struct stat st;
	bool untouched;
	int fd =
	    open(folder->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return false;
	/*
	 * The clock of files is a coarse one, so it is looked into. The kernel
	 * fills what room there is: that of . and .. and one more, at least.
	 */
	untouched = fstat(fd, &st) == 0 && st.st_mode == (S_IFDIR | S_IRWXU) &&
		    st.st_ctim.tv_sec == folder->made.tv_sec &&
		    st.st_ctim.tv_nsec == folder->made.tv_nsec &&
		    syscall(SYS_getdents64, fd, entries, sizeof(entries)) ==
			TWO_ENTRIES &&
		    syscall(SYS_getdents64, fd, entries, sizeof(entries)) == 0;
	close(fd);
	return untouched;
}

pid_t
ol_scratch_give(
    struct ol_scratch *scratch, struct ol_scratch_folder *folder, char **path)
{
	struct ol_scratch_spare *spare;
	pid_t pid;

	if (scratch->nspares < SPARES && is_untouched(folder)) {
		spare = ol_must(calloc(1, sizeof(*spare)));
		spare->folder = *folder;
		LIST_INSERT_HEAD(&scratch->spares, spare, link);
		scratch->nspares++;
		return 0;
	}
	pid = ol_scratch_remove(folder->path, folder->uid, folder->gid);
	if (pid == 0)
		free(folder->path);
	else
		*path = folder->path;
	return pid;
}

void
ol_scratch_fini(struct ol_scratch *scratch)
{
	struct ol_scratch_spare *spare;

	while ((spare = LIST_FIRST(&scratch->spares)) != NULL) {
		LIST_REMOVE(spare, link);
		rmdir(spare->folder.path);
		free(spare->folder.path);
		free(spare);
	}
	free(scratch->base);
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
