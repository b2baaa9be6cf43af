"""A small FastCGI client that can also say what no web server would.

As a module (PYTHONPATH=tests/lib): records as bytes, and Conn to send them
whole or cut anywhere. As a program, one plain request:

    fcgi.py SOCKET PATH [--method M] [--body BYTES] [--param NAME=VALUE]...

prints the status and the body. Standard library only.
"""
import argparse
import socket
import struct
import sys

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
GET_VALUES, GET_VALUES_RESULT, UNKNOWN = 9, 10, 11


def record(kind, content=b"", rid=1, pad=None, version=1):
    """One record; padded to 8 bytes unless told how much."""
    if pad is None:
        pad = -len(content) % 8
    head = struct.pack(">BBHHBB", version, kind, rid, len(content), pad, 0)
    return head + content + b"\0" * pad


def length(n, wide=False):
    """The length of a name or value."""
    return struct.pack(">I", n | 0x80000000) if wide or n > 127 else bytes([n])


def pairs(values):
    """Name-value pairs from a dict or a list of pairs."""
    items = values.items() if isinstance(values, dict) else values
    out = b""
    for name, value in items:
        name, value = (x.encode() if isinstance(x, str) else x
                       for x in (name, value))
        out += length(len(name)) + length(len(value)) + name + value
    return out


def begin(keep=True, rid=1, role=1):
    """FCGI_BEGIN_REQUEST."""
    return record(BEGIN, struct.pack(">HB5x", role, 1 if keep else 0), rid)


def stream(kind, data, rid=1, piece=32768):
    """Records of a stream, with the empty one at its end."""
    out = b"".join(record(kind, data[i:i + piece], rid)
                   for i in range(0, len(data), piece))
    return out + record(kind, b"", rid)


def environ(path="/", method="GET", size=0, extra=None):
    """The parameters that nginx would send."""
    uri, _, query = path.partition("?")
    values = {
        "REQUEST_METHOD": method, "CONTENT_LENGTH": str(size) if size else "",
        "REQUEST_URI": path, "DOCUMENT_URI": uri, "SCRIPT_NAME": uri,
        "QUERY_STRING": query, "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1", "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "localhost", "HTTP_HOST": "localhost",
    }
    values.update(extra or {})
    return values


def request(path="/", method="GET", body=b"", extra=None, keep=True, rid=1):
    """A whole well-formed request."""
    return (begin(keep, rid) +
            stream(PARAMS, pairs(environ(path, method, len(body), extra)),
                   rid) +
            stream(STDIN, body, rid))


class Reply:
    """What came back for one request."""

    def __init__(self):
        self.stdout = b""
        self.stderr = b""
        self.end = None         # (appStatus, protocolStatus)
        self.other = []         # records of other types: (type, id, content)

    @property
    def status(self):
        """The HTTP status, 200 without a Status line, None without headers."""
        head, separator, _ = self.stdout.partition(b"\r\n\r\n")
        if not separator:
            return None
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"status:"):
                return int(line.split(b":")[1].split()[0])
        return 200

    @property
    def body(self):
        """What is behind the headers."""
        return self.stdout.partition(b"\r\n\r\n")[2]


class Conn:
    """A connection to a unix socket."""

    def __init__(self, path, timeout=5.0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.buf = b""

    def send(self, data):
        """Send; False when the peer does not listen any more."""
        try:
            self.sock.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _need(self, n):
        while len(self.buf) < n:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return False
            self.buf += data
        return True

    def record(self):
        """The next record as (type, id, content); None at the end."""
        if not self._need(8):
            return None
        _, kind, rid, size, pad = struct.unpack(">BBHHB", self.buf[:7])
        if not self._need(8 + size + pad):
            return None
        content = self.buf[8:8 + size]
        self.buf = self.buf[8 + size + pad:]
        return kind, rid, content

    def reply(self, rid=1):
        """The reply to request rid, or None when the connection ended."""
        reply = Reply()
        while True:
            got = self.record()
            if got is None:
                return None
            kind, got_id, content = got
            if got_id != rid or kind not in (STDOUT, STDERR, END):
                reply.other.append(got)
            elif kind == STDOUT:
                reply.stdout += content
            elif kind == STDERR:
                reply.stderr += content
            else:
                reply.end = struct.unpack(">IB3x", content)
                return reply

    def ended(self, seconds):
        """Whether the peer closes within that time, saying nothing."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except socket.timeout:
            return False

    def close(self):
        """Close."""
        self.sock.close()


def ask(path, *args, timeout=5.0, **kwargs):
    """One request on a connection of its own; None when it was not answered."""
    conn = Conn(path, timeout)
    try:
        conn.send(request(*args, keep=False, **kwargs))
        return conn.reply()
    finally:
        conn.close()


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("socket")
    parser.add_argument("path")
    parser.add_argument("--method", default="GET")
    parser.add_argument("--body", type=int, default=0)
    parser.add_argument("--param", action="append", default=[])
    parser.add_argument("--timeout", type=float, default=5.0)
    args = parser.parse_args()
    try:
        reply = ask(args.socket, args.path, args.method, b"x" * args.body,
                    dict(p.split("=", 1) for p in args.param),
                    timeout=args.timeout)
    except OSError as error:
        sys.exit(f"fcgi.py: {args.socket}: {error}")
    if reply is None:
        sys.exit("fcgi.py: the connection ended without a reply")
    print(reply.status, flush=True)
    sys.stdout.buffer.write(reply.body)
    print()


if __name__ == "__main__":
    main()
