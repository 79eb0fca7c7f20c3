"""The loop of a worker: signals, one job at a time, exactly one outcome for each."""

import _thread
import os
import signal
import sys
import time

from workman._channel import Channel
from workman._job import Job
from workman._task import Abort, Failure, ForceKilled, Refused, hooks, tasks
from workman._text import UNSERIALISABLE, encode, members, ms, note, payload, stack, vanish

VERSION = "0.1.0"
PROTOCOL = 1
EX_CONFIG = 78

# BOOTING and LEAVING: SIGABRT ends the process. IDLE: it drains. RUNNING: it interrupts the job.
# FINISHING, ABORTING: the outcome is on its way, and SIGABRT only drains.
BOOTING, IDLE, RUNNING, FINISHING, ABORTING, LEAVING = range(6)


class Worker(Channel):
    """One process: its state, its signals and its jobs. There is one, made at import."""

    def __init__(self):
        super().__init__()
        self.state, self.hello, self.refs, self.child = BOOTING, {}, 0, False
        self.forking = False  # A worker is being forked, not a child of a job.
        # drain: leave when nothing is left to answer. refuse: give jobs back.
        self.drain = self.refuse = self.pending = False
        self.killed = None  # The ForceKilled that was raised, even if the task has caught it.

    # -- signals --

    def watch_signals(self):
        signal.set_wakeup_fd(self.watch(), warn_on_full_buffer=False)
        # A handler, and not SIG_IGN, which children would inherit.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self.on_term)
        signal.signal(signal.SIGHUP, self.on_term)
        signal.signal(signal.SIGABRT, self.on_abrt)
        os.register_at_fork(after_in_child=self.forked)

    def on_term(self, *_):
        self.drain = True

    def on_abrt(self, *_):
        self.drain = True
        if self.state in (BOOTING, LEAVING):
            os._exit(0)
        if self.state == RUNNING:
            if self.guard:
                self.pending = True
            else:
                self.interrupt()

    def interrupt(self):
        self.state, self.killed = ABORTING, ForceKilled("force killed")
        raise self.killed

    def unguard(self):
        self.guard -= 1
        if self.pending and self.state == RUNNING:
            self.interrupt()

    def forked(self):
        """A child of a job is no worker."""
        if self.forking:
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGABRT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.state, self.child = LEAVING, True
        self.drop()
        self.fire("after_fork")

    def cancel_reason(self, job):
        """Looks at what has come, and leaves it where it is."""
        if self.supervised:
            self.fill(0)
        for line in self.lines:
            if b'"cancel"' in line and job.id.encode() in line:
                message = self.parse(line)
                if message and message.get("type") == "cancel" and message.get("id") == job.id:
                    return message.get("reason", "shutdown")
        return None

    def enqueue_now(self, spec):
        if _thread.get_ident() != self.main or not self.supervised:
            raise Refused("a reply comes only to a worker of a daemon, and to its main thread")
        self.refs += 1
        ref, seen = "r%d" % self.refs, 0
        self.send('{"type":"enqueue",%s,"ref":"%s"}' % (spec, ref))
        while True:
            for seen in range(seen, len(self.lines)):
                message = self.parse(self.lines[seen]) if b'"reply"' in self.lines[seen] else None
                if message and message.get("type") == "reply" and message.get("id") == ref:
                    del self.lines[seen]
                    if message.get("ok"):
                        return message.get("result")
                    raise Refused((message.get("error") or {}).get("message", "no reason given"))
            seen = len(self.lines)
            if self.eof:
                raise Refused("the daemon has gone")
            self.fill()

    # -- one job --

    @staticmethod
    def fire(name, *arguments, task=None):
        """Runs the hooks of this name, the task's own last, and returns what that one says."""
        for hook in hooks[name]:
            hook(*arguments)
        hook = task.hook(name) if task is not None else None
        return hook(*arguments) if callable(hook) else None

    def fire_safely(self, name, job, error, task):
        before = self.state
        try:
            return self.fire(name, job, error, task=task)
        except BaseException as wrong:  # The outcome must go out, whatever a hook does,
            if self.state != before:  # unless it was interrupted.
                raise
            note("%s of %s: %s: %s" % (name, job.task, type(wrong).__name__, wrong))
            return None

    def work(self, job, task):
        """Runs the job and returns its outcome. The state decides what SIGABRT does meanwhile."""
        try:
            try:
                self.state = RUNNING
                outcome = self.attempt(job, task)
            finally:
                if self.state == RUNNING:
                    self.state = FINISHING
            if self.state == ABORTING:  # The task has caught it.
                raise self.killed
        except BaseException:
            if self.state != ABORTING:
                raise  # sys.exit() in a task ends the worker without an outcome.
            outcome = self.aborted(job, task)
        return outcome

    def attempt(self, job, task):
        try:
            self.fire("on_start", job, task=task)
            result = task.run(job.args, job)
            if self.child:  # A fork that came back from the task.
                os._exit(0)
            self.fire("on_done", job, result, task=task)
        except Abort as error:
            job.follow_ups.clear()
            return self.outcome("abort", job, members(
                reason=str(error), requeue=error.requeue, delay_ms=ms(error.after)))
        except Exception as error:
            if self.state == ABORTING:  # The task turned our exception into one of its own.
                raise
            return self.failed(job, task, error)
        try:
            body = "" if result is None else "," + payload("result", result)
        except UNSERIALISABLE as error:
            return self.failed(job, task, error, "unserialisable_result")
        limit = self.hello.get("max_line")
        if limit and len(body) + sum(map(len, job.follow_ups)) + 256 > limit:
            error = Failure("the result has %d bytes, a line %d" % (len(body), limit))
            error.retry = False
            return self.failed(job, task, error, "result_too_large")
        return self.outcome("done", job, body)

    @staticmethod
    def outcome(kind, job, rest):
        if job.follow_ups:
            rest += ',"enqueue":[' + ",".join(job.follow_ups) + "]"
        return '{"type":"%s","id":"%s"%s}' % (kind, job.id, rest)

    def failed(self, job, task, error, code=None):
        job.follow_ups.clear()
        self.fire_safely("on_fail", job, error, task)
        what, retry, after = {}, None, None
        if isinstance(error, Failure):
            code, retry, after = code or error.code, error.retry, error.after
            what["data"] = error.data
        elif code is None:
            what["trace"] = stack(error.__traceback__)
        name = type(error).__qualname__
        if type(error).__module__ not in ("builtins", "__main__"):
            name = type(error).__module__ + "." + name
        try:
            text = str(error)[:65536] or name
        except Exception:
            text = name
        what.update(message=text, code=code, **{"class": name})
        what = {key: value for key, value in what.items() if value is not None}
        rest = members(retry=retry, delay_ms=ms(after))
        try:
            return self.outcome("fail", job, members(error=what) + rest)
        except UNSERIALISABLE:
            return self.outcome("fail", job, members(error={"message": text}) + rest)

    def aborted(self, job, task):
        """The hook first, then the line: the hook may enqueue the job itself."""
        job.follow_ups.clear()
        late = job.ends is not None and time.monotonic() >= job.ends
        error = self.killed
        error.reason = self.cancel_reason(job) or ("timeout" if late else "shutdown")
        reason = "force killed (%s)\n%s" % (error.reason, stack(error.__traceback__))
        requeue = self.fire_safely("on_abort", job, error, task)
        note("%s %s %s" % (job.task, job.id, reason))
        return self.outcome("abort", job, members(
            reason=reason, requeue=requeue if isinstance(requeue, bool) else None))

    # -- the loop --

    def take(self, message):
        """Answers one job."""
        try:
            job = Job(self, message)
        except (KeyError, TypeError, ValueError) as error:
            return note("a job that cannot be read: %r" % error)
        task = tasks.get(job.task)
        if self.drain or self.refuse:
            outcome = self.outcome("abort", job, members(reason="stopping", requeue=True))
        elif task is None:
            outcome = self.outcome("fail", job, members(error={
                "message": "no task %r here" % job.task, "code": "task_not_found"}))
        else:
            outcome = self.work(job, task)
        if self.child:
            os._exit(0)
        self.send(outcome, job)
        job.closed = True
        self.state = IDLE
        return None

    def handle(self, line):
        message = self.parse(line)
        if message is None:
            if line.strip():
                self.unreadable(line)
            return
        kind = message.get("type")
        if kind == "job":
            self.take(message)
        elif kind == "shutdown":
            self.refuse = True
        elif kind == "hello":
            self.hello = message
            if message.get("proto_min", 1) > PROTOCOL:
                note("the daemon speaks no version %d of the protocol" % PROTOCOL)
                vanish(EX_CONFIG)

    def unreadable(self, line):
        """Not JSON, or JSON beyond Python, as a number of 5000 digits: then a job is answered."""
        note("a line that cannot be read: %.100r" % line)
        start = b'{"type":"job","id":"'
        if line.startswith(start):
            job = line[len(start):].split(b'"', 1)[0].decode("ascii", "replace")
            if job.isalnum() and line.rstrip().endswith(b"}"):
                error = {"message": "Python cannot read these arguments", "code": "unreadable_args"}
                self.send('{"type":"fail","id":"%s"%s}' % (job, members(error=error)))

    @staticmethod
    def ready(cancel, **more):
        version = "python %d.%d" % sys.version_info[:2]
        return encode({
            "type": "ready", "proto": PROTOCOL, "pid": os.getpid(), "signals": ["TERM", "ABRT"],
            "sdk": {"name": "workman-py", "version": VERSION, "lang": version},
            "features": ["enqueue", "extend"] + (["cancel"] if cancel else []),
            "tasks": [task.announcement() for task in tasks.values()], **more})

    def preloaded(self, cancel):
        """In a template: ends with it. In a worker, one forked from a template or any other: returns
        whether it was forked."""
        waits = os.environ.pop("WORKMAN_ZYGOTE", None) is not None
        while not self.lines and not self.eof and (self.fill(None if waits else 0) or waits):
            pass
        hello = (self.parse(self.lines[0]) if self.lines else None) or {}
        if "zygote" not in hello.get("features", ()):
            return False
        from workman import _template
        _template.be_template(self, self.ready(cancel, zygote=True))
        return True

    def reset(self, given, taken):
        """The forked worker starts afresh, with descriptors of its own."""
        self.lines.clear()
        self.rest.clear()
        self.started = self.eof = self.drain = False
        self.input, self.output = given, taken
        shared = self.wake, signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(self.watch(), warn_on_full_buffer=False)
        for fd in shared:
            os.close(fd)

    def serve(self, cancel):
        """Never returns."""
        self.main = _thread.get_ident()
        self.watch_signals()
        if not tasks:
            note("there is no task: nothing is decorated with @task, and no class is a Task")
            vanish(EX_CONFIG)
        if self.preloaded(cancel):
            self.fire("after_fork")
        self.fire("on_boot")
        self.send(self.ready(cancel))
        self.state = IDLE
        while True:
            while self.lines:
                self.handle(self.lines.popleft())
            last = self.drain  # Looked at before the read: what came before the signal is answered.
            more = self.fill(0 if last or self.eof else None)  # A job may have read the end.
            if not self.lines and (self.eof or (last and not more)):
                break
        self.state = LEAVING
        self.fire("on_exit")
        if self.killed:  # Nobody waits for threads that the job left behind.
            vanish(0)
        sys.exit(0)
