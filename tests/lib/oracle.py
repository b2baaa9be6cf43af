"""The client that remembers, and the judge of durable tasks.

    oracle.py submit LEDGER URL [--tasks N | --seconds S] [OPTION]...
    oracle.py check LEDGER CHORE [--url URL] [--states FILE] [--db FILE]
    oracle.py latency LEDGER CHORE

The client submits tasks for bench_chore, each with a token of its own, and
keeps a ledger: "sent TOKEN KEY" is on disk before the request leaves, "acked
TOKEN ID ASKED TAKEN" (microseconds since 1970) follows the 202, "failed TOKEN STATUS" anything else (0: no answer),
which means: unknown; "cancelled ID" a DELETE that was answered so, "rude
TOKEN" a 503 without a Retry-After. CHORE is the folder where bench_chore bears witness.

The judge compares the ledger, the witness, what the API says and, when the
daemon has stopped, the database. Standard library only.
"""
import argparse
import collections
import http.client
import os
import random
import sqlite3
import sys
import threading
import time
import json
import urllib.parse
import uuid

ENDED = {"succeeded", "failed", "poisoned", "cancelled"}
# What may be answered while something is being killed. The rest is a fault.
UNKNOWN = {0, 409, 502, 503, 504}


class Ledger:
    """Lines that are on disk when a call returns. Any thread."""

    def __init__(self, path):
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT,
                            0o600)
        self.lock = threading.Lock()
        self.flush = threading.Lock()
        self.written = self.flushed = 0
        self.counts = collections.Counter()

    def add(self, what, *words):
        """One line; those of other threads are flushed with it."""
        with self.lock:
            os.write(self.file, (" ".join((what, *words)) + "\n").encode())
            self.written += 1
            self.counts[what] += 1
            mine = self.written
        with self.flush:
            if self.flushed < mine:
                flushed = self.written
                os.fdatasync(self.file)
                self.flushed = flushed


