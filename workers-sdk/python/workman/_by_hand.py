"""What a worker does that no daemon started: it says what it is, lists its tasks, or runs one."""

import json
import sys

from workman._job import Job
from workman._task import tasks
from workman._text import encode

USAGE = """%(program)s is a worker: workmand starts it and hands it jobs. In a profile:

  command: [python3, %(program)s]

By hand:

  %(program)s --list             prints the names of its tasks
  %(program)s --run TASK [JSON]  runs one, prints its result; exit status 1 if it fails
"""


def main(worker):
    """Never returns."""
    arguments, program = sys.argv[1:], sys.argv[0]
    if arguments == ["--list"]:
        print("\n".join(tasks))
        sys.exit(0)
    if arguments[:1] == ["--run"] and len(arguments) in (2, 3):
        sys.exit(run(worker, *arguments[1:]))
    wrong = arguments not in ([], ["--help"])
    print(USAGE % {"program": program}, end="", file=sys.stderr if wrong else sys.stdout)
    sys.exit(64 if wrong else 0)


def run(worker, name, text="null"):
    if name not in tasks:
        return "no task %r here; --list tells which there are" % name
    try:
        args = json.loads(text)
    except ValueError as error:
        return "the arguments are not JSON: %s" % error
    worker.send = lambda line, job=None: print(line, file=sys.stderr)
    worker.fire("on_boot")
    outcome = worker.parse(worker.work(
        Job(worker, {"id": "ByHand000000", "task": name, "args": args}), tasks[name]).encode())
    worker.fire("on_exit")
    if outcome["type"] != "done":
        error = outcome.get("error", {})
        return "\n".join(filter(None, (error.get("trace"), outcome["type"] + ": " + error.get(
            "message", outcome.get("reason", "")))))
    for follow_up in outcome.get("enqueue", ()):
        print("would enqueue " + encode(follow_up), file=sys.stderr)
    print(encode(outcome.get("result", outcome.get("result_b64"))))
    return 0
