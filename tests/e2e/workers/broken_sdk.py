"""The fixture worker of the Python SDK with one of its parts broken, which the argument names. The
tests of the kit run it."""

import json
import os
import pathlib
import runpy
import signal
import sys

FAULT = sys.argv.pop(1)
SDK = pathlib.Path(__file__).resolve().parents[3] / "workers-sdk/python"
sys.path.insert(0, str(SDK))
if FAULT == "prints":
    os.dup2(1, 9)
if FAULT == "one-channel":
    os.environ.pop("WORKMAN_IN", None)
    os.environ.pop("WORKMAN_OUT", None)
if FAULT == "by-hand":
    os.environ.setdefault("WORKMAN", "1")

import workman  # noqa: E402
from workman import _job, _text  # noqa: E402

Worker = type(workman._worker)
IDLE = sys.modules["workman._worker"].IDLE


def around(name, wrapper):
    """Puts wrapper(original, worker, ...) in place of a method of the worker."""
    original = getattr(Worker, name)
    setattr(Worker, name, lambda self, *rest: wrapper(original, self, *rest))


def and_then(what):
    """For `around`: the original, and then what(worker)."""
    def wrapper(original, self, *rest):
        result = original(self, *rest)
        what(self, *rest)
        return result
    return wrapper


def default(*numbers):
    around("watch_signals", and_then(
        lambda self: [signal.signal(number, signal.SIG_DFL) for number in numbers]))


def late_abort(original, self, *rest):
    if self.state == IDLE and getattr(self, "last", None):
        self.send('{"type":"abort","id":"%s"}' % self.last)
    original(self, *rest)


def remember(self, text, job=None):
    self.last = job.id if job is not None else getattr(self, "last", None)


def behind(original, self, text, job=None):
    original(self, text, job)
    if text.startswith('{"type":"done"'):
        original(self, '{"type":"progress","id":"%s","done":9}' % job.id, job)


def deaf(original, self, spec):
    """Drops what is no reply."""
    fill = self.fill

    def only_replies(*rest):
        said = fill(*rest)
        kept = [line for line in self.lines if b'"reply"' in line]
        self.lines.clear()
        self.lines.extend(kept)
        return said
    self.fill = only_replies
    return original(self, spec)


def fake_done(original, self, job, task):
    try:
        return original(self, job, task)
    except SystemExit:
        self.drain = True
        return self.outcome("done", job, "")


def announce_more(original, self, text, job=None):
    jobs = os.environ.get("WORKMAN_KIT_CONCURRENCY")
    if jobs and text.startswith('{"type":"ready"'):
        text = text.replace('"proto":1', '"proto":1,"concurrency":' + jobs)
    original(self, text, job)


def unbreakable(_, self, data):
    try:
        while data:
            data = data[os.write(self.output, data):]
    except OSError:
        pass


def plain_failure(_original, self, job, *_):
    return self.outcome("fail", job, ',"error":{"message":"boom"}')


FAULTS = {
    "dies-of-term": lambda: default(signal.SIGTERM),
    "dies-of-abrt": lambda: default(signal.SIGABRT),
    "dies-of-int": lambda: default(signal.SIGINT),
    "abrt-silent": lambda: around("on_abrt", lambda *_: os._exit(0)),
    "abrt-deaf": lambda: around("interrupt", lambda *_: None),
    "abrt-late": lambda: (around("on_abrt", late_abort), around("send", and_then(remember))),
    "no-hook": lambda: around("fire_safely", lambda *_: None),
    "hook-unheard": lambda: around("fire_safely",
                                   lambda original, *rest: (original(*rest), None)[1]),
    "term-goes-on": lambda: around("on_term", lambda *_: None),
    "prints": lambda: os.dup2(9, 1),
    "nan": lambda: setattr(_text, "encode", json.dumps),
    "progress-late": lambda: around("send", behind),
    "replies-only": lambda: around("enqueue_now", deaf),
    "fake-done": lambda: around("work", fake_done),
    "serial": lambda: around("send", announce_more),
    "epipe": lambda: around("write", unbreakable),
    "plain-failure": lambda: around("failed", plain_failure),
    "no-follow-ups": lambda: setattr(_job.Job, "enqueue", lambda *_, **__: None),
    "one-channel": lambda: None,
    "by-hand": lambda: None,
    "stale": lambda: workman.task(lambda args: args, name="kit.before"),
}
FAULTS[FAULT]()
runpy.run_path(str(SDK / "fixture.py"), run_name="__main__")
