#!/usr/bin/env python3
"""Two tasks: a function and a class. Try it: python3 thumbs.py --run resize '{"file": "a.png"}'"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from workman import Permanent, Task, serve, task  # noqa: E402


@task(timeout=30, max_attempts=4, backoff=(1, 60))
def resize(args, job):
    if "file" not in args:
        raise Permanent("no file is named", code="bad_args")
    job.progress(1, 2)
    job.enqueue("Report", {"file": args["file"]}, delay=60)
    return {"file": args["file"], "width": args.get("width", 200)}


@resize.on_abort
def resize_was_interrupted(job, error):
    """The worker must stop before the job could end: put it back with a mark, once."""
    job.enqueue("resize", {**job.args, "interrupted": error.reason})
    return False  # It went back by itself; the daemon need not do it.


class Report(Task):
    timeout = 600

    def run(self, args, job):
        job.log("a report", file=args["file"])

    def on_fail(self, job, error):
        job.log("attempt %d failed" % job.attempt, "warn")


if __name__ == "__main__":
    serve()
