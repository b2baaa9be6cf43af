"""Slow and rude peers of a FastCGI server, many of them at once (T13).

    loris.py SOCKET --connections N --seconds S [--path P]

Each connection is one of: a header byte by byte; parameters that never end; a
body that stalls; half closed; asks and never reads. Each sends one byte a
second where it sends at all. Prints a RESULT line: how many were opened, how
many the server closed by the end, how many connects were refused.
"""
import argparse
import resource
import selectors
import socket
import time

import fcgi

KINDS = ["header", "params", "body", "half", "deaf"]


class Peer:
    """One connection."""

    def __init__(self, kind, path, uri):
        self.kind = kind
        self.closed = False
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.connect(path)
        post = {"OUTLAST_TASK": "full"}
        whole = fcgi.request(uri, "POST", b"x" * 1000, post)
        params = fcgi.stream(fcgi.PARAMS, fcgi.pairs(
            fcgi.environ(uri, "POST", 1000, post)))
        now, self.rest = {
            "header": (b"", whole),
            # Without the empty record at the end, one pair after another.
            "params": (fcgi.begin() + params[:-8], fcgi.record(
                fcgi.PARAMS, fcgi.pairs({f"X{n}": "y" for n in range(20)}))),
            "body": (fcgi.begin() + params, fcgi.record(
                fcgi.STDIN, b"x" * 1000)),
            "half": (fcgi.begin() + params, b""),
            "deaf": (fcgi.request("/tasks/readyz") * 20, b""),
        }[kind]
        self.send(now)
        if kind == "half":
            self.sock.shutdown(socket.SHUT_WR)

    def send(self, data):
        """What goes in; a full buffer is the peer's problem."""
        try:
            if data:
                self.sock.send(data)
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def drip(self):
        """One more byte."""
        self.send(self.rest[:1])
        self.rest = self.rest[1:]

    def look(self):
        """Whether the server has closed it; the deaf never read."""
        if self.kind == "deaf" or self.closed:
            return
        try:
            if not self.sock.recv(65536):
                self.closed = True
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--path", default="/t/full")
    parser.add_argument("--kind", choices=KINDS)
    options = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    poll = selectors.DefaultSelector()
    peers, refused = [], 0
    end = time.monotonic() + options.seconds
    # A server that lets no more of them in keeps them waiting.
    until = min(end, time.monotonic() + 5)
    while len(peers) < options.connections and time.monotonic() < until:
        kind = options.kind or KINDS[len(peers) % len(KINDS)]
        try:
            peers.append(Peer(kind, options.socket, options.path))
        except BlockingIOError:          # its backlog is full
            refused += 1
            time.sleep(0.01)
    print(f"opened {len(peers)}", flush=True)
    for peer in peers:
        poll.register(peer.sock, selectors.EVENT_READ, peer)
    tick = time.monotonic() + 1
    while (now := time.monotonic()) < end:
        for key, _ in poll.select(max(0, min(tick, end) - now)):
            key.data.look()
            # A deaf one stays readable for ever.
            if key.data.closed or key.data.kind == "deaf":
                poll.unregister(key.fileobj)
        if time.monotonic() >= tick:
            tick += 1
            for peer in peers:
                if not peer.closed:
                    peer.drip()
    closed = sum(p.closed for p in peers)
    print(f"RESULT opened={len(peers)} closed={closed} refused={refused} " +
          " ".join(f"{k}={sum(p.closed for p in peers if p.kind == k)}"
                   for k in KINDS))


if __name__ == "__main__":
    main()
