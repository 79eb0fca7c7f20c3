"""Programs that use a queue's own client library: the other side of a test."""

import importlib
import os
import subprocess
import sys

import harness

PYTHON = "/usr/bin/python3"


def library(module, package):
    """A library of Python's. Debian's packages are for Debian's Python, which is not everywhere the
    first one: without the library the test begins anew with that, or is skipped."""
    try:
        return importlib.import_module(module)
    except ImportError:
        if sys.executable != PYTHON and os.path.exists(PYTHON):
            os.execv(PYTHON, [PYTHON, *sys.argv])
        print(f"SKIPPED: {package} is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)


def run(case, *command):
    """Runs one to its end, which must be a good one, and returns what it says."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=harness.DEADLINE)
    case.assertEqual((done.returncode, done.stderr), (0, ""))
    return done.stdout
