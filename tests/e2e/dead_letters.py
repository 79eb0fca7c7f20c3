"""The dead letters of a daemon, as `workman failed list --json` has them, a line each."""

import subprocess

import harness


def letters(daemon):
    result = subprocess.run([harness.WORKMAN, "failed", "list", "--json", "-p", str(daemon.path)],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            env=daemon.environment, timeout=harness.DEADLINE * 2)
    if result.returncode != 0:
        raise AssertionError(f"failed list exited {result.returncode}: {result.stderr}")
    return result.stdout.splitlines()


def wait(daemon, number):
    harness.poll(f"{number} dead letters", lambda: len(letters(daemon)) == number,
                 explain=daemon.tail)
