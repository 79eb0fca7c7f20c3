"""One workmand for a measurement: memory queue, C echo workers, everything in a temporary folder.
It talks to the control socket itself, so that a look at the daemon costs no process, and reads the
CPU time of threads from /proc."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

DEADLINE = 60.0


class Failure(Exception):
    pass


def cpu_us(pid):
    """CPU time of each thread of a process so far, in microseconds, by thread id."""
    times = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            times[int(task)] = int(file.read().split()[0]) / 1e3
    return times


def status_fields(path):
    with open(path) as file:
        return dict(line.rstrip("\n").split(":", 1) for line in file if ":" in line)


def context_switches(pid):
    """How often each thread of a process has gone to sleep by itself: its wake-ups."""
    return {task: int(status_fields(f"/proc/{pid}/task/{task}/status")["voluntary_ctxt_switches"])
            for task in os.listdir(f"/proc/{pid}/task")}


def memory_kib(pid):
    """(RSS, PSS) in KiB."""
    fields = status_fields(f"/proc/{pid}/smaps_rollup")
    return tuple(int(fields[name].split()[0]) for name in ("Rss", "Pss"))


class Daemon:
    """A context: the daemon runs inside it."""

    def __init__(self, build, command, workers, **profile):
        self.build = build
        self.folder = tempfile.TemporaryDirectory(prefix="wm-bench-")
        path = pathlib.Path(self.folder.name)
        self.profile = path / "bench.yaml"
        self.socket_path = str(path / "bench.sock")
        # JSON is YAML. Whatever is not named here has its default.
        self.profile.write_text(json.dumps({
            "name": "bench", "command": command, "max_workers": workers, "max_reqs_per_child": 0,
            "state_dir": str(path), "admin": {"socket": self.socket_path},
            "queue": {"driver": "memory"}, "log": {"level": "warn"}, **profile}))
        self.process, self.socket, self.replies = None, None, None

    def __enter__(self):
        self.process = subprocess.Popen([self.build / "bin/workmand", self.profile],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            self.connect()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error):
        self.close()

    def connect(self):
        deadline = time.monotonic() + DEADLINE
        self.socket = socket.socket(socket.AF_UNIX)
        while self.socket.connect_ex(self.socket_path) != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failure("workmand does not listen")
            time.sleep(0.01)
        self.socket.settimeout(DEADLINE)
        self.replies = self.socket.makefile("rb")
        self.wait(lambda status: all(one["state"] == "idle" for one in status["workers"]))

    def ask(self, verb, **members):
        self.socket.sendall(json.dumps({"verb": verb, **members}).encode() + b"\n")
        reply = json.loads(self.replies.readline())
        if not reply["ok"]:
            raise Failure(f"{verb}: {reply['error']}")
        return reply

    def status(self):
        return self.ask("status")["status"]

    def wait(self, condition, every=0.02):
        """Looks at the status until it fulfils the condition, and returns it."""
        deadline = time.monotonic() + DEADLINE
        while not condition(status := self.status()):
            if time.monotonic() > deadline:
                raise Failure(f"waited in vain; the last status: {status}")
            time.sleep(every)
        return status

    def enqueue(self, jobs):
        """Puts the jobs of a file on the queue."""
        subprocess.run([self.build / "bin/workman", "enqueue", "-p", self.profile, "--from", jobs],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def look(self, status):
        """Moment, finished jobs, CPU time of the loop's thread, of the others, and of workers."""
        now = time.monotonic()
        threads = cpu_us(self.process.pid)
        loop = threads.pop(self.process.pid)
        workers = sum(sum(cpu_us(one["pid"]).values()) for one in status["workers"])
        return now, status["counts"]["done"], loop, sum(threads.values()), workers

    def close(self):
        if self.socket is not None:
            self.socket.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.folder.cleanup()
        if status != 0:
            raise Failure(f"workmand exited {status}")
