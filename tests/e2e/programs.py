"""What the tests of modes exec and lines share: a daemon whose workers are ordinary programs."""

import pathlib
import subprocess
import sys

import harness

PYTHON = [sys.executable, "-S", "-E"]
STDBUF = any(pathlib.Path("/usr").glob("lib*/**/coreutils/libstdbuf.so"))


def sh(script, *arguments):
    return ["sh", "-c", script, "sh", *arguments]


class ModeCase(harness.TestCase):
    mode = "exec"

    def program(self, command, start=True, options=None, tasks=("T",), **profile):
        """A daemon of this mode that runs `command`; `options` is the mode's own block."""
        profile.setdefault("max_attempts", 1)
        if options:
            profile[self.mode] = options
        return self.daemon(start=start, command=command, mode=self.mode,
                           tasks={task: {} for task in tasks}, **profile)

    def waited(self, daemon, payload):
        """Enqueues bytes as they are, waits; the result's bytes without the line feed at the end."""
        result = subprocess.run(daemon.command("enqueue", "--wait", "T", "-"),
                                input=payload, capture_output=True, env=daemon.environment,
                                timeout=harness.DEADLINE * 2)
        self.assertEqual(result.returncode, 0, result.stderr.decode() + daemon.tail())
        self.assertEqual(result.stdout[-1:], b"\n")
        return result.stdout[:-1]

    def failed(self, daemon, args=None, task="T"):
        """The error sentence of a job that fails."""
        result = daemon.wait(task, args).finish()
        self.assertEqual(result.returncode, 1, result.stdout + daemon.tail())
        return result.stderr
