#!/usr/bin/env python3
"""What is Python's alone: how tasks are declared, in which order their hooks run, what an import does,
and values and errors that other languages do not have."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

PYTHON = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PYTHON), str(PYTHON.parent / "contract")]

import kit  # noqa: E402

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


class Imports(unittest.TestCase):
    def run_code(self, code, *options):
        return subprocess.run([sys.executable, *options, "-c", code], capture_output=True,
                              env=kit.environment(), timeout=kit.DEADLINE).stdout

    def test_an_import_touches_no_descriptor(self):
        self.assertEqual(self.run_code(
            "import os; os.write(1, b'a'); import workman; os.write(1, b'b')"), b"ab")

    def test_an_import_loads_little(self):
        loaded = self.run_code("import sys, workman; print(' '.join(sys.modules))", "-S")
        for heavy in ("typing", "dataclasses", "traceback", "inspect", "threading", "socket",
                      "subprocess", "logging", "importlib.util"):
            self.assertNotIn(heavy, loaded.decode().split())


class Values(kit.TestCase):
    def worker(self, ready=True, **options):
        return super().worker(ready, command=[sys.executable, str(PYTHON / "fixture.py")], **options)

    def test_integers_of_any_size_and_lone_surrogates_come_back(self):
        worker = self.worker()
        for value in (2 ** 70, "\ud800"):
            self.assertEqual(worker.call("kit.echo", value).get("result"), value)

    def test_arguments_beyond_python_are_answered(self):
        worker = self.worker()
        worker.write(b'{"type":"job","id":"abcdefghijkl","task":"kit.echo","attempt":1,"args":'
                     + b"[" * 100000 + b"]" * 100000 + b"}\n")
        self.assertEqual(worker.next("fail")["error"]["code"], "unreadable_args")

    def test_the_reason_of_an_abort_names_the_function(self):
        worker = self.worker()
        worker.job("kit.sleep", {"s": 600})
        worker.next("progress")
        worker.signal(signal.SIGABRT)
        self.assertIn("in sleep", worker.next("abort")["reason"])

    def test_the_errors_of_the_client_are_of_one_family(self):
        self.assertTrue(issubclass(workman.JobFailed, workman.ClientError))
        self.assertTrue(issubclass(workman.NoDaemon, workman.ClientError))
        os.environ.pop("WORKMAN_PROFILE", None)
        with self.assertRaises(ValueError):
            workman.Client()


if __name__ == "__main__":
    unittest.main()
