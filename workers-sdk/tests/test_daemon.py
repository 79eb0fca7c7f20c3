#!/usr/bin/env python3
"""The fixture worker under the real workmand."""

import json
import pathlib
import subprocess
import sys

import sdk

sys.path.insert(0, str(sdk.WORKERS_SDK.parent / "tests/e2e"))

import harness  # noqa: E402


class UnderTheDaemon(harness.TestCase):
    def library(self, **profile):
        return self.daemon(command=sdk.FIXTURE, **profile)

    def client(self, daemon, name, *args):
        call = {"where": {"socket": daemon.profile["admin"]["socket"]}, "call": name, "args": args}
        result = subprocess.run([*sdk.FIXTURE, "--client", json.dumps(call)], text=True,
                                env=sdk.environment(), capture_output=True, timeout=sdk.DEADLINE)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_jobs_go_through_and_the_client_gets_their_results(self):
        daemon = self.library(max_attempts=2)
        self.assertEqual(self.client(daemon, "enqueueWithWait", "kit.echo", {"\u00e9": [1, None]}),
                         {"ok": {"\u00e9": [1, None]}})
        self.assertEqual(self.client(daemon, "enqueueWithWait", "kit.bytes", {"n": 3}),
                         {"ok": sdk.bytes_of(range(3))})
        failed = self.client(daemon, "enqueueWithWait", "kit.fail", None)
        self.assertEqual((failed["class"], failed["failure"]["class"]), ("JobFailed", sdk.FAILURE))
        late = self.client(daemon, "enqueueWithWait", "kit.echo", 1,
                           {"delay": 3600000, "timeout": 100})
        self.assertEqual(late["class"], "WaitTimeout")
        self.assertTrue(self.client(daemon, "enqueue", "kit.echo", 1)["ok"])

    def test_follow_ups_run(self):
        daemon = self.library()
        self.assertIsNone(daemon.call("kit.enqueue"))
        daemon.call("kit.enqueue", {"now": True})
        daemon.wait_counts(done=3, dead=1)

    def test_an_aborted_job_that_went_back_by_its_hook_runs_after_the_restart(self):
        daemon = self.library(graceful_shutdown_timeout="1s")
        daemon.enqueue("kit.requeue", {"s": 600})
        daemon.wait_status("the job to run", lambda status: any(
            worker["job"] for worker in status["workers"]))
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.assertEqual(daemon.wait_counts(done=1)["abort"], 0)

    def test_a_time_out_is_told_to_the_hook(self):
        daemon = self.library(tasks={"kit.sleep": {"time_limit": "300ms"}}, max_attempts=1)
        daemon.enqueue("kit.sleep", {"s": 600})
        daemon.wait_counts(timeout=1)
        harness.poll("the hook", lambda: any("on_abort" in line and "timeout" in line
                                             for line in daemon.raw), explain=daemon.tail)


if __name__ == "__main__":
    if not pathlib.Path(harness.WORKMAND).exists():
        sys.exit(harness.WORKMAND + " is not built")
    harness.main()
