/*
 * All that a master knows of the processes and sockets that it has, as it goes
 * to the master that takes its place in the same process (upgrade.h). Plain
 * data, and the text that it travels as:
 *
 *     outlast-handover version=1
 *     master instance=… generation=12 …
 *     listener fd=9 backlog=1000 …               one each
 *     pool name=shop listener=0 …                one each, and below it
 *     slot state=3 … / seat … / seat … / leaver … ×3 / process …
 *     end config=812
 *
 * and then the configuration in force (ol_conf_dump()), so many bytes. Times
 * are those of ol_clock_now(), descriptors those of the process. Another
 * version is refused: a program that is to take over from older ones must know
 * how to read theirs.
 */
#ifndef OL_MASTER_HANDOVER_H
#define OL_MASTER_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "master/rapid.h"
#include "master/sheet.h"
#include "master/slot.h"

struct ol_handover_listener {
	int fd;
	int backlog;
	char address[OL_ADDR_TEXT];
	bool activated, ours;
	int64_t dev, ino;
};

struct ol_handover_process {
	unsigned generation;
	int pid;
	int notify_fd, crash_fd; /* -1: none */
	int listener, accepts;	 /* numbers of listeners; -1: none */
	int64_t tasks, requests;
	int64_t active, measured;
	unsigned rubbish;
	bool leaving, aborted, killed, simple;
	int stop_signal;
	char status[256];
};

/* Of the slot, its rules, acts and arg stay as they are. */
struct ol_handover_slot {
	struct ol_slot slot;
	struct ol_handover_process *processes;
	size_t nprocesses;
};

struct ol_handover_pool {
	char name[256];
	int listener; /* -1: it is stopped */
	unsigned generation;
	bool was_ready, asleep;
	unsigned killed;
	int64_t lost;
	int64_t daily_due, daily_done;
	int crashes;
	int64_t halted;
	struct ol_rapid rapid;
	struct ol_handover_slot *slots;
	size_t nslots;
};

struct ol_handover {
	char instance[33];
	unsigned generation;
	int stderr_fd, pid_fd, folder_fd;
	bool ready; /* the service manager knows */
	struct ol_handover_listener *listeners;
	size_t nlisteners;
	struct ol_handover_pool *pools;
	size_t npools;
	char *config; /* text */
	size_t nconfig;
};

/* Frees what it points to, not the descriptors. */
void ol_handover_fini(struct ol_handover *);

void ol_handover_write(const struct ol_handover *, FILE *);

/*
 * Read it; text is written to. -1: why[size] says why, and there is nothing to
 * free. Nothing is looked up in the world.
 */
int ol_handover_read(
    struct ol_handover *, char *text, size_t len, char *why, size_t size);

/*
 * Let the descriptors in it survive execve(), or not. -1 with errno set; then
 * they are as before.
 */
int ol_handover_inherit(const struct ol_handover *, bool inherit);

#endif
