"""The signal matrix: what each sequence of signals to workmand does to a worker in each condition.
A cell is one daemon in a folder of its own; what it must do is computed here from the rules of
docs/lifecycle.md, nothing is written down per cell. run(worker, sequence) plays a cell and raises
AssertionError with the daemon's log when anything differs."""

import datetime
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass

import harness

GATED = str(pathlib.Path(__file__).parent / "workers/gated.py")
SLOW = 6 if os.environ.get("WORKMAN_SLOW") == "1" else 1
# The log tells the moment in which a line was written, a deadline counts from the turn of the loop.
SLACK_MS = 100
GRACE_MS, ABORT_MS, EXIT_MS, START_MS = 400 * SLOW, 300 * SLOW, 500 * SLOW, 20000 * SLOW
# A rung that was asked for comes at once; this is what a busy machine may add to it.
PROMPT_MS = 250 * SLOW


@dataclass(frozen=True)
class Condition:
    """What the first worker is like when the signals come."""
    options: tuple = ()
    busy: bool = True        # It runs a job.
    booting: bool = False    # It has not said `ready`, and is deaf.
    frozen: bool = False     # SIGSTOP
    obliges: bool = False    # It goes by itself when it is told to.
    announces: bool = False  # SIGTERM, in `ready`
    handles: tuple = ()      # The signals that it survives.

    def notices(self, name):
        """True when the worker itself can write down that the signal came."""
        return name in self.handles and not self.frozen

    def outlives(self, name):
        return name != "KILL" and (self.frozen or name in self.handles)


WORKERS = {
    "idle": Condition(busy=False, obliges=True),
    "bare": Condition(),
    "bare that ends": Condition(obliges=True),
    "handles TERM": Condition(("--signals=TERM", "--term=handle"), obliges=True, announces=True,
                              handles=("TERM",)),
    "booting": Condition(busy=False, booting=True),
    "ignores TERM": Condition(("--signals=TERM", "--term=ignore"), announces=True,
                              handles=("TERM",)),
    "ignores ABRT": Condition(("--signals=TERM,ABRT", "--term=ignore", "--abrt=ignore"),
                              announces=True, handles=("TERM", "ABRT")),
    "frozen": Condition(("--signals=TERM", "--term=handle"), frozen=True, announces=True,
                        handles=("TERM",)),
}
SEQUENCES = ["TERM", "TERM TERM", "TERM TERM TERM", "INT", "QUIT", "HUP", "HUP HUP", "HUP TERM",
             "TERM HUP", "USR2", "TTIN", "TTOU"]


def cells():
    return [(worker, sequence) for worker in WORKERS for sequence in SEQUENCES]


class Expected:
    """The rules."""

    def __init__(self, worker, names):
        stops = [name for name in names if name in ("TERM", "INT", "QUIT")]
        self.stops = bool(stops)  # workmand ends by these signals.
        self.reloads = "HUP" in names
        # How far down the ladder the signals push: 0 leaves the worker alone, 1 asks it to go and
        # lets the times decide, 2 aborts, 3 kills.
        self.step = len(stops) + ("QUIT" in stops) or int(self.reloads)
        asked = self.step > 0 and "QUIT" not in stops
        self.obliges = self.step == 1 and worker.obliges
        self.sent = ["TERM"] if asked and worker.busy and worker.announces else []
        self.kill_may_come = False
        if self.step > 0 and not self.obliges:
            self.sent.append("ABRT")
            if worker.outlives("ABRT"):
                self.sent.append("KILL")
            else:
                # The third signal may find the worker dead already.
                self.kill_may_come = self.step == 3
        self.noticed = [name for name in self.sent if worker.notices(name)]
        self.status = "exit 0" if self.step == 0 or self.obliges else f"SIG{self.sent[-1]}"
        # The worker's own job; a worker that boots has none yet.
        self.done_first = worker.busy and (self.step == 0 or self.obliges)
        self.given_back = worker.busy and not self.done_first


def state(pid):
    """The kernel's letter: a process that waits for a processor is not frozen yet."""
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


