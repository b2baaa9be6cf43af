/*
 * One process of a pool: its start, its notify socket, its crash report, its
 * signals. Belongs to the loop's thread. What it means for the slot is not
 * known here.
 */
#ifndef OL_MASTER_PROCESS_H
#define OL_MASTER_PROCESS_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <bsd/sys/queue.h>

#include "base/log.h"
#include "base/notify.h"
#include "config/conf.h"
#include "loop/loop.h"
#include "master/handover.h"
#include "master/listener.h"

/* What all processes of one master share. Borrowed by each. */
struct ol_house {
	struct ol_loop *loop;
	char *notify_folder;
	char *crash_folder;
	char instance[33]; /* OUTLAST_INSTANCE: random, hexadecimal */
};

struct ol_process;
typedef void ol_process_notify_fn(
    struct ol_process *, const struct ol_notify *, void *arg);

struct ol_process {
	LIST_ENTRY(ol_process) link;
	pid_t pid;
	unsigned generation;
	struct ol_log log; /* "pool shop[0] pid 812" */
	/* What it said last; -1 and "" until it says so. */
	int64_t tasks;
	int64_t requests;
	char status[256];
	int64_t active;	    /* when it last had something to do */
	int64_t measured;   /* when its memory was; 0: never */
	unsigned rubbish;   /* datagrams that could not be read */
	const char *killed; /* why we killed it; NULL: we did not */
	bool leaving;	    /* it was told */
	bool simple;	    /* of its pool, when it was started */
	int stop_signal;    /* the same */
	/* Where it may accept; NULL: nowhere any more. To compare only. */
	const struct ol_listener *accepts;
	bool aborted;		      /* because it hung */
	struct ol_listener *listener; /* a reference until it leaves */
	int crash_fd;
	/* Once it has ended: what there is to tell of a crash; NULL: it was
	 * none. */
	char *crash;
	char *notify_path;
	int notify_fd;
	struct ol_watch *watch;
	ol_process_notify_fn *on_notify;
	void *arg;
};

LIST_HEAD(ol_processes, ol_process);

struct ol_process_options {
	const struct ol_house *house;
	const struct ol_conf_pool *conf;
	struct ol_listener *listener;
	int slot;
	unsigned generation;
	ol_process_notify_fn *on_notify;
	void *arg;
};

/*
 * Fork, and execute conf's program with the listener as descriptor 0, our
 * standard error as 1 and 2, the crash report as 3 unless it is simple, and no
 * other. The listener blocks for a simple program, and does not for others: as
 * it is one socket, the two must not accept side by side. conf and
 * options are not kept. A program that cannot be executed ends with status
 * 127 and says why in its crash report. NULL: logged.
 */
struct ol_process *ol_process_start(const struct ol_process_options *);

/*
 * Bytes of it that are in memory, as ps(1) shows them (RSS): what it shares
 * with others counts in full. -1: unknown.
 */
int64_t ol_process_memory(const struct ol_process *);

/*
 * The stop signal with so many seconds left; see acts.h. A simple program gets
 * it bare, and SIGTERM for the last call.
 */
void ol_process_tell(struct ol_process *, int seconds);

/* It hangs: log what its threads do, and send SIGABRT for its own report. */
void ol_process_abort(struct ol_process *);

/* SIGKILL to its group. why is static. */
void ol_process_kill(struct ol_process *, const char *why);

/*
 * After it was reaped: read what it had to say last, log and keep its crash
 * report, set crash. how[size] becomes a short phrase for the log.
 */
void ol_process_ended(struct ol_process *, const struct ol_house *, int slot,
    const char *pool, int status, char *how, size_t size);

/*
 * What another master needs to know it, but for its listeners, which are not
 * known here.
 */
void ol_process_save(const struct ol_process *, struct ol_handover_process *to);

/*
 * The process again, which was started for the slot of that pool; of options,
 * house, listener (NULL: none), slot, on_notify and arg are used. Takes the
 * descriptors.
 */
struct ol_process *ol_process_resume(const struct ol_process_options *,
    const char *pool, const struct ol_handover_process *from);

/* Forget it: its sockets and files, not the process. */
void ol_process_free(struct ol_process *);

#endif
