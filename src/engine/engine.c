#include <sys/resource.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "engine/core.h"
#include "engine/wall.h"

enum {
	/* Descriptors of one attempt, and those that are for all others. */
	ATTEMPT_FDS = 6,
	OTHER_FDS = 256,
	ATTEMPTS_MOST = 10000,
};

/* --- What the parts of the engine tell it. --- */

/* Whether who looks sees another state. */
static bool
is_seen(enum ol_task_state from, enum ol_task_state to)
{
	const char *before = ol_state_name(from), *now = ol_state_name(to);

	return before != NULL && now != NULL && strcmp(before, now) != 0;
}

static void
on_moved(void *arg, struct ol_task *task, struct ol_run *run,
    enum ol_task_state from, enum ol_task_event event)
{
	struct ol_engine *e = arg;
	struct ol_item *item = ol_item_find(&e->items, task);
	struct ol_engine_call *call;

	(void)run;
	ol_report_moved(e, task, item, event);
	if (item != NULL && is_seen(from, (enum ol_task_state)task->state))
		ol_await_changed(item);
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_SUCCEEDED:
	case OL_TASK_FAILED:
	case OL_TASK_POISONED:
	case OL_TASK_CANCELLED:
		if (!ol_item_is_off(&e->items, task))
			ol_retain_ended(e);
		while ((call = TAILQ_FIRST(&item->waiters)) != NULL)
			ol_call_ended(call);
		ol_await_ended(item);
		ol_item_drop(e, item);
		break;
	case OL_TASK_NONE:
		ol_item_drop(e, item);
		break;
	case OL_TASK_SCHEDULED:
	case OL_TASK_READY:
	case OL_TASK_RETRYING:
	case OL_TASK_PARKED:
		if (item != NULL)
			ol_item_rest(e, item);
		break;
	default:
		break;
	}
}

static void
on_refused(void *arg, const struct ol_task *task, enum ol_task_event event)
{
	ol_report_refused(arg, task, event);
}

static uint32_t
on_dice(void *arg)
{
	(void)arg;
	return arc4random();
}

static const struct ol_scheduler_hands hands = {
	.write = ol_write_begin,
	.spawn = ol_attempt_spawn,
	.stop = ol_attempt_stop,
	.moved = on_moved,
	.refused = on_refused,
	.dice = on_dice,
};

static void
tell_drained(struct ol_engine *e)
{
	if (!e->draining || e->drained || e->loading ||
	    !ol_scheduler_is_settled(e->scheduler))
		return;
	e->drained = true;
	if (e->options.on_drained != NULL)
		e->options.on_drained(e->options.arg);
}

static void
tell_running(struct ol_engine *e)
{
	uint32_t running = ol_scheduler_running(e->scheduler);

	if (running == e->running)
		return;
	e->running = running;
	if (e->options.on_running != NULL)
		e->options.on_running(e->options.arg, running);
}

static void
take_turn(void *arg)
{
	struct ol_engine *e = arg;

	ol_attempt_reap(e);
	ol_call_answer_soon(e);
	if (e->loading)
		return;
	ol_timer_at(e->timer, ol_scheduler_tick(e->scheduler, ol_clock_now()));
	tell_running(e);
	tell_drained(e);
}

static void
on_health(void *arg, bool working, const char *why)
{
	struct ol_engine *e = arg;

	(void)why;
	e->failing = !working;
	ol_core_soon(e);
}

static void
on_spawner(void *arg, bool connected)
{
	struct ol_engine *e = arg;

	if (e->connected == connected)
		return;
	e->connected = connected;
	ol_engine_configure(e, e->conf);
}

/* --- For the other files. --- */

void
ol_core_soon(struct ol_engine *e)
{
	ol_later_do(e->turn);
}

struct ol_store *
ol_core_store(const struct ol_engine *e, const struct ol_task *task)
{
	return ol_item_is_off(&e->items, task) ? e->memory : e->durable;
}

