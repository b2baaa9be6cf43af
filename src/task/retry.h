/* When a task runs again. Times in nanoseconds. */
#ifndef OL_TASK_RETRY_H
#define OL_TASK_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct ol_retry {
	int64_t base;	  /* the first delay, or each; > 0 */
	int64_t max;	  /* no delay is longer; >= base. 0: OL_RETRY_MAX */
	bool exponential; /* doubled each time */
};

/* Bounds whatever a configuration or a backend's Retry-After asks for: a week.
 */
#define OL_RETRY_MAX ((int64_t)7 * 24 * 3600 * 1000000000)

/*
 * The delay before retry n (1, 2, …): the curve ± 20 %, spread by random (all
 * 32 bits). Never 0 and never above max: near max the spread is cut, not heaped
 * up there.
 */
int64_t ol_retry_delay(const struct ol_retry *, uint32_t n, uint32_t random);

/*
 * The delay when the executor was told to wait for asked (>= 0): up to 20 %
 * more, never less, at most OL_RETRY_MAX.
 */
int64_t ol_retry_asked(int64_t asked, uint32_t random);

#endif
