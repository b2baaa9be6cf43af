/*
 * Sessions as keyed hashes, so that what is stored is of no use to who reads
 * it.
 */
#ifndef OL_API_SESSION_H
#define OL_API_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OL_SESSION_HASH 32

struct ol_session_key;

/*
 * The key in folder/session.key, which is made (0600, random, on disk when
 * this returns) when there is none. NULL: logged.
 */
struct ol_session_key *ol_session_key_open(const char *folder);
void ol_session_key_close(struct ol_session_key *);

/* HMAC-SHA256 of a cookie, or of what belongs to one. -1 when libcrypto fails:
 * logged. */
int ol_session_hash(struct ol_session_key *, const void *cookie, size_t len,
    uint8_t hash[OL_SESSION_HASH]);

/* In a time that does not tell where they differ. */
bool ol_session_equal(
    const uint8_t a[OL_SESSION_HASH], const uint8_t b[OL_SESSION_HASH]);

#endif
