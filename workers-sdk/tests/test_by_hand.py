#!/usr/bin/env python3
"""A worker that no daemon started: it says what it is and runs a task to try it."""

import subprocess

import sdk


def by_hand(*arguments, program=sdk.FIXTURE):
    return subprocess.run([*program, *arguments], env=sdk.environment(), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=sdk.DEADLINE)


class ByHand(sdk.TestCase):
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

    def test_follow_ups_are_shown(self):
        self.assertIn("would enqueue", by_hand("--run", "kit.enqueue").stderr)

    def test_a_failure_is_told(self):
        result = by_hand("--run", "kit.fail")
        self.assertEqual(result.returncode, 1)
        self.assertIn("boom", result.stderr)

    def test_arguments_that_are_no_json_are_told(self):
        result = by_hand("--run", "kit.echo", "{")
        self.assertEqual(result.returncode, 1)
        self.assertIn("JSON", result.stderr)

    def test_a_task_that_is_not_there_is_told(self):
        self.assertIn("kit.none", by_hand("--run", "kit.none").stderr)

    def test_the_example_runs(self):
        self.assertEqual(by_hand("--list", program=sdk.EXAMPLE).stdout, "resize\nReport\n")
        result = by_hand("--run", "resize", '{"file":"a.png"}', program=sdk.EXAMPLE)
        self.assertEqual((result.returncode, result.stdout), (0, '{"file":"a.png","width":200}\n'))


if __name__ == "__main__":
    sdk.main()
