#include <sys/socket.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/must.h"
#include "run/command.h"
#include "run/program.h"

enum {
	AT_ONCE = 4,	   /* reads; then the others have their turn */
	CHUNK = 64 * 1024, /* as much as a pipe holds */
};

/* How long pipes may stay open when nobody is left to write. */
#define LINGER OL_SEC(1)

static void
close_fd(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static void
close_end(int *fd, struct ol_watch **watch)
{
	ol_watch_free(*watch);
	*watch = NULL;
	close_fd(fd);
}

/* --- its time --- */

static void
arm(struct ol_program *program)
{
	int64_t when = OL_NEVER;

	if (program->failed || program->lost)
		when = 0;
	if (program->deadline < when && !program->exited)
		when = program->deadline;
	if (program->kill_at < when && !program->exited)
		when = program->kill_at;
	if (program->linger < when)
		when = program->linger;
	if (ol_notices_due(&program->notices) < when)
		when = ol_notices_due(&program->notices);
	ol_timer_at(program->timer, when);
}

static void
tell_kill(struct ol_program *program)
{
	program->deadline = program->kill_at = OL_NEVER;
	if (program->exited || program->due_kill)
		return;
	program->due_kill = true;
	program->hands->send(program->hands_arg, program);
}

static void
tell_term(struct ol_program *program, int64_t kill_at)
{
	program->deadline = OL_NEVER;
	program->kill_at = kill_at;
	if (program->exited)
		return;
	program->due_term = true;
	program->hands->send(program->hands_arg, program);
}

/* --- what it says --- */

static void
extend(void *arg, int64_t until)
{
	struct ol_program *program = arg;
	int64_t *limit = program->deadline != OL_NEVER ? &program->deadline
						       : &program->kill_at;

	/* What was given is not taken back. */
	if (*limit != OL_NEVER && until > *limit)
		*limit = until;
}

static void
on_heard(void *arg)
{
	arm(arg);
}

static const struct ol_notices_hands notices_hands = {
	.extend = extend,
	.heard = on_heard,
};

/* --- its end --- */

static void
free_program(void *arg)
{
	struct ol_program *program = arg;
	int i;

	for (i = 0; i < OL_SPAWN_FDS; i++)
		close_fd(&program->theirs[i]);
	free(program->start);
	ol_body_free(program->payload);
	ol_spool_fini(&program->result);
	ol_tail_fini(&program->errors);
	free(program->result_type);
	free(program);
}

/* Nobody hears of it any more. */
static void
dispose(struct ol_program *program)
{
	program->done = true;
	close_end(&program->in, &program->on_in);
	close_end(&program->out, &program->on_out);
	close_end(&program->err, &program->on_err);
	ol_notices_close(&program->notices);
	ol_timer_free(program->timer);
	program->timer = NULL;
	program->hands->remove(program->hands_arg, program);
	ol_loop_defer_free(program->loop, free_program, program);
}

static void
judge(struct ol_program *program)
{
	struct ol_run_end *end = &program->end;

	if (program->failed)
		return;
	if (program->lost) {
		end->ending =
		    (struct ol_ending){ OL_OUTCOME_LOST, .delay = -1 };
		end->kind = "crashed";
		end->exit = -1;
		strlcpy(end->message, "the spawner died, and it with it",
		    sizeof(end->message));
		return;
	}
	ol_verdict_reach(&program->verdict, end);
	if (end->ending.outcome != OL_OUTCOME_OK)
		return;
	end->result = ol_spool_take(&program->result);
	end->result_type = program->result_type;
	if (end->result == NULL && errno != 0) {
		program->verdict.unkept = errno;
		ol_verdict_reach(&program->verdict, end);
	}
}

static void
finish(struct ol_program *program)
{
	struct ol_body *result;

	ol_notices_finish(&program->notices);
	if (program->done)
		return;
	judge(program);
	program->end.error_text =
	    ol_tail_text(&program->errors, &program->end.error_size);
	result = program->end.result;
	dispose(program);
	program->events.on_end(program->arg, &program->end);
	ol_body_free(result);
}

/* It is at its end when all three are, in whatever order. */
static void
finish_if_done(struct ol_program *program)
{
	if (program->exited && program->out == -1 && program->err == -1)
		finish(program);
}

static void
on_timer(void *arg)
{
	struct ol_program *program = arg;
	int64_t now = ol_clock_now();

	if (program->failed || program->lost || program->linger <= now) {
		finish(program);
		return;
	}
	ol_notices_tell(&program->notices, now);
	if (program->done)
		return;
	if (program->deadline <= now) {
		program->verdict.timed_out = true;
		tell_term(program, ol_clock_after(now, program->kill_grace));
	}
	if (program->kill_at <= now)
		tell_kill(program);
	arm(program);
}

/* --- its pipes --- */

static void
on_in(void *arg)
{
	struct ol_program *program = arg;
	const struct ol_body *payload = program->payload;
	ssize_t n;

	while (program->written < payload->size) {
		n = write(program->in,
		    (const char *)payload->data + program->written,
		    (size_t)(payload->size - program->written));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			if (program->on_in == NULL)
				program->on_in =
				    ol_must(ol_watch_new_write(program->loop,
					program->in, on_in, program));
			return;
		}
		/* EPIPE: it need not read it. */
		if (n == -1)
			break;
		program->written += n;
	}
	close_end(&program->in, &program->on_in);
	ol_body_free(program->payload);
	program->payload = NULL;
}

