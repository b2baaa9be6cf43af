#include "task/retry.h"

/* Between low and high, as random is between 0 and 2³²; no overflow. */
static int64_t
spread(int64_t low, int64_t high, uint32_t random)
{
	int64_t range = high - low;

	return low + (range >> 32) * random +
	       (int64_t)(((uint64_t)(range & 0xffffffff) * random) >> 32);
}

int64_t
ol_retry_delay(const struct ol_retry *retry, uint32_t n, uint32_t random)
{
	int64_t max = OL_RETRY_MAX, delay, low, high;

	if (retry->max > 0 && retry->max < max)
		max = retry->max;
	delay = retry->base < max ? retry->base : max;
	if (retry->exponential)
		while (n-- > 1 && delay < max)
			delay = delay > max / 2 ? max : delay * 2;
	low = delay - delay / 5;
	high = delay + delay / 5;
	return spread(low, high < max ? high : max, random);
}

int64_t
ol_retry_asked(int64_t asked, uint32_t random)
{
	int64_t high;

	if (asked > OL_RETRY_MAX)
		asked = OL_RETRY_MAX;
	high = asked + asked / 5;
	return spread(asked, high < OL_RETRY_MAX ? high : OL_RETRY_MAX, random);
}
