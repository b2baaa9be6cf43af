/* Waits until the master has brought pools where they are to be. */
#ifndef OL_CTL_WAIT_H
#define OL_CTL_WAIT_H

#include <jansson.h>

#include "ctl/ctl.h"

enum ol_wait_for {
	OL_WAIT_READY, /* as many processes are ready as are wanted, none is
			  to be replaced */
	OL_WAIT_GONE,  /* none is left */
};

/*
 * Wait for the pool of *answer, at most as long as its own limits, or
 * --timeout, allow; *answer is replaced by the last one. Returns 0, 75 at the
 * end of the time, 1 when it cannot come to that; said.
 */
int ol_wait_pool(const struct ol_ctl *, json_t **answer, enum ol_wait_for what);

#endif
