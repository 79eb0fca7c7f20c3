"""The graceful stop and its ladder: notice and end of input, SIGTERM, SIGABRT, SIGKILL."""

import signal
import time

import harness


class Gracefully(harness.TestCase):
    def test_idle_workers_leave_at_the_end_of_input(self):
        daemon = self.daemon(max_workers=2, command=harness.worker("--term=handle"))
        daemon.wait_event("worker ready", count=2)

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(len(daemon.records("shutdown", reason="stop")), 2)
        self.assertEqual(len(daemon.records("eof")), 2)
        self.assertEqual(daemon.find("worker signalled"), [])
        self.assertFalse((daemon.folder / "t.sock").exists())
        daemon.wait_event("stopped")

    def test_a_busy_bare_worker_finishes_its_job_and_is_not_signalled(self):
        daemon = self.daemon()
        client = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(client.finish().stdout, '{"s":1}\n')
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_a_busy_worker_that_announced_term_gets_it_and_finishes(self):
        daemon = self.daemon(command=harness.worker("--signals=TERM", "--term=handle"))
        client = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(client.finish().stdout, '{"s":1}\n')
        self.assertEqual(daemon.wait_event("worker signalled")["signal"], "TERM")
        self.assertIsNotNone(daemon.records("signal", signal="TERM")[0]["job"])

    def test_no_new_job_is_taken_while_stopping(self):
        daemon = self.daemon()
        client = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")

        daemon.enqueue("Echo", 1)

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(client.finish().returncode, 0)
        self.assertEqual(len(daemon.records("job")), 1)

    def test_an_idle_worker_that_does_not_leave_gets_term(self):
        daemon = self.daemon(command=harness.worker("--ignore-eof"))

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(daemon.wait_event("worker signalled")["signal"], "TERM")
        self.assertIn("SIGTERM", daemon.find("worker gone")[0]["status"])

    def test_a_worker_that_is_still_booting_does_not_hold_a_stop_up(self):
        daemon = self.daemon(wait="worker spawned", command=harness.worker("--ready=never"))
        daemon.wait_record("start")

        self.assertEqual(daemon.stop(), 0)

    def test_int_stops_gracefully_too(self):
        daemon = self.daemon()
        client = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(signal.SIGINT), 0)

        self.assertEqual(client.finish().returncode, 0)


class Ladder(harness.TestCase):
    """The job sleeps for ten minutes, but only the first time: when it is delivered again after the
    stop it answers with its attempt, which must still be 1."""

    def busy(self, *options, **profile):
        daemon = self.daemon(command=harness.worker(*options), **profile)
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        return daemon, client

    def check_job_is_back(self, daemon, client):
        daemon.wait_no_process()
        daemon.start()
        result = client.finish()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('"attempt":1', result.stdout.replace(" ", ""))

    def signals(self, daemon):
        return [event["signal"] for event in daemon.find("worker signalled")]

    def test_abrt_lets_a_worker_abort_its_job_in_order(self):
        daemon, client = self.busy("--signals=ABRT", "--abrt=handle",
                                   graceful_shutdown_timeout="300ms")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(self.signals(daemon), ["ABRT"])
        self.assertEqual(len(daemon.records("on_abort")), 1)
        self.assertIn("exit 0", daemon.find("worker gone")[0]["status"])
        self.check_job_is_back(daemon, client)

    def test_a_bare_worker_dies_of_abrt_and_its_attempt_is_not_counted(self):
        daemon, client = self.busy(graceful_shutdown_timeout="300ms")

        self.assertEqual(daemon.stop(), 0)

        self.assertIn("SIGABRT", daemon.find("worker gone")[0]["status"])
        self.assertEqual(daemon.find("job lost"), [])
        self.check_job_is_back(daemon, client)

    def test_a_worker_that_ignores_abrt_is_killed_with_its_group(self):
        daemon = self.daemon(command=harness.worker("--abrt=ignore", "--term=ignore"),
                             graceful_shutdown_timeout="200ms", abort_timeout="300ms")
        child = daemon.call("Grandchild")["child"]
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job", task="Sleep")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(self.signals(daemon), ["ABRT", "KILL"])
        self.assertIn("SIGKILL", daemon.find("worker gone")[0]["status"])
        harness.poll("the grandchild to be gone", lambda: not harness.alive(child))
        self.check_job_is_back(daemon, client)

    def test_a_graceful_timeout_of_0_aborts_at_once(self):
        daemon, client = self.busy(graceful_shutdown_timeout="0s")

        self.assertEqual(daemon.stop(), 0)

        self.check_job_is_back(daemon, client)

    def test_a_second_term_aborts_now(self):
        daemon, client = self.busy()
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(self.signals(daemon), ["ABRT"])
        self.check_job_is_back(daemon, client)

    def test_a_third_term_kills(self):
        daemon, client = self.busy("--abrt=ignore")
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("worker signalled", signal="ABRT")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(self.signals(daemon), ["ABRT", "KILL"])
        self.check_job_is_back(daemon, client)

    def test_quit_aborts_at_once(self):
        daemon, client = self.busy()

        self.assertEqual(daemon.stop(signal.SIGQUIT), 0)

        self.assertEqual(self.signals(daemon), ["ABRT"])
        self.check_job_is_back(daemon, client)

    def test_an_idle_worker_that_ignores_all_of_it_is_killed_and_hurts_no_job(self):
        daemon = self.daemon(exit_grace="300ms", abort_timeout="300ms", command=harness.worker(
            "--ignore-eof", "--term=ignore", "--abrt=ignore"))

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(self.signals(daemon)[-2:], ["ABRT", "KILL"])

    def test_one_stubborn_worker_does_not_hurt_the_others(self):
        daemon = self.daemon(max_workers=2, graceful_shutdown_timeout="1500ms")
        stuck = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        fine = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job", count=2)
        begun = time.monotonic()

        self.assertEqual(daemon.stop(), 0)

        self.assertGreaterEqual(time.monotonic() - begun, 1.4)
        self.assertEqual(fine.finish().stdout, '{"s":0.7}\n')
        self.check_job_is_back(daemon, stuck)

    def test_always_sends_term_to_every_busy_worker(self):
        daemon, client = self.busy(stop_signal="always")

        self.assertEqual(daemon.stop(), 0)

        self.assertIn("SIGTERM", daemon.find("worker gone")[0]["status"])
        self.check_job_is_back(daemon, client)


if __name__ == "__main__":
    harness.main()
