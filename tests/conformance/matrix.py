#!/usr/bin/env python3
"""matrix.py QUEUE_CONTRACT: the table "What each can do" of docs/queues.md against the capabilities
that the drivers announce."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The beginning of a row -> the capability behind it. The other rows tell what no flag does.
ROWS = {
    "a new job wakes the daemon": "kWait",
    "jobs survive the end of the queue": "kDurable",
    "priority": "kPriority",
    "unique key": "kUnique",
    "delay": "kDelay",
    "own number of attempts": "kMaxAttempts",
    "a caller can wait for the result": "kForeground",
    "progress and partial data": "kProgress",
    "who waits before a retry": "kRetryDelay",
    "a held job outlives a lost connection": "kHoldSurvives",
    "dead letters": "kDeadLetter",
    "waiting jobs are counted": "kCount",
}
YES = ("yes", "the queue", "as above")


def capabilities(program):
    """driver -> the names of its capabilities."""
    header = (ROOT / "daemon/queue/queue.h").read_text(encoding="utf-8")
    bits = {name: 1 << int(bit) for name, bit in re.findall(r"(k\w+) = 1U << (\d+)U", header)}
    output = subprocess.run([program, "--capabilities"], check=True, capture_output=True, text=True)
    drivers = dict(line.split() for line in output.stdout.splitlines())
    return {driver: {name for name, bit in bits.items() if int(value) & bit}
            for driver, value in drivers.items()}


def table():
    """Rows of cells; the first row names the drivers."""
    text = (ROOT / "docs/queues.md").read_text(encoding="utf-8")
    part = text.split("## What each can do")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")]
            for line in part.splitlines() if line.startswith("|") and not line.startswith("|-")]


def findings(known):
    head, *rows = table()
    told = {name for cell in head for name in cell.split(", ") if name}
    for driver in known:
        if driver not in told:
            yield f"{driver} is not in the table"
    seen = set()
    for row in rows:
        row_name = next((name for name in ROWS if row[0].startswith(name)), None)
        if row_name is None:
            continue
        seen.add(row_name)
        for cell, names in zip(row[1:], head[1:]):
            for driver in names.split(", "):
                says = cell.startswith(YES) and f"{driver} refuses" not in cell
                if driver in known and says != (ROWS[row_name] in known[driver]):
                    yield f"{driver}, {row_name}: the table says \"{cell}\", the driver otherwise"
    for name in ROWS.keys() - seen:
        yield f"there is no row \"{name}\""


found = list(findings(capabilities(sys.argv[1])))
print("\n".join(found) or "the table is what the drivers say")
sys.exit(1 if found else 0)
