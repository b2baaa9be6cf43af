/* The rules of one task type, as configured. Times in nanoseconds. */
#ifndef OL_TASK_RULES_H
#define OL_TASK_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "task/retry.h"

struct ol_rules {
	uint32_t retries;     /* runs after the first */
	uint32_t concurrency; /* busy at once; 0: none can start now */
	uint32_t max_waiting; /* scheduled, ready and retrying */
	uint8_t poison_after; /* crashes of its host; 0: never */
	bool durable;	      /* false: lost with the process */
	int64_t expires;      /* ready and not started for so long; 0: off */
	struct ol_retry retry;
};

#endif