const struct ol_conf_task *
ol_core_type(const struct ol_engine *e, const char *name)
{
	const struct ol_conf_task *conf;

	TAILQ_FOREACH (conf, &e->conf->tasks, link)
		if (strcmp(conf->name, name) == 0)
			return conf;
	return NULL;
}

/* --- Configuration. --- */

static uint32_t
cut(int64_t value, int64_t least, int64_t most)
{
	return (uint32_t)(value < least ? least : value > most ? most : value);
}

static struct ol_rules
rules_of(const struct ol_engine *e, const struct ol_conf_task *conf)
{
	/* Without a spawner no program can start, and need not be tried. */
	bool can_start = conf->backend != NULL || e->connected;

	return (struct ol_rules){
		.retries = cut(conf->retries, 0, INT32_MAX),
		.concurrency =
		    can_start ? cut(conf->concurrency, 1, INT32_MAX) : 0,
		.max_waiting = cut(conf->max_waiting, 0, INT32_MAX),
		.poison_after = (uint8_t)cut(conf->poison_after, 0, UINT8_MAX),
		.durable = conf->durable != OL_DURABLE_OFF,
		.expires = conf->expires,
		.retry = { .base = conf->backoff > 0 ? conf->backoff : 1,
		    .max = conf->backoff_max,
		    .exponential = conf->backoff_exponential },
	};
}

void
ol_engine_configure(struct ol_engine *e, const struct ol_conf *conf)
{
	const struct ol_conf_task *task;
	struct ol_task_type *types;
	size_t n = 0;

	e->conf = conf;
	TAILQ_FOREACH (task, &conf->tasks, link)
		n++;
	types = ol_must(calloc(n + 1, sizeof(*types)));
	n = 0;
	TAILQ_FOREACH (task, &conf->tasks, link)
		types[n++] = (struct ol_task_type){ .name = task->name,
			.rules = rules_of(e, task) };
	ol_scheduler_configure(
	    e->scheduler, types, n, e->limit, ol_clock_now());
	free(types);
	if (!e->loading)
		ol_report_parked(e);
	ol_core_soon(e);
}

void
ol_engine_spawner(struct ol_engine *e, int channel)
{
	ol_programs_connect(e->programs, channel);
	on_spawner(e, true);
}

void
ol_engine_generation(struct ol_engine *e, uint32_t generation)
{
	ol_programs_configured(e->programs, generation);
}

int
ol_engine_spool(const struct ol_engine *e)
{
	return e->spool;
}

enum ol_engine_health
ol_engine_health(const struct ol_engine *e, const char **why)
{
	*why = NULL;
	if (e->draining) {
		*why = "the daemon is stopping";
		return OL_ENGINE_DRAINING;
	}
	if (e->failing) {
		*why = "the store does not work; see the log";
		return OL_ENGINE_FAILING;
	}
	if (e->silent) {
		*why = "the store does not answer; see the log";
		return OL_ENGINE_FAILING;
	}
	if (e->loading) {
		*why = "the tasks of an earlier life are being read";
		return OL_ENGINE_LOADING;
	}
	return OL_ENGINE_READY;
}

/* --- Begin and end. --- */

/* As many at once as there are descriptors for. */
static uint32_t
attempts_most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		limit.rlim_cur = 1024;
	if (limit.rlim_cur > OTHER_FDS + ATTEMPTS_MOST * ATTEMPT_FDS)
		return ATTEMPTS_MOST;
	if (limit.rlim_cur < OTHER_FDS + ATTEMPT_FDS)
		return 1;
	return (uint32_t)((limit.rlim_cur - OTHER_FDS) / ATTEMPT_FDS);
}

