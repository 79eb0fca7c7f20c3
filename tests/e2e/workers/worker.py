#!/usr/bin/env python3
"""A worker that misbehaves as told: at start by its command line, in a job by the task and args.

It appends what happens to it to $WORKMAN_E2E_RECORD, one JSON object a line with "what" (start,
hello, job, signal, shutdown, cancel, eof, on_abort, reply), "t" (monotonic seconds) and "pid".

In a job's args, "once": FILE makes the task misbehave only while FILE does not exist; it is made
then, and later tries answer done with {"attempt": N, "pid": PID}."""

import json
import os
import select
import signal
import subprocess
import sys
import time

RECORD = os.environ.get("WORKMAN_E2E_RECORD")


def record(what, **fields):
    if RECORD:
        line = json.dumps({"what": what, "t": time.monotonic(), "pid": os.getpid(), **fields})
        with open(RECORD, "a") as file:
            file.write(line + "\n")


def put(text):
    """Raw bytes to the daemon, past every buffer."""
    data = text if isinstance(text, bytes) else text.encode()
    while data:
        data = data[os.write(1, data):]


def send(**message):
    put(json.dumps(message, ensure_ascii=False, separators=(",", ":")) + "\n")


def option(name, default=None):
    """The value of --name=value on the command line."""
    for argument in sys.argv[1:]:
        if argument == f"--{name}":
            return True
        if argument.startswith(f"--{name}="):
            return argument.split("=", 1)[1]
    return default


