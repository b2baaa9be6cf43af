#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "task/queues.h"
#include "task/scheduler.h"

static const int64_t stall_first = OL_MSEC(50);
static const int64_t stall_most = OL_SEC(2);

struct ol_scheduler {
	const struct ol_scheduler_hands *hands;
	void *arg;
	struct ol_table table;

	struct ol_queues queues;

	struct ol_run **runs;
	uint32_t nruns;
	uint32_t room_runs;
	uint32_t limit;

	/* Handles of tasks whose write failed; they go nowhere meanwhile. */
	uint32_t *rewrites;
	size_t nrewrites;
	size_t room_rewrites;
	size_t writing; /* writes in flight */
	int64_t stalled_until;
	int64_t stall; /* the last delay; 0: the last write succeeded */

	bool draining;
	int64_t interrupt_at; /* OL_NEVER: not, or done */
	int64_t kill_at;
};

/* --- Runs. --- */

static struct ol_run *
begin_run(struct ol_scheduler *s, struct ol_queue *q, struct ol_task *task)
{
	struct ol_run *run = ol_must(calloc(1, sizeof(*run)));

	if (s->nruns == s->room_runs) {
		s->room_runs = s->room_runs == 0 ? 16 : s->room_runs * 2;
		s->runs = ol_must(reallocarray(
		    s->runs, s->room_runs, sizeof(struct ol_run *)));
	}
	run->rules = q->rules;
	run->task = ol_table_handle(task);
	task->place = s->nruns;
	s->runs[s->nruns++] = run;
	return run;
}

/* The place of a run is about to be another place of the task's. */
static void
end_run(struct ol_scheduler *s, uint32_t place)
{
	struct ol_run *last = s->runs[--s->nruns];

	free(s->runs[place]);
	s->runs[place] = last;
	if (place < s->nruns)
		ol_table_task(&s->table, last->task)->place = place;
}

/* --- The mover. --- */

/*
 * What the event changes besides the state. The task is on no list, so what
 * lists are ordered by may change here.
 */
static void
take_effect(struct ol_task *task, enum ol_task_state from,
    enum ol_task_event event, int64_t now)
{
	switch (event) {
	case OL_EVENT_SUBMIT_RUNNING:
	case OL_EVENT_START:
		task->attempt++;
		break;
	case OL_EVENT_COMMIT_FAILED:
		/* Nobody saw that attempt; the fence stays where it is. */
		if (from == OL_TASK_STARTING)
			ol_task_refund(task);
		break;
	case OL_EVENT_REQUEUED:
		/* An unreachable backend does not stop the clock of expires. */
		if (task->first)
			task->due = now;
		break;
	default:
		break;
	}
}

/* Returns false, having changed nothing, when the table refuses. */
static bool
move(struct ol_scheduler *s, struct ol_task *task, enum ol_task_event event,
    int64_t now)
{
	struct ol_queue *q = s->queues.numbers[task->queue];
	enum ol_task_state from = (enum ol_task_state)task->state;
	enum ol_task_state to = ol_state_next(from, event);
	struct ol_run *run = NULL;
	uint32_t place = task->place; /* of the run, when it has one */

	if (to == OL_STATE_REFUSED) {
		s->hands->refused(s->arg, task, event);
		return false;
	}
	if (to == from)
		return true;
	ol_queue_unfile(q, task);
	task->state = (uint8_t)to;
	take_effect(task, from, event, now);
	if (ol_state_has_slot(from))
		run = s->runs[place];
	else if (ol_state_has_slot(to))
		run = begin_run(s, q, task);
	ol_queue_file(q, task);
	s->hands->moved(s->arg, task, run, from, event);
	if (ol_state_has_slot(from) && !ol_state_has_slot(to))
		end_run(s, place);
	if (to == OL_TASK_NONE || to >= OL_TASK_SUCCEEDED) {
		ol_table_remove(&s->table, task);
		q->tasks--;
	}
	if (q->removed && q->tasks == 0)
		ol_queues_drop(&s->queues, q);
	else
		ol_queues_refresh(&s->queues, q, now);
	return true;
}

