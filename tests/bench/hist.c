#include <stddef.h>

#include "hist.h"

static size_t
bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < (UINT64_C(1) << HIST_BITS))
		return ((size_t)value);
	shift = 63U - (unsigned)__builtin_clzll(value) - HIST_BITS;
	return (((size_t)shift << HIST_BITS) + (size_t)(value >> shift));
}

static uint64_t
bucket_end(size_t bucket)
{
	unsigned shift;

	if (bucket < (2U << HIST_BITS))
		return (bucket);
	shift = (unsigned)(bucket >> HIST_BITS) - 1;
	bucket -= (size_t)shift << HIST_BITS;
	return ((((uint64_t)bucket + 1) << shift) - 1);
}

void
hist_add(struct hist *hist, uint64_t value)
{
	hist->counts[bucket_of(value)]++;
	hist->n++;
	if (value > hist->max)
		hist->max = value;
}

uint64_t
hist_quantile(const struct hist *hist, double share)
{
	uint64_t end, rank, seen = 0;
	size_t i;

	rank = (uint64_t)(share * (double)hist->n);
	if ((double)rank < share * (double)hist->n)
		rank++;
	if (rank == 0)
		rank = 1;
	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->counts[i];
		if (seen >= rank) {
			end = bucket_end(i);
			return (end > hist->max ? hist->max : end);
		}
	}
	return (hist->max);
}
