"""What the tests of `workman test-worker` share: one run of the kit, and what it has said."""

import concurrent.futures
import os
import re
import subprocess
import unittest

import harness

EXAMPLES = harness.ROOT / "conf/examples"
SDKS = harness.ROOT / "workers-sdk"
WORKERS = harness.ROOT / "tests/e2e/workers"
LINE = re.compile(r"(not )?ok (\d+) - (\S+)(?: # ([A-Z]+) (.*))?")
PATIENCE = "6" if os.environ.get("WORKMAN_SLOW") == "1" else "2"


class Tap:
    """What one run of the kit has said. Checks that it is TAP."""

    def __init__(self, test, *arguments):
        command = [harness.WORKMAN, "test-worker", "--patience", PATIENCE, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.status, self.text = result.returncode, result.stdout + result.stderr
        self.failed, self.excused, self.passed, self.skipped = [], [], [], {}
        lines = result.stdout.removesuffix("\n").split("\n")
        test.assertEqual(lines[:2], ["TAP version 13", "1..56"], self.text)
        self.bail = next((line for line in lines if line.startswith("Bail out!")), "")
        found = [LINE.fullmatch(line) for line in lines[2:] if not line.startswith(("#", "Bail"))]
        test.assertNotIn(None, found, self.text)
        test.assertEqual([int(one[2]) for one in found], list(range(1, len(found) + 1)), self.text)
        test.assertTrue(self.bail or len(found) == 56, self.text)
        for wrong, _, name, word, reason in (one.groups() for one in found):
            if word == "SKIP":
                self.skipped[name] = reason
            elif wrong:
                (self.excused if word else self.failed).append(name)
            else:
                self.passed.append(name)


class Kit(unittest.TestCase):
    maxDiff = None

    def tap(self, *arguments):
        return Tap(self, *arguments)

    def each(self, check, cases):
        """Runs check(*case) for each, two at a time: most of it is waiting."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for case, run in [(case, pool.submit(check, *case)) for case in cases]:
                with self.subTest(case[0]):
                    run.result()
