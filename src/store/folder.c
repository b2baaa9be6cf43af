#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/must.h"
#include "base/body.h"
#include "store/folder.h"
#include "store/row.h"

enum { NAME_SIZE = 2 * OL_ROW_ID + 1 + 16 + 1, CHUNK = 256 * 1024 };

/* Local users of FUSE are many (containers), so it is not refused. */
static const struct {
	unsigned long type;
	const char *name;
} network[] = {
	{ 0x6969, "NFS" },
	{ 0x517b, "SMB" },
	{ 0xff534d42, "CIFS" },
	{ 0xfe534d42, "SMB2" },
	{ 0x01021997, "9P" },
	{ 0x00c36400, "Ceph" },
	{ 0x5346414f, "AFS" },
	{ 0x6b414653, "AFS" },
	{ 0x73757245, "Coda" },
	{ 0x564c, "NCP" },
	{ 0x01161970, "GFS2" },
	{ 0x7461636f, "OCFS2" },
	{ 0x0bd00bd0, "Lustre" },
	{ 0x47504653, "GPFS" },
};

const char *
ol_folder_network(unsigned long type)
{
	size_t i;

	/* statfs's f_type is signed, and some of these have the top bit. */
	for (i = 0; i < sizeof(network) / sizeof(network[0]); i++)
		if (network[i].type == (type & 0xffffffff))
			return network[i].name;
	return NULL;
}

static int
check_place(int fd, const char *path)
{
	struct statfs fs;
	struct stat st;
	const char *name;

	if (fstat(fd, &st) == -1 || fstatfs(fd, &fs) == -1) {
		ol_log_error(NULL, "store: %s: %s", path, strerror(errno));
		return -1;
	}
	if ((name = ol_folder_network((unsigned long)fs.f_type)) != NULL) {
		ol_log_error(NULL,
		    "store: %s is on a network filesystem (%s): it cannot "
		    "promise what a store needs; use a local disk",
		    path, name);
		return -1;
	}
	if (st.st_uid != geteuid()) {
		ol_log_error(NULL, "store: %s belongs to user %u, not to %u",
		    path, (unsigned)st.st_uid, (unsigned)geteuid());
		return -1;
	}
	if ((st.st_mode & 077) == 0)
		return 0;
	if (fchmod(fd, 0700) == -1) {
		ol_log_error(NULL, "store: %s: %s", path, strerror(errno));
		return -1;
	}
	ol_log_warn(NULL, "store: %s was open to others (mode %04o): now 0700",
	    path, (unsigned)(st.st_mode & 07777));
	return 0;
}

