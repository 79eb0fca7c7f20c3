"""The job as a task sees it."""

import binascii
import time

from workman._text import encode, members, ms, payload


def spec(task_name, args, delay, priority, unique, max_attempts):
    return '"task":%s,%s%s' % (encode(task_name), payload("args", args), members(
        delay_ms=ms(delay), priority=priority, unique=unique, max_attempts=max_attempts))


class Job:
    """The job that runs: what it is asked (args), and what it can say while it runs."""
    __slots__ = ("id", "task", "args", "attempt", "max_attempts", "deadline", "message",
                 "worker", "follow_ups", "ends", "closed")

    def __init__(self, worker, message):
        self.worker, self.message = worker, message
        self.id, self.task = message["id"], message["task"]
        self.attempt, self.max_attempts = message.get("attempt", 1), message.get("max_attempts")
        limit, moment = message.get("timeout_ms"), message.get("deadline_at")
        self.ends = time.monotonic() + limit / 1000 if limit else None
        self.deadline = moment / 1000 if moment else None
        self.args = (binascii.a2b_base64(message["args_b64"]) if "args_b64" in message
                     else message.get("args"))
        self.follow_ups, self.closed = [], False

    @property
    def config(self):
        """The `config:` block of the profile."""
        return self.worker.hello.get("config") or {}

    @property
    def cancelled(self):
        """True once the daemon has cancelled this job; serve(cancel=True) makes it say so early."""
        return self.worker.cancel_reason(self) is not None

    def remaining(self):
        """Seconds until the time limit, or None."""
        return None if self.ends is None else self.ends - time.monotonic()

    def say(self, kind, rest):
        self.worker.send('{"type":"%s","id":"%s"%s}' % (kind, self.id, rest), self)

    def progress(self, done, total=None, message=None):
        self.say("progress", members(done=done, total=total, message=message))

    def data(self, value, warn=False):
        """Sends a part of the result now, where the queue can."""
        self.say("data", "," + payload("data", value) + (',"warn":true' if warn else ""))

    def log(self, message, level="info", **fields):
        self.say("log", members(level=level, message=str(message), fields=fields or None))

    def heartbeat(self, extend=None):
        """Says that the job is alive; extend: moves the time limit by so many seconds."""
        self.say("heartbeat", members(extend_ms=ms(extend)))
        if extend and self.ends is not None:
            self.ends += extend

    def enqueue(self, task, args=None, *, delay=None, priority=None, unique=None,
                max_attempts=None, now=False):
        """A new job. It goes onto the queue together with this job's outcome `done`, or, from a
        hook, with the outcome of that hook. With now=True it goes at once: this returns what the
        queue said, if anything, or raises Refused."""
        text = spec(task, args, delay, priority, unique, max_attempts)
        if now:
            return self.worker.enqueue_now(text)
        self.follow_ups.append("{" + text + "}")
        return None
