#!/usr/bin/env python3
"""Every option that the documents name is one that the programs' own help names."""

import re
import subprocess

import tree

DOCUMENTS = ("README.md", "docs/cli.md", "docs/profile.md", "docs/operations.md")
COMMANDS = ("enqueue", "status", "workers", "pause", "resume", "reload", "stop", "scale",
            "failed list", "failed show", "failed retry", "failed drop", "queue init", "test-queue",
            "run", "test-worker")
# Options of other programs that the documents mention.
FOREIGN = {"--now": "systemctl"}
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def help_of(program, *arguments):
    result = subprocess.run([tree.BUILD / "bin" / program, *arguments, "--help"],
                            capture_output=True, text=True, timeout=60)
    if result.returncode != 0:
        raise SystemExit(f"{program} {' '.join(arguments)} --help exited {result.returncode}")
    return result.stdout


known = set(FOREIGN) | set(OPTION.findall(help_of("workmand") + help_of("workman")))
for command in COMMANDS:
    known |= set(OPTION.findall(help_of("workman", *command.split())))

found = []
for document in DOCUMENTS:
    content = (tree.ROOT / document).read_text(encoding="utf-8")
    for option in OPTION.finditer(content):
        if option.group() not in known:
            found.append(f"{document}:{tree.place(content, option.start())}: "
                         f"{option.group()} is in no help")
tree.finish(found, "every option in the documents exists")