class Cell:
    def __init__(self, worker, sequence, folder):
        self.worker, self.names = WORKERS[worker], sequence.split()
        self.expected = Expected(self.worker, self.names)
        self.gate = folder / "gate"
        command = [sys.executable, "-S", "-E", GATED, f"--first={folder / 'first'}",
                   *self.worker.options]
        command.append(f"--{'boot-gate' if self.worker.booting else 'linger'}={self.gate}")
        self.daemon = harness.Daemon(folder, {
            "command": command, "graceful_shutdown_timeout": f"{GRACE_MS}ms",
            "abort_timeout": f"{ABORT_MS}ms", "exit_grace": f"{EXIT_MS}ms",
            # No cell waits for it, and a slow machine must not meet it.
            "start_timeout": f"{START_MS}ms"})
        self.pid, self.runs = None, []

    # ---- play ----

    def play(self):
        self.begin()
        for number, name in enumerate(self.names):
            self.send(name, self.names[:number + 1])
        if self.expected.step == 0 or self.expected.obliges:
            self.let_go()
        if not self.expected.stops:
            self.settle()
            self.daemon.signal(signal.SIGTERM)
        self.check_stop(self.daemon.wait_exit(), "the first run")
        self.check()

    def begin(self):
        """Up to the moment when the worker is in its condition."""
        self.daemon.start(wait="worker spawned" if self.worker.booting else "ready")
        if self.worker.booting or self.worker.busy:
            once = self.daemon.folder / "once"
            if self.worker.booting:
                once.touch()  # Whoever gets the job answers it.
            self.daemon.enqueue("Hold", {"gate": str(self.gate), "once": str(once)})
        ready = "booting" if self.worker.booting else "job" if self.worker.busy else "hello"
        self.pid = self.daemon.wait_record(ready)["pid"]
        if self.worker.frozen:
            os.kill(self.pid, signal.SIGSTOP)
            harness.poll("the worker to freeze", lambda: state(self.pid) == "T")

    def send(self, name, so_far):
        """Sends one signal and waits until workmand has acted on it."""
        daemon = self.daemon
        daemon.signal(getattr(signal, f"SIG{name}"))
        if name in ("TERM", "INT", "QUIT"):
            step = max(1, len([n for n in so_far if n != "QUIT"]) - so_far.count("HUP"))
            harness.poll("the stop", lambda: len(daemon.find("stopping")) >= step or (
                self.expected.kill_may_come and daemon.process.poll() is not None))
            # Of two pending signals the kernel delivers the lower number first.
            if so_far == ["TERM"] and "TERM" in self.expected.noticed:
                daemon.wait_record("signal", signal="TERM", pid=self.pid)
        elif name == "HUP":
            refused = "TERM" in so_far
            daemon.wait_event("reload refused" if refused else "reload started",
                              count=so_far.count("HUP"))
        else:
            daemon.wait_event("state" if name == "USR2" else "scaled")

    def let_go(self):
        """Opens the gate as soon as the worker was told what it waits for."""
        if self.expected.step > 0:
            self.daemon.wait_event("worker stopping", worker="t-1")
            if "TERM" in self.expected.noticed:
                self.daemon.wait_record("signal", signal="TERM", pid=self.pid)
        if self.worker.frozen:
            os.kill(self.pid, signal.SIGCONT)
        self.gate.touch()

    def settle(self):
        """workmand goes on: waits until the worker and the job are where they have to be."""
        if self.expected.reloads:
            self.daemon.wait_event("worker gone", worker="t-1", pid=self.pid)
            self.daemon.wait_event("reload done")
        if self.worker.busy or self.worker.booting:
            self.daemon.wait_event("job done")

    # ---- check ----

    def fail(self, what, wanted, got):
        raise AssertionError(f"{what}: wanted {wanted}, got {got}\n{self.daemon.tail(200)}")

    def same(self, what, wanted, got):
        if wanted != got:
            self.fail(what, wanted, got)

    def check_stop(self, status, run):
        self.same(f"exit status of {run}", 0, status)
        self.daemon.wait_no_process()
        counts = self.daemon.find("stopped")[-1]
        for unwanted in ("lost", "timeout", "dead", "fail"):
            self.same(f"`{unwanted}` of {run}", 0, counts.get(unwanted, 0))

    def check(self):
        daemon, expected = self.daemon, self.expected
        gone = daemon.find("worker gone", pid=self.pid)
        self.same("ends of the worker", 1, len(gone))
        sent = [event for event in daemon.events[:daemon.events.index(gone[0])]
                if event.get("event") == "worker signalled" and event["worker"] == "t-1"]
        names = [event["signal"] for event in sent]
        if not (expected.kill_may_come and names == [*expected.sent, "KILL"]):
            self.same("signals sent", expected.sent, names)
        self.same("signals that the worker saw", expected.noticed,
                  [record["signal"] for record in daemon.records("signal", pid=self.pid)])
        if expected.status not in gone[0]["status"] and not (
                expected.kill_may_come and "SIGKILL" in gone[0]["status"]):
            self.fail("the worker's end", expected.status, gone[0]["status"])
        self.check_times(dict(zip(names, sent)))
        self.check_job()

    def check_times(self, sent):
        """By the daemon's own clock: no rung comes early, and one that was asked for comes now."""
        def at(event):
            return datetime.datetime.fromisoformat(event["time"].rstrip("Z"))

        def ms(earlier, later):
            return (at(later) - at(earlier)).total_seconds() * 1000

        daemon, step = self.daemon, self.expected.step
        if "ABRT" in sent and step == 1:
            waited = ms(daemon.find("worker stopping", worker="t-1")[0], sent["ABRT"])
            if waited < GRACE_MS - SLACK_MS:
                self.fail("ms from the notice to SIGABRT", f"{GRACE_MS} or more", waited)
        if "KILL" in sent and step < 3:
            waited = ms(sent["ABRT"], sent["KILL"])
            if waited < ABORT_MS - SLACK_MS:
                self.fail("ms from SIGABRT to SIGKILL", f"{ABORT_MS} or more", waited)
        for name, needed in (("ABRT", 2), ("KILL", 3)):
            asked = daemon.find("stopping", step=needed)
            if name in sent and asked and ms(asked[0], sent[name]) > PROMPT_MS:
                self.fail(f"ms to SIG{name}", f"under {PROMPT_MS}", ms(asked[0], sent[name]))

    def check_job(self):
        """Done once, on attempt 1; a job that was cut off shows in a second run."""
        daemon, expected = self.daemon, self.expected
        if not (self.worker.busy or self.worker.booting):
            self.same("jobs", [], daemon.records("job"))
            return
        self.same("first run's aborts", int(expected.given_back),
                  daemon.find("stopped")[0].get("abort", 0))
        if not daemon.find("job done"):
            self.same("job done in the first run", False,
                      expected.done_first or not expected.stops)
            # The second run is short, and its worker a good one: no time may cut it off.
            daemon.write_profile(start_timeout="30s", graceful_shutdown_timeout="30s",
                                 exit_grace="30s")
            daemon.start()
            daemon.wait_event("job done")
            daemon.wait_status("nothing left on the queue", lambda status: (
                status["queue"]["depth"] == 0 and status["queue"]["held"] == 0))
            self.check_stop(daemon.stop(), "the second run")
        self.same("jobs done", 1, len(daemon.find("job done")))
        self.same("attempts", [1] * (1 + expected.given_back),
                  [record["attempt"] for record in daemon.records("job")])


def run(worker, sequence):
    """Plays one cell; AssertionError tells what differed."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
    cell = Cell(worker, sequence, folder)
    try:
        cell.play()
    finally:
        if cell.pid is not None and harness.alive(cell.pid):
            os.kill(cell.pid, signal.SIGKILL)
        wrong = cell.daemon.close()
        shutil.rmtree(folder, ignore_errors=True)
    if wrong:
        raise AssertionError(f"{wrong}\n{cell.daemon.tail(200)}")
    return json.dumps(cell.daemon.find("stopped")[0])