static void
take_result(struct ol_program *program, const char *data, size_t len)
{
	struct ol_verdict *v = &program->verdict;

	if (v->too_large || v->unkept != 0)
		return;
	if ((int64_t)(program->result.len + len) > v->max_result)
		v->too_large = true;
	else if (ol_spool_add(&program->result, program->spool, data, len) ==
		 -1)
		v->unkept = errno;
	else
		return;
	ol_spool_fini(&program->result);
	tell_kill(program);
	arm(program);
}

/* 1: there was something; 0: nothing now; -1: it is at its end. */
static int
read_pipe(int fd, char *data, size_t *len)
{
	ssize_t n = read(fd, data, CHUNK);

	if (n > 0) {
		*len = (size_t)n;
		return 1;
	}
	return n == -1 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

static void
on_out(void *arg)
{
	struct ol_program *program = arg;
	char data[CHUNK];
	size_t len;
	int i, rc = 1;

	for (i = 0; i < AT_ONCE && rc == 1; i++)
		if ((rc = read_pipe(program->out, data, &len)) == 1)
			take_result(program, data, len);
	if (rc == -1) {
		close_end(&program->out, &program->on_out);
		finish_if_done(program);
	}
}

static void
on_err(void *arg)
{
	struct ol_program *program = arg;
	char data[CHUNK];
	size_t len;
	int i, rc = 1;

	for (i = 0; i < AT_ONCE && rc == 1; i++)
		if ((rc = read_pipe(program->err, data, &len)) == 1)
			ol_tail_add(&program->errors, data, len);
	if (rc == -1) {
		close_end(&program->err, &program->on_err);
		finish_if_done(program);
	}
}

/* --- what is asked of it --- */

static void
stop(struct ol_running *running, enum ol_run_stop how)
{
	struct ol_program *program = (struct ol_program *)running;
	int64_t now = ol_clock_now();

	if (program->done || program->failed || program->lost)
		return;
	program->verdict.stopped = true;
	if (program->due_start) {
		ol_program_refused(program, 0, "stopped before it was started");
		program->end.ending.unreachable = false;
		return;
	}
	switch (how) {
	case OL_RUN_CANCEL:
		tell_term(program, ol_clock_after(now, program->kill_grace));
		break;
	case OL_RUN_INTERRUPT:
		tell_term(program, program->kill_at);
		break;
	case OL_RUN_KILL:
		tell_kill(program);
		break;
	}
	arm(program);
}

static void
forget(struct ol_running *running)
{
	struct ol_program *program = (struct ol_program *)running;

	if (!program->done)
		dispose(program);
}

const struct ol_run_ops ol_program_ops = {
	.name = "program",
	.stop = stop,
	.forget = forget,
};

/* --- its beginning --- */

void
ol_program_sent(struct ol_program *program)
{
	int i;

	program->due_start = false;
	free(program->start);
	program->start = NULL;
	for (i = 0; i < OL_SPAWN_FDS; i++)
		close_fd(&program->theirs[i]);
}

void
ol_program_refused(struct ol_program *program, int error, const char *why)
{
	struct ol_run_end *end = &program->end;
	/* Nothing but this task is at fault. */
	bool fail = error == E2BIG;

	if (program->done || program->failed)
		return;
	ol_program_sent(program);
	program->failed = true;
	end->ending = (struct ol_ending){
		.outcome = fail ? OL_OUTCOME_FAIL : OL_OUTCOME_INTERRUPTED,
		.unreachable = !fail,
		.delay = -1,
	};
	end->kind = fail ? "refused" : "unreachable";
	end->exit = -1;
	strlcpy(end->message, why, sizeof(end->message));
	arm(program);
}

void
ol_program_exited(struct ol_program *program, const struct ol_spawn *message)
{
	if (program->exited || program->failed)
		return;
	OL_FAILPOINT("exited");
	program->exited = true;
	program->verdict.status = message->status;
	program->deadline = program->kill_at = OL_NEVER;
	program->linger = ol_clock_now() + LINGER;
	if (message->leftovers > 0 && WIFEXITED(message->status))
		ol_log_notice(&program->log,
		    "its program ended and left processes behind: %" PRIu32
		    " killed",
		    message->leftovers);
	close_end(&program->in, &program->on_in);
	/* What it wrote last waits in the pipes. */
	arm(program);
	finish_if_done(program);
}

void
ol_program_lost(struct ol_program *program)
{
	if (program->exited || program->failed)
		return;
	program->lost = true;
	arm(program);
}

/* Both ends of one pipe; ours does not block. -1 with errno set. */
static int
open_pipe(int *ours, int *theirs, bool write)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == -1)
		return -1;
	*ours = ends[write ? 1 : 0];
	*theirs = ends[write ? 0 : 1];
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int
open_input(struct ol_program *program, const struct ol_body *payload)
{
	char path[64];
	int *theirs = &program->theirs[OL_SPAWN_STDIN];

	if (payload == NULL || payload->size == 0)
		return *theirs = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (payload->data != NULL)
		return open_pipe(&program->in, theirs, true);
	/* Anew: an attempt has its own place in the file. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", payload->fd);
	return *theirs = open(path, O_RDONLY | O_CLOEXEC);
}

static int
open_all(struct ol_program *program, const struct ol_body *payload)
{
	int notify;

	if (open_input(program, payload) == -1 ||
	    open_pipe(&program->out, &program->theirs[OL_SPAWN_STDOUT],
		false) == -1 ||
	    open_pipe(
		&program->err, &program->theirs[OL_SPAWN_STDERR], false) == -1)
		return -1;
	notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify == -1)
		return -1;
	ol_notices_listen(&program->notices, program->loop, notify);
	program->theirs[OL_SPAWN_NOTIFY] = fcntl(notify, F_DUPFD_CLOEXEC, 0);
	return program->theirs[OL_SPAWN_NOTIFY];
}

static void
begin(struct ol_program *program, const struct ol_run_job *job)
{
	struct ol_loop *loop = program->loop;

	program->due_start = true;
	program->on_out =
	    ol_must(ol_watch_new(loop, program->out, on_out, program));
	program->on_err =
	    ol_must(ol_watch_new(loop, program->err, on_err, program));
	if (program->in != -1) {
		program->payload = ol_body_ref(job->payload);
		on_in(program);
	}
	arm(program);
}

struct ol_program *
ol_program_new(struct ol_loop *loop, uint64_t tag, int spool,
    uint32_t generation, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	struct ol_program *program = ol_must(calloc(1, sizeof(*program)));
	const struct ol_conf_task *conf = job->conf;
	char id[OL_ID_TEXT_SIZE];
	int i;

	program->running.ops = &ol_program_ops;
	program->loop = loop;
	program->tag = tag;
	program->spool = spool;
	program->events = *events;
	program->arg = arg;
	ol_id_format(&job->id, id);
	ol_log_about(&program->log, "task %s %s", id, conf->name);
	for (i = 0; i < OL_SPAWN_FDS; i++)
		program->theirs[i] = -1;
	program->in = program->out = program->err = -1;
	ol_spool_init(&program->result, OL_PROGRAM_MEMORY);
	ol_tail_init(&program->errors, OL_RUN_STDERR_MAX);
	program->begun = ol_clock_now();
	program->deadline = ol_clock_after(program->begun, conf->timeout);
	program->kill_at = program->linger = OL_NEVER;
	ol_notices_init(&program->notices, program->begun, &notices_hands,
	    program, &program->events, arg);
	program->kill_grace = conf->kill_grace;
	program->verdict.timeout = conf->timeout;
	program->verdict.max_result = conf->max_result;
	program->result_type =
	    ol_must(strdup(conf->result_type != NULL ? conf->result_type : ""));
	program->timer = ol_must(ol_timer_new(loop, on_timer, program));
	program->start =
	    ol_command_new(tag, generation, job, &program->start_len);
	if (program->start == NULL)
		ol_program_refused(program, E2BIG,
		    "its owner, content type and context are too long for an "
		    "environment");
	else if (open_all(program, job->payload) == -1) {
		snprintf(id, sizeof(id), "%s", strerror(errno));
		ol_program_refused(program, 0, id);
	} else
		begin(program, job);
	return program;
}
