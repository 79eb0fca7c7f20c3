#!/usr/bin/env python3
"""What no file of the project holds: somebody's folders, notes to do things later, stray blanks;
and links in the documents that lead nowhere."""

import re
import urllib.parse

import tree

# Ann lives in the tests only.
FOLDERS = re.compile(r"(?<![\w./-])/(work|root|home/(?!ann/)[a-z][\w-]*)/")
LATER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
# A failure that does not count, as TAP says it.
TAP = re.compile(r"# TO" r"DO (expected failure|a worker should)")
NO_TABS = {".h", ".cc", ".c", ".py", ".yaml", ".yml"}
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(content):
    """The anchors of a document's headings, as they are commonly made."""
    content = FENCE.sub("", content)
    for heading in re.findall(r"^#+ +(.+?) *$", content, re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        yield plain.replace(" ", "-")


def broken_links(path, content):
    prose = FENCE.sub(lambda match: "\n" * match.group().count("\n"), content)
    for link in LINK.finditer(prose):
        target = link.group(1) or link.group(2)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = urllib.parse.unquote(target).partition("#")
        file = (tree.ROOT / path).parent / name if name else tree.ROOT / path
        where = f"{path}:{tree.place(prose, link.start())}"
        if not file.exists():
            yield f"{where}: the link {target} leads nowhere"
        elif anchor and file.suffix == ".md":
            if anchor not in anchors(file.read_text(encoding="utf-8")):
                yield f"{where}: the link {target} leads to no heading"


def findings(path, content):
    for number, line in enumerate(content.split("\n"), 1):
        where = f"{path}:{number}"
        if folder := FOLDERS.search(line):
            yield f"{where}: a folder of one machine: {folder.group()}"
        if (later := LATER.search(line)) and not TAP.search(line):
            yield f"{where}: {later.group()}: do it now or leave it out"
        if line != line.rstrip():
            yield f"{where}: blanks at the end of the line"
        if "\t" in line and path.suffix in NO_TABS:
            yield f"{where}: a tab"
    if content and not content.endswith("\n"):
        yield f"{path}: no line feed at the end"
    if path.suffix == ".md":
        yield from broken_links(path, content)


found = []
for source in tree.files():
    # Test data may be damaged on purpose.
    if "testdata" in source.parts and source.suffix != ".md":
        continue
    if (body := tree.text(source)) is not None:
        found += findings(source, body)
tree.finish(found, "no stray words, blanks or links")