/* A folder below at, made when missing, for us alone. */
static int
open_folder(int at, const char *path)
{
	int fd;

	if (mkdirat(at, path, 0700) == -1 && errno != EEXIST) {
		ol_log_error(NULL, "store: cannot make the folder %s: %s", path,
		    strerror(errno));
		return -1;
	}
	fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1) {
		ol_log_error(NULL, "store: cannot open the folder %s: %s", path,
		    strerror(errno));
		return -1;
	}
	if (check_place(fd, path) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static int
take_lock(struct ol_folder *folder)
{
	folder->lock = openat(folder->fd, "lock",
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (folder->lock == -1) {
		ol_log_error(
		    NULL, "store: %s/lock: %s", folder->path, strerror(errno));
		return -1;
	}
	if (flock(folder->lock, LOCK_EX | LOCK_NB) == -1) {
		ol_log_error(NULL, "store: %s is in use by another process",
		    folder->path);
		return -1;
	}
	return 0;
}

int
ol_folder_open(struct ol_folder *folder, const char *path)
{
	*folder = (struct ol_folder){ .fd = -1, .bodies = -1, .lock = -1 };
	if ((folder->fd = open_folder(AT_FDCWD, path)) == -1)
		return -1;
	if ((folder->path = realpath(path, NULL)) == NULL) {
		ol_log_error(NULL, "store: %s: %s", path, strerror(errno));
		goto err;
	}
	if (take_lock(folder) == -1)
		goto err;
	if ((folder->bodies = open_folder(folder->fd, "bodies")) == -1)
		goto err;
	return 0;

err:
	ol_folder_close(folder);
	return -1;
}

void
ol_folder_close(struct ol_folder *folder)
{
	if (folder->bodies != -1)
		close(folder->bodies);
	if (folder->lock != -1)
		close(folder->lock);
	if (folder->fd != -1)
		close(folder->fd);
	free(folder->path);
	*folder = (struct ol_folder){ .fd = -1, .bodies = -1, .lock = -1 };
}

int
ol_folder_touch(struct ol_folder *folder, const char *name)
{
	struct stat st;
	int fd;

	fd = openat(folder->fd, name,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd == -1 || fstat(fd, &st) == -1) {
		ol_log_error(NULL, "store: %s/%s: %s", folder->path, name,
		    strerror(errno));
		goto err;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
		ol_log_error(NULL, "store: %s/%s is not a file of ours",
		    folder->path, name);
		goto err;
	}
	if (fchmod(fd, 0600) == -1 || fsync(folder->fd) == -1) {
		ol_log_error(NULL, "store: %s/%s: %s", folder->path, name,
		    strerror(errno));
		goto err;
	}
	close(fd);
	return 0;

err:
	if (fd != -1)
		close(fd);
	return -1;
}

static void
write_name(char name[NAME_SIZE], const uint8_t *id, int64_t file)
{
	size_t i;

	for (i = 0; i < OL_ROW_ID; i++)
		snprintf(name + 2 * i, 3, "%02x", id[i]);
	snprintf(
	    name + 2 * i, NAME_SIZE - 2 * i, ".%016" PRIx64, (uint64_t)file);
}

/* The id and number of a name that write_name() wrote. */
static bool
read_name(const char *name, uint8_t *id, int64_t *file)
{
	char again[NAME_SIZE];
	unsigned byte;
	uint64_t number;
	size_t i;

	if (strlen(name) != NAME_SIZE - 1)
		return false;
	for (i = 0; i < OL_ROW_ID; i++) {
		if (sscanf(name + 2 * i, "%2x", &byte) != 1)
			return false;
		id[i] = (uint8_t)byte;
	}
	if (sscanf(name + 2 * i, ".%16" SCNx64, &number) != 1)
		return false;
	*file = (int64_t)number;
	write_name(again, id, *file);
	return strcmp(again, name) == 0;
}

static int
write_all(int fd, const char *data, size_t size)
{
	ssize_t n;

	while (size > 0) {
		if ((n = write(fd, data, size)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

static int
copy_file(int to, int from, int64_t size)
{
	char *chunk = ol_must(malloc(CHUNK));
	int64_t at = 0, left;
	ssize_t n;

	while ((left = size - at) > 0) {
		n = pread(from, chunk,
		    left < CHUNK ? (size_t)left : (size_t)CHUNK, at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EIO; /* somebody has cut it */
		if (n <= 0 || write_all(to, chunk, (size_t)n) == -1)
			break;
		at += n;
	}
	free(chunk);
	return left > 0 ? -1 : 0;
}

/* A descriptor of the file name, which holds the body; -1 with errno set. */
static int
make_file(struct ol_folder *folder, const char *name, struct ol_body *body)
{
	struct stat st;
	char path[64];
	int fd;

	/* A nameless file gets a name; any other one may be somebody's. */
	if (body->fd != -1 && fstat(body->fd, &st) == 0 && st.st_nlink == 0 &&
	    st.st_size == body->size) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", body->fd);
		if (linkat(AT_FDCWD, path, folder->bodies, name,
			AT_SYMLINK_FOLLOW) == 0) {
			if (fchmod(body->fd, 0600) == -1)
				return -1;
			return fcntl(body->fd, F_DUPFD_CLOEXEC, 0);
		}
		/* It is on another filesystem. */
	}
	fd = openat(folder->bodies, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if ((body->fd != -1
		    ? copy_file(fd, body->fd, body->size)
		    : write_all(fd, body->data, (size_t)body->size)) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

int
ol_folder_put(struct ol_folder *folder, const uint8_t *id, struct ol_body *body,
    int64_t *file)
{
	char name[NAME_SIZE];
	int fd, saved;

	do {
		if (getrandom(file, sizeof(*file), 0) != sizeof(*file))
			return -1;
		*file &= INT64_MAX;
	} while (*file == 0);
	write_name(name, id, *file);
	fd = make_file(folder, name, body);
	if (fd == -1 || fdatasync(fd) == -1) {
		saved = errno;
		if (fd != -1)
			close(fd);
		unlinkat(folder->bodies, name, 0);
		errno = saved;
		return -1;
	}
	close(fd);
	return 0;
}

int
ol_folder_flush(struct ol_folder *folder)
{
	return fsync(folder->bodies);
}

int
ol_folder_renew(struct ol_folder *folder, const char *name)
{
	char fresh[64];
	struct stat st;
	int from, to = -1;

	from = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (from == -1 && errno == ENOENT)
		return 0;
	if (from == -1 || fstat(from, &st) == -1)
		goto err;
	if (st.st_size == 0) {
		close(from);
		return 0;
	}
	snprintf(fresh, sizeof(fresh), "%s.new", name);
	to = openat(folder->fd, fresh,
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to == -1 || copy_file(to, from, st.st_size) == -1 ||
	    fsync(to) == -1 ||
	    renameat(folder->fd, fresh, folder->fd, name) == -1 ||
	    fsync(folder->fd) == -1)
		goto err;
	close(to);
	close(from);
	return 0;

err:
	ol_log_error(
	    NULL, "store: %s/%s: %s", folder->path, name, strerror(errno));
	if (to != -1)
		close(to);
	if (from != -1)
		close(from);
	return -1;
}

struct ol_body *
ol_folder_get(struct ol_folder *folder, const uint8_t *id, int64_t file)
{
	char name[NAME_SIZE];
	struct stat st;
	int fd;

	write_name(name, id, file);
	fd = openat(folder->bodies, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == -1) {
		close(fd);
		return NULL;
	}
	return ol_body_file(fd, st.st_size);
}

void
ol_folder_remove(struct ol_folder *folder, const uint8_t *id, int64_t file)
{
	char name[NAME_SIZE];

	write_name(name, id, file);
	if (unlinkat(folder->bodies, name, 0) == -1 && errno != ENOENT)
		ol_log_warn(NULL, "store: cannot remove %s/bodies/%s: %s",
		    folder->path, name, strerror(errno));
}

long
ol_folder_sweep(struct ol_folder *folder,
    int (*keep)(void *arg, const uint8_t *id, int64_t file), void *arg)
{
	uint8_t id[OL_ROW_ID];
	struct dirent *entry;
	long removed = 0;
	int64_t file;
	int fd, kept = 0;
	DIR *dir;

	fd = openat(folder->bodies, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || (dir = fdopendir(fd)) == NULL) {
		ol_log_error(NULL, "store: %s/bodies: %s", folder->path,
		    strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	while (kept >= 0 && (entry = readdir(dir)) != NULL) {
		/* What has another name is not ours to remove. */
		if (!read_name(entry->d_name, id, &file))
			continue;
		if ((kept = keep(arg, id, file)) == 0) {
			ol_folder_remove(folder, id, file);
			removed++;
		}
	}
	closedir(dir);
	return kept < 0 ? -1 : removed;
}
