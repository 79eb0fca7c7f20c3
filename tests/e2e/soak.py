#!/usr/bin/env python3
"""`make soak`: every cell of the signal matrix five times, then races at random moments fifty times
each: a signal against the end of a job, signals against each other, a reload against a stop. Any
deviation is printed with its seed and the daemon's log, and the exit status is 1.

soak.py [--cells N] [--races N] [--seed N]"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import shutil
import signal
import sys
import tempfile
import time

import harness
import matrix
import test_matrix

# A race that is known to be lost, and is counted and printed apart; None when there is none.
KNOWN_LOSS = None
STOPS = (["TERM"], ["TERM", "TERM"], ["TERM", "TERM", "TERM"], ["INT"], ["QUIT"])
OTHERS = ["HUP", "USR1", "USR2", "TTIN", "TTOU"]


class KnownFailure(AssertionError):
    pass


class Race:
    """Some jobs, a few workers, and signals at random moments; then, if need be, a second run that
    does what is left."""
    JOBS = 6

    def __init__(self, seed, folder):
        self.random = random.Random(seed)
        options = self.random.choice([(), ("--signals=TERM", "--term=handle"), ("--abrt=ignore",),
                                      ("--signals=TERM,ABRT", "--term=handle", "--abrt=handle")])
        self.daemon = harness.Daemon(folder, {
            "command": [sys.executable, "-S", "-E", matrix.GATED, *options], "max_workers": 2,
            "graceful_shutdown_timeout": "400ms", "abort_timeout": "300ms", "exit_grace": "500ms"})

    def signal(self, name):
        try:
            self.daemon.signal(getattr(signal, f"SIG{name}"))
        except ProcessLookupError:
            pass  # workmand has ended by an earlier one.

    def pause(self, longest):
        time.sleep(self.random.uniform(0, longest))

    def act(self):
        raise NotImplementedError

    def play(self):
        daemon = self.daemon
        lines = "".join(daemon.json({"task": "Log", "args": {"n": n, "s": 0.1}}) + "\n"
                        for n in range(self.JOBS))
        daemon.workman("enqueue", "--from", "-", stdin=lines)
        daemon.start()
        self.act()
        status = daemon.wait_exit()
        if status != 0:
            raise AssertionError(f"workmand exited {status}\n{daemon.tail(100)}")
        daemon.wait_no_process()
        return self.account()

    def account(self):
        """Every job is done once, by its own attempt 1, and what was answered in full counted."""
        daemon = self.daemon
        first = {entry["n"] for entry in daemon.records("answered")}
        done = len(daemon.find("job done"))
        if done < self.JOBS:
            daemon.write_profile(graceful_shutdown_timeout="30s", abort_timeout="30s",
                                 exit_grace="30s", command=[sys.executable, "-S", "-E",
                                                            matrix.GATED])
            daemon.start()
            daemon.wait_event("job done", count=self.JOBS)
            daemon.wait_status("an empty queue", lambda s: (
                s["queue"]["depth"] == 0 and s["queue"]["held"] == 0))
            daemon.stop()
        lost = [event for event in daemon.find("job lost") if self.is_known(event)]
        wrong = [event for event in daemon.events if event not in lost and event.get("event") in (
            "job lost", "job failed", "job timeout", "job completed late")]
        answers = collections.Counter(entry["n"] for entry in daemon.records("answered"))
        wrong += [f"job {n} ran {answers[n]} times although it was answered"
                  for n in first if answers[n] != 1]
        # A worker may be killed between its answer and the line that tells us of it.
        known = set(answers) | {int(event["job"]) - 1 for event in daemon.find("job done")}
        wrong += [f"job {n} was not run" for n in range(self.JOBS) if n not in known]
        again = {event["job"] for event in lost}
        wrong += [f"attempt {entry['attempt']} of job {entry['job']}"
                  for entry in daemon.records("job")
                  if entry["attempt"] != 1 and entry["job"] not in again]
        if len(daemon.find("job done")) != self.JOBS:
            wrong.append(f"{len(daemon.find('job done'))} of {self.JOBS} jobs done")
        if wrong:
            raise AssertionError(f"{wrong}\n{daemon.tail(200)}")
        if lost:
            raise KnownFailure(f"{KNOWN_LOSS}\n{lost}")
        return done

    def is_known(self, lost):
        """True for a job whose worker had got SIGTERM for it, and ended with 0."""
        return bool(KNOWN_LOSS) and lost["error"].endswith("exit 0") and bool(self.daemon.find(
            "worker signalled", worker=lost["worker"], signal="TERM", job=lost["job"]))


class SignalAgainstOutcome(Race):
    def act(self):
        self.daemon.wait_record("job")
        time.sleep(0.1 + self.random.uniform(-0.03, 0.03))
        for name in self.random.choice(STOPS):
            self.signal(name)
            self.pause(0.02)


class SignalAgainstSignal(Race):
    def act(self):
        names = [*self.random.choice(STOPS), *self.random.sample(OTHERS, 3)]
        self.random.shuffle(names)
        for name in names:
            self.signal(name)
            self.pause(0.03)


class ReloadAgainstStop(Race):
    def act(self):
        self.pause(0.1)
        for name in ("HUP", *self.random.choice(([], ["HUP"])), *self.random.choice(STOPS)):
            self.signal(name)
            self.pause(0.15)


RACES = {"signal against outcome": SignalAgainstOutcome,
         "signal against signal": SignalAgainstSignal, "reload against stop": ReloadAgainstStop}


def race(kind, seed):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
    one = kind(seed, folder)
    try:
        done = one.play()
    finally:
        wrong = one.daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    if wrong:
        raise AssertionError(f"{wrong}\n{one.daemon.tail(200)}")
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=5)
    parser.add_argument("--races", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)

    pool = concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1))
    tries = {}  # future -> what it is
    for number in range(options.cells):
        for cell in matrix.cells():
            tries[pool.submit(matrix.run, *cell)] = ("cells", f"{cell[1]} to {cell[0]}, {number}",
                                                     test_matrix.KNOWN.get(cell))
    for name, kind in RACES.items():
        for number in range(options.races):
            seed = options.seed + number
            tries[pool.submit(race, kind, seed)] = (name, f"seed {seed}", None)

    counts, before_the_stop = collections.Counter(), collections.Counter()
    for future in concurrent.futures.as_completed(tries):
        group, which, known = tries[future]
        error = future.exception()
        result = "passed" if error is None else "failed"
        if error is not None and (known or isinstance(error, KnownFailure)):
            result = "known failures"
        counts[group, result] += 1
        if error is not None:
            print(f"{result.upper()}: {group}: {which} {known or ''}\n{error}", flush=True)
        elif group != "cells":
            before_the_stop[group] += future.result()
    for group, result in sorted(counts):
        jobs = f", {before_the_stop[group]} jobs done before the stop" if group in RACES else ""
        print(f"{group}: {counts[group, result]} {result}{jobs if result == 'passed' else ''}")
    return any(result == "failed" for _, result in counts)


if __name__ == "__main__":
    sys.exit(main())
