"""A FastCGI backend by script, which takes nothing but what the specification
allows, and answers as the path says; see the functions on_*.

    backend.py SOCKET [LEDGER]

LEDGER gets one line of JSON for each request: the path, its faults, the bytes
of its body.
"""
import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time

import fcgi

FOREVER = 60  # seconds


class Fault(Exception):
    """What came is no request."""


class Request:
    """One, read by the letter."""

    def __init__(self, conn):
        self.conn = conn
        self.params, self.body = [], 0
        self.digest = hashlib.md5()
        self.records = []  # lengths of the PARAMS records
        self.read()

    def take(self, n):
        data = bytearray()
        while len(data) < n:
            more = self.conn.recv(min(n - len(data), 1 << 16))
            if not more:
                raise Fault(f"it ends {n - len(data)} bytes early")
            data += more
        return bytes(data)

    def record(self, wanted):
        version, kind, rid, size, pad, _ = struct.unpack(
            ">BBHHBB", self.take(8))
        if version != 1 or rid != 1 or kind != wanted:
            raise Fault(f"version {version}, id {rid}, type {kind}, "
                        f"not {wanted}")
        data = self.take(size)
        self.take(pad)
        # php-fpm (8.2) closes the connection on a longer one.
        if kind == fcgi.PARAMS and size + pad > 65535:
            raise Fault(f"parameters of {size} bytes and {pad} of padding")
        return data

    def read(self):
        role, flags = struct.unpack(">HB5x", self.record(fcgi.BEGIN))
        if role != 1:
            raise Fault(f"role {role}")
        self.keep = flags & 1
        while True:
            data = self.record(fcgi.PARAMS)
            if not data:
                break
            self.records.append(len(data))
            # php-fpm takes no pair that goes on in the next record.
            self.params += self.pairs(data)
        self.env = dict(self.params)
        if self.path().startswith("/fake/early-answer"):
            return
        while True:
            data = self.record(fcgi.STDIN)
            if not data:
                break
            self.body += len(data)
            self.digest.update(data)
        if int(self.env.get("CONTENT_LENGTH") or 0) != self.body:
            raise Fault(f"CONTENT_LENGTH {self.env.get('CONTENT_LENGTH')}, "
                        f"{self.body} bytes")

    @staticmethod
    def pairs(data):
        def number(at):
            if data[at] < 128:
                return data[at], at + 1
            return (struct.unpack_from(">I", data, at)[0] & 0x7FFFFFFF,
                    at + 4)
        at, found = 0, []
        try:
            while at < len(data):
                name, at = number(at)
                value, at = number(at)
                if at + name + value > len(data):
                    raise Fault("a pair goes on behind its record")
                found.append((data[at:at + name].decode("latin-1"),
                              data[at + name:at + name + value]
                              .decode("latin-1")))
                at += name + value
        except (IndexError, struct.error) as error:
            raise Fault("a pair is cut in its lengths") from error
        return found

    def path(self):
        return self.env.get("DOCUMENT_URI", "")

    def attempt(self):
        return int(self.env.get("OUTLAST_ATTEMPT", 0))

    # --- what may be answered

    def out(self, data):
        for at in range(0, len(data), 32768):
            self.conn.sendall(fcgi.record(fcgi.STDOUT, data[at:at + 32768]))

    def end(self, protocol=0):
        self.conn.sendall(fcgi.record(fcgi.STDOUT) + fcgi.record(
            fcgi.END, struct.pack(">IB3x", 0, protocol)))

    def reply(self, head, body=b""):
        self.out(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        self.end()

    def on_echo(self):
        self.reply("Content-Type: application/json\n", json.dumps({
            "params": self.params, "body": self.body,
            "md5": self.digest.hexdigest(), "keep": self.keep,
            "records": self.records}).encode())

    def on_silent(self):
        pass

    def on_never(self):
        self.conn.settimeout(FOREVER)
        self.conn.recv(1)

    def on_half(self):
        self.out(b"Content-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf")

    def on_half_head(self):
        self.out(b"Content-Type: text/plain\r\nX-Half")

    def on_http(self):
        self.conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\n")

    def on_noise(self):
        self.conn.sendall(bytes(range(255, -1, -1)) * 40)

    def on_other_id(self):
        self.conn.sendall(fcgi.record(fcgi.STDOUT, b"X: y\r\n\r\n", rid=7))
        self.on_never()

    def on_no_head(self):
        self.reply("this is no header\n", b"x")

    def on_bad_status(self):
        self.reply("Status: 99 odd\n", b"x")

    def on_split(self):
        self.reply("Content-Type: text/plain\nX-A: b\rSet-Cookie: mine=1\n",
                   b"x")

    def on_nothing(self):
        self.end()

    def on_endless(self):
        self.out(b"Content-Type: text/plain\r\n\r\n")
        end = time.monotonic() + FOREVER
        while time.monotonic() < end:
            self.out(b"more " * 6000)

    def on_endless_head(self):
        end = time.monotonic() + FOREVER
        while time.monotonic() < end:
            self.out(b"X-More: " + b"x" * 8000 + b"\r\n")

    def on_endless_errors(self):
        self.conn.sendall(fcgi.record(fcgi.STDERR, b"much to say\n" * 5000)
                          * 20)
        self.conn.sendall(fcgi.record(fcgi.STDERR, b"the last \xff words\n"))
        self.reply("Status: 404\nContent-Type: text/plain\n", b"no")

    def on_full(self):
        if self.path().endswith(str(self.server_runs())):
            self.conn.sendall(fcgi.record(fcgi.END,
                                          struct.pack(">IB3x", 0, 2)))
        else:
            self.reply("Content-Type: text/plain\n", b"had room\n")

    def server_runs(self):
        with LOCK:
            RUNS[self.path()] = RUNS.get(self.path(), 0) + 1
            return RUNS[self.path()]

    def on_later(self):
        if self.attempt() == 1:
            self.reply("Status: 503\nRetry-After: 1\n", b"later\n")
        else:
            self.reply("Content-Type: text/plain\n", b"now\n")

    def on_early_answer(self):
        self.reply("Content-Type: text/plain\n", b"did not read it\n")

    def on_behind(self):
        self.reply("Content-Type: text/plain\n", b"fine\n")
        self.out(b"and more behind the end")


LOCK, RUNS = threading.Lock(), {}


def serve(conn, ledger):
    """One connection, one request."""
    said = {}
    try:
        with conn:
            try:
                request = Request(conn)
                said = {"path": request.path(), "bytes": request.body,
                        "attempt": request.attempt()}
                name = request.path().split("/")[2].replace("-", "_")
                getattr(request, "on_" + name.rstrip("0123456789"))()
            except Fault as fault:
                said["fault"] = str(fault)
    except OSError as error:
        said["gone"] = error.__class__.__name__
    with LOCK:
        ledger.write(json.dumps(said) + "\n")
        ledger.flush()


def main():
    """The command line."""
    with open(sys.argv[2] if len(sys.argv) > 2 else os.devnull, "a",
              encoding="utf-8") as ledger:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(sys.argv[1])
        os.chmod(sys.argv[1], 0o666)
        listener.listen(128)
        while True:
            conn, _ = listener.accept()
            threading.Thread(target=serve, args=(conn, ledger),
                             daemon=True).start()


if __name__ == "__main__":
    main()