def first_time(path):
    """True for the first caller among all processes."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return True
    except FileExistsError:
        return False


class ForceKilled(BaseException):
    pass


class Input:
    """Lines of stdin, with a time-out: a job can look for `cancel` and replies meanwhile."""

    def __init__(self):
        self.buffer, self.parked, self.eof = b"", [], False

    def line(self, timeout=None):
        """One line; b"" at the end of input; None when the time is over."""
        while b"\n" not in self.buffer:
            if self.eof or not select.select([0], [], [], timeout)[0]:
                return b"" if self.eof else None
            data = os.read(0, 1 << 16)
            self.buffer += data
            self.eof = not data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line + b"\n"


class Job:
    def __init__(self, line, message):
        self.id, self.task, self.args = message["id"], message["task"], message.get("args")
        self.message = message
        self.raw = raw_args(line)

    def get(self, key, default=None):
        named = self.args if isinstance(self.args, dict) else {}
        return named.get(key, named.get("kwargs", {}).get(key, default))  # kwargs: of Celery

    def done(self, result=None):
        send(type="done", id=self.id, result=result)

    def is_again(self):
        """True when the misbehaviour is over for this job."""
        return bool(self.get("once")) and not first_time(self.get("once"))


def raw_args(line):
    """The bytes of args as the daemon sent them: no parser may touch big numbers on the way."""
    text = line.decode()
    start = text.find('"args":')
    if start < 0:
        return "null"
    start += len('"args":')
    return text[start:json.JSONDecoder().raw_decode(text, start)[1]]


class Worker:
    def __init__(self):
        self.input, self.draining, self.job = Input(), False, None

    # ---- signals ----

    def on_term(self, _signo, _frame):
        record("signal", signal="TERM", job=self.job and self.job.id)
        self.draining = True
        if self.job is None and not option("ignore-eof"):
            raise SystemExit(0)

    def on_abort(self, _signo, _frame):
        record("signal", signal="ABRT", job=self.job and self.job.id)
        if self.job is None:
            os._exit(0)
        raise ForceKilled

    def set_signals(self):
        def ignore(name):
            def handler(_signo, _frame):
                record("signal", signal=name, job=self.job and self.job.id)
            return handler
        for name, signo, handler in (("term", signal.SIGTERM, self.on_term),
                                     ("abrt", signal.SIGABRT, self.on_abort)):
            wanted = option(name, "default")  # default | handle | ignore
            if wanted != "default":
                signal.signal(signo, handler if wanted == "handle" else ignore(name.upper()))

    # ---- start ----

    def boot(self):
        if path := option("exit-if"):
            leaves = os.path.exists(path)
        elif path := option("exit-once"):
            leaves = first_time(path)
        else:
            leaves = option("exit") is not None
        if leaves:
            sys.exit(int(option("exit", 1)))
        for number in range(int(option("banner", 0))):
            put(f"banner {number}\n")
        if seconds := option("ready-late"):
            time.sleep(float(seconds))
        ready = {"type": "ready", "tasks": option("tasks", ",".join(TASKS)).split(","),
                 "signals": [s for s in option("signals", "").split(",") if s],
                 "features": [f for f in option("features", "").split(",") if f],
                 "concurrency": int(option("concurrency", 1)), "pid": os.getpid()}
        text = json.dumps(ready) + ("\r\n" if option("crlf") else "\n")
        how = option("ready", "now")  # now | never | unflushed
        if how == "now":
            put(("\ufeff" if option("bom") else "") + text)
        elif how == "unflushed":
            while self.input.line():
                pass
            put(text)
            sys.exit(0)

    # ---- the loop ----

    def handle(self, line):
        """One line from the daemon while no job runs."""
        message = json.loads(line)
        kind = message["type"]
        if kind == "hello":
            record("hello", **{k: message.get(k) for k in
                               ("worker", "generation", "max_jobs", "config")})
        elif kind != "job":
            record(kind, reason=message.get("reason"), id=message.get("id"),
                   ok=message.get("ok"))
        else:
            self.run(Job(line, message))

    def run(self, job):
        # Before the record: a test that has seen it may kill this process.
        is_again = job.is_again()
        record("job", id=job.id, task=job.task, args=job.args, attempt=job.message["attempt"],
               worker=os.environ.get("WORKMAN_WORKER"), job=job.message.get("queue", {}).get("job"))
        self.job = job
        try:
            task = TASKS.get(job.task)
            if task is None:
                send(type="fail", id=job.id, error={"message": f"no task {job.task}"})
            elif is_again:
                job.done({"attempt": job.message["attempt"], "pid": os.getpid()})
            else:
                task(self, job)
            self.job = None
        except ForceKilled:
            record("on_abort", id=job.id)
            send(type="abort", id=job.id, reason="force killed", requeue=True)
            sys.exit(0)

    def main(self):
        record("start", worker=os.environ.get("WORKMAN_WORKER"))
        self.set_signals()
        self.boot()
        if (path := option("deaf-once")) and first_time(path):
            time.sleep(600)
        while not self.draining:
            line = self.input.line()
            if line == b"":
                record("eof")
                if not option("ignore-eof"):
                    break
                while True:
                    signal.pause()
            self.handle(line)


# ---- tasks ----

def echo(_worker, job):
    if "args_b64" in job.message:
        send(type="done", id=job.id, result_b64=job.message["args_b64"])
        return
    put(f'{{"type":"done","id":"{job.id}","result":{job.raw}}}\n')


def note(_worker, job):
    record("note", args=job.args, raw=job.raw)
    job.done()


def sleep(worker, job):
    """{"s", "path": until it is there, "on_cancel": "fail"|"done", "extend_ms"}: reads its input if
    told to react."""
    while not os.path.exists(job.get("path", "/")):
        time.sleep(0.01)
    if job.get("extend_ms"):
        send(type="heartbeat", id=job.id, extend_ms=job.get("extend_ms"))
    until = time.monotonic() + job.get("s", 0)
    while (left := until - time.monotonic()) > 0:
        if not job.get("on_cancel"):
            time.sleep(left)
            continue
        line = worker.input.line(left)
        if line == b"":
            time.sleep(left)
        elif line and json.loads(line)["type"] == "cancel":
            message = json.loads(line)
            record("cancel", id=message["id"], reason=message.get("reason"))
            if job.get("on_cancel") == "fail":
                send(type="fail", id=job.id, error={"message": "cancelled"})
            else:
                job.done("cancelled")
            return
    job.done(job.args)


def spin(_worker, job):
    until = time.monotonic() + job.get("s", 0)
    while time.monotonic() < until:
        pass
    job.done()


def fail(_worker, job):
    """{"message", "retry", "delay_ms"}"""
    extra = {k: job.args[k] for k in ("retry", "delay_ms") if k in (job.args or {})}
    send(type="fail", id=job.id, error={"message": job.get("message", "failed")}, **extra)


def abort(_worker, job):
    send(type="abort", id=job.id, reason=job.get("reason", "no reason"),
         requeue=job.get("requeue", True))


def end(code, signo):
    if signo:
        signal.signal(signo, signal.SIG_DFL)
        os.kill(os.getpid(), signo)
        signal.pause()
    os._exit(code)


def leave(_worker, job):
    """{"code", "signal", "stderr"}: ends the process in the middle of the job."""
    if job.get("stderr"):
        print(job.get("stderr"), file=sys.stderr, flush=True)
    end(job.get("code", 0), job.get("signal"))


def kill_parent(_worker, _job):
    """As a job that takes the machine down."""
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def raw(_worker, job):
    """{"text": with $ID and $PAD, "pad": length of $PAD, "latin1": true for bytes that are not
    UTF-8, "stderr", then one of "exit": CODE, "signal": N, "done": RESULT, or nothing}"""
    if job.get("stderr"):
        print(job.get("stderr"), file=sys.stderr, flush=True)
    text = job.get("text", "").replace("$ID", job.id).replace("$PAD", "x" * job.get("pad", 0))
    put(text.encode("latin-1" if job.get("latin1") else "utf-8"))
    if job.get("signal") or job.get("exit") is not None:
        end(job.get("exit"), job.get("signal"))
    if job.get("done"):
        job.done(job.get("done"))


def close_stdout(_worker, job):
    os.close(1)
    time.sleep(job.get("s", 600))


def close_stdin(_worker, job):
    os.close(0)
    job.done()
    time.sleep(600)


def flood(_worker, job):
    """{"bytes"}: so much on stderr, in lines."""
    line = b"x" * 99 + b"\n"
    for _ in range(job.get("bytes", 0) // len(line)):
        os.write(2, line)
    job.done(job.get("bytes"))


def grandchild(_worker, job):
    """Leaves a process behind that holds stdout; "exit": true ends the worker beside it."""
    child = subprocess.Popen(["sleep", str(job.get("s", 600))], stdin=subprocess.DEVNULL)
    record("grandchild", child=child.pid)
    if job.get("exit"):
        os._exit(3)
    job.done({"child": child.pid})


def whole(_worker, job):
    job.done({"attempt": job.message["attempt"], "pid": os.getpid(),
              "worker": os.environ["WORKMAN_WORKER"], "message": job.message,
              "generation": int(os.environ["WORKMAN_GENERATION"])})


TASKS = {"Echo": echo, "Sleep": sleep, "Spin": spin, "Fail": fail, "Abort": abort, "Exit": leave,
         "Note": note, "Raw": raw, "CloseStdout": close_stdout, "CloseStdin": close_stdin,
         "Flood": flood, "Grandchild": grandchild, "Whole": whole, "KillParent": kill_parent}

if __name__ == "__main__":
    Worker().main()
