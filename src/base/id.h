/*
 * Ids of tasks: UUIDs of version 7 (RFC 9562 §5.7). The first 48 bits are the
 * milliseconds since 1970, so that ids sort by time; 12 bits count within a
 * millisecond; 62 bits are random, so that an id cannot be guessed from
 * another.
 */
#ifndef OL_BASE_ID_H
#define OL_BASE_ID_H

#include <stddef.h>
#include <stdint.h>

struct ol_id {
	uint8_t bytes[16];
};

/* "01936b2e-5c7a-7d31-9f2b-3a6c1d0e4f58" and a NUL. */
#define OL_ID_TEXT_SIZE 37

/* Makes ids, each greater than the one before. Zeroed when new. One thread. */
struct ol_id_source {
	uint64_t msec;	/* of the last id */
	unsigned count; /* within msec */
	size_t left;	/* random bytes not used yet */
	uint8_t random[256];
};

/*
 * A new id at msec since 1970. When the clock went back, or 4096 ids were made
 * in one millisecond, the id's own time goes on from the last one. Returns -1
 * with errno set when the kernel gives no random bytes.
 */
int ol_id_new(struct ol_id_source *, uint64_t msec, struct ol_id *);

/* As strcmp(): the order of bytes, which is that of time. */
int ol_id_compare(const struct ol_id *, const struct ol_id *);

/* Write the text form to buf of OL_ID_TEXT_SIZE bytes. */
void ol_id_format(const struct ol_id *, char *buf);

/*
 * Read len bytes of text in the form of ol_id_format(); capital letters are
 * taken, too. -1 when they are anything else, a UUID of another version or
 * variant included.
 */
int ol_id_parse(struct ol_id *, const char *text, size_t len);

#endif
