"""A FastCGI application that reads a request as the specification has it, and
refuses everything else; made from the specification alone, to judge senders.

As a module: decode(read) for one request. As a program:

    strict.py SOCKET [--count N]

listens, serves connections one after the other, compares each body with that
of tests/bench/ask.c, and replies "equal", or says on standard output what is
wrong. Ends after N connections, or with a TERM, with the table:

    requests N decoded N wrong N bytes N

Standard library only.
"""
import argparse
import os
import signal
import socket
import sys

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
PERIOD = 65521
PATTERN = bytes((i * i * 31 + i * 7 + i // 256) & 255 for i in range(PERIOD))
TWICE = PATTERN * 3


class Wrong(Exception):
    """What was sent is no request."""


def body(size, start=0, end=None):
    """The bytes from start to end of ask's body of that size."""
    end = size if end is None else end
    first = (start + size) % PERIOD
    if first + end - start <= len(TWICE):
        return TWICE[first:first + end - start]
    rotated = PATTERN[first:] + PATTERN[:first]
    return (rotated * ((end - start) // PERIOD + 1))[:end - start]


def split_pairs(data):
    """Names and values; (pairs, None), or (pairs, what is wrong)."""
    at, pairs = 0, []
    while at < len(data):
        lengths = []
        for _ in range(2):
            if at == len(data):
                return pairs, "a length is missing"
            width = 4 if data[at] & 0x80 else 1
            if at + width > len(data):
                return pairs, "a length is cut"
            n = int.from_bytes(data[at:at + width], "big")
            lengths.append(n & 0x7fffffff if width == 4 else n)
            at += width
        name, value = lengths
        if at + name + value > len(data):
            return pairs, "a pair is cut"
        pairs.append((data[at:at + name], data[at + name:at + name + value]))
        at += name + value
    return pairs, None


def decode(read, sink, whole_pairs=True):
    """
    Take one request from read(n), which returns n bytes, or raises Wrong.
    Its body goes to sink(bytes) in pieces. Returns (parameters, bytes of body).
    whole_pairs: as php-fpm reads them, no pair may go on in the next record.
    """
    def record():
        head = read(8)
        version, kind, rid, length, padding, reserved = (
            head[0], head[1], head[2] << 8 | head[3], head[4] << 8 | head[5],
            head[6], head[7])
        if version != 1:
            raise Wrong(f"version {version}")
        if rid != 1:
            raise Wrong(f"request id {rid}")
        if reserved:
            raise Wrong("the reserved byte of a header is set")
        content = read(length)
        read(padding)
        return kind, content

    kind, content = record()
    if kind != BEGIN:
        raise Wrong(f"type {kind} before BEGIN_REQUEST")
    if len(content) != 8:
        raise Wrong(f"BEGIN_REQUEST of {len(content)} bytes")
    if content[:2] != b"\0\1":
        raise Wrong("it does not ask a responder")
    if content[2]:
        raise Wrong(f"flags {content[2]}: the connection is for one request")
    if content[3:] != bytes(5):
        raise Wrong("reserved bytes of BEGIN_REQUEST are set")

    params = b""
    while True:
        kind, content = record()
        if kind != PARAMS:
            raise Wrong(f"type {kind} within the parameters")
        if not content:
            break
        if whole_pairs:
            _, wrong = split_pairs(content)
            if wrong:
                raise Wrong(f"in a record of {len(content)} bytes, {wrong}")
        params += content
    pairs, wrong = split_pairs(params)
    if wrong:
        raise Wrong(wrong)

    size = 0
    while True:
        kind, content = record()
        if kind != STDIN:
            raise Wrong(f"type {kind} within the body")
        if not content:
            break
        size += len(content)
        sink(content)
    lengths = [value for name, value in pairs if name == b"CONTENT_LENGTH"]
    if lengths != [str(size).encode()]:
        raise Wrong(f"{size} bytes of body, CONTENT_LENGTH {lengths}")
    return pairs, size


def decode_bytes(data, whole_pairs=True):
    """The same of bytes, behind which nothing may stand: (parameters, body)."""
    at, pieces = 0, []

    def read(n):
        nonlocal at
        at += n
        if at > len(data):
            raise Wrong("the stream is cut")
        return data[at - n:at]

    pairs, _ = decode(read, pieces.append, whole_pairs)
    if at != len(data):
        raise Wrong(f"{len(data) - at} bytes behind the request")
    return pairs, b"".join(pieces)


class Connection:
    """One request of a socket, and the reply to it."""

    def __init__(self, sock):
        self.sock = sock
        self.buf = b""
        self.at = 0

    def read(self, n):
        """Exactly n bytes."""
        while len(self.buf) - self.at < n:
            more = self.sock.recv(1 << 18)
            if not more:
                raise Wrong("the connection was closed within the request")
            self.buf = self.buf[self.at:] + more
            self.at = 0
        self.at += n
        return self.buf[self.at - n:self.at]

    def reply(self, text, padding):
        """A whole reply; every second one as php-fpm ends it."""
        content = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\n" + text
        for piece in (content, b"")[:1 + padding % 2]:
            self.sock.sendall(
                bytes((1, STDOUT, 0, 1, len(piece) >> 8, len(piece) & 255,
                       padding, 0)) + piece + bytes(padding))
        self.sock.sendall(bytes((1, END, 0, 1, 0, 8, 0, 0)) + bytes(8))

    def nothing_behind(self):
        """The sender has said all, and closes."""
        rest = self.buf[self.at:]
        try:
            rest += self.sock.recv(1)
        except ConnectionResetError:
            pass
        if rest:
            raise Wrong(f"{len(rest)} bytes or more behind the request")


class Tally:
    """What became of the requests."""

    def __init__(self):
        self.requests = self.decoded = self.wrong = self.bytes = 0

    def serve(self, sock):
        """One connection."""
        conn = Connection(sock)
        self.requests += 1
        pieces = []
        try:
            pairs, size = decode(conn.read, pieces.append)
            at = 0
            for piece in pieces:
                if piece != body(size, at, at + len(piece)):
                    raise Wrong(f"of {size} bytes of body, some between {at} "
                                f"and {at + len(piece)} are others")
                at += len(piece)
            if [name for name, _ in pairs][-1] != b"CONTENT_LENGTH":
                raise Wrong("the parameters are not in their order")
            conn.reply(b"equal %d" % size, self.requests % 256)
            conn.nothing_behind()
        except (Wrong, OSError) as error:
            self.wrong += 1
            print(f"request {self.requests}: {error}", flush=True)
            return
        self.decoded += 1
        self.bytes += size

    def table(self):
        """The last line."""
        return (f"requests {self.requests} decoded {self.decoded} "
                f"wrong {self.wrong} bytes {self.bytes}")


def main():
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("--count", type=int, default=-1)
    args = parser.parse_args()
    tally = Tally()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(args.socket + ".new")
    listener.listen(64)
    os.rename(args.socket + ".new", args.socket)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while tally.requests != args.count:
            sock, _ = listener.accept()
            sock.settimeout(60)
            with sock:
                tally.serve(sock)
    finally:
        print(tally.table(), flush=True)


if __name__ == "__main__":
    main()
