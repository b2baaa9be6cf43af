/*
 * Text in a sealed memfd: another process of ours reads it, and can be sure
 * that it does not change meanwhile.
 */
#ifndef OL_BASE_SEALED_H
#define OL_BASE_SEALED_H

#include <stddef.h>

enum { OL_SEALED_MAX = 16 * 1024 * 1024 };

/* A close-on-exec descriptor with len (<= OL_SEALED_MAX) bytes of text, sealed.
 * -1 with errno set. */
int ol_sealed_new(const char *text, size_t len);

/*
 * The text in it, with a NUL after it; the caller frees it. NULL with errno
 * set; EPERM: it is not sealed; EFBIG: too large. fd stays the caller's.
 */
char *ol_sealed_read(int fd, size_t *len);

#endif
