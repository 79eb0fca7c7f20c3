#!/usr/bin/env python3
"""No source file is longer than LIMIT lines: a file holds one concern, and grows no second."""

import tree

LIMIT = 350
SOURCES = {".h", ".hpp", ".cc", ".c", ".py", ".sh", ".pl", ".pm", ".rb", ".php", ".js", ".go"}

found = []
for path in tree.files():
    if path.suffix in SOURCES or tree.has_shebang(path):
        lines = len(tree.text(path).splitlines())
        if lines > LIMIT:
            found.append(f"{path}: {lines} lines, {lines - LIMIT} too many")
tree.finish(found, f"no source file has more than {LIMIT} lines")
