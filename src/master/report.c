#include <time.h>

#include "base/clock.h"
#include "master/report.h"

static const char *
state_name(enum ol_pool_state state)
{
	static const char *const names[] = {
		[OL_POOL_RUNNING] = "running",
		[OL_POOL_ASLEEP] = "asleep",
		[OL_POOL_STOPPED] = "stopped",
		[OL_POOL_FAILED] = "failed",
		[OL_POOL_REMOVED] = "removed",
	};

	return names[state];
}

/* What that generation is to its slot. */
static const char *
role_of(const struct ol_slot *slot, unsigned generation)
{
	if (slot->next.generation == generation)
		return "starting";
	if (slot->current.generation != generation)
		return "leaving";
	return ol_slot_serves(slot) ? "ready" : "starting";
}

static int64_t
started(const struct ol_slot *slot, const struct ol_process *p)
{
	if (slot->next.generation == p->generation)
		return slot->next.started;
	if (slot->current.generation == p->generation)
		return slot->current.started;
	return 0;
}

/* A number that a process says about itself, or has not said yet. */
static void
report_said(struct ol_document *d, const char *key, int64_t said)
{
	if (said >= 0)
		ol_document_number(d, key, said);
	else
		ol_document_null(d, key);
}

static void
report_process(struct ol_document *d, const struct ol_slot *slot, int index,
    const struct ol_process *p, int64_t now)
{
	int64_t since = started(slot, p);

	ol_document_object(d, NULL);
	ol_document_number(d, "slot", index);
	ol_document_number(d, "pid", p->pid);
	ol_document_number(d, "generation", p->generation);
	ol_document_text(d, "state", role_of(slot, p->generation));
	if (since != 0)
		ol_document_number(d, "age_ms", (now - since) / OL_MSEC(1));
	else
		ol_document_null(d, "age_ms");
	report_said(d, "requests", p->requests);
	report_said(d, "items", p->tasks);
	report_said(d, "memory", ol_process_memory(p));
	ol_document_text(d, "status", p->status);
	ol_document_object_end(d);
}

struct tally {
	int ready, starting, leaving;
	int64_t requests, items;
	bool failed, recycling;
	const struct ol_slot *recycled; /* the one that was last */
};

static void
count(struct tally *t, const struct ol_slot *slot,
    const struct ol_processes *processes)
{
	const struct ol_process *p;

	LIST_FOREACH (p, processes, link) {
		const char *role = role_of(slot, p->generation);

		t->ready += *role == 'r';
		t->starting += *role == 's';
		t->leaving += *role == 'l';
		t->requests += p->requests > 0 ? p->requests : 0;
		t->items += p->tasks > 0 ? p->tasks : 0;
	}
	t->failed |= ol_slot_failed(slot);
	t->recycling |= ol_slot_is_recycled(slot);
	if (slot->recycled != 0 &&
	    (t->recycled == NULL || slot->recycled > t->recycled->recycled))
		t->recycled = slot;
}

static void
report_recycle(struct ol_document *d, const struct ol_slot *slot, int64_t now)
{
	if (slot == NULL) {
		ol_document_null(d, "last_recycle");
		return;
	}
	ol_document_object(d, "last_recycle");
	ol_document_time(
	    d, "at", time(NULL) - (now - slot->recycled) / OL_SEC(1));
	ol_document_text(d, "reason", ol_slot_reason_text(slot->recycled_for));
	ol_document_object_end(d);
}

/* What outlastctl waits with, at most. */
static void
report_limits(struct ol_document *d, const struct ol_conf_pool *conf)
{
	ol_document_number(
	    d, "startup_limit_ms", conf->startup_time_limit / OL_MSEC(1));
	ol_document_number(
	    d, "shutdown_max_ms", conf->shutdown_delay_max / OL_MSEC(1));
}

void
ol_report_pool(struct ol_document *d, const char *key,
    const struct ol_pool *pool, int64_t now)
{
	enum ol_pool_state state = ol_pool_state(pool);
	const struct ol_conf_pool *conf = ol_pool_conf(pool);
	const struct ol_processes *processes;
	const struct ol_slot *slot;
	const struct ol_process *p;
	struct tally t = { .ready = 0 };
	int i;

	for (i = 0; (slot = ol_pool_slot(pool, i, &processes)) != NULL; i++)
		count(&t, slot, processes);
	ol_document_object(d, key);
	ol_document_text(d, "name", ol_pool_name(pool));
	ol_document_text(d, "state", state_name(state));
	ol_document_number(d, "wanted",
	    state == OL_POOL_RUNNING || state == OL_POOL_FAILED
		? conf->processes
		: 0);
	ol_document_number(d, "ready", t.ready);
	ol_document_number(d, "starting", t.starting);
	ol_document_number(d, "leaving", t.leaving);
	ol_document_flag(d, "recycling", t.recycling);
	ol_document_flag(d, "start_failed", t.failed);
	ol_document_number(d, "crashes", ol_pool_crashes(pool, now));
	ol_document_number(d, "requests", t.requests);
	ol_document_number(d, "items", t.items);
	report_recycle(d, t.recycled, now);
	if (conf != NULL) {
		ol_document_text(d, "listen", conf->listen.text);
		ol_document_text(d, "program", conf->program[0]);
		report_limits(d, conf);
	}
	ol_document_array(d, "processes");
	for (i = 0; (slot = ol_pool_slot(pool, i, &processes)) != NULL; i++)
		LIST_FOREACH (p, processes, link)
			report_process(d, slot, i, p, now);
	ol_document_array_end(d);
	ol_document_object_end(d);
}