static void
begin_write(
    struct ol_scheduler *s, struct ol_task *task, enum ol_task_event verdict)
{
	task->verdict = (unsigned)verdict & 31;
	task->writing = 1;
	s->writing++;
	s->hands->write(s->arg, task);
}

/* A waiting task is not to run any more. */
static void
lapse(struct ol_scheduler *s, struct ol_task *task, enum ol_task_event verdict,
    int64_t now)
{
	if (move(s, task, OL_EVENT_LAPSE, now))
		begin_write(s, task, verdict);
}

/* --- A run, in the order of a normal life. --- */

static void
start_next(struct ol_scheduler *s, struct ol_queue *q, int64_t now)
{
	struct ol_task *task = ol_queue_next(q);

	/* Another type's turn comes before this one's next. */
	ol_queues_end_turn(&s->queues, q);
	if (ol_queue_expired(q, now) != NULL)
		lapse(s, ol_queue_expired(q, now), OL_EVENT_EXPIRED, now);
	/* A reload may have taken runs away. */
	else if (ol_outcome_spent(task, &q->rules))
		lapse(s, task, OL_EVENT_GAVE_UP, now);
	else if (move(s, task, OL_EVENT_START, now))
		begin_write(s, task, OL_EVENT_STARTED);
}

static void
conclude(struct ol_scheduler *s, struct ol_task *task,
    const struct ol_ending *ending, int64_t now)
{
	const struct ol_rules *rules = &s->runs[task->place]->rules;
	struct ol_decision decision = ol_outcome_decide(task, rules, ending);
	bool returns = decision.verdict == OL_EVENT_RETRYING ||
		       decision.verdict == OL_EVENT_REQUEUED;
	uint32_t n = ol_task_charged(task);
	uint32_t random;

	if (!move(s, task, returns ? OL_EVENT_RETURN : OL_EVENT_END, now))
		return;
	if (decision.crash && task->crashes < UINT8_MAX)
		task->crashes++;
	if (decision.refund)
		ol_task_refund(task);
	task->first = decision.first;
	if (decision.verdict == OL_EVENT_RETRYING) {
		random = s->hands->dice(s->arg);
		task->due = ol_clock_after(now,
		    ending->outcome == OL_OUTCOME_RETRY && ending->delay >= 0
			? ol_retry_asked(ending->delay, random)
			: ol_retry_delay(&rules->retry, n, random));
	}
	begin_write(s, task, decision.verdict);
}

static void
on_started(struct ol_scheduler *s, struct ol_task *task, int64_t now)
{
	static const struct ol_ending never_began = {
		.outcome = OL_OUTCOME_INTERRUPTED,
	};

	if (s->draining)
		conclude(s, task, &never_began, now);
	else
		s->hands->spawn(s->arg, task);
}

/* --- Writes. --- */

static void
stall(struct ol_scheduler *s, int64_t now)
{
	/* The writes of one batch fail together. */
	if (s->stalled_until > now)
		return;
	if (s->stall == 0)
		s->stall = stall_first;
	else
		s->stall =
		    s->stall > stall_most / 2 ? stall_most : s->stall * 2;
	s->stalled_until = ol_clock_after(now, s->stall);
}

static void
write_later(struct ol_scheduler *s, struct ol_task *task)
{
	if (s->nrewrites == s->room_rewrites) {
		s->room_rewrites =
		    s->room_rewrites == 0 ? 64 : s->room_rewrites * 2;
		s->rewrites = ol_must(reallocarray(
		    s->rewrites, s->room_rewrites, sizeof(*s->rewrites)));
	}
	s->rewrites[s->nrewrites++] = ol_table_handle(task);
}

static void
write_again(struct ol_scheduler *s, int64_t now)
{
	int left = OL_SCHEDULER_BATCH;

	while (s->nrewrites > 0 && s->stalled_until <= now && left-- > 0) {
		struct ol_task *task =
		    ol_table_task(&s->table, s->rewrites[--s->nrewrites]);

		if (task->state == OL_TASK_REVOKED) {
			move(s, task, OL_EVENT_COMMIT_FAILED, now);
			task->verdict = OL_EVENT_CANCELLED;
		}
		begin_write(s, task, (enum ol_task_event)task->verdict);
	}
}

