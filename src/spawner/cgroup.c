#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <linux/sched.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/random.h"
#include "spawner/cgroup.h"

#define PREFIX "outlast."

/* How long a dead predecessor's programs may take to die of SIGKILL. */
#define PATIENCE OL_SEC(1)

enum {
	TRIES = 3,   /* to make a folder that a successor does not take */
	SPARES = 64, /* leaves that are kept */
};

/* --- where we are --- */

/* Our cgroup, as /proc tells it: relative to the root of our namespace. */
static char *
find_path(void)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL, *path = NULL;
	size_t size = 0;

	if (f == NULL)
		return NULL;
	while (path == NULL && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0::/", 4) == 0)
			path = ol_must(strdup(line + 3));
	}
	free(line);
	fclose(f);
	return path;
}

/* The part of path below root, beginning with a slash or empty; or NULL. */
static const char *
below(const char *path, const char *root)
{
	size_t len = strlen(root);

	if (strcmp(root, "/") == 0)
		len = 0;
	if (strncmp(path, root, len) != 0)
		return NULL;
	path += len;
	if (strcmp(path, "/") == 0)
		return "";
	return *path == '\0' || *path == '/' ? path : NULL;
}

/*
 * The folder of that cgroup: in the hybrid layout the mount is
 * /sys/fs/cgroup/unified, else /sys/fs/cgroup; in a container anywhere.
 */
static char *
find_folder(const char *path)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *folder = NULL, *root, *mount;
	const char *rest;
	size_t size = 0;

	while (f != NULL && folder == NULL && getline(&line, &size, f) > 0) {
		if (strstr(line, " - cgroup2 ") == NULL ||
		    sscanf(line, "%*s %*s %*s %ms %ms", &root, &mount) != 2)
			continue;
		if ((rest = below(path, root)) != NULL &&
		    asprintf(&folder, "%s%s", mount, rest) == -1)
			ol_must(NULL);
		free(root);
		free(mount);
	}
	free(line);
	if (f != NULL)
		fclose(f);
	return folder;
}

/* systemd has a say in each cgroup but the root, unless it gave it away. */
static bool
is_delegated(const char *path, const char *folder)
{
	char value[8];

	return strcmp(path, "/") == 0 ||
	       access("/run/systemd/system", F_OK) == -1 ||
	       getxattr(folder, "user.delegate", value, sizeof(value)) > 0 ||
	       getxattr(folder, "trusted.delegate", value, sizeof(value)) > 0;
}

/* --- one folder --- */

static void
write_kill(int folder, const char *path)
{
	int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);

	if (fd != -1 && write(fd, "1", 1) == 1) {
		close(fd);
		return;
	}
	ol_log_error(
	    NULL, "cannot kill a cgroup (%s): %s", path, strerror(errno));
	if (fd != -1)
		close(fd);
}

/* What cgroup.events of an open file says: "populated 0\nfrozen 0\n". */
static bool
says(int events, const char *what)
{
	char text[256] = "";

	if (pread(events, text, sizeof(text) - 1, 0) == -1)
		return false;
	return strstr(text, what) != NULL;
}

/* Whether anybody lives in it or below. */
static bool
is_populated(const char *path)
{
	char *events;
	bool populated;
	int fd;

	if (asprintf(&events, "%s/cgroup.events", path) == -1)
		ol_must(NULL);
	fd = open(events, O_RDONLY | O_CLOEXEC);
	free(events);
	if (fd == -1)
		return false;
	populated = says(fd, "populated 1");
	close(fd);
	return populated;
}

