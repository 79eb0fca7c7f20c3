#!/usr/bin/env python3
"""Who may include whom. The table below is checked against every source file, and
docs/architecture.md has to show the same one (`includes.py --print` writes it)."""

import pathlib
import re
import sys
from dataclasses import dataclass

import tree

DOCUMENT = "docs/architecture.md"


@dataclass(frozen=True)
class Room:
    name: str
    where: str                # a regular expression that its paths match
    ours: tuple = ()          # the rooms it may include, besides itself
    libraries: tuple = ()     # the libraries it may include
    only: tuple = ()          # (library, expression): only in files of the room that match
    system: bool = True       # whether it may use the operating system's headers
    tests: bool = False       # left out of the document


EVERY = ("base", "core", "profile", "modes", "queue", "io", "admin", "protocol")

ROOMS = (
    Room("protocol", r"protocol/", system=False),
    Room("base", r"daemon/base/", libraries=("tl", "spdlog")),
    Room("core", r"daemon/core/", ours=("base",), system=False),
    Room("profile", r"daemon/profile/", ours=("base",), libraries=("yaml-cpp",),
         only=(("yaml-cpp", r"daemon/profile/yaml_text\.cc"),)),
    Room("modes", r"daemon/modes/", ours=("base", "profile", "protocol"), system=False),
    # The drivers for formats that are JSON borrow the slicer; the protocol itself is not theirs.
    Room("queue", r"daemon/queue/", ours=("base", "profile", "protocol"),
         libraries=("sqlite3", "libgearman", "hiredis", "libpq", "libmariadb", "librabbitmq",
                    "libnats", "libzmq", "librdkafka"),
         only=(("sqlite3", r"daemon/queue/drivers/sqlite\w*\.(cc|h)"),
               ("libpq", r"daemon/queue/drivers/(pg_session|postgres)\.cc"),
               ("libnats", r"daemon/queue/drivers/nats\w*\.(cc|h)"),
               ("libzmq", r"daemon/queue/drivers/zeromq\w*\.(cc|h)"),
               ("librdkafka", r"daemon/queue/drivers/kafka\w*\.(cc|h)"),
               ("libmariadb", r"daemon/queue/drivers/my_session\.cc"),
               ("libgearman", r"daemon/queue/drivers/gearman\w*\.(cc|h)"),
               ("hiredis", r"daemon/queue/drivers/redis\w*\.(cc|h)"),
               ("librabbitmq", r"daemon/queue/drivers/amqp\w*\.(cc|h)"))),
    Room("io", r"daemon/io/", ours=("base",), libraries=("uv",)),
    Room("admin", r"daemon/admin/", ours=("base", "profile", "protocol", "core")),
    Room("cli", r"daemon/cli/",
         ours=("base", "profile", "queue", "io", "protocol", "admin"), libraries=("CLI11",)),
    Room("launch", r"daemon/launch/"),
    Room("supervisor", r"daemon/(supervisor\w*\.(cc|h)|templates\.(cc|h)|worker_process\.h|main\.cc)", ours=EVERY,
         libraries=("uv", "CLI11"),
         only=(("uv", r"daemon/main\.cc"), ("CLI11", r"daemon/main\.cc"))),
    # Tests see the room they test and what that room sees.
    Room("protocol tests", r"tests/unit/protocol/", ours=("protocol",),
         libraries=("catch2", "nlohmann"), tests=True),
    Room("base tests", r"tests/unit/base/", ours=("base",), libraries=("catch2",), tests=True),
    Room("core tests", r"tests/unit/core/", ours=("core", "base"), libraries=("catch2",),
         tests=True),
    Room("profile tests", r"tests/unit/profile/", ours=("profile", "base"),
         libraries=("catch2",), tests=True),
    Room("modes tests", r"tests/unit/modes/", ours=("modes", "profile", "base", "protocol"),
         libraries=("catch2",), tests=True),
    Room("queue tests", r"tests/unit/queue/", ours=("queue", "profile", "base"),
         libraries=("catch2",), tests=True),
    Room("io tests", r"tests/unit/io/", ours=("io", "base"), libraries=("catch2",), tests=True),
    # Both ends of the control socket are tested together: what admin writes, cli reads.
    Room("admin tests", r"tests/unit/admin/", ours=("admin", "cli", *EVERY),
         libraries=("catch2",), tests=True),
)

