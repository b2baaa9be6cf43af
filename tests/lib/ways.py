"""One request, asked for in two ways: /direct/ goes from nginx to php-fpm,
/replay/ through outlast (tests/lib/php.sh). See Web.

Standard library only.
"""
import http.client
import json
import time

# What differs between any two answers, or is ours.
ASIDE = {"date", "server", "connection", "transfer-encoding", "content-length",
         "x-content-type-options", "outlast-task-id", "outlast-state",
         "preference-applied"}


class Answer:
    """Of nginx: status, headers in their order, body."""

    def __init__(self, reply):
        self.status = reply.status
        self.headers = [(n.lower(), v) for n, v in reply.getheaders()]
        self.body = reply.read()

    def get(self, name):
        """The first header of that name, or None."""
        return next((v for n, v in self.headers if n == name.lower()), None)

    def proper(self):
        """The headers that the page has sent."""
        return [h for h in self.headers if h[0] not in ASIDE]

    def __str__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class Web:
    """nginx on a port."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, headers=(), body=None, timeout=20):
        """One request; headers as pairs, sent as they are and no others."""
        conn = http.client.HTTPConnection("127.0.0.1", self.port,
                                          timeout=timeout)
        try:
            conn.putrequest(method, path, skip_host=True,
                            skip_accept_encoding=True)
            names = {name.lower() for name, _ in headers}
            if "host" not in names:
                conn.putheader("Host", "shop.example")
            if body is not None and "content-length" not in names:
                conn.putheader("Content-Length", str(len(body)))
            for name, value in headers:
                conn.putheader(name, value)
            conn.endheaders(body)
            return Answer(conn.getresponse())
        finally:
            conn.close()

    def direct(self, method, page, headers=(), body=None):
        """What php-fpm answers."""
        return self.ask(method, "/direct/" + page, headers, body)

    def submit(self, method, page, headers=(), body=None):
        """The id of the task that it becomes."""
        answer = self.ask(method, "/replay/" + page, headers, body)
        assert answer.status == 202, f"{method} {page}: {answer}"
        return answer.get("Outlast-Task-Id")

    def task(self, ident):
        """Its object."""
        answer = self.ask("GET", f"/tasks/{ident}")
        assert answer.status == 200, f"{ident}: {answer}"
        return json.loads(answer.body)

    def ended(self, ident, seconds=20):
        """Its object, when it has ended."""
        end = time.monotonic() + seconds
        while True:
            task = self.task(ident)
            if task["ended"]:
                return task
            assert time.monotonic() < end, f"has not ended: {task}"
            time.sleep(0.01)

    def result(self, ident, method="GET"):
        """What /result answers."""
        return self.ask(method, f"/tasks/{ident}/result")

    def replayed(self, method, page, headers=(), body=None):
        """Its object and its result."""
        ident = self.submit(method, page, headers, body)
        return self.ended(ident), self.result(ident)
