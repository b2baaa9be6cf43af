/*
 * A seeded simulation: the real scheduler between clients, a store and
 * executors that are made up, and a clock that is moved by hand. Writes end in
 * any order, some fail; runs end in any way, at any time, some of them after
 * the engine that began them; the engine dies at any moment, and the next one
 * has only what the store had committed; types come and go.
 *
 * SEED replays a run, STEPS makes it longer: 10 million take some seconds. The
 * last tests break a rule on purpose and must be found out.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "task/scheduler.h"

enum {
	ITEMS = 600,
	TYPES = 4,
	ZOMBIES = 64,
	POISON_AFTER = 3,
};

/* The ways to break a rule. */
enum broken {
	NOTHING,
	ACK_BEFORE_COMMIT,
	NO_FENCE,
	NO_REWRITE,
	NO_MARK,
	LINGERING,
};

/* What the store holds of a task. */
struct row {
	enum ol_task_state state; /* NONE: no row */
	int64_t due;
	uint32_t attempt;
	uint16_t refunds;
	uint8_t crashes;
	bool interrupted;
	bool cancelled;
};

/* A task as client, store and executor know it. */
struct item {
	uint64_t serial; /* 0: a free item */
	int type;
	int priority;
	int64_t eligible; /* neither submitted nor due before */
	bool acked;	  /* the client has its 202 */
	bool revoked;	  /* and the one of its cancel */
	bool killer;	  /* kills its host each time */
	bool held;	  /* has a slot */
	bool busy;	  /* runs, or may at any moment */
	uint64_t run;	  /* the run in work; 0: none */
	uint32_t spawned; /* the last attempt that ran */
	uint64_t life;	  /* the engine that wrote row */
	struct row row;
	struct row next; /* the write in flight */
};

struct run {
	uint64_t number;
	uint64_t serial;
	uint32_t attempt;
	int item;
	bool stopped;
};

/* A write in flight: at most one an item. */
struct pending {
	struct ol_task *task;
	int item;
	bool submit;
	bool applied; /* on disk, not reported */
};

struct sim {
	uint64_t seed, random;
	enum broken broken;
	struct ol_scheduler *s;
	int64_t now;
	struct ol_task_type types[TYPES]; /* as configured; the first n */
	int ntypes;
	uint32_t limit;
	bool draining;
	bool calm; /* no more faults: everything has to end */

	struct item items[ITEMS];
	int nitems; /* in use */
	uint64_t serial;
	struct pending pending[ITEMS];
	int npending;
	struct run runs[ITEMS];
	int nruns;
	struct run zombies[ZOMBIES];
	int nzombies;
	uint64_t run;
	uint32_t held[TYPES];
	uint32_t held_all;
	uint32_t busy[TYPES];

	char violation[256]; /* the first one */
	uint64_t step;
	uint64_t ends[OL_TASK_STATES];
	uint64_t acked, crashes, drains, drained, reloads, failed_writes,
	    rejected, withdrawn;
};

static const char *const type_names[TYPES] = { "cut", "draw", "mail", "paint" };

/* --- Chance. --- */

