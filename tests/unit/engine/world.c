#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "loop/loop.h"
#include "run/run_fastcgi.h"
#include "run/run_program.h"
#include "world.h"

/* --- The executors: what run_program.c and run_fastcgi.c are in the daemon.
 * --- */

struct ol_programs {
	struct world *world;
	struct ol_programs_options options;
};

struct ol_backends {
	struct world *world;
};

/* The world that is being opened: ol_programs_new() is not told. */
static struct world *current;

struct ol_programs *
ol_programs_new(const struct ol_programs_options *options)
{
	struct ol_programs *programs = ol_must(malloc(sizeof(*programs)));

	programs->options = *options;
	programs->world = current;
	current->programs = programs;
	return programs;
}

static void
free_attempt(struct attempt *attempt)
{
	TAILQ_REMOVE(&attempt->world->attempts, attempt, link);
	attempt->world->running--;
	free(attempt);
}

void
ol_programs_free(struct ol_programs *programs)
{
	free(programs);
}

void
ol_programs_connect(struct ol_programs *programs, int channel)
{
	(void)programs;
	(void)channel;
}

void
ol_programs_configured(struct ol_programs *programs, uint32_t generation)
{
	(void)programs;
	(void)generation;
}

static void
stop(struct ol_running *running, enum ol_run_stop how)
{
	static const char *const names[] = { "cancel ", "interrupt ", "kill " };
	struct attempt *attempt = (struct attempt *)running;

	strlcat(attempt->stops, names[how], sizeof(attempt->stops));
}

static void
forget(struct ol_running *running)
{
	free_attempt((struct attempt *)running);
}

static const struct ol_run_ops ops = {
	.name = "fake",
	.stop = stop,
	.forget = forget,
};

static void
copy_body(const struct ol_body *body, char *text, size_t size, int64_t *bytes)
{
	size_t n;

	text[0] = '\0';
	*bytes = body == NULL ? -1 : body->size;
	if (body == NULL)
		return;
	n = (size_t)body->size < size - 1 ? (size_t)body->size : size - 1;
	if (body->data != NULL)
		memcpy(text, body->data, n);
	else
		assert_int_equal(pread(body->fd, text, n, 0), n);
	text[n] = '\0';
}

static struct ol_running *
start(struct world *w, bool by_backend, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	struct attempt *attempt = ol_must(calloc(1, sizeof(*attempt)));
	size_t i, len;

	attempt->running.ops = &ops;
	attempt->world = w;
	attempt->by_backend = by_backend;
	attempt->id = job->id;
	attempt->number = job->attempt;
	strlcpy(attempt->type, job->conf->name, sizeof(attempt->type));
	strlcpy(attempt->owner, job->owner, sizeof(attempt->owner));
	strlcpy(attempt->content_type, job->content_type,
	    sizeof(attempt->content_type));
	for (i = 0; i < job->ncontext; i++) {
		len = strlen(attempt->context);
		snprintf(attempt->context + len, sizeof(attempt->context) - len,
		    "%s=%s;", job->context[i].name, job->context[i].value);
	}
	attempt->recorded = job->recorded;
	copy_body(job->payload, attempt->payload, sizeof(attempt->payload),
	    &attempt->payload_size);
	attempt->events = events;
	attempt->arg = arg;
	TAILQ_INSERT_TAIL(&w->attempts, attempt, link);
	w->running++;
	w->started++;
	if (w->on_start != NULL)
		w->on_start(w, attempt);
	return &attempt->running;
}

struct ol_running *
ol_programs_start(struct ol_programs *programs, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	return start(programs->world, false, job, events, arg);
}

struct ol_backends *
ol_backends_new(const struct ol_backends_options *options)
{
	struct ol_backends *backends = ol_must(malloc(sizeof(*backends)));

	(void)options;
	backends->world = current;
	return backends;
}

void
ol_backends_free(struct ol_backends *backends)
{
	free(backends);
}

struct ol_running *
ol_backends_start(struct ol_backends *backends, const struct ol_run_job *job,
    const struct ol_run_events *events, void *arg)
{
	return start(backends->world, true, job, events, arg);
}

void
world_spawner(struct world *w, bool connected)
{
	const struct ol_programs_options *options = &w->programs->options;

	options->on_spawner(options->arg, connected);
}

/* --- Ends. --- */

