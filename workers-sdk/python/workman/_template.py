"""The process that workers are forked from (preload: true): loaded once, without jobs of its own."""

import gc
import os
import signal
import socket
import sys
import time

from workman._text import encode, vanish

PR_SET_PDEATHSIG = 1


def be_template(worker, ready):
    """Forks a worker for each `fork` that comes, and returns in that worker. The template itself
    ends in here, when the daemon closes its input."""
    worker.send(ready)
    gc.collect()
    gc.freeze()  # The collector would write to the pages that all workers share.
    while True:
        while worker.lines:
            message = worker.parse(worker.lines.popleft())
            if message and message.get("type") == "fork" and fork(worker, message):
                return
        if worker.eof or worker.drain:
            vanish(0)
        worker.fill()


def fork(worker, message):
    """True in the new worker. It is a grandchild whose parent has ended, so that it becomes a child
    of the daemon, which alone waits for it."""
    worker.fire("before_fork")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    daemon = os.getppid()
    ours, theirs = os.pipe()
    try:
        worker.forking = True
        middle = os.fork()
    except OSError as error:
        os.close(ours)
        os.close(theirs)
        return refuse(worker, message, "fork: %s" % error)
    finally:
        worker.forking = False
    if middle:
        os.close(theirs)
        why = b"".join(iter(lambda: os.read(ours, 4096), b""))  # Its end: the worker is connected.
        os.close(ours)
        os.waitpid(middle, 0)
        return refuse(worker, message, why.decode("utf-8", "replace")) if why else False
    try:
        os.close(ours)
        worker.forking = True
        if os.fork():
            os._exit(0)
        worker.forking = False
        attach(worker, message, daemon)
        os.close(theirs)
    except BaseException as error:
        os.write(theirs, ("%s: %s" % (type(error).__name__, error)).encode())
        os._exit(1)
    return True


def refuse(worker, message, why):
    worker.send(encode({"type": "exited", "token": message.get("token"), "why": why}))
    return False


def attach(worker, message, daemon):
    """Makes a worker of this process: a child of the daemon, with descriptors of its own."""
    middle = os.getppid()
    while os.getppid() == middle != daemon:
        time.sleep(0.0002)
    os.setsid()
    die_with_parent()
    if os.getppid() != daemon:
        os._exit(1)
    os.environ["WORKMAN_WORKER"] = message["worker"]
    if message.get("stderr"):
        err = connect(message, stream="stderr")
        for fd in (1, 2):
            os.dup2(err.fileno(), fd)
        err.close()
    channel = connect(message)
    worker.drop()
    worker.reset(os.dup(channel.fileno()), channel.detach())


def connect(message, **more):
    channel = socket.socket(socket.AF_UNIX)
    channel.connect(message["socket"])
    channel.sendall(encode({"type": "attach", "token": message["token"], **more}).encode() + b"\n")
    return channel


def die_with_parent():
    """SIGKILL when the daemon dies. Where there is no ctypes, the end of the input has to do."""
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


try:
    import ctypes
    libc = ctypes.CDLL(None)
except (ImportError, OSError):
    libc = None
