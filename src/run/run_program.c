#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/must.h"
#include "run/program.h"
#include "run/run_program.h"
#include "run/spawn.h"

enum { AT_ONCE = 32 }; /* messages; then the others have their turn */

struct ol_programs {
	struct ol_programs_options options;
	int channel; /* -1: no spawner */
	struct ol_watch *on_readable, *on_room;
	struct ol_timer *hello; /* a new spawner is told of from the loop */
	uint32_t generation;
	uint64_t last_tag;
	LIST_HEAD(, ol_program) list;
	TAILQ_HEAD(, ol_program) sending;
};

static struct ol_program *
find(struct ol_programs *programs, uint64_t tag)
{
	struct ol_program *program;

	LIST_FOREACH (program, &programs->list, link)
		if (program->tag == tag)
			return program;
	return NULL;
}

/* --- to the spawner --- */

static bool
is_due(const struct ol_program *program)
{
	return program->due_start || program->due_term || program->due_kill;
}

static int
send_word(struct ol_programs *programs, struct ol_program *program,
    enum ol_spawn_verb verb)
{
	struct ol_spawn message = { .verb = verb, .tag = program->tag };
	unsigned char bytes[OL_SPAWN_MAX];
	size_t len = ol_spawn_format(&message, bytes);

	return ol_channel_send(programs->channel, bytes, len, NULL, 0);
}

/* -1 with errno set: the spawner does not read, or is gone. */
static int
send_start(struct ol_programs *programs, struct ol_program *program)
{
	int error;

	if (OL_FAILS("spawn_send")) {
		errno = EAGAIN;
		return -1;
	}
	if (ol_channel_send(programs->channel, program->start,
		program->start_len, program->theirs, OL_SPAWN_FDS) == 0) {
		ol_program_sent(program);
		return 0;
	}
	error = errno;
	if (error == EAGAIN || error == ENOBUFS || error == EPIPE ||
	    error == ETOOMANYREFS)
		return -1;
	ol_program_refused(program, error, "cannot ask the spawner");
	return 0;
}

static int
send_due(struct ol_programs *programs, struct ol_program *program)
{
	if (program->due_start && send_start(programs, program) == -1)
		return -1;
	if (program->due_term &&
	    send_word(programs, program, OL_SPAWN_TERM) == -1)
		return -1;
	program->due_term = false;
	if (program->due_kill &&
	    send_word(programs, program, OL_SPAWN_KILL) == -1)
		return -1;
	program->due_kill = false;
	return 0;
}

static void
on_room(void *arg)
{
	struct ol_programs *programs = arg;
	struct ol_program *program;

	while ((program = TAILQ_FIRST(&programs->sending)) != NULL) {
		if (send_due(programs, program) == -1)
			return;
		TAILQ_REMOVE(&programs->sending, program, sending);
		program->queued = false;
	}
	ol_watch_free(programs->on_room);
	programs->on_room = NULL;
}

static void
want_send(void *arg, struct ol_program *program)
{
	struct ol_programs *programs = arg;

	if (programs->channel == -1 || program->queued)
		return;
	if (TAILQ_EMPTY(&programs->sending) && send_due(programs, program) == 0)
		return;
	program->queued = true;
	TAILQ_INSERT_TAIL(&programs->sending, program, sending);
	if (programs->on_room == NULL)
		programs->on_room =
		    ol_must(ol_watch_new_write(programs->options.loop,
			programs->channel, on_room, programs));
}

static void
removed(void *arg, struct ol_program *program)
{
	struct ol_programs *programs = arg;

	if (program->queued)
		TAILQ_REMOVE(&programs->sending, program, sending);
	program->queued = false;
	LIST_REMOVE(program, link);
}

static const struct ol_program_hands hands = {
	.send = want_send,
	.remove = removed,
};

/* --- from the spawner --- */

