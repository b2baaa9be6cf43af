"""The judge sees each fault, and the client keeps its ledger: oracle.py."""
import http.server
import os
import tempfile
import threading
import types
import unittest
import uuid

import oracle

A, B, C = "a" * 36, "b" * 36, "c" * 36
LEDGER = f"""sent t1 -
acked t1 {A} 100 200
sent t2 t2
failed t2 503
acked t2 {B} 100 200
sent t3 -
failed t3 0
"""
RUNS = f"""{A} 1 start t1 300
{B} 1 start t2 300
{A} 1 end t1 300
{B} 2 start t2 300
{B} 2 end t2 300
"""
STATES = {A: "succeeded", B: "succeeded"}
ROWS = {A: ("succeeded", "t1"), B: ("succeeded", "t2")}


class Judge(unittest.TestCase):
    """Each fault is seen, and none where there is none."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def story(self, ledger=LEDGER, runs=RUNS):
        """A story from texts."""
        paths = []
        for name, text in ("ledger", ledger), ("runs", runs):
            paths.append(os.path.join(self.folder.name, name))
            with open(paths[-1], "w", encoding="ascii") as file:
                file.write(text)
        return oracle.Story(*paths)

    def seen(self, wanted, ledger=LEDGER, runs=RUNS, states=None, rows=None,
             integrity="ok"):
        """These faults are seen and no other."""
        faults = oracle.judge(self.story(ledger, runs), states or STATES,
                              rows or ROWS, integrity)
        self.assertEqual(sorted(faults), sorted(wanted.split()), faults)

    def test_no_fault(self):
        """A run that was killed, and a request without an answer."""
        self.seen("")
        self.assertEqual(oracle.duplicates(self.story()), 0)

    def test_unknown(self):
        """What was not acknowledged may be there."""
        self.seen("", rows={**ROWS, C: ("succeeded", "t3")},
                  runs=RUNS + f"{C} 1 start t3 300\n{C} 1 end t3 300\n")
        self.seen("unended", rows={**ROWS, C: ("ready", "t3")})

    def test_lost(self):
        """Of the API, and of the database."""
        self.seen("lost", states={**STATES, A: None})
        self.seen("lost unstored", rows={B: ("succeeded", "t2")})
        self.seen("lost unstored", rows={A: ("succeeded", "t1")})

    def test_never_ended(self):
        """Waiting for ever, or nobody says."""
        self.seen("unended", states={**STATES, A: "running"})
        self.seen("unended", states={**STATES, A: "?503"})

    def test_pretended(self):
        """Succeeded, but nothing ran to its end."""
        self.seen("pretended", runs=RUNS.replace(f"{A} 1 end t1 300\n", ""))

    def test_invented(self):
        """A task that nobody sent."""
        self.seen("invented", rows={**ROWS, C: ("succeeded", "t4")})
        self.seen("invented unstored", runs=RUNS + f"{C} 1 start t4 300\n")

    def test_twice(self):
        """Two tasks of one request."""
        self.seen("twice", rows={**ROWS, C: ("succeeded", "t2")})
        self.seen("lost twice", ledger=LEDGER + f"acked t2 {C} 1 2\n")

    def test_fence(self):
        """An attempt's number comes twice, or falls."""
        self.seen("fence", runs=RUNS + f"{A} 1 start t1 300\n")
        self.seen("", runs=RUNS + f"{A} 2 start t1 300\n{A} 2 end t1 300\n")

    def test_duplicates(self):
        """Are counted, and are no fault."""
        runs = RUNS + f"{A} 2 start t1 300\n{A} 2 end t1 300\n"
        self.assertEqual(oracle.duplicates(self.story(runs=runs)), 1)

    def test_overlap(self):
        """Two attempts at once."""
        self.seen("overlap", runs=RUNS + f"{B} 2 overlap t2 300\n")

    def test_garbled(self):
        """A line that is none, or a task with another one's payload."""
        self.seen("garbled", runs=RUNS + "x\n")
        self.seen("garbled", runs=RUNS + f"{B} 3 start t1 300\n")

    def test_uncancelled(self):
        """Somebody was told that it is cancelled; it ran all the same."""
        ledger = LEDGER + f"cancelled {A}\n"
        self.seen("uncancelled", ledger=ledger)
        self.seen("", ledger=ledger, states={**STATES, A: "cancelled"})

    def test_status(self):
        """An answer that no kill explains."""
        self.seen("status", ledger=LEDGER + "sent t5 -\nfailed t5 500\n")

    def test_rude(self):
        """A 503 that does not say when to come again."""
        self.seen("rude", ledger=LEDGER + "rude t3\n")

    def test_corrupt(self):
        """What SQLite says."""
        self.seen("corrupt", integrity="row 3 missing from index")


class Fake(http.server.BaseHTTPRequestHandler):
    """Acknowledges each second request, and drops some."""

    protocol_version = "HTTP/1.1"
    asked = 0
    tasks = {}

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):                       # pylint: disable=invalid-name
        """Submit."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        Fake.asked += 1
        if Fake.asked % 5 == 0:
            self.close_connection = True     # pylint: disable=W0201
            return
        if Fake.asked % 2:
            self.send_response(503)
        else:
            task = str(uuid.uuid4())
            Fake.tasks[task] = body.split()[0]
            self.send_response(202)
            self.send_header("Outlast-Task-Id", task)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):                        # pylint: disable=invalid-name
        """State."""
        known = self.path.rpartition("/")[2] in Fake.tasks
        body = b'{"state": "succeeded"}' if known else b"{}"
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Client(unittest.TestCase):
    """The ledger says what came of each request."""

    def test_ledger(self):
        """Against a server that forgets nothing, and one that forgets."""
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        url = f"http://127.0.0.1:{server.server_port}"
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "ledger")
            options = types.SimpleNamespace(
                tasks=40, connections=3, pause=0, ms=5, keys=50, pad=10,
                bad=20, cancel=0, timeout=5, seed=1)
            threads, _ = oracle.submit(oracle.Ledger(path), url + "/t/x",
                                       options)
            for thread in threads:
                thread.join(30)
            story = oracle.Story(path, os.path.join(folder, "none"))
        self.assertEqual(len(story.sent), 120)
        self.assertEqual({i: t for t, ids in story.acked.items() for i in ids},
                         Fake.tasks)
        self.assertGreater(story.failed[503], 20)
        self.assertEqual(len(story.rude), story.failed[503])
        self.assertGreater(story.failed[0], 5)
        # With a key it is sent again until it is known.
        self.assertEqual([t for t, key in story.sent.items()
                          if key and not story.acked.get(t)], [])
        forgotten = story.ids.pop()
        del Fake.tasks[forgotten]
        states = oracle.ask_states(url + "/tasks", story.ids | {forgotten}, 5)
        self.assertIsNone(states.pop(forgotten))
        self.assertEqual(set(states.values()), {"succeeded"})


if __name__ == "__main__":
    unittest.main()
