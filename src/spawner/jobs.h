/*
 * The attempts that run: started by the engine's word, ended with all that
 * they left behind. We are the subreaper: whoever outlives its parent becomes
 * our child, and nobody below us is out of sight. Loop's thread.
 */
#ifndef OL_SPAWNER_JOBS_H
#define OL_SPAWNER_JOBS_H

#include <sys/types.h>
#include <sys/resource.h>
#include <signal.h>
#include <stdbool.h>
#include <bsd/sys/queue.h>

#include "base/log.h"
#include "loop/loop.h"
#include "run/spawn.h"
#include "spawner/catalog.h"
#include "spawner/cgroup.h"
#include "spawner/children.h"
#include "spawner/scratch.h"
#include "spawner/start.h"

struct ol_job {
	LIST_ENTRY(ol_job) link;
	uint64_t tag;
	char type[OL_SPAWN_NAME_MAX];
	struct ol_log log;
	struct ol_jobs *jobs;
	pid_t pid; /* also of its session and process group */
	/* Until it has executed its program, or failed to. */
	int report; /* spawner/start.h; -1: it is known */
	struct ol_timer *late;
	struct ol_start_failure *failure; /* owned; NULL: none */
	bool ending; /* the process was reaped; what it left is being ended */
	char instance[33]; /* OUTLAST_INSTANCE */
	uint64_t mark;
	struct ol_cgroup *leaf; /* NULL: none */
	struct ol_scratch_folder folder;
	char *notify; /* the path of its notify socket */
	int status;
	struct rusage usage;
	uint32_t leftovers;
	bool left;     /* when last looked: something that is its own */
	int64_t ended; /* when the process was reaped */
};

/* A child of ours that empties a folder. */
struct ol_remover {
	LIST_ENTRY(ol_remover) link;
	pid_t pid;
	char *path;
};

struct ol_jobs {
	struct ol_loop *loop;
	struct ol_scratch scratch;
	char *notify; /* folder of the notify sockets; owned */
	/* EXITED, when nothing of it is left; or REFUSED. */
	void (*tell)(void *arg, const struct ol_spawn *);
	/* After ol_jobs_end(): nothing is left at all. */
	void (*on_empty)(void *arg);
	void *arg;
	LIST_HEAD(, ol_job) list;
	LIST_HEAD(, ol_remover) removers;
	struct ol_children children;
	struct ol_cgroups cgroups;
	sigset_t ignored; /* signals, by us */
	struct ol_signal *sigchld;
	struct ol_timer *timer;
	int64_t pause; /* until the next look at what does not die */
	bool leaving;
	int64_t give_up;
};

/* jobs has loop, callbacks, scratch.base and notify set. -1: logged. */
int ol_jobs_init(struct ol_jobs *);
void ol_jobs_fini(struct ol_jobs *);

/*
 * Start what message asks for, and tell; fds stay the caller's. Refused: a type
 * that is not configured, and more of one than twice its concurrency. (The
 * engine keeps to that; of a reload it may hear later than we.)
 */
void ol_jobs_start(struct ol_jobs *, const struct ol_catalog *,
    const struct ol_spawn *message, const int *fds);

void ol_jobs_term(struct ol_jobs *, uint64_t tag);
void ol_jobs_kill(struct ol_jobs *, uint64_t tag);

/* KILL everything below us, and call on_empty, from the loop. */
void ol_jobs_end(struct ol_jobs *);

#endif
