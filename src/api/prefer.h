/* The Prefer header of RFC 7240, as far as it concerns us. Pure. */
#ifndef OL_API_PREFER_H
#define OL_API_PREFER_H

#include <stdbool.h>

/* The most that is believed of a wait. */
#define OL_PREFER_WAIT_MAX 1000000

struct ol_prefer {
	int wait; /* seconds; -1: none */
	bool async;
};

void ol_prefer_init(struct ol_prefer *);

/*
 * Take one header line; several are as one. Of a preference that comes twice
 * the first one counts; what is unknown or not well-formed is as if absent.
 */
void ol_prefer_read(struct ol_prefer *, const char *line);

#endif
