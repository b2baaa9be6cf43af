/*
 * What a scheduler under test asked of the world: its acts as text, tasks
 * named by letters in the order of their submits ('a' is the first).
 */
#ifndef TESTS_UNIT_TASK_WORLD_H
#define TESTS_UNIT_TASK_WORLD_H

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "task/scheduler.h"

struct world {
	struct ol_scheduler *s;
	char acts[4096];
	int refused;
	int64_t now;
	uint8_t n; /* ids given out */
};

static void say(struct world *, const char *, ...)
    __attribute__((format(printf, 2, 3)));

static void
say(struct world *w, const char *fmt, ...)
{
	size_t len = strlen(w->acts);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->acts + len, sizeof(w->acts) - len, fmt, ap);
	va_end(ap);
}

static char
name_of(const struct ol_task *task)
{
	return (char)task->id.bytes[0];
}

static void
world_write(void *arg, struct ol_task *task)
{
	say(arg, "write %c %s; ", name_of(task),
	    ol_state_event_name((enum ol_task_event)task->verdict));
}

static void
world_spawn(void *arg, struct ol_task *task)
{
	say(arg, "spawn %c%u; ", name_of(task), task->attempt);
}

static void
world_stop(void *arg, struct ol_task *task, enum ol_stop how)
{
	static const char *const names[] = { "cancel", "interrupt", "kill" };

	say(arg, "%s %c%u; ", names[how], name_of(task), task->attempt);
}

/* Ends only; states in between are asked for by the tests. */
static void
world_moved(void *arg, struct ol_task *task, struct ol_run *run,
    enum ol_task_state from, enum ol_task_event event)
{
	(void)run;
	(void)event;
	assert_true(from != (enum ol_task_state)task->state);
	if (task->state == OL_TASK_NONE)
		say(arg, "dropped %c; ", name_of(task));
	else if (task->state >= OL_TASK_SUCCEEDED)
		say(arg, "%s %c; ",
		    ol_state_name((enum ol_task_state)task->state),
		    name_of(task));
}

static void
world_refused(void *arg, const struct ol_task *task, enum ol_task_event event)
{
	(void)task;
	(void)event;
	((struct world *)arg)->refused++;
}

static uint32_t
world_dice(void *arg)
{
	(void)arg;
	return 0x80000000; /* no jitter */
}

static const struct ol_scheduler_hands world_hands = {
	.write = world_write,
	.spawn = world_spawn,
	.stop = world_stop,
	.moved = world_moved,
	.refused = world_refused,
	.dice = world_dice,
};

/* Compare what was done since the last time. */
#define assert_acts(w, expected) \
	do { \
		assert_string_equal((w)->acts, expected); \
		(w)->acts[0] = '\0'; \
		assert_int_equal((w)->refused, 0); \
	} while (0)

static void
world_open(
    struct world *w, const struct ol_task_type *types, size_t n, uint32_t limit)
{
	memset(w, 0, sizeof(*w));
	w->now = OL_SEC(1000);
	w->s = ol_scheduler_new(&world_hands, w, limit);
	ol_scheduler_configure(w->s, types, n, limit, w->now);
}

static void
world_close(struct world *w)
{
	assert_int_equal(w->refused, 0);
	ol_scheduler_free(w->s);
}

/* Call again until there is nothing to do now. */
static int64_t
tick(struct world *w)
{
	int64_t next;

	while ((next = ol_scheduler_tick(w->s, w->now)) <= w->now)
		assert_int_equal(next, w->now);
	return next;
}

static struct ol_id
id_named(char name)
{
	return (struct ol_id){ { (uint8_t)name } };
}

/* The task of that name, visible or not; NULL when it is gone. */
static struct ol_task *
task_named(struct world *w, char name)
{
	union {
		const struct ol_task *seen;
		struct ol_task *task;
	} u;
	struct ol_id id = id_named(name);

	u.seen = ol_scheduler_find(w->s, &id);
	return u.task;
}

static enum ol_task_state
state_of(struct world *w, char name)
{
	const struct ol_task *task = task_named(w, name);

	return task == NULL ? OL_TASK_NONE : (enum ol_task_state)task->state;
}

static enum ol_submitted
submit_at(struct world *w, const char *type, int priority, int64_t due,
    struct ol_task **task)
{
	struct ol_submit submit = {
		.id = id_named((char)('a' + w->n++)),
		.type = type,
		.priority = priority,
		.due = due,
	};

	return ol_scheduler_submit(w->s, &submit, w->now, task);
}

/* Submit and commit. */
static struct ol_task *
submitted(struct world *w, const char *type, int priority)
{
	struct ol_task *task;

	assert_int_equal(submit_at(w, type, priority, 0, &task), OL_SUBMITTED);
	ol_scheduler_written(w->s, task, true, w->now);
	return task;
}

static void
written(struct world *w, char name, bool on_disk)
{
	ol_scheduler_written(w->s, task_named(w, name), on_disk, w->now);
}

static int
ended(struct world *w, char name, uint32_t attempt, enum ol_outcome outcome)
{
	struct ol_ending ending = { .outcome = outcome, .delay = -1 };
	struct ol_id id = id_named(name);

	return ol_scheduler_ended(w->s, &id, attempt, &ending, w->now);
}

static enum ol_cancelled
cancel(struct world *w, char name)
{
	struct ol_id id = id_named(name);

	return ol_scheduler_cancel(w->s, &id, w->now);
}

#endif
