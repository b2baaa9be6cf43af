/*
 * A histogram of durations: log-linear, 64 steps to each power of two, so a
 * percentile is off by at most 1.6 %. Embedded; all zero is empty.
 */
#ifndef TESTS_BENCH_HIST_H
#define TESTS_BENCH_HIST_H

#include <stdint.h>

#define HIST_BITS    6
#define HIST_BUCKETS ((64 - HIST_BITS + 1) << HIST_BITS)

struct hist {
	uint64_t n;
	uint64_t max;
	uint64_t counts[HIST_BUCKETS];
};

void hist_add(struct hist *, uint64_t value);

/*
 * The value that the share (0 … 1) of all values does not exceed: the upper
 * end of its bucket, never more than the largest value. 0 when empty.
 */
uint64_t hist_quantile(const struct hist *, double share);

#endif
