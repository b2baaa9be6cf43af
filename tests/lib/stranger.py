"""Speak for another process: send over one of its sockets.

stranger.py PID FD rubbish|flood|descriptors|failed|TEXT

flood: messages that make sense, as many as are taken in two seconds.
Exit 77: we may not take descriptors of it.
"""
import ctypes
import os
import socket
import sys
import time

PIDFD_GETFD = 438


def borrow(pid, fd):
    """A copy of the descriptor fd of pid."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    copy = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    if copy == -1:
        print(os.strerror(ctypes.get_errno()), file=sys.stderr)
        sys.exit(77)
    return socket.socket(fileno=copy)


def flood(sock):
    """Until the other side has closed it."""
    end = time.monotonic() + 2
    sent = 0
    while time.monotonic() < end:
        try:
            sock.send(b"running %d" % (sent % 2))
            sent += 1
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            break
    print(sent)


def main():
    sock = borrow(int(sys.argv[1]), int(sys.argv[2]))
    what = sys.argv[3]
    if what == "flood":
        flood(sock)
    elif what == "rubbish":
        sock.send(b"\0\xff" * 3000)
    elif what == "descriptors":
        socket.send_fds(sock, [b"ready"], [0] * 200)
    else:
        sock.send(what.encode())


main()
