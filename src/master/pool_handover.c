/* A pool as it goes to another master, and comes back. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "master/pool_parts.h"

static void
save_place(const struct ol_place *place, const struct ol_listeners *all,
    struct ol_handover_slot *to)
{
	struct ol_handover_process *one;
	const struct ol_process *p;

	to->slot = place->slot;
	to->processes = NULL;
	to->nprocesses = 0;
	LIST_FOREACH (p, &place->processes, link) {
		to->processes = ol_must(reallocarray(
		    to->processes, to->nprocesses + 1, sizeof(*one)));
		one = &to->processes[to->nprocesses++];
		ol_process_save(p, one);
		one->listener = ol_listeners_number(all, p->listener);
		/* It may be gone, and is only compared. */
		one->accepts = ol_listeners_number(all, p->accepts);
	}
}

void
ol_pool_save(const struct ol_pool *pool, const struct ol_listeners *all,
    struct ol_handover_pool *to)
{
	int i;

	*to = (struct ol_handover_pool){
		.listener = ol_listeners_number(all, pool->listener),
		.generation = pool->generation,
		.was_ready = pool->was_ready,
		.asleep = pool->asleep,
		.killed = pool->killed,
		.lost = pool->lost,
		.daily_due = pool->daily.due,
		.daily_done = pool->daily.done,
		.crashes = pool->crashes,
		.halted = pool->halted,
		.rapid = pool->rapid,
	};
	strlcpy(to->name, pool->name, sizeof(to->name));
	to->slots =
	    ol_must(calloc((size_t)pool->nplaces + 1, sizeof(*to->slots)));
	for (i = 0; i < pool->nplaces; i++)
		save_place(pool->places[i], all, &to->slots[to->nslots++]);
}

static void
resume_place(struct ol_place *place, struct ol_listener *const *listeners,
    const struct ol_handover_slot *from)
{
	const struct ol_slot made = place->slot;
	struct ol_process_options options = {
		.house = place->pool->house,
		.slot = place->index,
		.on_notify = ol_pool_on_notify,
		.arg = place,
	};
	struct ol_process *p;
	size_t i;

	place->slot = from->slot;
	place->slot.acts = made.acts;
	place->slot.arg = made.arg;
	for (i = 0; i < OL_SLOT_LEAVERS; i++) {
		place->slot.leavers[i].acts = made.acts;
		place->slot.leavers[i].arg = made.arg;
	}
	/* From the last: each goes in front of the others. */
	for (i = from->nprocesses; i > 0; i--) {
		const struct ol_handover_process *one = &from->processes[i - 1];

		options.listener =
		    one->listener == -1 ? NULL : listeners[one->listener];
		p = ol_process_resume(&options, place->pool->name, one);
		if (one->accepts != -1)
			p->accepts = listeners[one->accepts];
		LIST_INSERT_HEAD(&place->processes, p, link);
	}
}

struct ol_pool *
ol_pool_take_over(const struct ol_house *house,
    const struct ol_pool_hooks *hooks, const struct ol_conf_pool *conf,
    struct ol_listener *const *listeners, const struct ol_handover_pool *from)
{
	struct ol_pool *pool =
	    ol_pool_new(house, hooks, from->name, from->generation);
	struct ol_slot_rules rules;
	size_t i;

	ol_pool_grow(pool, (int)from->nslots);
	for (i = 0; i < from->nslots; i++)
		resume_place(pool->places[i], listeners, &from->slots[i]);
	pool->was_ready = from->was_ready;
	pool->killed = from->killed;
	pool->lost = from->lost;
	pool->crashes = from->crashes;
	pool->halted = from->halted;
	pool->rapid = from->rapid;
	if (conf == NULL || from->listener == -1)
		return pool;
	pool->conf = conf;
	pool->listener = ol_listener_ref(listeners[from->listener]);
	ol_daily_set(&pool->daily, &conf->recycle_at);
	pool->daily.due = (time_t)from->daily_due;
	pool->daily.done = (time_t)from->daily_done;
	rules = ol_pool_rules(conf);
	for (i = 0; i < from->nslots && (int)i < conf->processes; i++)
		ol_slot_set(
		    &pool->places[i]->slot, &rules, (int)i, conf->processes);
	if (from->asleep)
		ol_pool_sleep(pool);
	return pool;
}
