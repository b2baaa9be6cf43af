/*
 * A real spawner in a process of its own, and what asks it, for tests. The
 * tests' programs are shell scripts.
 */
#ifndef TESTS_UNIT_RUN_HOUSE_H
#define TESTS_UNIT_RUN_HOUSE_H

#include <sys/types.h>

#include "loop/loop.h"
#include "run/run_program.h"

struct script {
	const char *name;	/* of the task type */
	const char *text;	/* below #!/bin/sh */
	const char *directives; /* of its block, or NULL */
};

struct house {
	char folder[32]; /* "/tmp/outlast-test-XXXXXX" */
	struct ol_conf *conf;
	char *text; /* the configuration */
	struct ol_loop *loop;
	struct ol_programs *programs;
	pid_t spawner;
	int master; /* our end of its channel */
	int spool;
	bool connected;
	bool bare; /* the spawner sees no cgroup2; set before house_open() */
	int running;
	struct ol_timer *limit; /* of one wait */
};

/* One attempt and what came of it. */
struct ended {
	struct house *house;
	struct ol_running *running;
	bool done;
	struct ol_run_end end; /* its texts are below */
	char kind[32];
	char errors[OL_RUN_STDERR_MAX + 1];
	struct ol_body *result;
	char text[4096]; /* the first bytes of the result */
	int reports, percent;
	char progress[1024];
	int64_t extended;
	void (*on_progress)(struct ended *);
	/* Of the job; set before, or 0. */
	const char *owner, *content_type;
	struct ol_body *payload;
	const struct ol_run_variable *context;
	size_t ncontext;
	uint32_t attempt;
};

void house_open(struct house *, const struct script *, size_t n);
/* The spawner ends and has left nothing. */
void house_close(struct house *);

/* Start a spawner and connect to it. */
void house_spawn(struct house *);
/* It was killed or told to end: its exit status as of wait(). */
int house_reap(struct house *);

const struct ol_conf_task *house_task(const struct house *, const char *type);
void house_start(struct house *, const char *type, struct ended *);
void house_wait(struct house *, struct ended *);
/* Let the loop run for so many milliseconds. */
void house_pause(struct house *, int msec);
/* Both, and what came of it. */
void house_run(struct house *, const char *type, struct ended *);
void ended_free(struct ended *);

#endif
