"""A worker that is forked from a template; what it does while it loads stands in a file."""

import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "workers-sdk/python"))

import workman  # noqa: E402


def record(what, **fields):
    with open(os.environ["WORKMAN_E2E_RECORD"], "a") as file:
        file.write(json.dumps({"what": what, "pid": os.getpid(), **fields}) + "\n")


def load():
    order = pathlib.Path(os.environ["WORKMAN_E2E_CODE"]).read_text().split()
    if order[0] == "stuck":
        signal.signal(signal.SIGABRT, signal.SIG_IGN)
    record("load", order=order[0])
    if order[0] in ("hang", "stuck"):
        time.sleep(600)
    if order[0] == "exit":
        print("will not load", file=sys.stderr)
        sys.exit(int(order[1]))
    return order[0]


VERSION = load()


@workman.before_fork
def _():
    record("before_fork")


@workman.after_fork
def _():
    record("after_fork")


@workman.on_boot
def _():
    record("boot")


@workman.on_exit
def _():
    record("exit")


@workman.task
def Who(args):
    print("asked", os.getpid())
    return {"pid": os.getpid(), "ppid": os.getppid(), "sid": os.getsid(0), "version": VERSION,
            "worker": os.environ["WORKMAN_WORKER"]}


@workman.task
def Sleep(args):
    record("sleep")
    time.sleep(args["s"])
    return args


@Sleep.on_abort
def _(job, error):
    record("on_abort")
    return False


@workman.task
def Echo(args):
    return args


workman.serve()
