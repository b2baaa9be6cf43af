#include <sys/stat.h>
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sqlite3.h>

#include "faultfs.h"

enum { FILES = 4, PAGE = 4096, PAGES = 6144 };

/* A file of the store, and what the disk has of it. */
struct disk {
	char path[256]; /* "": unused */
	unsigned char *bytes;
	sqlite3_int64 size; /* on the disk */
	ino_t inode;
	bool dirty[PAGES];
};

struct file {
	sqlite3_file base;
	struct disk *disk;
	sqlite3_file *real; /* behind this struct */
};

/* The store's thread writes, the test's asks. */
static struct {
	pthread_mutex_t lock;
	sqlite3_vfs *below;
	struct disk disks[FILES];
	int count[FAULTFS_CALLS], when[FAULTFS_CALLS], times[FAULTFS_CALLS];
	int rc[FAULTFS_CALLS];
	int hang[FAULTFS_CALLS]; /* ms, of the next call; 0: not */
	int writes_left;	 /* until the power fails */
	bool off;
} fs = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Count the call; SQLITE_OK, or how it is to fail. */
static int
count(enum faultfs_call call)
{
	int n, ms, rc = SQLITE_OK;

	pthread_mutex_lock(&fs.lock);
	ms = fs.hang[call];
	fs.hang[call] = 0;
	n = ++fs.count[call];
	if (call == FAULTFS_WRITE && --fs.writes_left == 0)
		fs.off = true;
	if (fs.off && call != FAULTFS_READ)
		rc = SQLITE_IOERR;
	else if (fs.when[call] > 0 && n >= fs.when[call] &&
		 n < fs.when[call] + fs.times[call])
		rc = fs.rc[call];
	pthread_mutex_unlock(&fs.lock);
	if (ms > 0)
		usleep((useconds_t)ms * 1000);
	return rc;
}

static struct disk *
disk_of(const char *path)
{
	int i;

	for (i = 0; i < FILES; i++)
		if (strcmp(fs.disks[i].path, path) == 0)
			return &fs.disks[i];
	for (i = 0; i < FILES; i++)
		if (fs.disks[i].path[0] == '\0')
			break;
	assert(i < FILES);
	snprintf(fs.disks[i].path, sizeof(fs.disks[i].path), "%s", path);
	fs.disks[i].bytes = calloc(PAGES, PAGE);
	return &fs.disks[i];
}

static int
fs_close(sqlite3_file *file)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods != NULL ? f->real->pMethods->xClose(f->real)
					 : SQLITE_OK;
}

static int
fs_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at)
{
	struct file *f = (struct file *)file;
	int rc = count(FAULTFS_READ);

	return rc != SQLITE_OK
		   ? rc
		   : f->real->pMethods->xRead(f->real, data, size, at);
}

static int
fs_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at)
{
	struct file *f = (struct file *)file;
	int rc = count(FAULTFS_WRITE);
	sqlite3_int64 page;

	if (rc != SQLITE_OK) {
		/* What a disk that fills up, or breaks, leaves: a part. */
		if (!fs.off && size > 1)
			f->real->pMethods->xWrite(f->real, data, size / 2, at);
		return rc;
	}
	for (page = at / PAGE; page <= (at + size - 1) / PAGE; page++) {
		assert(page < PAGES);
		f->disk->dirty[page] = true;
	}
	return f->real->pMethods->xWrite(f->real, data, size, at);
}

static int
fs_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct file *f = (struct file *)file;
	int rc = count(FAULTFS_TRUNCATE);

	return rc != SQLITE_OK ? rc
			       : f->real->pMethods->xTruncate(f->real, size);
}

static int
fs_sync(sqlite3_file *file, int flags)
{
	struct file *f = (struct file *)file;
	struct disk *d = f->disk;
	int rc = count(FAULTFS_SYNC), fd, page;

	(void)flags;
	if (rc != SQLITE_OK) {
		if (!fs.off)
			memset(d->dirty, 0, sizeof(d->dirty));
		return rc;
	}
	fd = open(d->path, O_RDONLY);
	assert(fd != -1);
	d->size = lseek(fd, 0, SEEK_END);
	for (page = 0; page < PAGES; page++)
		if (d->dirty[page] && pread(fd, d->bytes + (size_t)page * PAGE,
					  PAGE, (off_t)page * PAGE) >= 0)
			d->dirty[page] = false;
	close(fd);
	return SQLITE_OK;
}

static int
fs_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xFileSize(f->real, size);
}

static int
fs_lock(sqlite3_file *file, int kind)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xLock(f->real, kind);
}

static int
fs_unlock(sqlite3_file *file, int kind)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xUnlock(f->real, kind);
}

static int
fs_check(sqlite3_file *file, int *out)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xCheckReservedLock(f->real, out);
}

static int
fs_control(sqlite3_file *file, int op, void *arg)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xFileControl(f->real, op, arg);
}

static int
fs_sector(sqlite3_file *file)
{
	struct file *f = (struct file *)file;

	return f->real->pMethods->xSectorSize(f->real);
}

