"""What programs leave behind: run them through outlastd, then without it.

    contain.py FOLDER SOCKET MASTER TRIALS

FOLDER holds the program "runaway"; the types at SOCKET are its words. Prints a
table; fails when an attempt that ended has left anything: a process, a zombie,
a descriptor of ours. The control's row shows that the programs do try.
"""
import glob
import json
import os
import signal
import subprocess
import sys
import time

import fcgi

WORDS = ["fork", "setsid", "closed", "bomb", "flood"]


def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""


def runaways(mark):
    """The processes that sleep for so long."""
    words = b"sleep\0" + mark.encode() + b"\0"
    return [int(path.split("/")[2]) for path in glob.glob("/proc/[0-9]*/cmdline")
            if read(path) == words]


def children(pid):
    return [int(x) for x in read(f"/proc/{pid}/task/{pid}/children").split()]


def zombies(pids):
    return [pid for parent in pids for pid in children(parent)
            if b") Z " in read(f"/proc/{pid}/stat")]


def descriptors(pids):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids)


def run(sock, word):
    """One attempt, to its end."""
    access = {"OUTLAST_ACCESS": "app"}
    wanted = "failed" if word == "flood" else "succeeded"
    reply = fcgi.ask(sock, f"/tasks/{word}", "POST", b"", access)
    task = json.loads(reply.body)
    until = time.time() + 60
    while task.get("ended", "") is None and time.time() < until:
        time.sleep(0.002)
        reply = fcgi.ask(sock, f"/tasks/{task['id']}", extra=access)
        task = json.loads(reply.body)
    if task.get("state") != wanted:
        sys.exit(f"{word}: {reply.status} {reply.body[:600]!r}")


def bare(program, word):
    """The same without us, as a careful author would: its group is killed."""
    child = subprocess.Popen([program, word], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, start_new_session=True)
    child.wait()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass
    time.sleep(0.1)


def main():
    folder, sock, master, trials = sys.argv[1:]
    mark = read(f"{folder}/mark").decode().strip()
    ours = [int(master)] + children(master)
    bad = False
    for word in WORDS:
        run(sock, word)
    time.sleep(0.2)
    print(f"{'':8} trials  runaways  zombies  descriptors")
    for word in WORDS:
        before = descriptors(ours)
        left = dead = 0
        for _ in range(int(trials)):
            run(sock, word)
            # Now, not soon.
            left += len(runaways(mark))
            dead += len(zombies(ours))
        for _ in range(100):
            more = descriptors(ours) - before
            if more <= 0:
                break
            time.sleep(0.02)
        print(f"{word:8} {trials:>6}  {left:8}  {dead:7}  {more:+11}")
        bad = bad or left or dead or more > 0
    caught = 0
    for word in WORDS:
        bare(f"{folder}/runaway", word)
        left = runaways(mark)
        caught += len(left) > 0
        print(f"{word:8} control {len(left):8}")
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    if bad:
        sys.exit("something was left behind")
    if caught < len(WORDS):
        sys.exit("a control left nothing: its row proves nothing")


main()
