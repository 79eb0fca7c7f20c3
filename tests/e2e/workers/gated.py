#!/usr/bin/env python3
"""worker.py, but for its first process only misbehaving, and that one waits for files, not clocks.

--first=FILE: who makes FILE is the first; all later processes ignore every other option.
--boot-gate=FILE: deaf and not ready until FILE exists. --linger=FILE: stays after the end of its
input until FILE exists. The task Hold {"gate", "once"} runs until the file "gate" exists; the task
Log {"n", "s", "file"} appends a line to "file" once its `done` is written in full."""

import os
import sys
import time

import worker


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.01)


def hold(_worker, job):
    wait_for(job.get("gate"))
    job.done("held")
    worker.record("answered", id=job.id)


def log(_worker, job):
    time.sleep(job.get("s", 0))
    job.done(job.get("n"))
    worker.record("answered", id=job.id, n=job.get("n"), job=job.message["queue"]["job"])


def main():
    if (path := worker.option("first")) and not worker.first_time(path):
        del sys.argv[1:]
    worker.TASKS.update(Hold=hold, Log=log)
    subject = worker.Worker()
    if gate := worker.option("boot-gate"):
        worker.record("booting")
        wait_for(gate)
    subject.main()
    if linger := worker.option("linger"):
        wait_for(linger)


main()