static void
close_channel(struct ol_programs *programs)
{
	struct ol_program *program;

	if (programs->channel == -1)
		return;
	ol_watch_free(programs->on_readable);
	ol_watch_free(programs->on_room);
	programs->on_readable = programs->on_room = NULL;
	close(programs->channel);
	programs->channel = -1;
	while ((program = TAILQ_FIRST(&programs->sending)) != NULL) {
		TAILQ_REMOVE(&programs->sending, program, sending);
		program->queued = false;
	}
	/* It never heard of those. */
	LIST_FOREACH (program, &programs->list, link)
		if (program->due_start)
			ol_program_refused(
			    program, ECONNRESET, "the spawner is gone");
}

static void
handle(struct ol_programs *programs, const struct ol_spawn *message)
{
	struct ol_program *program = find(programs, message->tag);

	/* Forgotten, perhaps. */
	if (program == NULL)
		return;
	switch (message->verb) {
	case OL_SPAWN_REFUSED:
		ol_program_refused(program, message->error, message->text);
		break;
	case OL_SPAWN_EXITED:
		ol_program_exited(program, message);
		break;
	default:
		break;
	}
}

static void
on_readable(void *arg)
{
	struct ol_programs *programs = arg;
	unsigned char bytes[OL_SPAWN_MAX];
	int fds[OL_CHANNEL_FDS], i;
	struct ol_spawn message;
	size_t nfds;
	ssize_t n;

	for (i = 0; i < AT_ONCE && programs->channel != -1; i++) {
		n = ol_channel_receive(
		    programs->channel, bytes, sizeof(bytes), fds, &nfds);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == 0 || (n == -1 && errno != EMSGSIZE)) {
			ol_log_warn(
			    NULL, "the spawner is gone; what it ran is lost");
			close_channel(programs);
			programs->options.on_spawner(
			    programs->options.arg, false);
			return;
		}
		while (nfds > 0)
			close(fds[--nfds]);
		if (n == -1 ||
		    ol_spawn_parse(&message, bytes, (size_t)n, 0) == -1)
			ol_log_warn(
			    NULL, "the spawner sent what is no message");
		else
			handle(programs, &message);
	}
}

static void
on_hello(void *arg)
{
	struct ol_programs *programs = arg;

	if (programs->channel != -1)
		programs->options.on_spawner(programs->options.arg, true);
}

/* --- the life of it all --- */

struct ol_programs *
ol_programs_new(const struct ol_programs_options *options)
{
	struct ol_programs *programs = ol_must(calloc(1, sizeof(*programs)));

	programs->options = *options;
	programs->channel = -1;
	LIST_INIT(&programs->list);
	TAILQ_INIT(&programs->sending);
	programs->hello =
	    ol_must(ol_timer_new(options->loop, on_hello, programs));
	/* A program need not read its standard input. */
	signal(SIGPIPE, SIG_IGN);
	return programs;
}

void
ol_programs_free(struct ol_programs *programs)
{
	struct ol_program *program;

	if (programs == NULL)
		return;
	while ((program = LIST_FIRST(&programs->list)) != NULL)
		ol_run_forget(&program->running);
	close_channel(programs);
	ol_timer_free(programs->hello);
	free(programs);
}

void
ol_programs_connect(struct ol_programs *programs, int channel)
{
	struct ol_program *program;

	close_channel(programs);
	LIST_FOREACH (program, &programs->list, link)
		ol_program_lost(program);
	programs->channel = channel;
	ol_spawn_prepare(channel);
	programs->on_readable = ol_must(ol_watch_new(
	    programs->options.loop, channel, on_readable, programs));
	ol_timer_at(programs->hello, 0);
}

void
ol_programs_configured(struct ol_programs *programs, uint32_t generation)
{
	programs->generation = generation;
}

struct ol_running *
ol_programs_start(struct ol_programs *programs, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	struct ol_program *program = ol_program_new(programs->options.loop,
	    ++programs->last_tag, programs->options.spool, programs->generation,
	    job, events, arg);

	program->hands = &hands;
	program->hands_arg = programs;
	LIST_INSERT_HEAD(&programs->list, program, link);
	if (programs->channel == -1 && !program->failed)
		ol_program_refused(program, ENOTCONN, "there is no spawner");
	if (is_due(program))
		want_send(programs, program);
	return &program->running;
}