static int
open_stores(struct ol_engine *e)
{
	struct ol_store_options options = { .loop = e->options.loop,
		.folder = e->options.folder,
		.on_settled = ol_write_settled,
		.on_health = on_health,
		.arg = e };

	e->durable = ol_store_open(&ol_store_sqlite, &options);
	if (e->durable == NULL)
		return -1;
	e->spool = open(e->options.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (e->spool == -1) {
		ol_log_error(
		    NULL, "%s: %s", e->options.folder, strerror(errno));
		goto err;
	}
	options.on_settled = NULL;
	options.on_health = NULL;
	e->memory = ol_store_open(&ol_store_memory, &options);
	if (e->memory == NULL)
		goto err;
	return 0;

err:
	ol_store_close(e->durable);
	if (e->spool != -1)
		close(e->spool);
	return -1;
}

static void
set_up(struct ol_engine *e)
{
	struct ol_loop *loop = e->options.loop;
	const struct ol_programs_options programs = { .loop = loop,
		.spool = e->spool,
		.on_spawner = on_spawner,
		.arg = e };
	const struct ol_backends_options backends = {
		.loop = loop, .spool = e->spool, .notify = e->options.notify
	};

	e->turn = ol_must(ol_later_new(loop, take_turn, e));
	e->timer = ol_must(ol_timer_new(loop, take_turn, e));
	e->late = ol_must(ol_timer_new(loop, ol_call_late, e));
	e->loader = ol_must(ol_timer_new(loop, ol_load_next, e));
	e->drainer = ol_must(ol_timer_new(loop, ol_drain_tell, e));
	e->janitor = ol_must(ol_timer_new(loop, ol_retain_look, e));
	e->awaiter = ol_must(ol_timer_new(loop, ol_await_late, e));
	RB_INIT(&e->keys);
	RB_INIT(&e->awaits);
	TAILQ_INIT(&e->unsettled);
	TAILQ_INIT(&e->unbegun);
	TAILQ_INIT(&e->calls);
	TAILQ_INIT(&e->soon);
	e->limit = attempts_most();
	e->scheduler = ol_scheduler_new(&hands, e, 0);
	e->programs = ol_must(ol_programs_new(&programs));
	e->backends = ol_must(ol_backends_new(&backends));
}

struct ol_engine *
ol_engine_new(
    const struct ol_engine_options *options, const struct ol_conf *conf)
{
	struct ol_engine *e = ol_must(calloc(1, sizeof(*e)));

	e->options = *options;
	e->spool = -1;
	if (open_stores(e) == -1) {
		free(e);
		return NULL;
	}
	set_up(e);
	e->options.folder = e->options.notify = NULL;
	ol_retain_begin(e);
	e->loading_since = ol_clock_now();
	e->loading = true;
	ol_engine_configure(e, conf);
	ol_load_next(e);
	return e;
}

/* What is left in memory is on disk, or was told to nobody. */
static void
drop_items(struct ol_engine *e)
{
	uint32_t handle = 0;
	struct ol_item *item;

	while ((item = ol_items_next(&e->items, &handle)) != NULL)
		ol_item_drop(e, item);
	ol_items_fini(&e->items);
}

void
ol_engine_free(struct ol_engine *e)
{
	if (e == NULL)
		return;
	/* What comes to its commit now is not started any more. */
	e->closing = true;
	ol_scheduler_drain(e->scheduler, ol_clock_now(), 0, ol_clock_now());
	ol_store_close(e->durable);
	e->durable = NULL;
	ol_store_close(e->memory);
	e->memory = NULL;
	ol_call_end_all(e);
	drop_items(e);
	ol_programs_free(e->programs);
	ol_backends_free(e->backends);
	ol_scheduler_free(e->scheduler);
	ol_later_free(e->turn);
	ol_timer_free(e->timer);
	ol_timer_free(e->late);
	ol_timer_free(e->loader);
	ol_timer_free(e->drainer);
	ol_timer_free(e->janitor);
	ol_timer_free(e->awaiter);
	close(e->spool);
	free(e);
}
