#!/usr/bin/env python3
"""The systemd unit is one that systemd reads without a remark. `systemd-analyze verify` exits with
0 for many mistakes, so that its silence is what counts."""

import pathlib
import shutil
import subprocess
import tempfile

import tree

TEMPLATE = tree.ROOT / "conf/workmand@.service.in"

if not shutil.which("systemd-analyze"):
    tree.skip("systemd-analyze is not installed: the unit was NOT checked")
unit = TEMPLATE.read_text(encoding="utf-8").replace("@WORKMAN_BINDIR@", str(tree.BUILD / "bin"))
found = ["a variable of the template is not replaced"] if "@WORKMAN" in unit else []
with tempfile.TemporaryDirectory(prefix="workman-unit-") as folder:
    path = pathlib.Path(folder, "workmand@.service")
    path.write_text(unit, encoding="utf-8")
    result = subprocess.run(["systemd-analyze", "verify", "--man=no", path], text=True,
                            capture_output=True, timeout=60)
remarks = result.stdout + result.stderr
found += [line for line in remarks.splitlines() if line.strip()]
if result.returncode != 0:
    found.append(f"systemd-analyze verify exited {result.returncode}")
tree.finish(found, "systemd has nothing to remark")