/* Bottom up. -1 with errno set. */
static int
remove_tree(char *path)
{
	char *paths[] = { path, NULL };
	FTSENT *entry;
	FTS *fts;

	if (rmdir(path) == 0)
		return 0;
	if (errno != EBUSY)
		return -1;
	if (is_populated(path)) {
		errno = EBUSY;
		return -1;
	}
	/* It has folders that its programs made. */
	if ((fts = fts_open(paths, FTS_PHYSICAL, NULL)) == NULL)
		return -1;
	while ((entry = fts_read(fts)) != NULL)
		if (entry->fts_info == FTS_DP && entry->fts_level > 0)
			rmdir(entry->fts_accpath);
	fts_close(fts);
	return rmdir(path);
}

/* --- what dead predecessors left --- */

static void
end_predecessor(char *path)
{
	static const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t give_up = ol_clock_now() + PATIENCE;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* Locked by whom it belongs to: that one lives. */
	if (fd == -1 || flock(fd, LOCK_EX | LOCK_NB) == -1)
		goto out;
	write_kill(fd, "cgroup.kill");
	while (remove_tree(path) == -1 && errno == EBUSY &&
	       ol_clock_now() < give_up)
		nanosleep(&pause, NULL);
	if (access(path, F_OK) == 0)
		ol_log_warn(
		    NULL, "cannot remove cgroup %s: %s", path, strerror(errno));
out:
	if (fd != -1)
		close(fd);
}

static void
sweep(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char *path;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (asprintf(&path, "%s/%s", folder, entry->d_name) == -1)
			ol_must(NULL);
		end_predecessor(path);
		free(path);
	}
	closedir(dir);
}

/* --- ours --- */

static struct ol_cgroup *
make_leaf(struct ol_cgroups *cgroups)
{
	struct ol_cgroup *leaf = ol_must(calloc(1, sizeof(*leaf)));
	int saved;

	snprintf(leaf->name, sizeof(leaf->name), "%" PRIu64, ++cgroups->last);
	leaf->folder = leaf->events = -1;
	if (mkdirat(cgroups->fd, leaf->name, 0755) == -1)
		goto err0;
	leaf->folder =
	    openat(cgroups->fd, leaf->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leaf->folder == -1)
		goto err1;
	leaf->events =
	    openat(leaf->folder, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (leaf->events != -1)
		return leaf;

err1:
	saved = errno;
	unlinkat(cgroups->fd, leaf->name, AT_REMOVEDIR);
	if (leaf->folder != -1)
		close(leaf->folder);
	errno = saved;
err0:
	free(leaf);
	return NULL;
}

static void
free_leaf(struct ol_cgroup *leaf)
{
	close(leaf->folder);
	close(leaf->events);
	free(leaf);
}

/*
 * Whether a process that is started there lives. Linux 6.18 kills it when a
 * cgroup that we are in was killed once, before us.
 */
static bool
is_livable(const struct ol_cgroup *leaf)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (__u64)leaf->folder,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	int status = -1;

	if (pid == 0)
		_exit(0);
	if (pid == -1)
		return false;
	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (status != 0)
		errno = EOWNERDEAD;
	return status == 0;
}

/* Whether a process may be started there. */
static bool
is_usable(struct ol_cgroups *cgroups)
{
	struct ol_cgroup *leaf = make_leaf(cgroups);
	char type[32] = "";
	int fd, saved = EOPNOTSUPP;
	bool usable;

	if (leaf == NULL)
		return false;
	/* "domain invalid": somebody above has made it threaded. */
	fd = openat(leaf->folder, "cgroup.type", O_RDONLY | O_CLOEXEC);
	if (fd != -1) {
		if (read(fd, type, sizeof(type) - 1) == -1)
			type[0] = '\0';
		close(fd);
	}
	usable = strcmp(type, "domain\n") == 0 &&
		 faccessat(leaf->folder, "cgroup.kill", W_OK, 0) == 0;
	if (usable && !is_livable(leaf)) {
		saved = errno;
		usable = false;
	}
	ol_cgroup_give(cgroups, leaf, false);
	errno = saved;
	return usable;
}

