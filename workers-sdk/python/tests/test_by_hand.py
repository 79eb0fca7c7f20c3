#!/usr/bin/env python3
"""A worker that no daemon started: it says what it is and runs a task to try it."""

import os
import subprocess
import sys
import unittest

import kit


def by_hand(*arguments, program=kit.FIXTURE):
    return subprocess.run([sys.executable, program, *arguments], env=kit.environment(), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=kit.DEADLINE)


class ByHand(unittest.TestCase):
    def test_it_says_what_it_is(self):
        result = by_hand()
        self.assertEqual(result.returncode, 0)
        self.assertIn("--run TASK", result.stdout)

    def test_an_unknown_option_is_refused(self):
        self.assertEqual(by_hand("--what").returncode, 64)

    def test_it_lists_its_tasks(self):
        self.assertIn("kit.echo", by_hand("--list").stdout.splitlines())

    def test_it_runs_a_task(self):
        result = by_hand("--run", "kit.echo", '{"a":1}')
        self.assertEqual((result.returncode, result.stdout), (0, '{"a":1}\n'))

    def test_prints_of_a_task_stay_on_stdout(self):
        self.assertIn("noise\n", by_hand("--run", "kit.print", "{}").stdout)

    def test_a_failure_is_told_with_its_stack(self):
        result = by_hand("--run", "kit.fail")
        self.assertEqual(result.returncode, 1)
        self.assertIn("boom", result.stderr)
        self.assertIn("fixture.py", result.stderr)

    def test_a_task_that_is_not_there_is_told(self):
        self.assertIn("kit.none", by_hand("--run", "kit.none").stderr)

    def test_the_example_runs(self):
        program = str(kit.FOLDER / "examples/thumbs.py")
        self.assertEqual(by_hand("--list", program=program).stdout, "resize\nReport\n")
        result = by_hand("--run", "resize", '{"file":"a.png"}', program=program)
        self.assertEqual((result.returncode, result.stdout), (0, '{"file":"a.png","width":200}\n'))

    def test_an_import_touches_no_descriptor(self):
        code = "import os; os.write(1, b'a'); import workman; os.write(1, b'b')"
        result = subprocess.run([sys.executable, "-c", code], capture_output=True,
                                env=kit.environment(), timeout=kit.DEADLINE)
        self.assertEqual(result.stdout, b"ab")

    def test_an_import_loads_little(self):
        code = "import sys, workman; print(' '.join(sys.modules))"
        result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True,
                                env=kit.environment(), timeout=kit.DEADLINE)
        for heavy in ("typing", "dataclasses", "traceback", "inspect", "threading", "socket",
                      "subprocess", "logging", "importlib.util"):
            self.assertNotIn(heavy, result.stdout.split())


if __name__ == "__main__":
    os.environ.pop("WORKMAN", None)
    unittest.main()