static void
on_written(struct ol_scheduler *s, struct ol_task *task, int64_t now)
{
	enum ol_task_event verdict = (enum ol_task_event)task->verdict;
	bool revoked = task->state == OL_TASK_REVOKED;

	s->stall = 0;
	if (!move(s, task, verdict, now))
		return;
	if (revoked)
		begin_write(s, task, OL_EVENT_CANCELLED);
	else if (verdict == OL_EVENT_STARTED)
		on_started(s, task, now);
}

static void
on_write_failed(struct ol_scheduler *s, struct ol_task *task, int64_t now)
{
	stall(s, now);
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_REVOKED:
		task->verdict = OL_EVENT_CANCELLED;
		/* FALLTHROUGH */
	case OL_TASK_FINISHING:
	case OL_TASK_RETURNING:
	case OL_TASK_ENDING:
		if (move(s, task, OL_EVENT_COMMIT_FAILED, now))
			write_later(s, task);
		break;
	default:
		move(s, task, OL_EVENT_COMMIT_FAILED, now);
		break;
	}
}

void
ol_scheduler_written(
    struct ol_scheduler *s, struct ol_task *task, bool on_disk, int64_t now)
{
	if (!task->writing) {
		s->hands->refused(s->arg, task,
		    on_disk ? (enum ol_task_event)task->verdict
			    : OL_EVENT_COMMIT_FAILED);
		return;
	}
	task->writing = 0;
	s->writing--;
	if (on_disk)
		on_written(s, task, now);
	else
		on_write_failed(s, task, now);
}

void
ol_scheduler_withdrawn(
    struct ol_scheduler *s, struct ol_task *task, int64_t now)
{
	if (!task->writing || ol_state_next((enum ol_task_state)task->state,
				  OL_EVENT_WITHDRAWN) == OL_STATE_REFUSED) {
		s->hands->refused(s->arg, task, OL_EVENT_WITHDRAWN);
		return;
	}
	task->writing = 0;
	s->writing--;
	s->stall = 0;
	move(s, task, OL_EVENT_WITHDRAWN, now);
}

/* --- The tick. --- */

void
ol_scheduler_stop(
    struct ol_scheduler *s, struct ol_task *task, enum ol_stop how)
{
	if (task->state != OL_TASK_RUNNING && task->state != OL_TASK_CANCELLING)
		return;
	task->told = 1;
	s->hands->stop(s->arg, task, how);
}

static void
stop_runs(struct ol_scheduler *s, enum ol_stop how)
{
	uint32_t i;

	for (i = 0; i < s->nruns; i++)
		ol_scheduler_stop(
		    s, ol_table_task(&s->table, s->runs[i]->task), how);
}

static void
drain(struct ol_scheduler *s, int64_t now)
{
	if (!s->draining)
		return;
	if (s->interrupt_at <= now) {
		s->interrupt_at = OL_NEVER;
		stop_runs(s, OL_STOP_INTERRUPT);
	}
	if (s->kill_at <= now) {
		s->kill_at = OL_NEVER;
		stop_runs(s, OL_STOP_KILL);
	}
}

static void
unpark(struct ol_scheduler *s, struct ol_task *task, int64_t now)
{
	if (task->due <= now)
		move(s, task, OL_EVENT_LOAD_READY, now);
	else if (task->attempt == 0)
		move(s, task, OL_EVENT_LOAD_SCHEDULED, now);
	else
		move(s, task, OL_EVENT_LOAD_RETRYING, now);
}

/* One piece of what a queue woke up for. */
static void
work(struct ol_scheduler *s, struct ol_queue *q, int64_t now)
{
	struct ol_task *task;

	if ((task = ol_queue_to_park(q)) != NULL)
		move(s, task, OL_EVENT_PARK, now);
	else if ((task = ol_queue_to_unpark(q)) != NULL)
		unpark(s, task, now);
	else if ((task = ol_queue_expired(q, now)) != NULL)
		lapse(s, task, OL_EVENT_EXPIRED, now);
	else if ((task = ol_queue_due(q, now)) != NULL)
		move(s, task, OL_EVENT_DUE, now);
	else
		ol_queues_refresh(&s->queues, q, now); /* a back-off ended */
}