static int
make_one(struct ol_cgroups *cgroups, const char *folder)
{
	char random[17];

	/* A name that is there already shows: mkdir() fails. */
	ol_random_hex(random, sizeof(random));
	if (asprintf(&cgroups->path, "%s/" PREFIX "%s", folder, random) == -1)
		ol_must(NULL);
	if (mkdir(cgroups->path, 0755) == -1)
		goto err0;
	cgroups->fd = open(cgroups->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Somebody who sweeps may have been faster. */
	if (cgroups->fd == -1 || flock(cgroups->fd, LOCK_EX | LOCK_NB) == -1 ||
	    !is_usable(cgroups))
		goto err1;
	return 0;

err1:
	if (cgroups->fd != -1)
		close(cgroups->fd);
	cgroups->fd = -1;
	rmdir(cgroups->path);
err0:
	free(cgroups->path);
	cgroups->path = NULL;
	return -1;
}

void
ol_cgroups_init(struct ol_cgroups *cgroups)
{
	char *path = find_path(), *folder = NULL;
	const char *why = "no cgroup2 is mounted";
	int i, error;

	*cgroups = (struct ol_cgroups){ .fd = -1 };
	if (path != NULL)
		folder = find_folder(path);
	if (folder != NULL && !is_delegated(path, folder)) {
		why = "systemd keeps it to itself; Delegate=yes gives it to us";
	} else if (folder != NULL) {
		sweep(folder);
		for (i = 0; i < TRIES && cgroups->path == NULL; i++) {
			error = make_one(cgroups, folder) == -1 ? errno : 0;
			why = error == EOWNERDEAD
				  ? "what is started in one is killed at once"
				  : strerror(error);
		}
	}
	if (cgroups->path != NULL)
		ol_log_info(NULL, "programs run in cgroup %s", cgroups->path);
	else
		ol_log_info(NULL,
		    "programs run without cgroups of their own: "
		    "%s%s%s",
		    folder != NULL ? folder : "", folder != NULL ? ": " : "",
		    why);
	free(folder);
	free(path);
}

void
ol_cgroups_fini(struct ol_cgroups *cgroups)
{
	struct ol_cgroup *leaf;

	if (cgroups->path == NULL)
		return;
	while ((leaf = LIST_FIRST(&cgroups->spares)) != NULL) {
		LIST_REMOVE(leaf, link);
		free_leaf(leaf);
	}
	remove_tree(cgroups->path);
	close(cgroups->fd);
	free(cgroups->path);
	*cgroups = (struct ol_cgroups){ .fd = -1 };
}

void
ol_cgroups_kill(const struct ol_cgroups *cgroups)
{
	if (cgroups->path != NULL)
		write_kill(cgroups->fd, "cgroup.kill");
}

struct ol_cgroup *
ol_cgroup_take(struct ol_cgroups *cgroups)
{
	struct ol_cgroup *leaf = LIST_FIRST(&cgroups->spares);

	if (leaf == NULL)
		return make_leaf(cgroups);
	LIST_REMOVE(leaf, link);
	cgroups->nspares--;
	return leaf;
}

void
ol_cgroup_kill(struct ol_cgroup *leaf)
{
	if (says(leaf->events, "populated 0"))
		return;
	leaf->killed = true;
	write_kill(leaf->folder, "cgroup.kill");
}

bool
ol_cgroup_give(
    struct ol_cgroups *cgroups, struct ol_cgroup *leaf, bool unchanged)
{
	char *path;
	bool gone;

	if (unchanged && !leaf->killed && cgroups->nspares < SPARES &&
	    says(leaf->events, "populated 0\nfrozen 0\n")) {
		LIST_INSERT_HEAD(&cgroups->spares, leaf, link);
		cgroups->nspares++;
		return true;
	}
	if (asprintf(&path, "%s/%s", cgroups->path, leaf->name) == -1)
		ol_must(NULL);
	gone = remove_tree(path) == 0 || errno == ENOENT;
	free(path);
	if (gone)
		free_leaf(leaf);
	return gone;
}
