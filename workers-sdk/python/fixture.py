#!/usr/bin/env python3
"""The worker of the conformance tests: one task for each thing that a worker can do wrong."""

import os
import pathlib
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from workman import Abort, Permanent, Retry, Task, after_fork, serve, task  # noqa: E402


def marker(job, error):
    print("on_abort %s %s" % (job.id, error.reason), file=sys.stderr, flush=True)


@task("kit.echo")
def echo(args):
    return args


@task("kit.fail", max_attempts=2, backoff=(1, 60))
def fail(args):
    kind = (args or {}).get("kind") if isinstance(args, dict) else None
    if kind == "retry":
        raise Retry("later", after=5)
    if kind == "permanent":
        raise Permanent("never", code="not_found", data={"n": 1})
    if kind == "abort":
        raise Abort(requeue=True, after=2)
    raise RuntimeError("boom")


@task("kit.sleep", on_abort=marker)
def sleep(args, job):
    while args.get("late") and job.remaining() > 0:
        pass
    job.progress(0)
    time.sleep(args["s"])
    return args


@sleep.on_done
def _(job, result):
    if job.args.get("hook_fails"):
        raise ValueError("in a hook")


@task("kit.spin", timeout=60)
def spin(args, job):
    job.progress(0)
    end = time.monotonic() + args["s"]
    while time.monotonic() < end:
        pass
    return args


spin.on_abort(marker)


class Requeue(Task):
    name = "kit.requeue"

    def run(self, args, job):
        job.enqueue("kit.never", 1)
        print("requeue runs")
        job.progress(0)
        time.sleep(args["s"])

    def on_abort(self, job, error):
        marker(job, error)
        job.enqueue("kit.echo", {"again": True})
        return False


@task("kit.print")
def print_(args):
    text = args.get("text", "noise")
    if args.get("child"):
        subprocess.run(["echo", text], check=True)
    elif args.get("newline", True):
        print(text)
    else:
        sys.stdout.write(text)
    return args


@task("kit.exit")
def exit_(args):
    sys.exit(args["code"])


@task("kit.progress")
def progress(args, job):
    for step in range(3):
        job.progress(step + 1, 3, "step")
    job.data({"row": 1})
    job.data(b"\xff", warn=True)
    job.log("hello", "warn", n=1)
    job.heartbeat(extend=2.5)
    return None


@task("kit.enqueue")
def enqueue(args, job):
    if args and args.get("now"):
        return job.enqueue("kit.echo", 1, unique="u", now=True)
    job.enqueue("kit.echo", {"n": 1}, delay=1.5, priority="low", unique="u", max_attempts=2)
    job.enqueue("kit.echo", b"\xff")
    return None


@task("kit.chain")
def chain(args, job):
    job.enqueue("kit.echo", "with the outcome")
    job.enqueue("kit.echo", "at once", now=True)


@task("kit.bytes", payload="base64")
def bytes_(args):
    return args if isinstance(args, bytes) else bytes(i % 256 for i in range(args["n"]))


@task("kit.nan")
def nan(args):
    return {"n": object() if args == "object" else float("nan")}


@task("kit.orphan")
def orphan(args):
    return subprocess.Popen(["sleep", str(args["s"])]).pid


@task("kit.fork")
def fork(args):
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return {"parent": pid > 0}


@task("kit.cancelled")
def cancelled(args, job):
    job.progress(0)
    while not job.cancelled:
        time.sleep(0.005)
    raise Abort("cancelled", requeue=True)


@task("kit.swallow", on_abort=marker)
def swallow(args, job):
    """Turns the interruption into an error of its own, or into nothing."""
    job.progress(0)
    try:
        time.sleep(args["s"])
    except BaseException as error:
        if not args.get("quiet"):
            raise ValueError("wrapped") from error


@task("kit.rude", on_abort=lambda job, error: error.nothing)
def rude(args, job):
    """Its hook raises."""
    job.progress(0)
    time.sleep(args["s"])


@task("kit.threads")
def threads(args, job):
    talkers = [threading.Thread(target=lambda: [job.data("x" * args["n"]) for _ in range(5)])
               for _ in range(4)]
    for talker in talkers:
        talker.start()
    for talker in talkers:
        talker.join()


@task("kit.context")
def context(args, job):
    return {"attempt": job.attempt, "max_attempts": job.max_attempts, "deadline": job.deadline,
            "left": job.remaining(), "config": job.config, "stdin": sys.stdin.read(),
            "environment": "WORKMAN" in os.environ}


@after_fork
def _():
    print("after_fork", file=sys.stderr)


def more():
    """A task more for each line of a file."""
    path = os.environ.get("WORKMAN_KIT_TASKS")
    for name in pathlib.Path(path).read_text().split() if path else ():
        task(lambda args: args, name=name)


if __name__ == "__main__":
    more()
    serve(load=os.environ.get("KIT_LOAD", "").split(), cancel=True)
