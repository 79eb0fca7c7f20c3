"""A job that takes too long: SIGABRT, a counted attempt, another try on a fresh worker."""

import os
import signal

import harness


class TimeLimit(harness.TestCase):
    def test_a_job_over_its_limit_is_aborted_counted_and_retried_on_a_fresh_worker(self):
        daemon = self.daemon(time_limit="300ms")
        once = str(daemon.folder / "once")

        result = daemon.call("Sleep", {"s": 600, "once": once})

        first = daemon.records("job")[0]
        self.assertEqual(result["attempt"], 2)
        self.assertNotEqual(result["pid"], first["pid"])
        self.assertEqual(daemon.find("job timeout")[0]["limit_ms"], 300)
        self.assertIn("SIGABRT", daemon.find("worker gone", pid=first["pid"])[0]["status"])
        counts = daemon.status()["counts"]
        self.assertEqual((counts["timeout"], counts["lost"], counts["done"]), (1, 0, 1))

    def test_an_abort_line_after_the_deadline_is_still_a_time_out(self):
        daemon = self.daemon(time_limit="300ms", command=harness.worker(
            "--signals=ABRT", "--abrt=handle"))

        result = daemon.call("Sleep", {"s": 600, "once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)
        self.assertEqual(len(daemon.records("on_abort")), 1)

    def test_a_spinning_job_is_cut_as_well(self):
        daemon = self.daemon(tasks={"Spin": {"time_limit": "300ms"}})

        result = daemon.call("Spin", {"s": 600, "once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)

    def test_a_frozen_worker_is_killed(self):
        daemon = self.daemon(time_limit="500ms", abort_timeout="300ms")
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        pid = daemon.wait_record("job")["pid"]

        os.kill(pid, signal.SIGSTOP)

        self.assertEqual(client.finish().returncode, 0)
        self.assertIn("SIGKILL", daemon.find("worker gone", pid=pid)[0]["status"])

    def test_a_job_that_always_takes_too_long_ends_as_a_dead_letter(self):
        daemon = self.daemon(time_limit="200ms", max_attempts=2)

        result = daemon.wait("Sleep", {"s": 600}).finish()

        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr)
        counts = daemon.wait_counts(dead=1)
        self.assertEqual((counts["timeout"], len(daemon.records("job"))), (2, 2))

    def test_the_limit_of_a_task_leaves_other_tasks_alone(self):
        daemon = self.daemon(time_limit="200ms", tasks={"Sleep": {"time_limit": "30s"}})

        self.assertEqual(daemon.call("Sleep", {"s": 0.6}), {"s": 0.6})

    def test_a_done_that_arrives_before_the_end_of_the_worker_wins(self):
        daemon = self.daemon(time_limit="300ms", abort_timeout="3s",
                             command=harness.worker("--abrt=ignore"))

        self.assertEqual(daemon.call("Sleep", {"s": 1}), {"s": 1})

        self.assertEqual(daemon.wait_counts(done=1)["timeout"], 0)
        self.assertEqual(len(daemon.records("job")), 1)

    def test_a_heartbeat_may_move_the_deadline_as_far_as_the_profile_allows(self):
        daemon = self.daemon(time_limit="400ms", max_timeout="20s")

        result = daemon.call("Sleep", {"s": 1, "extend_ms": 10000})

        self.assertEqual(result["s"], 1)
        self.assertEqual(daemon.find("job timeout"), [])

    def test_without_max_timeout_a_heartbeat_moves_nothing(self):
        daemon = self.daemon(time_limit="400ms", max_attempts=1)

        result = daemon.wait("Sleep", {"s": 600, "extend_ms": 600000}).finish()

        self.assertEqual(result.returncode, 1)


class Cancel(harness.TestCase):
    def cancelled(self, on_cancel):
        daemon = self.daemon(time_limit="300ms", max_attempts=1,
                             command=harness.worker("--features=cancel"))
        result = daemon.wait("Sleep", {"s": 600, "on_cancel": on_cancel}).finish()
        self.assertEqual(daemon.wait_record("cancel")["reason"], "timeout")
        return daemon, result

    def test_a_worker_that_can_cancel_is_asked_before_it_is_aborted(self):
        daemon, result = self.cancelled("done")

        self.assertEqual((result.returncode, result.stdout), (0, '"cancelled"\n'))
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_a_fail_after_the_deadline_counts_as_a_time_out(self):
        daemon, result = self.cancelled("fail")

        self.assertEqual(result.returncode, 1)
        counts = daemon.wait_counts(dead=1)
        self.assertEqual((counts["timeout"], counts["fail"]), (1, 0))


if __name__ == "__main__":
    harness.main()
