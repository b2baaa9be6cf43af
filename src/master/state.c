#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/state.h"

static void
complain(const char *path, const char *name, const char *why)
{
	ol_log_error(NULL, "cannot use the folder %s%s%s: %s", path,
	    *name != '\0' ? "/" : "", name, why);
}

struct owner {
	uid_t uid;
	gid_t gid;
};

/*
 * The folder name below parent, with that owner and mode. One that is there
 * must belong to us or to user. Its descriptor; -1: logged.
 */
static int
make(int parent, const char *path, const char *name, mode_t mode, uid_t user,
    struct owner owner)
{
	const char *below = *name != '\0' ? name : path;
	struct stat st;
	int fd;

	if (mkdirat(parent, below, mode) == -1 && errno != EEXIST) {
		complain(path, name,
		    errno == ENOENT && *name == '\0'
			? "the folder that it is to be made in does not exist"
			: strerror(errno));
		return -1;
	}
	fd = openat(
	    parent, below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		goto err;
	if (st.st_uid != geteuid() && st.st_uid != user) {
		complain(path, name, "it belongs to somebody else");
		close(fd);
		return -1;
	}
	if (((st.st_uid != owner.uid || st.st_gid != owner.gid) &&
		fchown(fd, owner.uid, owner.gid) == -1) ||
	    fchmod(fd, mode) == -1)
		goto err;
	return fd;
err:
	complain(path, name, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

int
ol_state_make(const struct ol_conf *conf)
{
	const struct owner us = { geteuid(), getegid() };
	struct owner user = us, shared = us;
	mode_t mode = 0711;
	int state, store = -1, scratch = -1, notify = -1, rc = -1;

	if (conf->user != NULL) {
		user = (struct owner){ conf->uid, conf->gid };
		shared.gid = conf->gid;
		mode = 01771;
	}
	state = make(AT_FDCWD, conf->state, "", mode, user.uid, shared);
	if (state == -1)
		return -1;
	store = make(state, conf->state, "store", 0700, user.uid, user);
	if (store == -1)
		goto out;
	scratch = make(state, conf->state, "scratch", 0711, us.uid, us);
	if (scratch == -1)
		goto out;
	/* Backends come through to what they know the name of. */
	notify = make(state, conf->state, "notify", 0711, user.uid, user);
	if (notify == -1)
		goto out;
	rc = 0;
out:
	if (notify != -1)
		close(notify);
	if (scratch != -1)
		close(scratch);
	if (store != -1)
		close(store);
	close(state);
	return rc;
}
