#!/usr/bin/env python3
"""The library under the real workmand."""

import pathlib
import sys

import kit

sys.path[:0] = [str(kit.FOLDER), str(kit.FOLDER.parents[1] / "tests/e2e")]

import harness  # noqa: E402
from workman import Client, JobFailed  # noqa: E402

TASKS = """
import os, sys, time
from workman import serve, task

@task
def echo(args):
    return args

@task
def fail(args, job):
    raise ValueError("boom %d" % job.attempt)

@task
def chain(args, job):
    job.enqueue("mark", "from chain")
    job.enqueue("mark", "at once", now=True)

@task
def mark(args):
    with open(args and "mark", "a") as file:
        file.write(args + "\\n")

@task
def hang(args, job):
    if job.args.get("again"):
        return mark("went back")
    job.heartbeat()
    mark("hangs")
    time.sleep(600)

@hang.on_abort
def _(job, error):
    job.enqueue("hang", {"again": True})
    mark("hook " + error.reason)
    return False

serve()
"""


class UnderTheDaemon(harness.TestCase):
    def library(self, **profile):
        folder = self.folder()
        (folder / "tasks.py").write_text(TASKS)
        self.marks = folder / "mark"
        return self.daemon(folder=folder, command=[sys.executable, "tasks.py"],
                           env={"PYTHONPATH": str(kit.FOLDER)}, **profile)

    def wait_mark(self, text):
        harness.poll(text, lambda: self.marks.exists() and text in self.marks.read_text())

    def test_jobs_go_through_and_the_client_gets_their_results(self):
        daemon = self.library(max_attempts=2)
        client = Client(socket=daemon.profile["admin"]["socket"])

        self.assertEqual(client.enqueue_with_wait("echo", {"\u00e9": [1, None]}),
                         {"\u00e9": [1, None]})
        with self.assertRaisesRegex(JobFailed, "boom 2") as caught:
            client.enqueue_with_wait("fail")
        self.assertEqual(caught.exception.failure["class"], "ValueError")
        with self.assertRaises(TimeoutError):
            client.enqueue_with_wait("echo", delay=3600, timeout=0.1)
        self.assertTrue(client.enqueue("echo"))
        self.assertEqual(client.status()["pid"], daemon.process.pid)

    def test_follow_ups_run(self):
        daemon = self.library()
        self.assertIsNone(daemon.call("chain"))
        self.wait_mark("from chain")
        self.wait_mark("at once")

    def test_an_aborted_job_that_went_back_by_its_hook_runs_after_the_restart(self):
        daemon = self.library(graceful_shutdown_timeout="300ms")
        daemon.enqueue("hang", {})
        self.wait_mark("hangs")

        self.assertEqual(daemon.stop(), 0)

        self.wait_mark("hook shutdown")
        self.assertNotIn("went back", self.marks.read_text())
        daemon.start()
        self.wait_mark("went back")
        counts = daemon.wait_counts(done=1)
        self.assertEqual((counts["done"], counts["abort"], counts["dead"]), (1, 0, 0))

    def test_a_time_out_is_told_to_the_hook(self):
        daemon = self.library(tasks={"hang": {"time_limit": "300ms"}}, max_attempts=1)
        daemon.enqueue("hang", {})
        self.wait_mark("hook timeout")
        daemon.wait_counts(timeout=1)


if __name__ == "__main__":
    if not pathlib.Path(harness.WORKMAND).exists():
        sys.exit(harness.WORKMAND + " is not built")
    harness.main()