static bool
may_start(const struct ol_scheduler *s, int64_t now)
{
	return !s->draining && s->stalled_until <= now && s->nruns < s->limit;
}

static int64_t
sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
next_tick(struct ol_scheduler *s, int64_t now)
{
	const struct ol_queue *q = ol_queues_first_due(&s->queues);
	int64_t next = q == NULL ? OL_NEVER : q->wake;
	bool stalled = s->stalled_until > now;

	if (s->draining)
		next = sooner(next, sooner(s->interrupt_at, s->kill_at));
	if (s->nrewrites > 0)
		next = sooner(next, s->stalled_until);
	if (ol_queues_turn(&s->queues) != NULL && !s->draining &&
	    s->nruns < s->limit)
		next = sooner(next, stalled ? s->stalled_until : now);
	return next > now ? next : now;
}

int64_t
ol_scheduler_tick(struct ol_scheduler *s, int64_t now)
{
	struct ol_queue *q;
	int left;

	drain(s, now);
	write_again(s, now);
	for (left = OL_SCHEDULER_BATCH; left > 0; left--) {
		q = ol_queues_first_due(&s->queues);
		if (q == NULL || q->wake > now)
			break;
		work(s, q, now);
	}
	for (left = OL_SCHEDULER_BATCH; left > 0 && may_start(s, now); left--) {
		q = ol_queues_turn(&s->queues);
		if (q == NULL)
			break;
		start_next(s, q, now);
	}
	return next_tick(s, now);
}

/* --- What comes from outside. --- */

/* A new task in that queue, on no list yet. */
static struct ol_task *
add(struct ol_scheduler *s, struct ol_queue *q, const struct ol_id *id,
    int priority, int64_t due)
{
	struct ol_task *task;

	if (ol_queue_reserve(q, q->tasks + 1) == -1)
		return NULL;
	task = ol_table_add(&s->table, id);
	if (task == NULL)
		return NULL;
	task->queue = q->number;
	task->priority = (int8_t)priority;
	task->due = due;
	q->tasks++;
	return task;
}

enum ol_submitted
ol_scheduler_submit(struct ol_scheduler *s, const struct ol_submit *submit,
    int64_t now, struct ol_task **result)
{
	struct ol_queue *q = ol_queues_find(&s->queues, submit->type);
	int64_t due = submit->due > now ? submit->due : now;
	struct ol_task *task;
	bool enters;

	if (q == NULL || q->removed)
		return OL_SUBMIT_UNKNOWN_TYPE;
	if (s->draining && !q->rules.durable)
		return OL_SUBMIT_DRAINING;
	if (ol_table_lookup(&s->table, &submit->id) != NULL)
		return OL_SUBMIT_EXISTS;
	/* Past nobody: neither of its own type nor of another. */
	enters = due <= now && may_start(s, now) && ol_queue_has_slot(q, now) &&
		 q->ready.n == 0 && ol_queues_turn(&s->queues) == NULL;
	if (!enters && ol_queue_waiting(q) >= q->rules.max_waiting)
		return OL_SUBMIT_FULL;
	task = add(s, q, &submit->id, submit->priority, due);
	if (task == NULL)
		return OL_SUBMIT_FULL;
	move(s, task, enters ? OL_EVENT_SUBMIT_RUNNING : OL_EVENT_SUBMIT, now);
	task->verdict = enters		    ? OL_EVENT_STARTED
			: submit->due > now ? OL_EVENT_ADMITTED_LATER
					    : OL_EVENT_ADMITTED;
	task->writing = 1;
	s->writing++;
	*result = task;
	return OL_SUBMITTED;
}

int
ol_scheduler_load(
    struct ol_scheduler *s, const struct ol_loaded *loaded, int64_t now)
{
	struct ol_queue *q;
	struct ol_task *task;

