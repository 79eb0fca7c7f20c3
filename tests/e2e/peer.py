"""Programs that use a queue's own client library: the other side of a test."""

import subprocess

import harness


def run(case, *command):
    """Runs one to its end, which must be a good one, and returns what it says."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, text=True, capture_output=True,
                          timeout=harness.DEADLINE)
    case.assertEqual((done.returncode, done.stderr), (0, ""))
    return done.stdout
