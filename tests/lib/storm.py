"""A kill storm: the oracle's client submits all the while, and after a random
5-500 ms something is killed with -9 (T1 of the promises).

    storm.py VICTIM --trials N --outlastd PROGRAM --folder T --port PORT

VICTIM: engine, spawner, program, master, all, or any (one of these). Prints a
table row and a RESULT line; exit code 1 when the oracle finds a fault. What it
expects in the folder is of tests/lib/tasks.sh. Standard library only.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import threading
import time

import fcgi
import oracle
from stalled import stalled

VICTIMS = ["engine", "spawner", "program", "master", "all"]


def say(*words):
    """With the time, at once."""
    now = time.time()
    print(time.strftime("%T", time.localtime(now)) +
          f".{int(now * 1000) % 1000:03d}", *words, flush=True)


def processes():
    """{pid: (parent, state, command line)} of the machine."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                words = file.read().rpartition(")")[2].split()
            with open(f"/proc/{name}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode("latin-1")
        except OSError:
            continue
        found[int(name)] = int(words[1]), words[0], line
    return found


def tree(root):
    """[(pid, command line)] of root and all below it, zombies left out."""
    table = processes()
    pids, new = {root}, {root}
    while new:
        new = {p for p, (parent, _, _) in table.items()
               if parent in new} - pids
        pids |= new
    return [(p, table[p][2]) for p in pids
            if p in table and table[p][1] != "Z"]


def kill(pid):
    """Whether it was there to be killed."""
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


class Watch:
    """How long something takes, what others had of the machine not counted, up
    to four fifths: within of lib.sh is the same."""

    def __init__(self):
        self.began, self.stalled = time.monotonic(), stalled()

    def seconds(self):
        """So far."""
        gone = time.monotonic() - self.began
        return max(gone / 5, gone - (stalled() - self.stalled))


class Daemon:
    """outlastd, started and killed."""

    def __init__(self, options):
        self.options = options
        self.sock = os.path.join(options.folder, "tasks.sock")
        self.chore = os.path.join(options.folder, "chore")
        # pylint: disable-next=consider-using-with
        self.log = open(os.path.join(options.folder, "outlastd.log"), "ab")
        self.master = None
        self.faults = []
        self.slowest_start = 0.0

    def start(self):
        """Start, and wait until it is ready."""
        watch = Watch()
        self.master = subprocess.Popen(     # pylint: disable=R1732
            [self.options.outlastd, "-c",
             os.path.join(self.options.folder, "outlast.conf")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.wait_ready()
        self.slowest_start = max(self.slowest_start, watch.seconds())

    def ready(self):
        """Whether /readyz says so."""
        try:
            reply = fcgi.ask(self.sock, "/tasks/readyz", timeout=1)
        except OSError:
            return False
        return reply is not None and reply.status == 200

    def wait_ready(self, seconds=20):
        """Give up on the whole storm when it does not come back."""
        watch = Watch()
        while not self.ready():
            if self.master.poll() is not None:
                raise SystemExit("storm: outlastd ended with "
                                 f"{self.master.returncode}")
            if watch.seconds() > seconds:
                raise SystemExit(f"storm: not ready within {seconds} s")
            time.sleep(0.01)

    def find(self, victim):
        """The pids of a victim; empty when there is none just now."""
        every = tree(self.master.pid)
        if victim == "master":
            return [self.master.pid]
        if victim == "all":
            pids = [pid for pid, _ in every]
            random.shuffle(pids)
            return pids
        if victim == "program":
            pids = [pid for pid, line in every if "bench_chore" in line]
            return [random.choice(pids)] if pids else []
        return [pid for pid, line in every
                if line.startswith(f"outlastd: {victim}")][:1]

    def nothing_left(self, pids, seconds=1.0):
        """After a kill of the master nothing of it may live for long."""
        watch = Watch()
        while True:
            left = [pid for pid, (_, state, _) in processes().items()
                    if pid in pids and state != "Z"]
            if not left:
                return
            if watch.seconds() > seconds:
                self.faults.append(f"left behind: {left}")
                for pid in left:
                    kill(pid)
                return
            time.sleep(0.01)

    def again(self):
        """A stop as it should be, and a start: no back-off that way."""
        self.master.send_signal(signal.SIGTERM)
        try:
            code = self.master.wait(20)
        except subprocess.TimeoutExpired:
            raise SystemExit("storm: TERM did not end it in 20 s") from None
        if code != 0:
            self.faults.append(f"TERM ended with {code}")
        self.start()

    def strike(self, victim):
        """One kill; ms until it is ready again, without those that others
        had of the machine; or None: nobody was there."""
        end = time.monotonic() + 0.2
        while not (pids := self.find(victim)):
            if time.monotonic() > end:
                return None
            time.sleep(0.002)
        family = {pid for pid, _ in tree(self.master.pid)}
        watch = Watch()
        if not all([kill(pid) for pid in pids]) and victim != "all":
            return None
        if victim in ("master", "all"):
            self.master.wait()
            self.nothing_left(family)
            watch = Watch()
            self.start()
        else:
            self.wait_ready()
        took = watch.seconds() * 1000
        if victim in ("engine", "spawner"):
            self.again()
        return took


def storm(options):
    """All trials; the RESULT line; whether there was no fault."""
    random.seed(options.seed)
    daemon = Daemon(options)
    daemon.start()
    ledger_path = os.path.join(options.folder, "ledger")
    ledger = oracle.Ledger(ledger_path)
    base = f"http://127.0.0.1:{options.port}"
    stop = threading.Event()
    clients = []
    for name in "full", "lazy":
        clients += oracle.submit(ledger, f"{base}/t/{name}", options, stop)[0]
    slowest, struck, trials = 0.0, {v: 0 for v in VICTIMS}, 0
    while trials < options.trials:
        victim = random.choice(VICTIMS) if options.victim == "any" \
            else options.victim
        time.sleep(random.uniform(0.005, 0.5))
        took = daemon.strike(victim)
        trials += 1
        if took is None:
            continue
        struck[victim] += 1
        slowest = max(slowest, took)
        if took > 1000:
            say(f"trial {trials}: ready {took:.0f} ms after {victim}")
    stop.set()
    for thread in clients:
        thread.join(30)
    story = oracle.Story(ledger_path, os.path.join(daemon.chore, "runs"))
    states = oracle.ask_states(f"{base}/tasks", story.ids, options.ended)
    daemon.master.send_signal(signal.SIGTERM)
    code = daemon.master.wait(30)
    if code != 0:
        daemon.faults.append(f"TERM ended with {code}")
    story = oracle.Story(ledger_path, os.path.join(daemon.chore, "runs"))
    rows, integrity = oracle.read_database(
        os.path.join(options.folder, "state", "store", "tasks.db"))
    faults = oracle.judge(story, states, rows, integrity)
    if daemon.faults:
        faults["daemon"] = daemon.faults
    # A kill can repeat what was being done, and nothing else: 2 types of 4.
    if oracle.duplicates(story) > 8 * sum(struck.values()):
        faults["duplicates"] = [str(oracle.duplicates(story))]
    good = oracle.tell(faults, story)
    say("killed:", " ".join(f"{v} {n}" for v, n in struck.items() if n))
    print("| victim | trials | acked | lost | duplicates | corrupt |"
          " slowest restart ms | requests without a 202 |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| {options.victim} | {sum(struck.values())} | {len(story.ids)}"
          f" | {len(faults.get('lost', []))} | {oracle.duplicates(story)}"
          f" | {len(faults.get('corrupt', []))} | {slowest:.0f}"
          f" | {sum(story.failed.values())} |")
    oracle.result(story, faults, struck=sum(struck.values()),
                  slowest_ms=round(slowest),
                  slowest_start_ms=round(daemon.slowest_start * 1000))
    return good


def main():
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("victim", choices=VICTIMS + ["any"])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--outlastd", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ended", type=float, default=60)
    oracle.client_options(parser)
    parser.set_defaults(connections=4, pause=20)
    options = parser.parse_args()
    sys.exit(0 if storm(options) else 1)


if __name__ == "__main__":
    main()
