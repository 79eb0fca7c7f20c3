"""Plays the daemon for one worker: writes lines into its stdin, waits for lines from its stdout.
Every wait has a deadline; nothing sleeps."""

import io
import json
import os
import pathlib
import queue
import secrets
import subprocess
import threading
import time
import unittest

SDKS = pathlib.Path(__file__).resolve().parents[1]
DEADLINE = 60.0 * (3 if os.environ.get("WORKMAN_SLOW") == "1" else 1)
HELLO = {"type": "hello", "proto": 1, "proto_min": 1, "daemon": "kit/1", "profile": "kit",
         "worker": "kit-1", "generation": 1, "max_line": 16777216,
         "features": ["enqueue", "cancel", "extend"]}


def environment(**more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WORKMAN")}
    return {**kept, "PYTHONPATH": str(SDKS / "python"), "PYTHONDONTWRITEBYTECODE": "1", **more}


class Worker:
    def __init__(self, command, hello=HELLO, env=None, **options):
        options.setdefault("stdin", subprocess.PIPE)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        self.process = subprocess.Popen(command, bufsize=0, **options,
                                        env=environment(WORKMAN="1", **(env or {})))
        self.input = self.process.stdin
        self.lines, self.notes, self.threads = queue.Queue(), queue.Queue(), []
        self.follow(self.process.stdout, self.lines)
        self.follow(self.process.stderr, self.notes)
        if hello and self.input:
            self.send(hello)

    def follow(self, stream, lines):
        def read():
            with io.BufferedReader(stream) as buffered:  # A raw stream reads a line byte by byte.
                for line in buffered:
                    lines.put(line)
            lines.put(None)
        if stream is not None:
            self.threads.append(threading.Thread(target=read, daemon=True))
            self.threads[-1].start()

    # ---- to the worker ----

    def write(self, data):
        while data:
            data = data[self.input.write(data):]

    def send(self, *messages):
        self.write(b"".join(json.dumps(message, separators=(",", ":")).encode() + b"\n"
                            for message in messages))

    @staticmethod
    def message(task, args=None, **more):
        job = secrets.token_hex(8)
        payload = {} if "args_b64" in more else {"args": args}
        return {"type": "job", "id": job, "task": task, "attempt": 1, "timeout_ms": 0, **payload,
                "queue": {"driver": "kit", "name": task, "job": "1"}, **more}

    def job(self, task, args=None, **more):
        """Sends a job and returns its id."""
        message = self.message(task, args, **more)
        self.send(message)
        return message["id"]

    def call(self, task, args=None, **more):
        """Sends a job and returns its outcome, which must be the next line."""
        job = self.job(task, args, **more)
        outcome = self.next()
        if outcome is None or outcome["type"] not in ("done", "fail", "abort") \
                or outcome["id"] != job:
            raise AssertionError("no outcome of %s: %r\n%s" % (job, outcome, self.drained()))
        return outcome

    def signal(self, number):
        self.process.send_signal(number)

    def close(self):
        self.input.close()

    # ---- from the worker ----

    def next(self, kind=None):
        """The next message, of this type if one is given; None at the end of stdout."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError("waited %.0f s for a line\n%s" % (
                    DEADLINE, self.drained())) from None
            if line is None:
                return None
            message = json.loads(line, parse_constant=lambda word: 1 / 0)
            if kind is None or message["type"] == kind:
                return message

    def ready(self):
        message = self.next()
        if message is None or message["type"] != "ready":
            raise AssertionError("no ready: %r\n%s" % (message, self.drained()))
        return message

    def note(self, text):
        """Waits for a line of stderr that holds the text, and returns it."""
        end = time.monotonic() + DEADLINE
        while True:
            line = self.notes.get(timeout=max(0.0, end - time.monotonic()))
            if line is None or text.encode() in line:
                return line and line.decode()

    def drained(self):
        found = []
        while not self.notes.empty():
            found.append((self.notes.get() or b"").decode("utf-8", "replace"))
        return "".join(found)

    def rest(self):
        """Exit status, and the messages up to the end of stdout."""
        status = self.process.wait(DEADLINE)
        return status, list(iter(self.next, None))


class TestCase(unittest.TestCase):
    def worker(self, ready=True, **options):
        """A worker with these options; ready: it has announced itself."""
        worker = Worker(**options)
        self.addCleanup(self.end, worker)
        if ready:
            worker.ready()
        return worker

    @staticmethod
    def end(worker):
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        if worker.input and not worker.input.closed:
            worker.input.close()
        for thread in worker.threads:
            thread.join(DEADLINE)

    def assert_left(self, worker, status=0, messages=()):
        self.assertEqual(worker.rest(), (status, list(messages)))


main = unittest.main
