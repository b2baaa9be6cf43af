/*
 * Reading one reply, of HTTP/1.1 or of FastCGI, from bytes that come in any
 * pieces. Strict: what is not understood is ANSWER_BAD, never a guess.
 */
#ifndef TESTS_BENCH_ANSWER_H
#define TESTS_BENCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum answer_state { ANSWER_MORE, ANSWER_DONE, ANSWER_BAD };

enum answer_step {
	ANSWER_STATUS,
	ANSWER_HEADER,
	ANSWER_BODY,
	ANSWER_CHUNK_SIZE,
	ANSWER_CHUNK,
	ANSWER_CHUNK_END,
	ANSWER_TRAILER,
};

struct answer {
	bool fcgi;
	enum answer_step step;
	int status; /* 0 until known */
	bool close; /* the peer will close behind this reply */
	bool chunked;
	size_t left; /* of the body or the chunk */
	size_t nline;
	char line[8192];
	/* FastCGI only: the record that is being read. */
	uint8_t head[8];
	size_t nhead;
	size_t content, padding;
	uint8_t end[8];
	size_t nend;
};

void answer_init(struct answer *, bool fcgi);

/*
 * Feed len bytes. Returns ANSWER_DONE when the reply is complete with exactly
 * these bytes; bytes behind its end are ANSWER_BAD.
 */
enum answer_state answer_feed(struct answer *, const char *data, size_t len);

#endif
