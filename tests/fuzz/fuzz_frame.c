/*
 * The frame check: whatever comes, it reads no byte too far and ends; and what
 * it calls whole is not called whole with a byte less.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of that size exactly, for the sanitizer. */
	unsigned char *copy = malloc(size);
	struct ol_frame frame, shorter;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	ol_frame_look(&frame, copy, size);
	if (frame.verdict == OL_FRAME_WHOLE) {
		ol_frame_look(&shorter, copy, size - 1);
		if (shorter.verdict == OL_FRAME_WHOLE)
			abort();
	}
	free(copy);
	return 0;
}
