#include <sys/types.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/world.h"

static int
open_file(const char *path)
{
	/* Non-blocking: a FIFO of that name must not hang the daemon. */
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

static int
expand(const char *pattern, glob_t *found)
{
	return glob(pattern, 0, NULL, found);
}

static const char *
variable(const char *name)
{
	return getenv(name);
}

static int
find_user(const char *name, uid_t *uid, gid_t *gid)
{
	const struct passwd *pw = getpwnam(name);

	if (pw == NULL)
		return -1;
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

static int
find_group(const char *name, gid_t *gid)
{
	const struct group *gr = getgrnam(name);

	if (gr == NULL)
		return -1;
	*gid = gr->gr_gid;
	return 0;
}

void
ol_world_init(struct ol_world *world)
{
	*world = (struct ol_world){
		.euid = geteuid(),
		.open_file = open_file,
		.expand = expand,
		.variable = variable,
		.user = find_user,
		.group = find_group,
	};
}