/* splitmix64 */
static uint64_t
next_random(struct sim *sim)
{
	uint64_t z = sim->random += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static uint32_t
below(struct sim *sim, uint32_t n)
{
	return (uint32_t)(((next_random(sim) >> 32) * n) >> 32);
}

static bool
one_in(struct sim *sim, uint32_t n)
{
	return below(sim, n) == 0;
}

static void
violated(struct sim *sim, const char *what, const struct item *item)
{
	if (sim->violation[0] != '\0')
		return;
	snprintf(sim->violation, sizeof(sim->violation),
	    "seed %" PRIu64 ", step %" PRIu64 ": %s (task %" PRIu64 ")",
	    sim->seed, sim->step, what, item == NULL ? 0 : item->serial);
}

/* --- Items. --- */

/* An id tells its item; ids rise with the serial. */
static struct ol_id
id_of(const struct sim *sim, const struct item *item)
{
	uint32_t mixed = (uint32_t)item->serial * 2654435761u;
	uint16_t index = (uint16_t)(item - sim->items);
	struct ol_id id = { { 0 } };
	int i;

	for (i = 0; i < 8; i++)
		id.bytes[i] = (uint8_t)(item->serial >> (56 - 8 * i));
	memcpy(id.bytes + 8, &index, sizeof(index));
	memcpy(id.bytes + 12, &mixed, sizeof(mixed));
	return id;
}

static struct item *
item_of(struct sim *sim, const struct ol_task *task)
{
	uint16_t index;

	memcpy(&index, task->id.bytes + 8, sizeof(index));
	return &sim->items[index];
}

static void
forget(struct sim *sim, struct item *item)
{
	memset(item, 0, sizeof(*item));
	sim->nitems--;
}

static void
hold(struct sim *sim, struct item *item)
{
	int i;

	item->held = item->busy = true;
	sim->held_all++;
	sim->held[item->type]++;
	sim->busy[item->type]++;
	if (sim->held_all > sim->limit)
		violated(sim, "more started than the limit of all", item);
	for (i = 0; i < sim->ntypes; i++)
		if (strcmp(sim->types[i].name, type_names[item->type]) == 0) {
			uint32_t most = sim->types[i].rules.concurrency;

			if (sim->busy[item->type] > most)
				violated(
				    sim, "more started than concurrency", item);
			if (sim->held[item->type] > 2 * most)
				violated(sim, "ends pile up", item);
			return;
		}
	violated(sim, "a task of a removed type started", item);
}

/* It does not run any more, and will not before it is held again. */
static void
leave(struct sim *sim, struct item *item)
{
	if (item->busy)
		sim->busy[item->type]--;
	item->busy = false;
}

static void
let_go(struct sim *sim, struct item *item)
{
	leave(sim, item);
	item->held = false;
	sim->held_all--;
	sim->held[item->type]--;
}

static const struct ol_rules *
rules_of(const struct sim *sim, int type)
{
	int i;

	for (i = 0; i < sim->ntypes; i++)
		if (strcmp(sim->types[i].name, type_names[type]) == 0)
			return &sim->types[i].rules;
	return NULL;
}

/* --- The hands. --- */

static struct row
row_of(const struct ol_task *task)
{
	return (struct row){
		.state = ol_state_written((enum ol_task_event)task->verdict),
		.due = task->due,
		.attempt = task->attempt,
		.refunds = task->refunds,
		.crashes = task->crashes,
		.interrupted = task->first,
	};
}

static void
begin_write(struct sim *sim, struct ol_task *task, bool submit)
{
	struct item *item = item_of(sim, task);
	int i;

	item->next = row_of(task);
	if (item->next.state == OL_STATE_REFUSED)
		violated(sim, "a write that says nothing", item);
	if (item->row.state >= OL_TASK_SUCCEEDED)
		violated(sim, "a write after the end", item);
	for (i = 0; i < sim->npending; i++)
		if (sim->pending[i].task == task)
			violated(sim, "two writes at a time", item);
	if (sim->npending == ITEMS) {
		violated(sim, "more writes than tasks", item);
		return;
	}
	sim->pending[sim->npending++] = (struct pending){
		.task = task,
		.item = (int)(item - sim->items),
		.submit = submit,
	};
}

static void
sim_write(void *arg, struct ol_task *task)
{
	struct sim *sim = arg;
	struct item *item = item_of(sim, task);
	const struct ol_rules *rules = rules_of(sim, item->type);

	if (task->verdict == OL_EVENT_STARTED) {
		hold(sim, item);
		if (!item->acked && sim->broken == NOTHING)
			violated(sim, "started before it was acked", item);
		if (rules != NULL && rules->expires > 0 && !task->first &&
		    ol_task_charged(task) == 1 &&
		    sim->now >= item->eligible + rules->expires)
			violated(sim, "an expired task started", item);
	}
	begin_write(sim, task, false);
}

static void
sim_spawn(void *arg, struct ol_task *task)
{
	struct sim *sim = arg;
	struct item *item = item_of(sim, task);

	if (item->row.state != OL_TASK_RUNNING ||
	    item->row.attempt != task->attempt)
		violated(sim, "spawned before its start was on disk", item);
	if (!item->held || item->run != 0)
		violated(sim, "spawned without a slot, or twice", item);
	if (item->row.crashes >= POISON_AFTER)
		violated(sim, "spawned although it is poison", item);
	if (sim->draining)
		violated(sim, "spawned while draining", item);
	if (item->revoked)
		violated(sim, "spawned although it was cancelled", item);
	if (task->attempt <= item->spawned)
		violated(sim, "the fence did not rise", item);
	item->spawned = task->attempt;
	item->run = ++sim->run;
	sim->runs[sim->nruns++] = (struct run){
		.number = sim->run,
		.serial = item->serial,
		.attempt = task->attempt,
		.item = (int)(item - sim->items),
	};
}

static void
sim_stop(void *arg, struct ol_task *task, enum ol_stop how)
{
	struct sim *sim = arg;
	struct item *item = item_of(sim, task);
	int i;

	(void)how;
	for (i = 0; i < sim->nruns; i++)
		if (sim->runs[i].number == item->run) {
			sim->runs[i].stopped = true;
			return;
		}
	violated(sim, "told a run to stop that is not there", item);
}

/* The scheduler takes it for ended: so it must be. */
static void
on_run_over(struct sim *sim, const struct item *item)
{
	int i;

	for (i = 0; i < sim->nruns; i++)
		if (sim->runs[i].serial == item->serial &&
		    sim->broken != NO_FENCE)
			violated(sim, "an end of what still runs", item);
}

static void
sim_moved(void *arg, struct ol_task *task, struct ol_run *run,
    enum ol_task_state from, enum ol_task_event event)
{
	struct sim *sim = arg;
	struct item *item = item_of(sim, task);
	enum ol_task_state to = (enum ol_task_state)task->state;

	/* It did start in time; the clock of expires begins anew. */
	if (event == OL_EVENT_REQUEUED && task->first)
		item->eligible = sim->now;
	switch (to) {
	case OL_TASK_NONE:
		if (item->acked)
			violated(sim, "an acked task was dropped", item);
		break;
	case OL_TASK_SUCCEEDED:
	case OL_TASK_FAILED:
	case OL_TASK_POISONED:
	case OL_TASK_CANCELLED:
		if (item->row.state != to)
			violated(sim, "ended before it was on disk", item);
		if (item->killer && to == OL_TASK_SUCCEEDED)
			violated(sim, "a killer succeeded", item);
		sim->ends[to]++;
		break;
	case OL_TASK_READY:
	case OL_TASK_RETRYING:
	case OL_TASK_ENDING:
		break;
	case OL_TASK_FINISHING:
		on_run_over(sim, item);
		leave(sim, item);
		return;
	case OL_TASK_RETURNING:
		on_run_over(sim, item);
		return;
	default:
		return;
	}
	if (item->held) {
		if (run == NULL)
			violated(sim, "a slot without a run", item);
		let_go(sim, item);
	}
	if (from == OL_TASK_RUNNING)
		violated(sim, "a run ended unwritten", item);
	if (to == OL_TASK_NONE || to >= OL_TASK_SUCCEEDED)
		forget(sim, item);
}

static void
sim_refused(void *arg, const struct ol_task *task, enum ol_task_event event)
{
	struct sim *sim = arg;
	char what[96];

	snprintf(what, sizeof(what), "the table refuses %s in state %d",
	    ol_state_event_name(event), task->state);
	violated(sim, what, item_of(sim, task));
}

static uint32_t
sim_dice(void *arg)
{
	return (uint32_t)next_random(arg);
}

static const struct ol_scheduler_hands hands = {
	.write = sim_write,
	.spawn = sim_spawn,
	.stop = sim_stop,
	.moved = sim_moved,
	.refused = sim_refused,
	.dice = sim_dice,
};

/* --- What happens. --- */

static void
configure(struct sim *sim)
{
	int type;

	sim->ntypes = 0;
	for (type = 0; type < TYPES; type++) {
		if (!sim->calm && one_in(sim, 8))
			continue;
		sim->types[sim->ntypes++] = (struct ol_task_type){
			.name = type_names[type],
			.rules = {
				.retries = below(sim, 5),
				.concurrency = 1 + below(sim, 4),
				.max_waiting = below(sim, 40),
				.poison_after = POISON_AFTER,
				.durable = true,
				.expires = one_in(sim, 2) ? OL_SEC(60) : 0,
				.retry = { .base = OL_SEC(1),
					.max = OL_SEC(30),
					.exponential = one_in(sim, 2) },
			},
		};
	}
	sim->limit = 1 + below(sim, 8);
	sim->reloads++;
	ol_scheduler_configure(
	    sim->s, sim->types, (size_t)sim->ntypes, sim->limit, sim->now);
}

static void
submit(struct sim *sim)
{
	struct item *item = sim->items;
	struct ol_submit asked = { .priority = 0 };
	const struct ol_queue *q;
	const struct ol_rules *rules;
	struct ol_task *task;
	uint32_t waiting = 0;

	if (sim->nitems == ITEMS)
		return;
	while (item->serial != 0)
		item++;
	item->serial = ++sim->serial;
	item->type = (int)below(sim, TYPES);
	item->priority = (int)below(sim, 3) - 1;
	item->killer = one_in(sim, 16);
	sim->nitems++;
	asked.id = id_of(sim, item);
	asked.type = type_names[item->type];
	asked.priority = item->priority;
	if (one_in(sim, 4))
		asked.due = sim->now + OL_MSEC(below(sim, 20000));
	item->eligible = asked.due > sim->now ? asked.due : sim->now;
	rules = rules_of(sim, item->type);
	q = ol_scheduler_queue(sim->s, asked.type);
	if (q != NULL)
		waiting = ol_queue_waiting(q);
	switch (ol_scheduler_submit(sim->s, &asked, sim->now, &task)) {
	case OL_SUBMITTED:
		break;
	case OL_SUBMIT_UNKNOWN_TYPE:
		if (rules != NULL)
			violated(sim, "a type is not known", item);
		forget(sim, item);
		return;
	case OL_SUBMIT_FULL:
		if (waiting < rules->max_waiting)
			violated(sim, "refused without need", item);
		forget(sim, item);
		return;
	default:
		violated(sim, "refused for no reason", item);
		forget(sim, item);
		return;
	}
	if (rules == NULL) {
		violated(sim, "took a task of a removed type", item);
		return;
	}
	if (task->state == OL_TASK_ENTERING)
		hold(sim, item);
	else if (waiting >= rules->max_waiting)
		violated(sim, "max_waiting is exceeded", item);
	item->acked = sim->broken == ACK_BEFORE_COMMIT;
	begin_write(sim, task, true);
}

/* The store gets on with one of its writes. */
static void
write_some(struct sim *sim)
{
	struct pending *p, done;
	struct item *item;
	bool on_disk;

	if (sim->npending == 0)
		return;
	p = &sim->pending[below(sim, (uint32_t)sim->npending)];
	item = &sim->items[p->item];
	if (p->submit && !p->applied && one_in(sim, 16)) {
		/* Its key has a task already. */
		done = *p;
		*p = sim->pending[--sim->npending];
		sim->withdrawn++;
		ol_scheduler_withdrawn(sim->s, done.task, sim->now);
		return;
	}
	on_disk = p->applied || sim->calm || !one_in(sim, 12);
	if (on_disk && !p->applied) {
		item->row = item->next;
		item->life = sim->crashes + sim->drained;
		p->applied = true;
		if (one_in(sim, 2))
			return; /* reported later */
	}
	done = *p;
	*p = sim->pending[--sim->npending];
	if (!on_disk) {
		sim->failed_writes++;
		if (sim->broken == NO_REWRITE && !done.submit)
			on_disk = true;
	} else if (done.submit) {
		item->acked = true;
		sim->acked++;
	}
	ol_scheduler_written(sim->s, done.task, on_disk, sim->now);
}

static struct ol_ending
any_ending(struct sim *sim, const struct item *item)
{
	struct ol_ending ending = { .outcome = OL_OUTCOME_OK, .delay = -1 };

	if (item->killer) {
		ending.outcome = OL_OUTCOME_LOST;
		ending.crashed = true;
		return ending;
	}
	switch (below(sim, sim->calm ? 12 : 20)) {
	case 0:
	case 1:
	case 2:
		ending.outcome = OL_OUTCOME_RETRY;
		if (one_in(sim, 4))
			ending.delay = OL_MSEC(below(sim, 60000));
		break;
	case 3:
		ending.outcome = OL_OUTCOME_FAIL;
		break;
	case 4:
	case 5:
		ending.outcome = OL_OUTCOME_LOST;
		ending.crashed = one_in(sim, 2);
		break;
	case 12:
	case 13:
		ending.outcome = OL_OUTCOME_INTERRUPTED;
		ending.unreachable = one_in(sim, 2);
		break;
	}
	return ending;
}

static void
end_run(struct sim *sim)
{
	struct run run;
	struct item *item;
	struct ol_ending ending;
	struct ol_id id;
	uint32_t at;

	if (sim->nruns == 0)
		return;
	at = below(sim, (uint32_t)sim->nruns);
	if (!sim->runs[at].stopped && one_in(sim, 2))
		return;
	run = sim->runs[at];
	if (sim->broken != LINGERING)
		sim->runs[at] = sim->runs[--sim->nruns];
	item = &sim->items[run.item];
	ending = any_ending(sim, item);
	if (run.number != item->run)
		violated(sim, "two runs of one engine", item);
	item->run = 0;
	id = id_of(sim, item);
	if (ol_scheduler_ended(sim->s, &id, run.attempt, &ending, sim->now) ==
	    -1)
		violated(sim, "the end of the run in work is refused", item);
}

/* A run that outlived its engine reports to the next one. */
static void
end_zombie(struct sim *sim)
{
	static const struct ol_ending ok = { .outcome = OL_OUTCOME_OK };
	struct run run;
	struct item *item;
	struct ol_id id;
	uint32_t at;

	if (sim->nzombies == 0)
		return;
	at = below(sim, (uint32_t)sim->nzombies);
	run = sim->zombies[at];
	sim->zombies[at] = sim->zombies[--sim->nzombies];
	item = &sim->items[run.item];
	if (item->serial != run.serial)
		return; /* the task has ended */
	id = id_of(sim, item);
	if (sim->broken == NO_FENCE && item->run != 0)
		run.attempt = item->spawned; /* as if nobody compared it */
	if (ol_scheduler_ended(sim->s, &id, run.attempt, &ok, sim->now) == -1)
		sim->rejected++;
	else
		violated(sim, "the end of an elder run was taken", item);
}

static void
cancel(struct sim *sim)
{
	struct item *item = &sim->items[below(sim, ITEMS)];
	enum ol_cancelled cancelled;
	struct ol_id id;
	bool acked;

	/* Few of all run: half of the time one of them. */
	if (sim->nruns > 0 && one_in(sim, 2))
		item = &sim->items[sim->runs[below(sim, (uint32_t)sim->nruns)]
				       .item];
	if (item->serial == 0)
		return;
	acked = item->acked;
	id = id_of(sim, item);
	if ((ol_scheduler_find(sim->s, &id) != NULL) != acked &&
	    sim->broken != ACK_BEFORE_COMMIT)
		violated(sim,
		    acked ? "an acked task is not found"
			  : "a task is seen before it is acked",
		    item);
	cancelled = ol_scheduler_cancel(sim->s, &id, sim->now);
	if ((cancelled == OL_CANCEL_UNKNOWN) == acked &&
	    sim->broken != ACK_BEFORE_COMMIT)
		violated(sim, "cancel does not know what is acked", item);
	/* What runs is marked in the store; not each mark gets there. */
	if (cancelled == OL_CANCEL_RUNNING && !one_in(sim, 8)) {
		item->row.cancelled = sim->broken != NO_MARK;
		item->revoked = true;
	}
}

static void
tick(struct sim *sim, bool jump)
{
	const struct ol_queue *q = NULL;
	int64_t next;
	int rounds = 0;

	while ((next = ol_scheduler_tick(sim->s, sim->now)) == sim->now)
		if (++rounds > ITEMS) {
			violated(sim, "the tick spins", NULL);
			return;
		}
	if (next < sim->now)
		violated(sim, "a deadline in the past", NULL);
	while ((q = ol_scheduler_queue_after(sim->s, q)) != NULL)
		if (next == OL_NEVER && !sim->draining && q->ready.n > 0 &&
		    ol_queue_has_slot(q, sim->now) &&
		    ol_scheduler_running(sim->s) < sim->limit)
			violated(sim, "asleep with work to do", NULL);
	if (jump && next != OL_NEVER)
		sim->now = next;
	else
		sim->now += OL_MSEC(below(sim, 20));
}

/* --- The engine's life. --- */

static void
load(struct sim *sim, struct item *item)
{
	struct ol_loaded loaded = {
		.id = id_of(sim, item),
		.type = type_names[item->type],
		.state = item->row.state,
		.due = item->row.due,
		.priority = item->priority,
		.attempt = item->row.attempt,
		.refunds = item->row.refunds,
		.crashes = item->row.crashes,
		.interrupted = item->row.interrupted,
		.cancelled = item->row.cancelled,
	};

	if (ol_scheduler_load(sim->s, &loaded, sim->now) == -1)
		violated(sim, "a row is not taken", item);
}

static void
begin_life(struct sim *sim)
{
	uint32_t first = below(sim, ITEMS);
	uint32_t i;

	sim->draining = false;
	sim->s = ol_scheduler_new(&hands, sim, sim->limit);
	configure(sim);
	for (i = 0; i < ITEMS; i++) {
		struct item *item = &sim->items[(first + i) % ITEMS];

		if (item->serial != 0)
			load(sim, item);
	}
}

/* All that was in memory is lost; what was being written may be on disk. */
static void
die(struct sim *sim)
{
	int i;

	for (i = 0; i < sim->npending; i++)
		if (!sim->pending[i].applied && one_in(sim, 2)) {
			struct item *item = &sim->items[sim->pending[i].item];

			item->row = item->next;
		}
	sim->npending = 0;
	for (i = 0; i < sim->nruns; i++)
		if (one_in(sim, 2) && sim->nzombies < ZOMBIES)
			sim->zombies[sim->nzombies++] = sim->runs[i];
	sim->nruns = 0;
	ol_scheduler_free(sim->s);
	for (i = 0; i < ITEMS; i++) {
		struct item *item = &sim->items[i];

		if (item->serial == 0)
			continue;
		item->run = 0;
		if (item->held)
			let_go(sim, item);
		if (item->row.state == OL_TASK_NONE) {
			if (item->acked)
				violated(sim, "an acked task is lost", item);
			forget(sim, item);
		} else if (item->row.state >= OL_TASK_SUCCEEDED) {
			sim->ends[item->row.state]++;
			forget(sim, item);
		} else
			item->acked = true; /* a GET finds it */
	}
	sim->now += OL_MSEC(below(sim, 3000));
}

static void
begin_drain(struct sim *sim)
{
	if (sim->draining)
		return;
	sim->draining = true;
	sim->drains++;
	ol_scheduler_drain(sim->s,
	    one_in(sim, 4) ? OL_NEVER : sim->now + OL_MSEC(below(sim, 2000)),
	    OL_MSEC(500), sim->now);
}

/* A drained engine leaves nothing behind that looks lost. */
static void
end_drain(struct sim *sim)
{
	int i;

	if (!sim->draining || !ol_scheduler_is_settled(sim->s))
		return;
	if (sim->npending > 0 || sim->nruns > 0)
		violated(sim, "settled too early", NULL);
	for (i = 0; i < ITEMS; i++)
		if (sim->items[i].serial != 0 &&
		    sim->items[i].row.state == OL_TASK_RUNNING &&
		    sim->items[i].life == sim->crashes + sim->drained)
			violated(sim, "a run was left over", &sim->items[i]);
	sim->drained++;
	die(sim);
	begin_life(sim);
}

/* The scheduler's counts against what the items are. */
static void
audit(struct sim *sim)
{
	uint32_t waiting[TYPES] = { 0 }, parked[TYPES] = { 0 };
	uint32_t n = 0;
	int i;

	for (i = 0; i < ITEMS; i++) {
		const struct item *item = &sim->items[i];
		const struct ol_task *task;
		struct ol_id id;

		if (item->serial == 0)
			continue;
		n++;
		id = id_of(sim, item);
		task = ol_scheduler_find(sim->s, &id);
		if (task == NULL) {
			waiting[item->type] += !item->held;
			continue;
		}
		if (strcmp(ol_scheduler_queue_of(sim->s, task)->name,
			type_names[item->type]) != 0)
			violated(sim, "in another type's queue", item);
		switch ((enum ol_task_state)task->state) {
		case OL_TASK_SCHEDULED:
		case OL_TASK_READY:
		case OL_TASK_RETRYING:
			waiting[item->type]++;
			break;
		case OL_TASK_PARKED:
			parked[item->type]++;
			break;
		default:
			break;
		}
	}
	if (n != ol_scheduler_tasks(sim->s))
		violated(sim, "the number of tasks is wrong", NULL);
	if (sim->held_all != ol_scheduler_running(sim->s))
		violated(sim, "the number of runs is wrong", NULL);
	for (i = 0; i < TYPES; i++) {
		const struct ol_queue *q =
		    ol_scheduler_queue(sim->s, type_names[i]);

		if (q != NULL && (ol_queue_waiting(q) != waiting[i] ||
				     q->busy != sim->busy[i] ||
				     q->busy + q->ending != sim->held[i] ||
				     q->parked.n != parked[i]))
			violated(sim, "a queue's counts are wrong", NULL);
	}
}

static void
one_step(struct sim *sim)
{
	uint32_t what = below(sim, 10000);

	if (what < 1500)
		submit(sim);
	else if (what < 5500)
		write_some(sim);
	else if (what < 8000)
		end_run(sim);
	else if (what < 9000)
		tick(sim, false);
	else if (what < 9600)
		tick(sim, true);
	else if (what < 9750)
		cancel(sim);
	else if (what < 9900)
		end_zombie(sim);
	else if (what < 9930)
		audit(sim);
	else if (what < 9955)
		configure(sim);
	else if (what < 9965)
		ol_scheduler_pause(sim->s, type_names[below(sim, TYPES)],
		    one_in(sim, 3), sim->now);
	else if (what < 9975)
		begin_drain(sim);
	else if (what < 9995) {
		sim->crashes++;
		die(sim);
		begin_life(sim);
	}
	end_drain(sim);
}

/* No faults any more: whatever was acked has to end. */
static void
settle(struct sim *sim)
{
	int left = 1000000;

	sim->calm = true;
	die(sim);
	begin_life(sim);
	while (sim->nitems > 0 && sim->violation[0] == '\0') {
		write_some(sim);
		end_run(sim);
		tick(sim, sim->npending == 0 && sim->nruns == 0);
		if (--left == 0)
			violated(sim, "acked tasks do not end", NULL);
	}
	ol_scheduler_free(sim->s);
}

/* Run it; a violation ends it. The memory of what went wrong is given up. */
static struct sim *
simulate(uint64_t seed, uint64_t steps, enum broken broken)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	assert_non_null(sim);
	sim->seed = sim->random = seed;
	sim->broken = broken;
	sim->now = OL_SEC(1000);
	sim->limit = 4;
	begin_life(sim);
	while (sim->step < steps && sim->violation[0] == '\0') {
		sim->step++;
		one_step(sim);
	}
	if (sim->violation[0] == '\0')
		settle(sim);
	else
		ol_scheduler_free(sim->s);
	return sim;
}

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text == NULL || *text == '\0' ? otherwise
					     : strtoull(text, NULL, 10);
}