	if (ol_table_lookup(&s->table, &loaded->id) != NULL ||
	    loaded->refunds > loaded->attempt)
		return -1;
	switch (loaded->state) {
	case OL_TASK_SCHEDULED:
	case OL_TASK_READY:
	case OL_TASK_RETRYING:
	case OL_TASK_PARKED:
	case OL_TASK_RUNNING:
		break;
	default:
		return -1;
	}
	q = ol_queues_find(&s->queues, loaded->type);
	if (q == NULL)
		q = ol_queues_add(&s->queues, &s->table, loaded->type);
	task = ol_must(add(s, q, &loaded->id, loaded->priority, loaded->due));
	task->attempt = loaded->attempt;
	task->refunds = loaded->refunds;
	task->crashes = loaded->crashes;
	switch (loaded->state) {
	case OL_TASK_SCHEDULED:
		move(s, task, OL_EVENT_LOAD_SCHEDULED, now);
		break;
	case OL_TASK_RETRYING:
		move(s, task, OL_EVENT_LOAD_RETRYING, now);
		break;
	case OL_TASK_RUNNING:
		/* Lost with us: charged, but no crash of its own. */
		task->due = now;
		if (!move(s, task, OL_EVENT_LOAD_READY, now))
			break;
		if (loaded->cancelled)
			lapse(s, task, OL_EVENT_CANCELLED, now);
		else if (!q->removed && ol_outcome_spent(task, &q->rules))
			lapse(s, task, OL_EVENT_GAVE_UP, now);
		break;
	default:
		task->first = loaded->interrupted;
		move(s, task, OL_EVENT_LOAD_READY, now);
		break;
	}
	return 0;
}

int
ol_scheduler_ended(struct ol_scheduler *s, const struct ol_id *id,
    uint32_t attempt, const struct ol_ending *ending, int64_t now)
{
	struct ol_task *task = ol_table_lookup(&s->table, id);
	struct ol_queue *q;

	if (task == NULL || task->attempt != attempt ||
	    (task->state != OL_TASK_RUNNING &&
		task->state != OL_TASK_CANCELLING))
		return -1;
	q = s->queues.numbers[task->queue];
	if (ending->outcome == OL_OUTCOME_INTERRUPTED && ending->unreachable)
		ol_queue_unreachable(q, now);
	else if (ending->outcome != OL_OUTCOME_INTERRUPTED)
		ol_queue_reached(q);
	conclude(s, task, ending, now);
	return 0;
}

enum ol_cancelled
ol_scheduler_cancel(struct ol_scheduler *s, const struct ol_id *id, int64_t now)
{
	struct ol_task *task = ol_table_lookup(&s->table, id);

	if (task == NULL)
		return OL_CANCEL_UNKNOWN;
	switch ((enum ol_task_state)task->state) {
	case OL_TASK_SCHEDULED:
	case OL_TASK_READY:
	case OL_TASK_RETRYING:
	case OL_TASK_PARKED:
		if (move(s, task, OL_EVENT_CANCEL, now))
			begin_write(s, task, OL_EVENT_CANCELLED);
		return OL_CANCEL_UNSTARTED;
	case OL_TASK_STARTING:
	case OL_TASK_RETURNING:
		move(s, task, OL_EVENT_CANCEL, now);
		return OL_CANCEL_UNSTARTED;
	case OL_TASK_REVOKED:
		return OL_CANCEL_UNSTARTED;
	case OL_TASK_RUNNING:
		if (move(s, task, OL_EVENT_CANCEL, now))
			s->hands->stop(s->arg, task, OL_STOP_CANCEL);
		return OL_CANCEL_RUNNING;
	case OL_TASK_CANCELLING:
		return OL_CANCEL_RUNNING;
	case OL_TASK_ENDING:
		return task->verdict == OL_EVENT_CANCELLED ? OL_CANCEL_UNSTARTED
							   : OL_CANCEL_ENDED;
	case OL_TASK_FINISHING:
		return OL_CANCEL_ENDED;
	default:
		return OL_CANCEL_UNKNOWN;
	}
}

