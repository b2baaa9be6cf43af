/*
 * What a peer's records mean: its request, from BEGIN_REQUEST to the end of
 * its body, and management records. Internal to the server.
 */
#ifndef OL_FCGI_INCOMING_H
#define OL_FCGI_INCOMING_H

#include <stddef.h>

struct ol_peer;

/* Act on the next len bytes. The peer may be dead after it. */
void ol_incoming_take(struct ol_peer *, const unsigned char *data, size_t len);

#endif
