"""Workers for workmand in Python; the standard library is enough, 3.9 or later.

    from workman import serve, task

    @task(timeout=30)
    def resize(args, job):
        return {"ok": True}

    serve()

serve() reads jobs from stdin and writes outcomes to a private copy of stdout. Jobs run one at a
time in the main thread, where SIGABRT can interrupt them. In a worker, this import points
descriptor 1 at stderr and stdin at /dev/null, so that no print and no child can damage the
protocol; elsewhere it touches nothing.
"""

from workman._task import (Abort, Failure, ForceKilled, Permanent, Refused, Retry, Task, after_fork,
                           before_fork, on_abort, on_boot, on_done, on_exit, on_fail, on_start, task)
from workman._worker import VERSION as __version__
from workman._worker import Worker as _Worker

__all__ = ["Abort", "Failure", "ForceKilled", "Permanent", "Refused", "Retry", "Task", "after_fork",
           "before_fork", "on_abort", "on_boot", "on_done", "on_exit", "on_fail", "on_start", "serve",
           "task"]

for _public in (Abort, Failure, ForceKilled, Permanent, Refused, Retry, Task):
    _public.__module__ = "workman"  # What failures and stacks show.

_worker = _Worker()


def serve(load=None, cancel=False):
    """Runs the worker and never returns.

    load: files of tasks, relative to the program's folder; they are read in the worker, so a
    restart takes the new code. cancel: the daemon says early that a job is cancelled and waits 1 s
    before it interrupts; for tasks that look at job.cancelled.
    """
    for file in [load] if isinstance(load, str) else load or ():
        _load(file)
    if not _worker.supervised:
        from workman import _by_hand
        _by_hand.main(_worker)
    _worker.serve(cancel)


def _load(file):
    import os
    import sys
    main = getattr(sys.modules["__main__"], "__file__", None)
    path = os.path.join(os.path.dirname(os.path.abspath(main)) if main else os.getcwd(), file)
    name = os.path.splitext(os.path.basename(path))[0]
    module = type(sys)(name)
    module.__file__ = path
    with open(path, "rb") as source:
        code = compile(source.read(), path, "exec")
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    sys.modules[name] = module
    exec(code, module.__dict__)


def __getattr__(name):
    if name in ("Client", "ClientError", "JobFailed", "NoDaemon"):
        from workman import client
        return getattr(client, name)
    raise AttributeError("module 'workman' has no attribute %r" % name)
