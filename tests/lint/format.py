#!/usr/bin/env python3
"""Every C and C++ source is as clang-format writes it."""

import shutil
import subprocess

import tree

if not shutil.which("clang-format"):
    tree.skip("clang-format is not installed: the format of the sources was NOT checked")
sources = [str(path) for path in tree.files() if path.suffix in (".h", ".cc", ".c")]
result = subprocess.run(["clang-format", "--dry-run", "-Werror", *sources], cwd=tree.ROOT,
                        capture_output=True, text=True)
wrong = sorted({line.split(": error:")[0] for line in result.stderr.splitlines()
                if ": error:" in line})
if result.returncode != 0 and not wrong:
    wrong = [result.stderr.strip()]
tree.finish(wrong, f"{len(sources)} sources are formatted")
