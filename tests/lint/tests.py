#!/usr/bin/env python3
"""What every unit test keeps: a name that the test runner can select, no clock and no process,
and at least one assertion,
its own or that of a helper in the same file."""

import re

import tree

# Catch2 reads these in a name as syntax: such a test would be reported as passed without a run.
SYNTAX = {";": "a semicolon", "\\": "a backslash", ",": "a comma"}
# Their subject is processes and threads.
MAY_WAIT = ("tests/unit/io/", "tests/unit/queue/")

CASE = re.compile(r'^TEST_CASE(?:_METHOD\(\s*\w+,|\()\s*((?:"(?:[^"\\]|\\.)*"\s*)+)(.*?)^}',
                  re.MULTILINE | re.DOTALL)
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')
ASSERTION = re.compile(r"\b(CHECK|REQUIRE)\w*\(")
# A function of the file; clang-format ends it with a brace in the first column.
HELPER = re.compile(r"^[a-z][\w:<>&* ]*?\b(\w+)\([^;{}]*\) (?:const )?{\n(.*?)^}",
                    re.MULTILINE | re.DOTALL | re.IGNORECASE)
WAITS = re.compile(r"\b(u?sleep|nanosleep|sleep_for|sleep_until)\b|\bnow\(\)|\bv?fork\(|\buv_\w+|"
                   r"\b(gettimeofday|clock_gettime)\b")
NOT_CODE = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def code_of(content):
    """Strings and comments blanked, lines kept."""
    return NOT_CODE.sub(lambda match: "\n" * match.group().count("\n"), content)


def asserting_helpers(content):
    return {name for name, body in HELPER.findall(content)
            if ASSERTION.search(body) and not name.startswith("TEST_CASE")}


def findings(path, content):
    helpers = asserting_helpers(content)
    cases = list(CASE.finditer(content))
    if path.name.endswith("_test.cc") and not cases:
        yield f"{path}: a test file without a test"
    for case in cases:
        where = f"{path}:{tree.place(content, case.start())}"
        name = "".join(LITERAL.findall(case.group(1)))
        for character, word in SYNTAX.items():
            if character in name:
                yield f"{where}: {word} in the name of a test"
        called = set(re.findall(r"\b(\w+)\(", case.group(2)))
        if not ASSERTION.search(case.group(2)) and not called & helpers:
            yield f"{where}: a test without CHECK or REQUIRE"
    if not str(path).startswith(MAY_WAIT):
        code = code_of(content)
        for wait in WAITS.finditer(code):
            yield f"{path}:{tree.place(code, wait.start())}: {wait.group()} in a unit test"


found = []
for source in tree.files():
    if str(source).startswith("tests/unit/") and source.suffix in (".cc", ".h"):
        found += findings(source, tree.text(source))
tree.finish(found, "every unit test has a proper name and asserts something")
