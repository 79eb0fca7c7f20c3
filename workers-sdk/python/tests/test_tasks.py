#!/usr/bin/env python3
"""How tasks are declared, and in which order their hooks run."""

import subprocess
import sys
import unittest

import kit

sys.path.insert(0, str(kit.FOLDER))

import workman  # noqa: E402

ORDER = """
import workman
def say(name):
    return lambda *arguments: print(name)
for name in ("on_boot", "on_exit", "on_start", "on_done", "on_fail"):
    getattr(workman, name)(say("all " + name))
class Work(workman.Task):
    on_start = on_done = on_fail = staticmethod(lambda job, *more: print("its own"))
    def run(self, args, job):
        if args:
            raise ValueError("no")
workman.serve()
"""


class Declarations(unittest.TestCase):
    def test_a_bare_decorator_takes_the_name_of_the_function(self):
        @workman.task
        def plain(args):
            return args
        self.assertEqual(plain.announcement(), "plain")
        self.assertEqual(plain(7), 7)

    def test_options_become_an_announcement_in_milliseconds(self):
        @workman.task("t.options", timeout=1.5, stall=2, max_attempts=3, limit=4, backoff=0.5,
                      payload="text", on_abort="drop")
        def function(args, job):
            return args
        self.assertEqual(function.announcement(), {
            "name": "t.options", "timeout_ms": 1500, "stall_ms": 2000, "max_attempts": 3,
            "limit": 4, "backoff": {"kind": "const", "base_ms": 500}, "payload": "text",
            "on_abort": "drop"})

    def test_an_unknown_option_is_refused(self):
        for option in ("time_out", "run", "_x"):
            with self.assertRaisesRegex(TypeError, option):
                workman.task(**{option: 1})(len)

    def test_a_class_with_run_is_a_task_and_its_base_is_not(self):
        class Base(workman.Task):
            timeout = 2

        class Mine(Base):
            policy = "fail"

            def run(self, args, job):
                return args

            def on_abort(self, job, error):
                return True
        from workman._task import tasks
        self.assertNotIn("Base", tasks)
        self.assertEqual(tasks["Mine"].announcement(),
                         {"name": "Mine", "timeout_ms": 2000, "on_abort": "fail"})

    def order(self, args):
        return subprocess.run([sys.executable, "-", "--run", "Work", args], input=ORDER, text=True,
                              env=kit.environment(), capture_output=True,
                              timeout=kit.DEADLINE).stdout.splitlines()

    def test_hooks_of_all_tasks_run_before_those_of_the_task(self):
        self.assertEqual(self.order("0"), [
            "all on_boot", "all on_start", "its own", "all on_done", "its own", "all on_exit",
            "null"])
        self.assertEqual(self.order("1"), [
            "all on_boot", "all on_start", "its own", "all on_fail", "its own", "all on_exit"])


if __name__ == "__main__":
    unittest.main()
