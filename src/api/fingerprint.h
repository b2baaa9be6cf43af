/*
 * What makes two requests with one Idempotency-Key the same one: the SHA-256 of
 * what they ask for and of their payload. That may be large, and its file
 * blocks: it is read in pieces.
 */
#ifndef OL_API_FINGERPRINT_H
#define OL_API_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/body.h"

#define OL_FINGERPRINT_SIZE 32

/* Bytes of a file that are read in one go: some milliseconds. */
#define OL_FINGERPRINT_PIECE (1024 * 1024)

struct ol_fingerprint;

/* Begins with the len bytes of head. NULL: logged. */
struct ol_fingerprint *ol_fingerprint_new(const void *head, size_t len);
void ol_fingerprint_free(struct ol_fingerprint *);

/* Add a text with its NUL, before any payload. -1: logged. */
int ol_fingerprint_add_text(struct ol_fingerprint *, const char *text);

/*
 * Add the next piece of payload, the same one each time. 1: that was the last,
 * 0: there are more, -1: it cannot be read, or libcrypto fails: logged.
 */
int ol_fingerprint_add(struct ol_fingerprint *, const struct ol_body *payload);

/* Once. -1: logged. */
int ol_fingerprint_end(
    struct ol_fingerprint *, uint8_t hash[OL_FINGERPRINT_SIZE]);

#endif
