/*
 * A FastCGI backend on the test's own loop that does what the test says, and
 * the executor that asks it.
 */
#ifndef TESTS_UNIT_RUN_STAGE_H
#define TESTS_UNIT_RUN_STAGE_H

#include "loop/loop.h"
#include "run/run_fastcgi.h"

struct stage;

/* The one connection that is open. */
struct guest {
	int fd; /* -1: none */
	struct ol_watch *watch, *writing;
	unsigned char *in; /* all that came */
	size_t in_len;
	unsigned char *out; /* what is to be sent */
	size_t out_len, out_sent;
	bool hang_up; /* when that is sent */
	bool whole;   /* the request is there */
};

struct stage {
	char folder[32], notify[64];
	struct ol_conf *conf;
	struct ol_loop *loop;
	struct ol_backends *backends;
	int listener, spool;
	struct ol_watch *watch;
	struct guest guest;
	int guests;	 /* how many came */
	bool guest_left; /* the last one was hung up on by the executor */
	/* The request is whole. */
	void (*on_request)(struct stage *);
	struct ol_timer *limit, *later;
	void (*on_later)(struct stage *);
	void *arg;
};

/* One attempt and what came of it. */
struct played {
	struct stage *stage;
	struct ol_running *running;
	bool done;
	struct ol_run_end end; /* its texts are below */
	char kind[32];
	char *reply, *type, *errors;
	struct ol_body *result;
	int reports, percent;
	char progress[1024];
	int64_t extended;
	void (*on_progress)(struct played *);
};

/* directives: of the task's block, behind its fastcgi_pass. */
void stage_open(struct stage *, const char *directives);
void stage_close(struct stage *);

/* Take requests; from the start on. */
void stage_listen(struct stage *);
void stage_deafen(struct stage *);

/* What the backend sends; nothing is sent before the test returns. */
void stage_say(struct stage *, unsigned char type, const void *, size_t);
void stage_reply(struct stage *, const char *text);
void stage_end(struct stage *); /* END_REQUEST, then hang up */

/* The value of a parameter of the request, for free(); NULL: none. */
char *stage_param(const struct stage *, const char *name);

/* Call on_later that much later. */
void stage_later(struct stage *, int msec, void (*fn)(struct stage *));

/* A datagram to the attempt's notify socket; 0, or errno. */
int stage_notify(struct stage *, const char *text);

void played_start(struct played *, struct stage *, const struct ol_run_job *);
/* Until it ended, or fail. */
void played_wait(struct played *);
/* Both, of a recorded GET. */
void played_run(struct played *, struct stage *);
void played_free(struct played *);

/* Let the loop run until *flag. */
void stage_until(struct stage *, const bool *flag);
/* All that can be done now. */
void stage_turn(struct stage *);

extern const struct ol_run_job stage_get;

#endif
