/* Random bytes of the kernel's, for the daemon: it aborts when there are none.
 */
#ifndef OL_BASE_RANDOM_H
#define OL_BASE_RANDOM_H

#include <stddef.h>

/* len <= 256. */
void ol_random_fill(void *bytes, size_t len);

/* Hexadecimal digits, and a NUL: an odd size, at most 129. */
void ol_random_hex(char *text, size_t size);

#endif
