/*
 * What the state tables of slot.c and leaver.c do to the world. The tables
 * themselves see no clock, process or log, so that a test can play both.
 * A process is named by its generation, which is unique within its slot.
 */
#ifndef OL_MASTER_ACTS_H
#define OL_MASTER_ACTS_H

#include "base/log.h"

struct ol_acts {
	/* Start the process of that generation. -1: there is none. */
	int (*start)(void *arg, unsigned generation);

	/*
	 * SIGTERM with the seconds left: 0 is the last call, -1 means that
	 * there is no limit. From the first one on it takes no new requests.
	 */
	void (*tell)(void *arg, unsigned generation, int seconds);

	/* It hangs: log where, and let it report, with SIGABRT. */
	void (*abort)(void *arg, unsigned generation);

	/* SIGKILL to its process group; why is for the log. */
	void (*kill)(void *arg, unsigned generation, const char *why);

	/* A process that served, or was to, has crashed: for rapid_fail. Must
	 * not call back. */
	void (*crashed)(void *arg);

	/* One log line about a process (generation 0: about the slot). */
	void (*say)(void *arg, unsigned generation, enum ol_log_level,
	    const char *line);
};

#endif
