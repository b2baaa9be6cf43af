/*
 * A world for tests: not root, accounts of its own (users "shop",
 * "outlast-run" and "outlast", group "www-data"), real files, and the one
 * variable NAME.
 */
#ifndef OL_TESTS_FAKE_WORLD_H
#define OL_TESTS_FAKE_WORLD_H

#include <sys/types.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "config/conf.h"
#include "config/world.h"

static inline int
fake_user(const char *name, uid_t *uid, gid_t *gid)
{
	if (strcmp(name, "shop") == 0)
		*uid = *gid = 1001;
	else if (strcmp(name, "outlast-run") == 0)
		*uid = *gid = 1002;
	else if (strcmp(name, "outlast") == 0)
		*uid = *gid = 1003;
	else
		return -1;
	return 0;
}

static inline int
fake_bare_user(const char *name, uid_t *uid, gid_t *gid)
{
	return strcmp(name, "shop") == 0 ? fake_user(name, uid, gid) : -1;
}

static inline int
fake_group(const char *name, gid_t *gid)
{
	if (strcmp(name, "www-data") != 0)
		return -1;
	*gid = 33;
	return 0;
}

static inline const char *
fake_variable(const char *name)
{
	return strcmp(name, "NAME") == 0 ? "a value" : NULL;
}

static inline struct ol_world
fake_world(void)
{
	struct ol_world world;

	ol_world_init(&world);
	world.euid = 1000;
	world.user = fake_user;
	world.group = fake_group;
	world.variable = fake_variable;
	return world;
}

#endif
