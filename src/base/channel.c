#include <sys/socket.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"

int
ol_channel_pair(int ends[2])
{
	return socketpair(
	    AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

union control {
	char bytes[CMSG_SPACE(sizeof(int) * OL_CHANNEL_FDS)];
	struct cmsghdr align;
};

int
ol_channel_send(
    int channel, const void *data, size_t len, const int *fds, size_t nfds)
{
	union control control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
		.iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;
	ssize_t n;

	if (len == 0 || nfds > OL_CHANNEL_FDS) {
		errno = EINVAL;
		return -1;
	}
	if (nfds > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
		header = CMSG_FIRSTHDR(&msg);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * nfds);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * nfds);
	}
	do
		n = sendmsg(channel, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

static void
take_fds(struct msghdr *msg, int *fds, size_t *nfds)
{
	struct cmsghdr *header;
	size_t n;

	for (header = CMSG_FIRSTHDR(msg); header != NULL;
	     header = CMSG_NXTHDR(msg, header)) {
		if (header->cmsg_level != SOL_SOCKET ||
		    header->cmsg_type != SCM_RIGHTS)
			continue;
		n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		/* The control buffer holds no more than OL_CHANNEL_FDS. */
		memcpy(fds + *nfds, CMSG_DATA(header), n * sizeof(int));
		*nfds += n;
	}
}

ssize_t
ol_channel_receive(int channel, void *data, size_t size, int *fds, size_t *nfds)
{
	union control control;
	struct iovec iov = { .iov_base = data, .iov_len = size };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct pollfd end = { .fd = channel };
	ssize_t n;

	*nfds = 0;
	do
		n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		/* Gone, with messages of ours unread. */
		return errno == ECONNRESET ? 0 : -1;
	take_fds(&msg, fds, nfds);
	/* An empty message looks like the end, but the end has a hang-up. */
	if (n == 0 && *nfds == 0 && poll(&end, 1, 0) == 1 &&
	    (end.revents & POLLHUP) != 0)
		return 0;
	if (n > 0 && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return n;
	while (*nfds > 0)
		close(fds[--*nfds]);
	errno = EMSGSIZE;
	return -1;
}
