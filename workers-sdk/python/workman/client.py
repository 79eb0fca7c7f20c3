"""The producer: puts jobs on a profile's queue through the daemon's control socket."""

import base64
import json
import os
import socket
import stat

EXPLANATION = """no running daemon of the profile %s found; tried:
%s
The daemon must run for this. Without it, the command line puts a job on the queue as well:
  workman enqueue -p PROFILE.yaml TASK 'JSON'"""


class ClientError(Exception):
    """The daemon refused the request; the message is its sentence."""


class NoDaemon(ClientError):
    """No daemon answers; the message names every path that was tried."""


class JobFailed(ClientError):
    """The job's final outcome is a failure; `failure` is its whole error object."""

    def __init__(self, message, failure):
        super().__init__(message)
        self.failure = failure


class Client:
    """Client("thumbs") or Client(socket="/run/workman/thumbs.sock"); in a worker, Client() means
    its own daemon's profile. It connects for each request, so threads and forks may share it."""

    def __init__(self, profile=None, *, socket=None):
        self.profile = profile or os.environ.get("WORKMAN_PROFILE")
        if not (socket or self.profile):
            raise ValueError("give a profile's name or socket=PATH")
        self.path = socket

    def enqueue(self, task, args=None, *, delay=None, priority=None, unique=None,
                max_attempts=None):
        """Puts a job on the queue and returns the queue's id of it. delay is in seconds, priority
        is "high", "normal" or "low"; a job with the unique key of a waiting one is not added."""
        return self.ask(request(task, args, delay, priority, unique, max_attempts))["id"]

    enqueue_background = enqueue

    def enqueue_with_wait(self, task, args=None, *, timeout=None, delay=None, priority=None,
                          unique=None, max_attempts=None):
        """Waits for the final outcome, retries included, and returns the result. Raises JobFailed,
        or TimeoutError after `timeout` seconds: the job goes on then."""
        wanted = request(task, args, delay, priority, unique, max_attempts)
        wanted["wait"] = True
        if timeout is not None:
            wanted["timeout_ms"] = round(timeout * 1000)
        reply = self.ask(wanted)
        if "result_b64" in reply:
            return base64.b64decode(reply["result_b64"])
        return reply.get("result")

    def status(self):
        return self.ask({"verb": "status"})["status"]

    def ask(self, wanted):
        """One request of the control socket, one reply."""
        line = json.dumps(wanted, separators=(",", ":"), allow_nan=False).encode() + b"\n"
        with self.connect() as connection:
            try:
                connection.sendall(line)
                with connection.makefile("rb") as replies:
                    answer = replies.readline()
            except OSError as error:
                raise ClientError("the daemon broke off: %s" % error) from error
        if not answer.endswith(b"\n"):
            raise ClientError("the daemon has gone before it answered; nobody knows what became of "
                              "the request")
        reply = json.loads(answer)
        if reply.get("ok"):
            return reply
        if reply.get("timeout"):
            raise TimeoutError(reply.get("error", "the wait ran out; the job goes on"))
        if "failure" in reply:
            raise JobFailed(reply.get("error", "failed"), reply["failure"])
        raise ClientError(reply.get("error", "refused"))

    def paths(self):
        if self.path:
            return [self.path]
        name = self.profile + ".sock"
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        return (["/run/workman/" + name] + ([runtime + "/workman/" + name] if runtime else [])
                + ["/tmp/workman-%d/%s" % (os.getuid(), name)])

    def connect(self):
        tried = []
        for path in self.paths():
            connection = socket.socket(socket.AF_UNIX)
            try:
                trusted(path)
                connection.connect(path)
                return connection
            except OSError as error:
                connection.close()
                tried.append("  %s: %s" % (path, error.strerror or error))
        raise NoDaemon(EXPLANATION % (self.profile or "behind this socket", "\n".join(tried)))


def request(task, args, delay, priority, unique, max_attempts):
    wanted = {"verb": "enqueue", "task": task, "priority": priority, "unique": unique,
              "max_attempts": max_attempts,
              "delay_ms": None if delay is None else round(delay * 1000)}
    wanted = {key: value for key, value in wanted.items() if value is not None}
    if isinstance(args, (bytes, bytearray, memoryview)):
        wanted["args_b64"] = base64.b64encode(args).decode()
    else:
        wanted["args"] = args
    return wanted


def trusted(path):
    """A socket that somebody else could have put there gets no job of ours."""
    found = os.stat(path)
    if found.st_uid not in (0, os.getuid()) and os.getuid() != 0:
        raise PermissionError(0, "belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o002:
        raise PermissionError(0, "everybody may write to it")
