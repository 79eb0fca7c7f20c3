#!/usr/bin/env python3
"""A worker that no daemon started: it says what it is and runs a task to try it. by_hand.py
LANGUAGE."""

import subprocess
import unittest

from case import LANGUAGE, without  # It tells where the next one is.
import kit


class ByHand(unittest.TestCase):
    def run_it(self, *arguments, command=LANGUAGE.command):
        return subprocess.run([*command, *arguments], env=kit.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=kit.DEADLINE)

    def test_it_says_what_it_is(self):
        for arguments in ((), ("--help",)):
            result = self.run_it(*arguments)
            self.assertEqual(result.returncode, 0)
            self.assertIn("--run TASK", result.stdout)

    def test_an_unknown_option_is_refused(self):
        self.assertEqual(self.run_it("--what").returncode, 64)

    def test_it_lists_its_tasks(self):
        self.assertIn("kit.echo", self.run_it("--list").stdout.splitlines())

    def test_it_runs_a_task(self):
        for text in ('{"a":false}', '{"a":"\u00e9"}'):
            result = self.run_it("--run", "kit.echo", text)
            self.assertEqual((result.returncode, result.stdout.replace("\\u00e9", "\u00e9")),
                             (0, text + "\n"), result.stderr)

    @without("prints by hand")
    def test_prints_of_a_task_stay_on_stdout(self):
        self.assertIn("noise\n", self.run_it("--run", "kit.print", "{}").stdout)

    def test_what_a_job_tells_and_its_follow_ups_are_shown(self):
        self.assertIn('"type":"progress"', self.run_it("--run", "kit.progress").stderr)
        shown = self.run_it("--run", "kit.enqueue").stderr
        self.assertRegex(shown, 'would enqueue .*"kit.echo"')

    def test_a_failure_is_told(self):
        result = self.run_it("--run", "kit.fail")
        self.assertEqual(result.returncode, 1)
        self.assertIn("boom", result.stderr)
        if LANGUAGE.trace:
            self.assertIn(LANGUAGE.file, result.stderr)

    def test_arguments_that_are_no_json_are_told(self):
        result = self.run_it("--run", "kit.echo", "{")
        self.assertEqual(result.returncode, 1)
        self.assertIn("not JSON", result.stderr)

    def test_a_task_that_is_not_there_is_told(self):
        result = self.run_it("--run", "kit.none")
        self.assertEqual(result.returncode, 1)
        self.assertIn("kit.none", result.stderr)

    def test_the_example_runs(self):
        listed = self.run_it("--list", command=LANGUAGE.example).stdout
        names = ["Report", "resize"] if "order of tasks" in LANGUAGE.without else ["resize", "Report"]
        self.assertEqual(listed.splitlines(), names)
        result = self.run_it("--run", "resize", '{"file":"a.png"}', command=LANGUAGE.example)
        self.assertEqual((result.returncode, result.stdout),
                         (0, '{"file":"a.png","width":200}\n'), result.stderr)


if __name__ == "__main__":
    kit.main()