void
world_end(struct attempt *attempt, const struct ol_run_end *end)
{
	const struct ol_run_events *events = attempt->events;
	void *arg = attempt->arg;

	free_attempt(attempt);
	events->on_end(arg, end);
}

void
world_succeed(struct attempt *attempt, const char *result)
{
	struct ol_run_end end = { .ending = { .outcome = OL_OUTCOME_OK,
				      .delay = -1 },
		.exit = 0,
		.result_type = "text/plain" };

	if (result != NULL)
		end.result = ol_must(ol_body_new(result, strlen(result)));
	world_end(attempt, &end);
	ol_body_free(end.result);
}

void
world_fail(struct attempt *attempt, enum ol_outcome outcome, const char *kind,
    const char *message)
{
	struct ol_run_end end = { .ending = { .outcome = outcome, .delay = -1 },
		.kind = kind,
		.exit = -1 };

	strlcpy(end.message, message, sizeof(end.message));
	world_end(attempt, &end);
}

/* --- The engine. --- */

static void
on_loaded(void *arg)
{
	struct world *w = arg;

	w->loaded++;
	ol_loop_stop(w->loop);
}

static void
on_drained(void *arg)
{
	struct world *w = arg;

	w->drained++;
	ol_loop_stop(w->loop);
}

static void
on_deadline(void *arg, int64_t deadline)
{
	struct world *w = arg;

	w->deadline = deadline;
}

void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	TAILQ_INIT(&w->attempts);
	TAILQ_INIT(&w->conf.tasks);
	TAILQ_INIT(&w->conf.pools);
	w->conf.shutdown_delay = OL_SEC(90);
	w->conf.shutdown_delay_max = OL_SEC(600);
	w->conf.kill_grace = OL_SEC(10);
	w->conf.store.retain = OL_SEC(7 * 24 * 3600);
	w->conf.store.retain_failed = OL_SEC(30 * 24 * 3600);
	strlcpy(w->folder, "/tmp/outlast-engine.XXXXXX", sizeof(w->folder));
	assert_non_null(mkdtemp(w->folder));
	w->loop = ol_must(ol_loop_new());
}

struct ol_conf_task *
world_type(struct world *w, const char *name)
{
	struct ol_conf_task *type = &w->types[w->ntypes++];

	assert_true(w->ntypes <= WORLD_TYPES);
	*type = (struct ol_conf_task){ .name = ol_must(strdup(name)),
		.timeout = OL_SEC(300),
		.shutdown_delay = OL_SEC(90),
		.kill_grace = OL_SEC(10),
		.retries = 3,
		.backoff = OL_MSEC(20),
		.backoff_max = OL_SEC(1),
		.concurrency = 2,
		.max_waiting = 100000,
		.durable = OL_DURABLE_FULL,
		.max_payload = 1 << 20,
		.max_result = 1 << 20,
		.poison_after = 3 };
	TAILQ_INSERT_TAIL(&w->conf.tasks, type, link);
	return type;
}

void
world_begin(struct world *w)
{
	const struct ol_engine_options options = { .loop = w->loop,
		.folder = w->folder,
		.on_loaded = on_loaded,
		.on_drained = on_drained,
		.on_deadline = on_deadline,
		.arg = w };
	current = w;
	w->engine = ol_engine_new(&options, &w->conf);
	assert_non_null(w->engine);
	w->is_open = true;
	ol_engine_spawner(w->engine, -1);
}

void
world_open(struct world *w)
{
	int before = w->loaded;

	world_begin(w);
	world_until(w, &w->loaded, before + 1);
}

void
world_close(struct world *w)
{
	ol_engine_free(w->engine);
	w->engine = NULL;
	w->is_open = false;
	assert_int_equal(w->running, 0);
}

void
world_fini(struct world *w)
{
	char command[WORLD_TEXT + 16];
	int i;

	if (w->is_open)
		world_close(w);
	ol_loop_free(w->loop);
	for (i = 0; i < w->ntypes; i++)
		free(w->types[i].name);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0);
}

int
world_set_up(void **state)
{
	struct world *w = ol_must(calloc(1, sizeof(*w)));

	alarm(280);
	world_init(w);
	world_type(w, "cut");
	*state = w;
	return 0;
}

int
world_tear_down(void **state)
{
	world_fini(*state);
	free(*state);
	return 0;
}

/* --- The loop. --- */

static void
on_time(void *arg)
{
	ol_loop_stop(arg);
}

