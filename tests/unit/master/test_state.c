#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "master/state.h"

enum { NOBODY = 65534, DAEMON = 1 };

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* $T/state, and a configuration that wants it. */
struct fixture {
	char folder[64], path[80], below[96];
	char user[8];
	struct ol_conf conf;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -1;
	strlcpy(f->folder, "/tmp/outlast-state-XXXXXX", sizeof(f->folder));
	if (mkdtemp(f->folder) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/state", f->folder);
	strlcpy(f->user, "daemon", sizeof(f->user));
	f->conf.state = f->path;
	umask(077);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* The folder name of the state folder, or itself, is as it should be. */
static void
assert_folder(
    struct fixture *f, const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	struct stat st;

	snprintf(f->below, sizeof(f->below), "%s/%s", f->path, name);
	assert_int_equal(stat(f->below, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
}

static void
test_of_ours(void **state)
{
	struct fixture *f = *state;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(ol_state_make(&f->conf), 0);
		assert_folder(f, ".", 0711, geteuid(), getegid());
		assert_folder(f, "store", 0700, geteuid(), getegid());
		assert_folder(f, "scratch", 0711, geteuid(), getegid());
		/* The second time: what was opened too wide is closed. */
		snprintf(f->below, sizeof(f->below), "%s/store", f->path);
		assert_int_equal(chmod(f->below, 0777), 0);
	}
}

static void
test_of_a_user(void **state)
{
	struct fixture *f = *state;

	if (geteuid() != 0)
		skip();
	f->conf.user = f->user;
	f->conf.uid = f->conf.gid = DAEMON;
	assert_int_equal(ol_state_make(&f->conf), 0);
	assert_folder(f, ".", 01771, 0, DAEMON);
	assert_folder(f, "store", 0700, DAEMON, DAEMON);
	assert_folder(f, "scratch", 0711, 0, 0);
	/* A scratch of the user's own making becomes ours again; one of a
	 * stranger is refused. */
	snprintf(f->below, sizeof(f->below), "%s/scratch", f->path);
	assert_int_equal(chown(f->below, NOBODY, NOBODY), 0);
	assert_int_equal(ol_state_make(&f->conf), -1);
	assert_folder(f, "scratch", 0711, NOBODY, NOBODY);
	snprintf(f->below, sizeof(f->below), "%s/scratch", f->path);
	assert_int_equal(chown(f->below, 0, 0), 0);
	/* As is a store. */
	snprintf(f->below, sizeof(f->below), "%s/store", f->path);
	assert_int_equal(chown(f->below, NOBODY, NOBODY), 0);
	assert_int_equal(ol_state_make(&f->conf), -1);
}

/* The engine's user could put a link there: what it points to stays as it is.
 */
static void
test_link(void **state)
{
	struct fixture *f = *state;
	char victim[96];
	struct stat st;

	snprintf(victim, sizeof(victim), "%s/victim", f->folder);
	assert_int_equal(mkdir(victim, 0700), 0);
	assert_int_equal(mkdir(f->path, 0700), 0);
	snprintf(f->below, sizeof(f->below), "%s/scratch", f->path);
	assert_int_equal(symlink(victim, f->below), 0);
	assert_int_equal(ol_state_make(&f->conf), -1);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(unlink(f->below), 0);
	/* The state folder itself may not be one either. */
	snprintf(f->path, sizeof(f->path), "%s/link", f->folder);
	assert_int_equal(symlink(victim, f->path), 0);
	assert_int_equal(ol_state_make(&f->conf), -1);
	assert_int_equal(stat(victim, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void
test_in_the_way(void **state)
{
	struct fixture *f = *state;
	int fd;

	/* No parent; a file where a folder is to be. */
	snprintf(f->path, sizeof(f->path), "%s/no/state", f->folder);
	assert_int_equal(ol_state_make(&f->conf), -1);
	snprintf(f->path, sizeof(f->path), "%s/file", f->folder);
	fd = open(f->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	close(fd);
	assert_int_equal(ol_state_make(&f->conf), -1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_of_ours),
		TEST(test_of_a_user),
		TEST(test_link),
		TEST(test_in_the_way),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
