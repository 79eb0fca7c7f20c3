"""Programs beside a daemon, run to their end."""

import os
import subprocess

import harness


class Beside:
    """For test cases of the harness."""

    def check_queue(self, **queue):
        """What `workman --check` says of a profile with such a queue."""
        daemon = self.daemon(start=False, queue=queue)
        return subprocess.run([harness.WORKMAND, "--check", str(daemon.path)],
                              capture_output=True, text=True, timeout=harness.DEADLINE,
                              env=daemon.environment)

    def run_program(self, command, **environment):
        """What a program says on stdout; it must end well."""
        result = subprocess.run(command, capture_output=True, text=True, timeout=120,
                                env={**os.environ, **environment})
        self.assertEqual(result.returncode, 0, f"{command}: {result.stdout}{result.stderr}")
        return result.stdout
