"""An echo worker without SDK that breaks one rule of the protocol, which its argument names. The
tests of the kit run it."""

import json
import os
import sys
import threading

FAULT = sys.argv[1]


def send(**message):
    print(json.dumps(message), flush=FAULT != "unflushed")


def outcome(job):
    if FAULT == "wrong-id":
        job["id"] = job["id"][::-1]
    if FAULT == "nan":
        job["args"] = float("nan")
    if FAULT == "lossy":
        job["args"] = json.loads(json.dumps(job["args"], ensure_ascii=False)
                                 .encode("ascii", "replace"))
    if FAULT == "chatty":
        print("working", flush=True)
    if FAULT == "fragile" and job["task"] != "kit.echo":
        raise KeyError(job["task"])
    if FAULT == "null" and job["args"] is None:
        raise TypeError("null")
    send(type="done", id=job["id"], result=job["args"])
    if FAULT == "twice":
        send(type="done", id=job["id"], result=job["args"])


def lines():
    if FAULT == "one-a-read":  # What stands behind the first line of a read is lost.
        while chunk := os.read(0, 1 << 22):
            while not chunk.endswith(b"\n"):
                chunk += os.read(0, 1 << 22)
            yield chunk.split(b"\n")[0]
    elif FAULT == "hasty":  # A line that was cut off is completed.
        for line in sys.stdin:
            yield line if line.endswith("\n") else '{"type":"job","id":"x","task":"","args":1}'
    else:
        yield from sys.stdin


if FAULT == "unflushed":  # Whatever PYTHONUNBUFFERED says.
    sys.stdout = open(1, "w", 65536, closefd=False)
if FAULT == "exits":
    sys.exit("no such database")
if FAULT == "silent":
    sys.stdin.read()
if FAULT == "eager":
    send(type="done", id="nobody", result=1)
if FAULT == "unsolicited":
    threading.Timer(0.5, send, (), {"type": "retire", "reason": "bored"}).start()
tasks = {"no-tasks": [], "same-name": ["kit.echo", "kit.echo"]}.get(FAULT, ["kit.echo"])
send(type="ready", tasks=tasks, **({"max_line": 1000} if FAULT == "narrow" else {}))
for line in lines():
    if FAULT == "narrow" and len(line) > 990:
        sys.exit("a line is too long")
    try:
        message = json.loads(line)
    except ValueError:
        if FAULT == "fragile":
            raise
        continue
    if message["type"] == "job":
        outcome(message)
    elif FAULT == "strict" and message["type"] != "hello":
        sys.exit("unknown: " + message["type"])
if FAULT == "ignores-eof":
    threading.Event().wait()
sys.exit(3 if FAULT == "exit-3" else 0)
