#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "engine/core.h"
#include "engine/wall.h"

enum {
	/* Types that nobody configured: what is more is not believed. */
	STRANGE_TYPES = 1000,
	/* Lines in the log about rows that cannot be true. */
	COMPLAINTS = 20,
};

static const int64_t again_after = OL_MSEC(200);

static void on_page(void *, const struct ol_answer *);

/* Milliseconds since 1970 of an id. */
static uint64_t
msec_of(const struct ol_id *id)
{
	uint64_t msec = 0;
	int i;

	for (i = 0; i < 6; i++)
		msec = msec << 8 | id->bytes[i];
	return msec;
}

/* What the scheduler needs of a row, or the reason why it is left alone. */
static const char *
read_row(struct ol_engine *e, const struct ol_row *row, struct ol_loaded *l)
{
	memcpy(l->id.bytes, row->id, sizeof(l->id.bytes));
	if (l->id.bytes[6] >> 4 != 7 || l->id.bytes[0] == 0xff)
		return "its id is none of ours";
	if (row->refunds > row->attempt || row->refunds > UINT16_MAX)
		return "more attempts were refunded than made";
	if (row->crashes > UINT8_MAX || row->crashes > row->attempt)
		return "it crashed more often than it ran";
	if (row->priority < -100 || row->priority > 100)
		return "its priority is out of range";
	if (row->attempt == UINT32_MAX)
		return "it was tried too often";
	if (ol_scheduler_queue(e->scheduler, row->type) == NULL &&
	    ++e->strange > STRANGE_TYPES)
		return "it is of one more of too many unknown types";
	l->type = row->type;
	l->priority = row->priority;
	l->attempt = row->attempt;
	l->refunds = (uint16_t)row->refunds;
	l->crashes = (uint8_t)row->crashes;
	l->interrupted = row->first;
	l->cancelled = row->cancelled;
	l->due = ol_wall_to_clock(row->due);
	switch (row->state) {
	case OL_ROW_SCHEDULED:
		l->state = OL_TASK_SCHEDULED;
		return NULL;
	case OL_ROW_READY:
		l->state = OL_TASK_READY;
		break;
	case OL_ROW_RUNNING:
		l->state = OL_TASK_RUNNING;
		return row->attempt == 0 ? "it runs and never began" : NULL;
	case OL_ROW_RETRYING:
		/* The clock was set back meanwhile: wait no longer than we
		 * would ever have said. */
		if (l->due > ol_clock_after(ol_clock_now(), OL_RETRY_MAX))
			l->due = ol_clock_after(ol_clock_now(), OL_RETRY_MAX);
		l->state = OL_TASK_RETRYING;
		return row->attempt == 0 ? "it is tried again and never was"
					 : NULL;
	case OL_ROW_PARKED:
		l->state = OL_TASK_PARKED;
		break;
	default:
		return "it has ended";
	}
	/* Since when it waits: not since tomorrow. */
	if (l->due > ol_clock_now())
		l->due = ol_clock_now();
	return NULL;
}

static void
load_row(struct ol_engine *e, const struct ol_row *row)
{
	struct ol_loaded loaded = { .priority = 0 };
	const char *why = read_row(e, row, &loaded);
	char id[OL_ID_TEXT_SIZE];
	uint64_t msec;

	if (why == NULL &&
	    ol_scheduler_load(e->scheduler, &loaded, ol_clock_now()) == -1)
		why = "it is there twice";
	if (why != NULL) {
		ol_id_format(&loaded.id, id);
		if (e->unloadable++ < COMPLAINTS)
			ol_log_error(NULL,
			    "store: the row of task %s cannot be true: %s; it "
			    "is left as it is",
			    id, why);
		return;
	}
	e->loaded++;
	/* New ids are greater. */
	msec = msec_of(&loaded.id);
	if (msec > e->ids.msec) {
		e->ids.msec = msec;
		e->ids.count = 4095;
	}
}

static void
on_all(struct ol_engine *e)
{
	e->loading = false;
	if (e->loaded > 0 || e->unloadable > 0)
		ol_log_notice(NULL,
		    "engine: unfinished tasks: %u, read in %lld ms%s",
		    e->loaded,
		    (long long)((ol_clock_now() - e->loading_since) /
				OL_MSEC(1)),
		    e->unloadable > 0 ? ", others were left alone" : "");
	ol_report_parked(e);
	ol_retain_look(e);
	ol_core_soon(e);
	if (e->options.on_loaded != NULL)
		e->options.on_loaded(e->options.arg);
}

static void
on_page(void *arg, const struct ol_answer *answer)
{
	struct ol_engine *e = arg;
	size_t i;

	if (e->closing)
		return;
	if (answer->failed != OL_STORE_DONE) {
		ol_timer_at(
		    e->loader, ol_clock_after(ol_clock_now(), again_after));
		return;
	}
	for (i = 0; i < answer->n; i++)
		load_row(e, answer->rows[i]);
	OL_FAILPOINT("load_page");
	e->load_after = answer->next;
	if (answer->more)
		ol_load_next(e);
	else
		on_all(e);
}

void
ol_load_next(void *engine)
{
	struct ol_engine *e = engine;
	const struct ol_list list = { .states = OL_ROW_UNFINISHED,
		.after = e->load_after,
		.limit = OL_STORE_LIST_MAX };

	ol_store_list(e->durable, &list, on_page, e);
}
