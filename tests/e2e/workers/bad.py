#!/usr/bin/env python3
"""worker.py with misbehaviour of its own kind, at the start by option and in jobs by task.

--early-outcome: a `done` before `ready`. --utf16: writes everything in UTF-16. --fork: goes on in a
child of a process that exits. --first-line=TEXT: written before `ready`. --max-line=N, --prefetch=N:
announced. --wedge-once=FILE: who makes FILE never reads again once it was pinged.

Tasks: Babble {"bytes", "line", "once"} writes so much garbage, for ever when "bytes" is 0. Data
{"parts", "size"} sends numbered parts of a result, each a string of that size. Stubborn {"gate"}
ignores every signal but SIGKILL until the file "gate" exists."""

import os
import signal
import sys
import time

import worker


def babble(_worker, job):
    line = b"x" * (job.get("line", 4096) - 1) + b"\n"
    left = job.get("bytes", 0)
    while left > 0 or job.get("bytes", 0) == 0:
        worker.put(line)
        left -= len(line)
    job.done({"attempt": job.message["attempt"]})


def data(_worker, job):
    filling = "x" * job.get("size", 0)
    for number in range(job.get("parts", 1)):
        worker.send(type="data", id=job.id, data=f"{number}:{filling}", warn=job.get("warn", False))
        worker.record("part", number=number)
    job.done(job.get("parts", 1))


def stubborn(_worker, job):
    for name in ("TERM", "ABRT", "INT", "HUP"):
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_IGN)
    worker.record("stubborn")
    while not os.path.exists(job.get("gate", "")):
        time.sleep(0.01)
    job.done()


class Bad(worker.Worker):
    def boot(self):
        if worker.option("fork"):
            if os.fork() > 0:
                os._exit(0)
            time.sleep(1)  # Longer than the daemon waits for what an ended worker left in its pipe.
        if worker.option("utf16"):
            plain = worker.put
            worker.put = lambda text: plain(text.encode("utf-16"))
        if worker.option("early-outcome"):
            worker.send(type="done", id="A" * 16)
        if text := worker.option("first-line"):
            worker.put(text + "\n")
        if (number := worker.option("max-line")) or worker.option("prefetch"):
            members = {"max_line": int(number)} if number else {}
            worker.send(type="ready", tasks=list(worker.TASKS),
                        prefetch=int(worker.option("prefetch", 0)), **members)
        else:
            super().boot()

    def handle(self, line):
        if b'{"type":"ping"' not in line:
            super().handle(line)
            return
        number = line.split(b'"')[7].decode()
        worker.record("ping", id=number)
        if (path := worker.option("wedge-once")) and worker.first_time(path):
            time.sleep(600)
        worker.send(type="pong", id=number)


worker.TASKS.update(Babble=babble, Data=data, Stubborn=stubborn)
Bad().main()
