/*
 * What memory holds of one task; the rest is in the store. Made, found and
 * freed by table.h, moved by scheduler.h, and read by anybody.
 *
 * A million waiting tasks have to fit, so each counts: 48 bytes here, and 12
 * for its places in the two heaps of its queue and in the table of ids.
 */
#ifndef OL_TASK_TASK_H
#define OL_TASK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "task/state.h"

struct ol_task {
	struct ol_id id; /* its order is the order of submits */
	/*
	 * SCHEDULED and RETRYING: when it becomes ready. READY: since when it
	 * is. Else the last of these.
	 */
	int64_t due;
	uint32_t link;	  /* the table's */
	uint32_t place;	  /* its place in the heap, or the run, of its state */
	uint32_t age;	  /* READY: its place in the age heap; else stale */
	uint32_t attempt; /* the fence: runs so far; never falls */
	uint16_t queue;	  /* the scheduler's number of it */
	uint16_t refunds; /* runs of attempt that do not count */
	uint8_t crashes;  /* deaths of its host that it is blamed for */
	int8_t priority;  /* higher first */
	uint8_t state;	  /* enum ol_task_state */
	/* enum ol_task_event: what the write says; stale without a write */
	uint8_t verdict : 5;
	uint8_t writing : 1; /* a write is in flight */
	uint8_t first : 1;   /* interrupted: ahead of all others */
	uint8_t told : 1;    /* the drain told this run to stop */
};

_Static_assert(sizeof(struct ol_task) == 48, "a million of them");
_Static_assert(OL_EVENT_COUNT <= 32, "verdict has 5 bits");
_Static_assert(OL_TASK_STATES <= 255, "state has 8 bits");

/* Runs that count towards the type's retries. */
static inline uint32_t
ol_task_charged(const struct ol_task *task)
{
	return task->attempt - task->refunds;
}

/* The last run does not count. Beyond 65535 refunds it does. */
static inline void
ol_task_refund(struct ol_task *task)
{
	if (task->refunds < UINT16_MAX)
		task->refunds++;
}

#endif
