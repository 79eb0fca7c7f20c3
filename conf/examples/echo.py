#!/usr/bin/env python3
"""A worker in Python: one JSON object a line, jobs in, outcomes out, and it ends at the end of
its input. print() for anything else must go to sys.stderr."""

import json
import sys
import time


def fail(args):
    raise RuntimeError(args["message"])


def sleep(args):
    time.sleep(args["s"])
    return args


TASKS = {"Echo": lambda args: args, "Sleep": sleep, "Fail": fail}


def send(**message):
    print(json.dumps(message), flush=True)


send(type="ready", tasks=list(TASKS))
for line in sys.stdin:
    job = json.loads(line)
    if job["type"] != "job":
        continue
    try:
        send(type="done", id=job["id"], result=TASKS[job["task"]](job["args"]))
    except Exception as error:  # Whatever a task throws is the job's failure, not the worker's.
        message = str(error) or type(error).__name__
        send(type="fail", id=job["id"], error={"message": message})