void
world_run(struct world *w, int ms)
{
	struct ol_timer *timer =
	    ol_must(ol_timer_new(w->loop, on_time, w->loop));
	int64_t end = ol_clock_now() + OL_MSEC(ms);

	do {
		ol_timer_at(timer, end);
		ol_loop_run(w->loop);
	} while (ol_clock_now() < end);
	ol_timer_free(timer);
}

void
world_until(struct world *w, const int *flag, int value)
{
	int64_t end = ol_clock_now() + OL_SEC(100);

	while (*flag < value) {
		assert_true(ol_clock_now() < end);
		world_run(w, 1);
	}
}

/* --- Calls. --- */

void
world_take(void *arg, const struct ol_engine_result *r)
{
	const struct ol_object *o = r->object;
	struct said *said = arg;

	assert_false(said->there);
	said->there = true;
	said->answer = r->answer;
	said->retry_after = r->retry_after;
	copy_body(r->body, said->body, sizeof(said->body), &said->body_size);
	if (o == NULL)
		return;
	said->has_object = true;
	said->object = *o;
	strlcpy(said->type, o->type, WORLD_TEXT);
	strlcpy(said->state, o->state, WORLD_TEXT);
	strlcpy(said->owner, o->owner, WORLD_TEXT);
	strlcpy(said->kind, o->error_kind, WORLD_TEXT);
	strlcpy(said->message, o->error_message, sizeof(said->message));
	strlcpy(said->signal, o->error_signal, WORLD_TEXT);
	strlcpy(said->text, o->error_text, sizeof(said->text));
	strlcpy(said->progress, o->progress_text, WORLD_TEXT);
	strlcpy(said->result_type, o->result_type, WORLD_TEXT);
	strlcpy(said->reply, o->reply, WORLD_TEXT);
}

void
world_wait(struct world *w, const struct said *said)
{
	int64_t end = ol_clock_now() + OL_SEC(100);

	while (!said->there) {
		assert_true(ol_clock_now() < end);
		world_run(w, 1);
	}
}

/* No answer from within the call. */
#define ASK(w, call) \
	do { \
		struct said said = { 0 }; \
		(void)(call); \
		assert_false(said.there); \
		world_wait(w, &said); \
		return said; \
	} while (0)

struct said
world_submit(struct world *w, const struct ol_engine_submit *s)
{
	ASK(w, ol_engine_submit(w->engine, s, world_take, &said));
}

struct said
world_get(struct world *w, const struct ol_id *id)
{
	ASK(w, ol_engine_get(w->engine, id, world_take, &said));
}

struct said
world_result(struct world *w, const struct ol_id *id)
{
	ASK(w, ol_engine_get_result(w->engine, id, world_take, &said));
}

struct said
world_cancel(struct world *w, const struct ol_id *id)
{
	ASK(w, ol_engine_cancel(w->engine, id, world_take, &said));
}

struct said
world_purge(struct world *w, const struct ol_id *id)
{
	ASK(w, ol_engine_purge(w->engine, id, world_take, &said));
}

struct ol_id
world_add(struct world *w, const char *type)
{
	const struct ol_engine_submit submit = { .type = type };
	struct said said = world_submit(w, &submit);

	assert_int_equal(said.answer, OL_ENGINE_OK);
	assert_true(said.has_object);
	return said.object.id;
}

static struct attempt *
find(struct world *w, const struct ol_id *id)
{
	struct attempt *attempt;

	TAILQ_FOREACH (attempt, &w->attempts, link)
		if (ol_id_compare(&attempt->id, id) == 0)
			return attempt;
	return NULL;
}

bool
world_has_attempt(struct world *w, const struct ol_id *id)
{
	return find(w, id) != NULL;
}

struct attempt *
world_attempt(struct world *w, const struct ol_id *id)
{
	int64_t end = ol_clock_now() + OL_SEC(100);
	struct attempt *attempt;

	while ((attempt = find(w, id)) == NULL) {
		assert_true(ol_clock_now() < end);
		world_run(w, 1);
	}
	return attempt;
}

struct said
world_until_state(struct world *w, const struct ol_id *id, const char *state)
{
	int64_t end = ol_clock_now() + OL_SEC(100);
	struct said said;

	for (;;) {
		said = world_get(w, id);
		assert_int_equal(said.answer, OL_ENGINE_OK);
		if (strcmp(said.state, state) == 0)
			return said;
		if (ol_clock_now() > end)
			fail_msg("is %s, not %s", said.state, state);
		world_run(w, 2);
	}
}
