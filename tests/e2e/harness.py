"""Runs the real workmand with misbehaving workers. A Daemon is one workmand in a temporary folder:
its profile is a dict, its log a list of events that a test waits on, its processes are counted
when the test is over. Nothing here sleeps without a deadline, and no test sleeps at all."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WORKMAN_BUILD", ROOT / "build"))
WORKMAND = str(BUILD / "bin/workmand")
WORKMAN = str(BUILD / "bin/workman")
WORKER = str(pathlib.Path(__file__).parent / "workers/worker.py")
MINI = str(pathlib.Path(__file__).parent / "workers/mini.bash")
# Under a sanitizer everything takes several times as long.
DEADLINE = 60.0 * (3 if os.environ.get("WORKMAN_SLOW") == "1" else 1)
SKIPPED = 77
TAG = "WORKMAN_E2E_TAG"

# Short where a time-out is waited for, long where one would spoil a test on a slow machine.
PROFILE = {
    "name": "t",
    "max_workers": 1,
    "max_reqs_per_child": 0,
    "prefetch": 0,
    "start_timeout": "30s",
    "respawn_backoff": {"min": "20ms", "max": "200ms"},
    "retry_backoff": {"min": "50ms", "max": "100ms", "jitter": "0%"},
    "graceful_shutdown_timeout": "30s",
    "abort_timeout": "30s",
    "exit_grace": "30s",
    "lease_time": "60s",
    # What a killed process leaves is the same; only a machine that loses power is not tested here.
    "queue": {"driver": "sqlite", "synchronous": "normal"},
}


def worker(*arguments):
    """The command of the scriptable worker; -S -E make it start in some 15 ms."""
    return [sys.executable, "-S", "-E", WORKER, *arguments]


def mini():
    """The command of the tiny worker, for tests that start many."""
    return ["bash", MINI]


def poll(what, condition, timeout=None, explain=lambda: ""):
    """Returns the first true value of `condition`, or fails when the deadline is over."""
    deadline = time.monotonic() + (timeout or DEADLINE)
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout or DEADLINE:.0f} s for {what}\n{explain()}")
        time.sleep(0.01)


def processes(tag):
    """pid -> command line of every live process that carries the tag in its environment."""
    mark, found = f"{TAG}={tag}".encode(), {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as file:
                if mark not in file.read().split(b"\0"):
                    continue
            with open(f"/proc/{entry.name}/cmdline", "rb") as file:
                found[int(entry.name)] = file.read().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # It ended meanwhile, or belongs to somebody else.
    return found


def alive(pid):
    """False for a zombie, too: its parent may be slow to look."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Client:
    """A `workman` that runs beside the test, such as one that waits for a result."""

    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment)

    def finish(self, timeout=None):
        try:
            out, err = self.process.communicate(timeout=timeout or DEADLINE)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise AssertionError(f"{self.process.args} did not end") from error
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, out, err)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Daemon:
    def __init__(self, folder, profile, command_line=()):
        self.folder = pathlib.Path(folder)
        self.tag = secrets.token_hex(8)
        self.record = self.folder / "record.jsonl"
        self.record.touch()
        self.path = self.folder / "t.yaml"
        self.profile = {**PROFILE, "command": worker(), **profile}
        self.profile.setdefault("state_dir", str(self.folder))
        self.profile.setdefault("admin", {"socket": str(self.folder / "t.sock")})
        self.profile["env"] = {TAG: self.tag, "WORKMAN_E2E_RECORD": str(self.record),
                               **profile.get("env", {})}
        self.command_line = list(command_line)
        self.environment = {key: value for key, value in os.environ.items()
                            if key not in ("NOTIFY_SOCKET", "WORKMAN_STOP_GRACE")}
        self.process, self.reader, self.clients = None, None, []
        self.events, self.raw = [], []
        self.write_profile()

    # ---- the daemon ----

    def write_profile(self, **changes):
        """YAML is a superset of JSON. A value of None removes the key."""
        for key, value in changes.items():
            if value is None:
                self.profile.pop(key, None)
            else:
                self.profile[key] = value
        self.path.write_text(json.dumps(self.profile, indent=1))

    def start(self, wait="ready"):
        """Starts workmand and waits for a log event (None: for nothing)."""
        seen = len(self.events)
        self.process = subprocess.Popen(
            [WORKMAND, str(self.path), "--log-format", "json", "--log-level", "debug",
             *self.command_line],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self.environment, cwd=self.folder)
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        if wait:
            self.wait_event(wait, since=seen)
        return self

    def read(self, stream):
        for line in stream:
            text = line.decode("utf-8", "replace").rstrip("\n")
            self.raw.append(text)
            try:
                event = json.loads(text)
            except ValueError:
                continue
            if isinstance(event, dict):
                self.events.append(event)
        stream.close()

    def signal(self, signo):
        self.process.send_signal(signo)

    def wait_exit(self, timeout=None):
        """Exit status of workmand; its log is complete afterwards."""
        poll("workmand to exit", lambda: self.process.poll() is not None, timeout, self.tail)
        self.reader.join(DEADLINE)
        return self.process.returncode

    def stop(self, signo=None):
        self.signal(signo or signal.SIGTERM)
        return self.wait_exit()

    # ---- its log ----

    def mark(self):
        """A place in the log: `since=mark` looks only behind it."""
        return len(self.events)

    def find(self, name, since=0, **fields):
        return [event for event in self.events[since:]
                if event.get("event") == name and all(event.get(k) == v for k, v in fields.items())]

    def wait_event(self, name, timeout=None, since=0, count=1, **fields):
        """Waits for the count-th such event and returns it."""
        def look():
            found = self.find(name, since, **fields)
            if len(found) >= count:
                return found[count - 1]
            if self.process.poll() is not None and not self.reader.is_alive():
                found = self.find(name, since, **fields)
                if len(found) >= count:
                    return found[count - 1]
                raise AssertionError(f"workmand exited ({self.process.returncode}) before event "
                                     f"{name!r} {fields}\n{self.tail()}")
            return None
        return poll(f"event {name!r} {fields} x{count}", look, timeout, self.tail)

    def tail(self, lines=40):
        return "\n".join(self.raw[-lines:])

    # ---- what its workers say of themselves (see workers/worker.py) ----

    def records(self, what, **fields):
        found = []
        for line in self.record.read_text().splitlines():
            entry = json.loads(line)
            if entry["what"] == what and all(entry.get(k) == v for k, v in fields.items()):
                found.append(entry)
        return found

    def wait_record(self, what, timeout=None, count=1, **fields):
        def look():
            found = self.records(what, **fields)
            return found[count - 1] if len(found) >= count else None
        return poll(f"record {what!r} {fields} x{count}", look, timeout, self.tail)

    # ---- the workman program ----

    @staticmethod
    def json(value):
        return json.dumps(value, separators=(",", ":"))

    def command(self, verb, *arguments):
        return [WORKMAN, verb, "-p", str(self.path), *arguments]

    def workman(self, verb, *arguments, stdin=None):
        return subprocess.run(self.command(verb, *arguments), input=stdin, capture_output=True,
                              text=True, env=self.environment, timeout=DEADLINE * 2)

    def workman_async(self, verb, *arguments):
        client = Client(self.command(verb, *arguments), self.environment)
        self.clients.append(client)
        return client

    def enqueue(self, task, args=None, *options):
        """Returns the id of the job."""
        result = self.workman("enqueue", *options, task, self.json(args))
        if result.returncode != 0 or not result.stdout.strip():
            raise AssertionError(f"enqueue exited {result.returncode}: {result.stderr}\n"
                                 f"{self.tail()}")
        return result.stdout.strip()

    def wait(self, task, args=None, *options):
        """Enqueues with --wait in the background; finish() gives the outcome."""
        return self.workman_async("enqueue", "--wait", *options, task, self.json(args))

    def call(self, task, args=None, *options):
        """Enqueues, waits, and returns the result as a value."""
        result = self.wait(task, args, *options).finish()
        if result.returncode != 0:
            raise AssertionError(f"{task} exited {result.returncode}: {result.stderr}{self.tail()}")
        return json.loads(result.stdout)

    def status(self):
        result = self.workman("status", "--json")
        if result.returncode != 0:
            raise AssertionError(f"status exited {result.returncode}: {result.stderr}{self.tail()}")
        return json.loads(result.stdout)

    def wait_status(self, what, condition, timeout=None):
        """Waits until the status fulfils the condition and returns it."""
        def look():
            status = self.status()
            return status if condition(status) else None
        return poll(what, look, timeout, self.tail)

    def wait_counts(self, **counts):
        return self.wait_status(f"counts {counts}", lambda status: all(
            status["counts"][key] >= value for key, value in counts.items()))["counts"]

    def pids(self):
        """worker -> pid of those that live; the status also lists slots that wait for a process."""
        return {entry["worker"]: entry["pid"] for entry in self.status()["workers"]
                if entry["pid"] is not None}

    def wait_workers(self, number, timeout=None):
        """Waits until so many live and returns their entries in the status."""
        def look():
            living = [entry for entry in self.status()["workers"] if entry["pid"] is not None]
            return living if len(living) == number else None
        return poll(f"{number} living workers", look, timeout, self.tail)

    # ---- the end ----

    def wait_no_process(self, timeout=None):
        poll("every process of the daemon to be gone", lambda: not processes(self.tag), timeout,
             lambda: f"{processes(self.tag)}\n{self.tail()}")

    def close(self):
        """Stops what still runs and says what was wrong with it; "" = nothing."""
        wrong = []
        for client in self.clients:
            client.kill()
        if self.process is not None and self.process.poll() is None:
            try:
                status = self.stop()
                if status != 0:
                    wrong.append(f"workmand exited {status} after SIGTERM")
            except AssertionError as error:
                wrong.append(str(error))
                self.process.kill()
                self.process.wait()
        if self.reader is not None:
            self.reader.join(DEADLINE)
        if self.process is not None and self.process.returncode < 0 and (
                -self.process.returncode != signal.SIGKILL):
            wrong.append(f"workmand died of signal {-self.process.returncode}")
        try:
            self.wait_no_process(5)
        except AssertionError as error:
            wrong.append(str(error))
            for pid in processes(self.tag):
                os.kill(pid, signal.SIGKILL)
        wrong += [line for line in self.raw if "Sanitizer" in line or "runtime error:" in line]
        return "\n".join(wrong)


class TestCase(unittest.TestCase):
    def folder(self):
        path = tempfile.mkdtemp(prefix="wm-")
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return pathlib.Path(path)

    def daemon(self, start=True, wait="ready", folder=None, command_line=(), **profile):
        """A daemon that is stopped, and checked for processes left, after the test."""
        daemon = Daemon(folder or self.folder(), profile, command_line)
        self.addCleanup(self.close, daemon)
        return daemon.start(wait) if start else daemon

    def close(self, daemon):
        said = self._outcome.result.failures + self._outcome.result.errors
        if wrong := daemon.close():
            self.fail(f"{wrong}\n{daemon.tail()}")
        if any(test is self for test, _ in said):
            print(f"log of {self.id()}:\n{daemon.tail(60)}", file=sys.stderr)


def main():
    unittest.main(verbosity=2)
