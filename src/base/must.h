/*
 * For the daemon's objects of fixed size, where there is nothing better to do
 * without memory than to end and be restarted. Never for a size that a peer
 * chose, and never in liboutlast.
 */
#ifndef OL_BASE_MUST_H
#define OL_BASE_MUST_H

/* p, or one line in the log and abort() when p is NULL. */
void *ol_must(void *p);

#endif
