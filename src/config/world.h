/*
 * What reading a configuration asks of the system. Tests and the fuzzer put
 * their own answers in its place.
 */
#ifndef OL_CONFIG_WORLD_H
#define OL_CONFIG_WORLD_H

#include <sys/types.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>

struct ol_conf;

struct ol_world {
	uid_t euid; /* 0: users can be switched */
	/*
	 * The text comes from ol_conf_dump(): nothing is missing in it, and it
	 * may be larger than a file.
	 */
	bool checked;

	/* A readable descriptor, or -1 with errno set. Must not block. */
	int (*open_file)(const char *path);

	/* glob(3) without flags. */
	int (*expand)(const char *pattern, glob_t *found);

	/* The environment; NULL: not set. */
	const char *(*variable)(const char *name);

	/* Look up an account or a group; -1: there is none. */
	int (*user)(const char *name, uid_t *uid, gid_t *gid);
	int (*group)(const char *name, gid_t *gid);
};

/* The real one. */
void ol_world_init(struct ol_world *);

/* ol_conf_load() in a world of the caller's. */
struct ol_conf *ol_conf_load_in(const struct ol_world *, const char *file,
    const char *extra, FILE *errors, bool colour);
struct ol_conf *ol_conf_load_text_in(
    const struct ol_world *, const char *text, size_t len, FILE *errors);

#endif