static int
fs_device(sqlite3_file *file)
{
	(void)file;
	return 0; /* promises nothing */
}

/* Without shared memory (version 1): WAL only for an exclusive owner. */
static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = fs_close,
	.xRead = fs_read,
	.xWrite = fs_write,
	.xTruncate = fs_truncate,
	.xSync = fs_sync,
	.xFileSize = fs_size,
	.xLock = fs_lock,
	.xUnlock = fs_unlock,
	.xCheckReservedLock = fs_check,
	.xFileControl = fs_control,
	.xSectorSize = fs_sector,
	.xDeviceCharacteristics = fs_device,
};

/* Another file than last time: somebody has written and flushed it. */
static void
look_at(struct disk *d)
{
	struct stat st;
	int fd = open(d->path, O_RDONLY);

	assert(fd != -1 && fstat(fd, &st) == 0);
	if (st.st_ino != d->inode) {
		d->inode = st.st_ino;
		d->size = st.st_size;
		assert(read(fd, d->bytes, (size_t)PAGES * PAGE) == d->size);
		memset(d->dirty, 0, sizeof(d->dirty));
	}
	close(fd);
}

static int
fs_open(
    sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
	struct file *f = (struct file *)file;
	int rc;

	(void)vfs;
	f->base.pMethods = NULL;
	f->real = (sqlite3_file *)(f + 1);
	f->real->pMethods = NULL;
	if (path == NULL) /* a temporary one */
		return SQLITE_CANTOPEN;
	rc = fs.below->xOpen(fs.below, path, f->real, flags, out);
	if (rc != SQLITE_OK)
		return rc;
	f->disk = disk_of(path);
	look_at(f->disk);
	f->base.pMethods = &methods;
	return SQLITE_OK;
}

static int
fs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
	struct disk *d = disk_of(path);

	(void)vfs;
	if (faultfs_is_off())
		return SQLITE_IOERR_DELETE;
	d->size = 0;
	d->inode = 0;
	memset(d->dirty, 0, sizeof(d->dirty));
	memset(d->bytes, 0, (size_t)PAGES * PAGE);
	return fs.below->xDelete(fs.below, path, sync);
}

void
faultfs_install(void)
{
	static sqlite3_vfs vfs;

	sqlite3_initialize();
	fs.below = sqlite3_vfs_find(NULL);
	vfs = *fs.below;
	vfs.zName = "faultfs";
	vfs.szOsFile += (int)sizeof(struct file);
	vfs.xOpen = fs_open;
	vfs.xDelete = fs_delete;
	vfs.pNext = NULL;
	sqlite3_vfs_register(&vfs, 1);
}

void
faultfs_reset(void)
{
	int i;

	for (i = 0; i < FILES; i++) {
		free(fs.disks[i].bytes);
		memset(&fs.disks[i], 0, sizeof(fs.disks[i]));
	}
	memset(fs.count, 0, sizeof(fs.count));
	memset(fs.when, 0, sizeof(fs.when));
	fs.writes_left = 0;
	fs.off = false;
}

void
faultfs_fail(enum faultfs_call call, int when, int times, int rc)
{
	pthread_mutex_lock(&fs.lock);
	fs.when[call] = fs.count[call] + when;
	fs.times[call] = times;
	fs.rc[call] = rc;
	pthread_mutex_unlock(&fs.lock);
}

void
faultfs_hang(enum faultfs_call call, int ms)
{
	pthread_mutex_lock(&fs.lock);
	fs.hang[call] = ms;
	pthread_mutex_unlock(&fs.lock);
}

int
faultfs_count(enum faultfs_call call)
{
	int n;

	pthread_mutex_lock(&fs.lock);
	n = fs.count[call];
	pthread_mutex_unlock(&fs.lock);
	return n;
}

void
faultfs_power_off_after(int writes)
{
	pthread_mutex_lock(&fs.lock);
	fs.writes_left = writes;
	pthread_mutex_unlock(&fs.lock);
}

bool
faultfs_is_off(void)
{
	bool off;

	pthread_mutex_lock(&fs.lock);
	off = fs.off;
	pthread_mutex_unlock(&fs.lock);
	return off;
}

void
faultfs_power_off(void)
{
	pthread_mutex_lock(&fs.lock);
	fs.off = true;
	pthread_mutex_unlock(&fs.lock);
}

void
faultfs_power_on(void)
{
	int i, fd;

	for (i = 0; i < FILES; i++) {
		struct disk *d = &fs.disks[i];

		if (d->path[0] == '\0')
			continue;
		fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert(fd != -1);
		assert(write(fd, d->bytes, (size_t)d->size) == d->size);
		close(fd);
		memset(d->dirty, 0, sizeof(d->dirty));
	}
	fs.off = false;
	fs.writes_left = 0;
	memset(fs.when, 0, sizeof(fs.when));
	memset(fs.hang, 0, sizeof(fs.hang));
}