static uint64_t
any_seed(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return number("SEED",
	    (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
}

static void
test_every_acked_task_ends(void **state)
{
	uint64_t trials = number("TRIALS", 1);
	uint64_t steps = number("STEPS", 10000000 * (trials > 0 ? trials : 1));
	struct sim *sim = simulate(any_seed(), steps, NOTHING);

	(void)state;
	print_message(
	    "SEED=%" PRIu64 " STEPS=%" PRIu64 ": %" PRIu64
	    " tasks acked; %" PRIu64 " succeeded, %" PRIu64 " failed, %" PRIu64
	    " poisoned, %" PRIu64 " cancelled; %" PRIu64 " crashes, %" PRIu64
	    " drains, %" PRIu64 " reloads, %" PRIu64 " failed writes, %" PRIu64
	    " withdrawn, %" PRIu64 " elder runs rejected\n",
	    sim->seed, sim->step, sim->acked, sim->ends[OL_TASK_SUCCEEDED],
	    sim->ends[OL_TASK_FAILED], sim->ends[OL_TASK_POISONED],
	    sim->ends[OL_TASK_CANCELLED], sim->crashes, sim->drains,
	    sim->reloads, sim->failed_writes, sim->withdrawn, sim->rejected);
	if (sim->violation[0] != '\0')
		fail_msg("%s", sim->violation);
	/* Nothing of it went unseen. */
	assert_true(sim->ends[OL_TASK_SUCCEEDED] > 0);
	assert_true(sim->ends[OL_TASK_POISONED] > 0);
	assert_true(sim->rejected > 0);
	free(sim);
}

static void
is_found(enum broken broken, const char *what)
{
	struct sim *sim = simulate(any_seed(), 2000000, broken);

	print_message("%s\n", sim->violation);
	assert_true(sim->violation[0] != '\0');
	assert_non_null(strstr(sim->violation, what));
	free(sim);
}

static void
test_control_ack_before_commit(void **state)
{
	(void)state;
	is_found(ACK_BEFORE_COMMIT, "an acked task ");
}

static void
test_control_no_fence(void **state)
{
	(void)state;
	is_found(NO_FENCE, "elder run was taken");
}

static void
test_control_an_end_is_not_written_again(void **state)
{
	(void)state;
	/* Seen in many ways, the first of them by chance. */
	is_found(NO_REWRITE, "");
}

static void
test_control_a_cancel_is_not_kept(void **state)
{
	(void)state;
	is_found(NO_MARK, "although it was cancelled");
}

static void
test_control_an_end_is_told_too_early(void **state)
{
	(void)state;
	is_found(LINGERING, "still runs");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_acked_task_ends),
		cmocka_unit_test(test_control_ack_before_commit),
		cmocka_unit_test(test_control_no_fence),
		cmocka_unit_test(test_control_an_end_is_not_written_again),
		cmocka_unit_test(test_control_a_cancel_is_not_kept),
		cmocka_unit_test(test_control_an_end_is_told_too_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
