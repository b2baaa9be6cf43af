#include <sys/random.h>
#include <sys/types.h>

#include "base/must.h"
#include "base/random.h"

void
ol_random_fill(void *bytes, size_t len)
{
	/* Never short for so few bytes, and there is nothing to go on with. */
	if (getrandom(bytes, len, 0) != (ssize_t)len)
		ol_must(NULL);
}

void
ol_random_hex(char *text, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char bytes[64];
	size_t i;

	ol_random_fill(bytes, size / 2);
	for (i = 0; i < size / 2; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	text[2 * (size / 2)] = '\0';
}
