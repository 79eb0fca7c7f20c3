#!/usr/bin/env python3
"""Every event that the daemon logs is in the table of docs/operations.md, and the other way."""

import re

import tree

DOCUMENT = "docs/operations.md"
CALL = re.compile(r'\blog::(?:Info|Warn|Err|Debug|Write)\(([^{}]*?)(?=\{|\);)', re.DOTALL)
NAME = re.compile(r'"([A-Za-z][A-Za-z -]+)"')
VARIABLE = re.compile(r'\bevent = "([^"]+)"')

emitted = {}
for path in tree.files():
    if str(path).startswith("daemon/") and path.suffix == ".cc":
        content = tree.text(path)
        for call in CALL.finditer(content):
            for name in NAME.findall(call.group(1)):
                emitted[name] = f"{path}:{tree.place(content, call.start())}"
        if "log::Write(" in content:
            for name in VARIABLE.finditer(content):
                emitted[name.group(1)] = f"{path}:{tree.place(content, name.start())}"

told = set()
table = (tree.ROOT / DOCUMENT).read_text(encoding="utf-8").partition("| event |")[2]
for row in table.partition("\n\n")[0].splitlines():
    told |= set(re.findall(r"`([^`]+)`", row.split("|")[1])) if row.count("|") > 2 else set()

found = [f"{where}: the event '{name}' is not in {DOCUMENT}"
         for name, where in sorted(emitted.items()) if name not in told]
found += [f"{DOCUMENT}: nobody logs the event '{name}'" for name in sorted(told - set(emitted))]
tree.finish(found, f"all {len(emitted)} events are documented")
