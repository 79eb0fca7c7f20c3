#!/usr/bin/env python3
"""The worker for `workman test-worker --sdk --fixture`: the tasks kit.* and nothing else. What each
has to do is in docs/cli.md."""

import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from workman import serve, task  # noqa: E402


def marker(job, error):
    print("on_abort", job.id, error.reason, file=sys.stderr, flush=True)


@task("kit.echo")
def echo(args):
    return args


@task("kit.fail")
def fail(args):
    raise RuntimeError("boom")


@task("kit.sleep", on_abort=marker)
def sleep(args, job):
    job.progress(0)
    time.sleep(args["s"])
    return args


@task("kit.spin", on_abort=marker)
def spin(args, job):
    job.progress(0)
    end = time.monotonic() + args["s"]
    while time.monotonic() < end:
        pass
    return args


@task("kit.requeue")
def requeue(args, job):
    return sleep(args, job)


@requeue.on_abort
def _(job, error):
    marker(job, error)
    return False


@task("kit.print")
def print_(args):
    text = args.get("text", "noise")
    if args.get("child"):
        subprocess.run(["/bin/echo", text], check=True)
    elif args.get("newline", True):
        print(text)
    else:
        sys.stdout.write(text)


@task("kit.exit")
def exit_(args):
    sys.exit(args["code"])


@task("kit.progress")
def progress(args, job):
    for step in range(1, 4):
        job.progress(step, 3)


@task("kit.enqueue")
def enqueue(args, job):
    return job.enqueue("kit.echo", {"from": job.id}, now=bool(args and args.get("now")))


@task("kit.bytes")
def bytes_(args):
    return bytes(i % 256 for i in range(args["n"]))


@task("kit.nan")
def nan(args):
    return {"n": float("nan")}


@task("kit.orphan")
def orphan(args):
    return subprocess.Popen(["sleep", str(args["s"])]).pid


def load_more():
    """The tasks of case `reload`: one name a line, each returns its arguments."""
    path = os.environ.get("WORKMAN_KIT_TASKS")
    for name in pathlib.Path(path).read_text().split() if path else ():
        task(lambda args: args, name=name)


if __name__ == "__main__":
    load_more()
    serve()
