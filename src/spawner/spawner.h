/*
 * The spawner, a role of outlastd: starts task programs for the engine, and
 * ends all that they leave behind. What may be started comes from the master.
 */
#ifndef OL_SPAWNER_SPAWNER_H
#define OL_SPAWNER_SPAWNER_H

#include "config/conf.h"

struct ol_spawner_options {
	int master; /* base/order.h */
	int engine; /* run/spawn.h */
	/* Folder for the attempts' folders and notify sockets; it exists.
	 * NULL: "scratch" in the first configuration's state. */
	const char *scratch;
	/* The configuration in a descriptor of "config"; NULL: the usual one.
	 * Returns NULL when it cannot be used. */
	struct ol_conf *(*load)(int fd);
};

/*
 * Run until master's or engine's end is closed, or the master says "exit", and
 * nothing is left below us. Takes over the process: its signals, its children.
 * Both descriptors are closed. Returns the exit code.
 */
int ol_spawner_run(const struct ol_spawner_options *);

#endif
