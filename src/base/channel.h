/*
 * Messages between our own processes: one datagram of a SEQPACKET socket each,
 * with descriptors. The other side may be broken or broken into: what comes is
 * bounded here, and believed by nobody before it was read.
 */
#ifndef OL_BASE_CHANNEL_H
#define OL_BASE_CHANNEL_H

#include <stddef.h>
#include <sys/types.h>

enum {
	OL_CHANNEL_FDS = 64, /* in one message */
};

/* Two ends, close-on-exec and non-blocking. -1 with errno set. */
int ol_channel_pair(int ends[2]);

/*
 * Send one message; the descriptors (none: NULL, 0) stay the caller's. -1 with
 * errno set: nothing was sent. EAGAIN: the other side does not read; EPIPE: it
 * is gone.
 */
int ol_channel_send(
    int channel, const void *data, size_t len, const int *fds, size_t nfds);

/*
 * The next message: its length, 0 when the other side is gone, or -1 with
 * errno set; EAGAIN: none yet; EMSGSIZE: one that is longer than size, or has
 * more than OL_CHANNEL_FDS descriptors, was thrown away. The descriptors, *nfds
 * of them, are the caller's and close-on-exec; fds has room for OL_CHANNEL_FDS.
 * An empty message is EMSGSIZE, too.
 */
ssize_t ol_channel_receive(
    int channel, void *data, size_t size, int *fds, size_t *nfds);

#endif