class Client:
    """HTTP with a kept connection; a new one after any failure."""

    def __init__(self, url, timeout=10):
        parts = urllib.parse.urlsplit(url)
        self.host, self.path = parts.netloc, parts.path
        self.timeout = timeout
        self.conn = None

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body); status 0: nobody answered."""
        try:
            if self.conn is None:
                self.conn = http.client.HTTPConnection(
                    self.host, timeout=self.timeout)
            self.conn.request(method, path, body, headers or {})
            reply = self.conn.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, {}, b""

    def close(self):
        """Close."""
        if self.conn is not None:
            self.conn.close()
        self.conn = None


class Submitter(threading.Thread):
    """One connection that submits until it is told to stop."""

    def __init__(self, ledger, url, name, options, stop):
        super().__init__(daemon=True)
        self.ledger, self.options, self.stop = ledger, options, stop
        self.client = Client(url, options.timeout)
        self.prefix = name
        self.random = random.Random(f"{options.seed} {name}")
        self.slowest = self.slowest_refusal = 0.0

    def run(self):
        for n in range(self.options.tasks or sys.maxsize):
            if self.stop.is_set():
                break
            self.one(f"{self.prefix}-{n}")
            if self.options.pause:
                self.stop.wait(self.random.uniform(0, self.options.pause) / 500)
        self.client.close()

    def one(self, token):
        """Submit one task; with a key, until it is known what came of it."""
        keyed = self.random.randrange(100) < self.options.keys
        pad = b"x" * self.options.pad
        code = 0
        if self.random.randrange(100) < self.options.bad:
            code = self.random.choice((75, 1, 65))
        body = f"{token} {self.random.randint(0, self.options.ms)} {code}\n"
        headers = {"Content-Type": "text/plain"}
        if keyed:
            headers["Idempotency-Key"] = f'"{token}"'
        self.ledger.add("sent", token, token if keyed else "-")
        while True:
            began, asked = time.monotonic(), time.time() * 1e6
            status, head, _ = self.client.ask(
                "POST", self.client.path, body.encode() + pad, headers)
            took = time.monotonic() - began
            if status == 503:
                self.slowest_refusal = max(self.slowest_refusal, took)
                if not head.get("Retry-After"):
                    self.ledger.add("rude", token)
            self.slowest = max(self.slowest, took)
            if status == 202 and head.get("Outlast-Task-Id"):
                task = head["Outlast-Task-Id"]
                self.ledger.add("acked", token, task,
                                f"{asked:.0f}", f"{time.time() * 1e6:.0f}")
                if self.random.randrange(100) < self.options.cancel:
                    self.cancel(task, head["Location"])
                return
            self.ledger.add("failed", token, str(status))
            if self.stop.wait(0.005) or not keyed or status not in UNKNOWN:
                return

    def cancel(self, task, path):
        """Cancel it; it may run, have ended, or not be there at all."""
        status, _, body = self.client.ask("DELETE", path)
        if status == 200 and json.loads(body)["state"] == "cancelled":
            self.ledger.add("cancelled", task)
        elif status not in UNKNOWN | {200, 202}:
            self.ledger.add("failed", "cancel", str(status))


def submit(ledger, url, options, stop=None):
    """Start the connections; returns the threads and what stops them."""
    stop = stop or threading.Event()
    life = uuid.uuid4().hex[:8]
    threads = [Submitter(ledger, url, f"{life}-{n}", options, stop)
               for n in range(options.connections)]
    for thread in threads:
        thread.start()
    return threads, stop


# --- the judge -----------------------------------------------------------------

class Story:
    """What the ledger and the witness tell."""

    def __init__(self, ledger, runs):
        self.sent = {}                               # token: key or None
        self.acked = collections.defaultdict(set)    # token: ids
        self.failed = collections.Counter()          # status: times
        self.cancelled = set()                       # ids
        self.rude = []                               # tokens
        self.starts = collections.defaultdict(list)  # id: attempts
        self.started = {}                            # id: first start, us
        self.times = {}                              # id: asked, taken, us
        self.ends = collections.Counter()            # id: times
        self.token = {}                              # id: token
        self.overlaps = []
        self.garbled = []
        for line in self.lines(ledger):
            self.of_ledger(line.split())
        for line in self.lines(runs):
            self.of_runs(line.split())
        self.ids = {i for ids in self.acked.values() for i in ids}

    @staticmethod
    def lines(path):
        """Its lines; none when there is no file."""
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def of_ledger(self, words):
        """One line of the ledger."""
        if words[0] == "sent":
            self.sent[words[1]] = None if words[2] == "-" else words[2]
        elif words[0] == "acked":
            self.acked[words[1]].add(words[2])
            self.times[words[2]] = int(words[3]), int(words[4])
        elif words[0] == "cancelled":
            self.cancelled.add(words[1])
        elif words[0] == "rude":
            self.rude.append(words[1])
        else:
            self.failed[int(words[2])] += 1

    def of_runs(self, words):
        """One line of the witness."""
        if len(words) != 5:
            self.garbled.append(" ".join(words))
            return
        task, attempt, what, token, when = words
        if self.token.setdefault(task, token) != token:
            self.garbled.append(" ".join(words))
        if what == "start":
            self.starts[task].append(int(attempt))
            self.started.setdefault(task, int(when))
        elif what == "end":
            self.ends[task] += 1
        else:
            self.overlaps.append(task)


def judge(story, states, rows=None, integrity="ok"):
    """The faults as a dict of lists (empty ones are left out). states: what
    the API says of each acked id, None: 404. rows: {id: (state, token)} of
    the database, or None."""
    faults = collections.defaultdict(list)
    for task in sorted(story.ids):
        state = states.get(task)
        if state is None or (rows is not None and task not in rows):
            faults["lost"].append(task)
        elif state not in ENDED:
            faults["unended"].append(f"{task} {state}")
        elif state == "succeeded" and not story.ends[task]:
            faults["pretended"].append(task)
        elif state != "cancelled" and task in story.cancelled:
            faults["uncancelled"].append(f"{task} {state}")
    by_token = collections.defaultdict(set)
    for task, token in story.token.items():
        by_token[token].add(task)
    for token, ids in story.acked.items():
        by_token[token] |= ids
    for task, (state, token) in (rows or {}).items():
        if token is not None:
            by_token[token].add(task)
        # Also of those that nobody was told of.
        if state not in ENDED and task not in story.ids:
            faults["unended"].append(f"{task} {state}, not acknowledged")
    for token, ids in by_token.items():
        if token not in story.sent:
            faults["invented"].extend(ids)
        elif len(ids) > 1:
            faults["twice"].append(f"{token} {' '.join(sorted(ids))}")
    for task, attempts in story.starts.items():
        if any(a >= b for a, b in zip(attempts, attempts[1:])):
            faults["fence"].append(f"{task} {attempts}")
        if rows is not None and task not in rows:
            faults["unstored"].append(task)
    faults["overlap"] = story.overlaps
    faults["garbled"] = story.garbled
    faults["rude"] = story.rude
    faults["status"] = [f"{n} times {status}"
                        for status, n in story.failed.items()
                        if status not in UNKNOWN]
    if integrity != "ok":
        faults["corrupt"].append(integrity)
    return {name: list(what) for name, what in faults.items() if what}


def duplicates(story):
    """Runs to the end beyond the first of each task."""
    return sum(n - 1 for n in story.ends.values())


def ask_states(url, ids, seconds, connections=8):
    """What the API says of each: waits until all have ended, at most so long.
    An id stays None when it is a 404, and "?" when nobody answers."""
    end = time.monotonic() + seconds
    states = dict.fromkeys(ids, "?")
    left = collections.deque(sorted(ids))

    def look():
        client = Client(url)
        while True:
            try:
                task = left.popleft()
            except IndexError:
                break
            status, _, body = client.ask("GET", f"{client.path}/{task}")
            if status == 200:
                states[task] = json.loads(body)["state"]
            else:
                states[task] = None if status == 404 else f"?{status}"
            if states[task] not in ENDED and states[task] is not None:
                if time.monotonic() < end:
                    left.append(task)
                    time.sleep(0.02)
        client.close()

    threads = [threading.Thread(target=look) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return states


def read_database(path):
    """({id: (state, token)}, integrity_check); only when nobody owns it any
    more. token is None where the payload is not in the row."""
    names = {1: "scheduled", 2: "ready", 3: "running", 4: "retrying",
             5: "parked", 10: "succeeded", 11: "cancelled", 12: "failed",
             13: "poisoned"}
    conn = sqlite3.connect(path)
    try:
        integrity = conn.execute("PRAGMA integrity_check").fetchone()[0]
        rows = {}
        for task, state, payload in conn.execute(
                "SELECT id, state, bytes FROM task LEFT JOIN payload"
                " USING (seq)"):
            token = payload.split()[0].decode("ascii", "replace") \
                if payload else None
            rows[str(uuid.UUID(bytes=task))] = names[state], token
        return rows, integrity
    except sqlite3.DatabaseError as error:
        return {}, str(error)
    finally:
        conn.close()


def tell(faults, story):
    """Print the faults, some of each; returns whether there are none."""
    for name, what in sorted(faults.items()):
        print(f"FAULT {name}: {len(what)}")
        for line in what[:5]:
            print(f"    {line}")
            for task in line.split():
                if task in story.starts:
                    print(f"        starts {story.starts[task]}"
                          f" ends {story.ends[task]}")
    return not faults


def result(story, faults, **more):
    """The line that lib.sh reads."""
    numbers = {
        "sent": len(story.sent), "acked": len(story.ids),
        "unknown": sum(story.failed.values()),
        "lost": len(faults.get("lost", [])),
        "duplicates": duplicates(story),
        "runs": sum(len(a) for a in story.starts.values()),
        "corrupt": len(faults.get("corrupt", [])),
        "faults": sum(len(what) for what in faults.values()), **more}
    print("RESULT " + " ".join(f"{k}={v}" for k, v in numbers.items()))


def latency(story):
    """RESULT line: from the request, and from the 202, to the start."""
    both = [(story.started[task] - asked, story.started[task] - taken)
            for task, (asked, taken) in story.times.items()
            if task in story.started]
    words = [f"n={len(both)}"]
    for name, values in zip(("request", "202"), zip(*both)):
        values = sorted(values)
        for quantile in 50, 99:
            words.append(f"{name}_p{quantile}_us="
                         f"{values[len(values) * quantile // 100]}")
    print("RESULT " + " ".join(words))


# --- the command line -------------------------------------------------------------

def client_options(parser):
    """The options of the client."""
    parser.add_argument("--tasks", type=int, default=0,
                        help="each connection so many; 0: until the end")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0,
                        help="ms between two requests, on average")
    parser.add_argument("--ms", type=int, default=10,
                        help="how long a task takes at most")
    parser.add_argument("--keys", type=int, default=25,
                        help="percent with an Idempotency-Key")
    parser.add_argument("--bad", type=int, default=0,
                        help="percent whose first attempt fails")
    parser.add_argument("--cancel", type=int, default=0,
                        help="percent that are cancelled at once")
    parser.add_argument("--pad", type=int, default=0,
                        help="bytes behind the payload's line")
    parser.add_argument("--timeout", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("submit")
    verb.add_argument("ledger")
    verb.add_argument("url")
    client_options(verb)
    verb = verbs.add_parser("check")
    verb.add_argument("ledger")
    verb.add_argument("chore")
    verb.add_argument("--url", help="of the API: ask it")
    verb.add_argument("--states", help="file that keeps its answers")
    verb.add_argument("--db", help="the database; the daemon has stopped")
    verb.add_argument("--ended", type=float, default=30,
                      help="seconds in which all must end")
    verb = verbs.add_parser("latency")
    verb.add_argument("ledger")
    verb.add_argument("chore")
    options = parser.parse_args()
    if options.verb == "latency":
        latency(Story(options.ledger, os.path.join(options.chore, "runs")))
        return
    if options.verb == "submit":
        ledger = Ledger(options.ledger)
        threads, stop = submit(ledger, options.url, options)
        if options.seconds:
            time.sleep(options.seconds)
            stop.set()
        for thread in threads:
            thread.join()
        print("RESULT " + " ".join(f"{k}={v}"
                                   for k, v in ledger.counts.items()) +
              f" slowest_ms={max(t.slowest for t in threads) * 1000:.0f}"
              " refusal_ms="
              f"{max(t.slowest_refusal for t in threads) * 1000:.0f}")
        return
    story = Story(options.ledger, os.path.join(options.chore, "runs"))
    if options.url:
        states = ask_states(options.url, story.ids, options.ended)
        # What ended meanwhile has borne witness since.
        story = Story(options.ledger, os.path.join(options.chore, "runs"))
        if options.states:
            with open(options.states, "w", encoding="utf-8") as file:
                json.dump(states, file)
    else:
        with open(options.states, encoding="utf-8") as file:
            states = json.load(file)
    rows, integrity = read_database(options.db) if options.db else (None, "ok")
    faults = judge(story, states, rows, integrity)
    good = tell(faults, story)
    result(story, faults)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
