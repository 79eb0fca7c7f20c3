"""What becomes of a job: done, fail, abort, lost; what counts as an attempt, and what a producer
that waits is told."""

import signal

import harness


class Failing(harness.TestCase):
    def test_a_failed_job_is_retried_after_the_back_off_and_then_done(self):
        daemon = self.daemon()

        result = daemon.call("Fail", {"once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)
        first, second = daemon.records("job")
        self.assertGreaterEqual(second["t"] - first["t"], 0.05)
        self.assertIn("retry in", daemon.wait_event("job failed")["next"])

    def test_a_job_that_always_fails_ends_as_a_dead_letter(self):
        daemon = self.daemon(max_attempts=3)

        result = daemon.wait("Fail", {"message": "no luck"}).finish()

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("no luck", result.stderr)
        self.assertEqual([job["attempt"] for job in daemon.records("job")], [1, 2, 3])
        self.assertEqual(daemon.wait_event("job failed", count=3)["next"], "dead")
        counts = daemon.wait_counts(dead=1)
        self.assertEqual((counts["fail"], counts["dead"], counts["done"]), (3, 1, 0))

    def test_a_permanent_failure_is_not_retried(self):
        daemon = self.daemon()

        result = daemon.wait("Fail", {"message": "never", "retry": False}).finish()

        self.assertEqual(result.returncode, 1)
        self.assertEqual(len(daemon.records("job")), 1)

    def test_a_worker_may_ask_for_a_later_retry(self):
        daemon = self.daemon()

        daemon.call("Fail", {"once": str(daemon.folder / "once"), "retry": True, "delay_ms": 600})

        first, second = daemon.records("job")
        self.assertGreaterEqual(second["t"] - first["t"], 0.55)

    def test_the_limit_of_the_job_wins_over_its_task_and_the_profile(self):
        daemon = self.daemon(max_attempts=4, tasks={"Fail": {"max_attempts": 3}})

        daemon.wait("Fail", {}, "--max-attempts", "2").finish()
        self.assertEqual(len(daemon.records("job")), 2)
        daemon.wait("Fail", {}).finish()
        self.assertEqual(len(daemon.records("job")), 5)

    def test_an_unknown_task_stays_on_the_queue(self):
        daemon = self.daemon()

        daemon.enqueue("Nobody", {})

        self.assertEqual(daemon.call("Echo", 1), 1)
        status = daemon.status()
        self.assertEqual((status["counts"]["taken"], status["queue"]["depth"]), (1, 1))


class Aborting(harness.TestCase):
    def test_an_aborted_job_goes_back_and_its_attempt_is_not_counted(self):
        daemon = self.daemon()

        result = daemon.call("Abort", {"once": str(daemon.folder / "once"), "reason": "not now"})

        self.assertEqual(result["attempt"], 1)
        self.assertEqual(len(daemon.find("job aborted", task="Abort")), 1)
        self.assertEqual(daemon.wait_counts(abort=1)["fail"], 0)

    def test_aborting_for_ever_is_not_possible(self):
        daemon = self.daemon(max_attempts=1, max_aborts=3)

        result = daemon.wait("Abort").finish()

        self.assertEqual(result.returncode, 1)
        self.assertLessEqual(len(daemon.records("job")), 5)

    def test_an_abort_without_requeue_fails_the_job(self):
        daemon = self.daemon(max_attempts=1)

        result = daemon.wait("Abort", {"requeue": False}).finish()

        self.assertNotEqual(result.returncode, 124)
        self.assertEqual(len(daemon.records("job")), 1)


class Losing(harness.TestCase):
    def lose(self, task, args, status):
        daemon = self.daemon()
        once = str(daemon.folder / "once")

        result = daemon.call(task, {**args, "once": once})

        self.assertEqual(result["attempt"], 2)
        lost = daemon.wait_event("job lost", task=task)
        gone = daemon.wait_event("worker gone", level="warn")
        self.assertIn(status, gone["status"])
        self.assertEqual(gone.get("job"), lost["job"])
        self.assertEqual(daemon.wait_counts(lost=1)["fail"], 0)
        return gone

    def test_a_job_whose_worker_exits_is_lost_and_retried(self):
        gone = self.lose("Exit", {"code": 3, "stderr": "out of paper"}, "exit 3")
        self.assertIn("out of paper", gone["stderr"])

    def test_a_job_whose_worker_exits_0_is_lost_all_the_same(self):
        self.lose("Exit", {"code": 0}, "exit 0")

    def test_a_job_whose_worker_crashes_is_lost_and_retried(self):
        self.lose("Exit", {"signal": int(signal.SIGSEGV)}, "SIGSEGV")

    def test_a_job_that_kills_every_worker_ends_with_the_status_as_its_error(self):
        daemon = self.daemon(max_attempts=2)

        result = daemon.wait("Exit", {"code": 9}).finish()

        self.assertEqual(result.returncode, 1)
        self.assertIn("exit 9", result.stderr)
        self.assertEqual(len(daemon.records("job")), 2)

    def test_an_outcome_counts_though_its_worker_dies_after_it(self):
        daemon = self.daemon()

        result = daemon.call("Raw", {"text": '{"type":"done","id":"$ID","result":1}\n',
                                     "signal": int(signal.SIGSEGV)})

        self.assertEqual(result, 1)
        daemon.wait_event("worker gone", level="warn")
        self.assertEqual(daemon.wait_counts(done=1)["lost"], 0)


class Waiting(harness.TestCase):
    def test_a_time_out_of_the_client_exits_124_and_the_job_is_still_done(self):
        daemon = self.daemon()

        result = daemon.wait("Sleep", {"s": 1.5}, "--timeout", "200ms").finish()

        self.assertEqual((result.returncode, result.stdout), (124, ""))
        self.assertTrue(result.stderr)
        daemon.wait_counts(done=1)

    def test_follow_up_jobs_ride_with_the_outcome(self):
        daemon = self.daemon()
        follow_up = '[{"task":"Echo","args":{"n":1}},{"task":"Whole"}]'

        daemon.call("Raw", {"text": f'{{"type":"done","id":"$ID","enqueue":{follow_up}}}\n'})

        daemon.wait_counts(done=3)
        self.assertEqual(sorted(job["task"] for job in daemon.records("job")),
                         ["Echo", "Raw", "Whole"])

    def test_a_delayed_job_waits(self):
        daemon = self.daemon()
        begun = daemon.call("Whole") and daemon.records("job")[0]["t"]

        daemon.call("Whole", None, "--delay", "700ms")

        self.assertGreaterEqual(daemon.records("job")[1]["t"] - begun, 0.65)

    def test_high_priority_goes_first(self):
        daemon = self.daemon(max_workers=1)
        running = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")

        daemon.enqueue("Echo", "low", "--priority", "low")
        daemon.enqueue("Whole", "high", "--priority", "high")

        running.finish()
        daemon.wait_counts(done=3)
        self.assertEqual([job["task"] for job in daemon.records("job")], ["Sleep", "Whole", "Echo"])


if __name__ == "__main__":
    harness.main()