LIBRARIES = {
    "uv": r"uv\.h", "yaml-cpp": r"yaml-cpp/.*", "nlohmann": r"nlohmann/.*",
    "spdlog": r"(spdlog|fmt)/.*", "sqlite3": r"sqlite3\.h", "libgearman": r"libgearman.*/.*",
    "hiredis": r"hiredis/.*", "libpq": r"libpq-fe\.h", "libmariadb": r"mysql\.h",
    "librabbitmq": r"amqp(_\w+)?\.h", "libnats": r"nats/.*", "libzmq": r"zmq\.h", "librdkafka": r"librdkafka/.*",
    "CLI11": r"CLI/.*", "tl": r"tl/.*", "catch2": r"catch2/.*",
}
STANDARD = r"[a-z_0-9]+|emmintrin\.h"  # the compiler's own, for SSE2, too
SYSTEM = (r"(sys|netinet|arpa|net|linux)/[a-z_0-9]+\.h|(ctype|dirent|dlfcn|errno|fcntl|grp|limits|netdb|"
          r"poll|pthread|pwd|regex|sched|signal|spawn|stdarg|stdbool|stdint|stdio|stdlib|string|time|"
          r"unistd)\.h")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
CHECKED = ("protocol/", "daemon/", "tests/unit/")


def room_of(path):
    return next((room for room in ROOMS if re.match(room.where, str(path))), None)


def fault_of_ours(room, path, target):
    """Why this file may not include that file of ours; None when it may."""
    if not target.startswith(CHECKED):
        return "paths start at the root of the repository"
    if not (tree.ROOT / target).is_file():
        return "there is no such file"
    other = room_of(target)
    if other is None:
        return "belongs to no room of the table"
    if other is room or other.name in room.ours:
        return None
    return f"{room.name} may not include {other.name}"


def fault_of_foreign(room, path, target):
    """The same for a header in angle brackets."""
    for library, pattern in LIBRARIES.items():
        if not re.fullmatch(pattern, target):
            continue
        if library not in room.libraries:
            return f"{room.name} may not use {library}"
        for name, where in room.only:
            if name == library and not re.fullmatch(where, str(path)):
                return f"only files like {where} may use {library}"
        return None
    if re.fullmatch(STANDARD, target):
        return None
    if re.fullmatch(SYSTEM, target):
        return None if room.system else f"{room.name} does not touch the operating system"
    return "a header that the table does not know"


def findings():
    for path in tree.files():
        if path.suffix not in (".h", ".cc", ".c") or not str(path).startswith(CHECKED):
            continue
        room = room_of(path)
        if room is None:
            yield f"{path}: belongs to no room of the table"
            continue
        content = tree.text(path)
        for include in INCLUDE.finditer(content):
            bracket, target = include.groups()
            judge = fault_of_ours if bracket == '"' else fault_of_foreign
            if fault := judge(room, path, target):
                yield f"{path}:{tree.place(content, include.start(1))}: {target}: {fault}"


def rows():
    """The table as Markdown."""
    yield "| room | may include | libraries | the system's headers |"
    yield "|---|---|---|---|"
    for room in ROOMS:
        if room.tests:
            continue
        limited = dict(room.only)
        libraries = [name + (" (main.cc)" if "main" in limited.get(name, "") else
                             " (its driver)" if "drivers" in limited.get(name, "") else
                             " (one file)" if name in limited else "") for name in room.libraries]
        yield (f"| {room.name} | {', '.join(room.ours) or '–'} | {', '.join(libraries) or '–'} | "
               f"{'yes' if room.system else 'no'} |")


def main():
    if "--print" in sys.argv:
        print("\n".join(rows()))
        return
    found = list(findings())
    document = tree.ROOT / DOCUMENT
    if "\n".join(rows()) not in document.read_text(encoding="utf-8"):
        found.append(f"{DOCUMENT}: does not show the table of {pathlib.Path(__file__).name}; "
                     "print it with --print")
    tree.finish(found, "every include is in the table")


if __name__ == "__main__":
    main()
