/* Name-value pairs (FastCGI Specification 1.0 §3.4) that lie in one piece. */
#ifndef OL_FCGI_PAIRS_H
#define OL_FCGI_PAIRS_H

#include <stddef.h>
#include <stdint.h>

/* Both are followed by a NUL that the length does not count; they may hold
 * others. */
struct ol_pair {
	const char *name, *value;
	uint32_t name_len, value_len;
};

/* How many pairs data is; -1 when the last one is cut short. */
int ol_pairs_count(const unsigned char *data, size_t len);

/*
 * Take data apart into that many pairs, in place: they point into it. The byte
 * behind its end must be ours, too.
 */
void ol_pairs_split(unsigned char *data, size_t len, struct ol_pair *pairs);

/*
 * The value of a CONTENT_LENGTH in *out; an empty one leaves *out. NULL, or
 * what is wrong with it.
 */
const char *ol_pairs_content_length(
    const char *value, size_t len, int64_t *out);

#endif