void
ol_scheduler_configure(struct ol_scheduler *s, const struct ol_task_type *types,
    size_t n, uint32_t limit, int64_t now)
{
	struct ol_queue *q, *next;
	size_t i;

	s->limit = limit;
	for (q = ol_queues_after(&s->queues, NULL); q != NULL;
	     q = ol_queues_after(&s->queues, q))
		q->removed = true;
	for (i = 0; i < n; i++) {
		q = ol_queues_find(&s->queues, types[i].name);
		if (q == NULL)
			q = ol_queues_add(&s->queues, &s->table, types[i].name);
		q->rules = types[i].rules;
		q->removed = false;
		/* It may be another backend now. */
		ol_queue_reached(q);
	}
	for (q = ol_queues_after(&s->queues, NULL); q != NULL; q = next) {
		next = ol_queues_after(&s->queues, q);
		if (q->removed && q->tasks == 0)
			ol_queues_drop(&s->queues, q);
		else
			ol_queues_refresh(&s->queues, q, now);
	}
}

int
ol_scheduler_pause(
    struct ol_scheduler *s, const char *type, bool paused, int64_t now)
{
	struct ol_queue *q = ol_queues_find(&s->queues, type);

	if (q == NULL)
		return -1;
	q->paused = paused;
	ol_queues_refresh(&s->queues, q, now);
	return 0;
}

void
ol_scheduler_drain(
    struct ol_scheduler *s, int64_t deadline, int64_t grace, int64_t now)
{
	s->draining = true;
	s->kill_at = deadline;
	s->interrupt_at = deadline;
	if (deadline != OL_NEVER)
		s->interrupt_at =
		    deadline - now > grace ? deadline - grace : now;
}

/* --- Looking. --- */

uint32_t
ol_scheduler_running(const struct ol_scheduler *s)
{
	return s->nruns;
}

bool
ol_scheduler_is_settled(const struct ol_scheduler *s)
{
	return s->nruns == 0 && s->writing == 0 && s->nrewrites == 0;
}

uint32_t
ol_scheduler_tasks(const struct ol_scheduler *s)
{
	return s->table.n;
}

struct ol_task *
ol_scheduler_find(const struct ol_scheduler *s, const struct ol_id *id)
{
	struct ol_task *task = ol_table_lookup(&s->table, id);

	if (task == NULL || task->state == OL_TASK_SUBMITTED ||
	    task->state == OL_TASK_ENTERING)
		return NULL;
	return task;
}

struct ol_run *
ol_scheduler_run(const struct ol_scheduler *s, const struct ol_task *task)
{
	return s->runs[task->place];
}

const struct ol_queue *
ol_scheduler_queue_of(const struct ol_scheduler *s, const struct ol_task *task)
{
	return s->queues.numbers[task->queue];
}

const struct ol_queue *
ol_scheduler_queue(struct ol_scheduler *s, const char *type)
{
	return ol_queues_find(&s->queues, type);
}

const struct ol_queue *
ol_scheduler_queue_after(struct ol_scheduler *s, const struct ol_queue *q)
{
	return ol_queues_after(&s->queues, q);
}

struct ol_scheduler *
ol_scheduler_new(
    const struct ol_scheduler_hands *hands, void *arg, uint32_t limit)
{
	struct ol_scheduler *s = ol_must(calloc(1, sizeof(*s)));

	s->hands = hands;
	s->arg = arg;
	s->limit = limit;
	s->interrupt_at = s->kill_at = OL_NEVER;
	/* Every clock is past this. */
	s->stalled_until = INT64_MIN;
	ol_queues_init(&s->queues);
	return s;
}

void
ol_scheduler_free(struct ol_scheduler *s)
{
	size_t i;

	if (s == NULL)
		return;
	ol_queues_fini(&s->queues);
	for (i = 0; i < s->nruns; i++)
		free(s->runs[i]);
	free(s->runs);
	free(s->rewrites);
	ol_table_fini(&s->table);
	free(s);
}
