"""Sudden death, of workmand itself and of its workers: nothing stays behind, nothing is lost."""

import os
import signal
import time

import harness

STUBBORN = ("--ignore-eof", "--term=ignore", "--abrt=ignore")


class DeathOfTheDaemon(harness.TestCase):
    def kill(self, daemon):
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

    def test_no_worker_stays_when_workmand_is_killed(self):
        daemon = self.daemon(max_workers=3)
        daemon.wait_event("worker ready", count=3)
        daemon.enqueue("Sleep", {"s": 600})
        daemon.enqueue("Spin", {"s": 600})
        daemon.wait_record("job", count=2)

        self.kill(daemon)

    def test_workers_that_ignore_everything_do_not_stay_either(self):
        daemon = self.daemon(command=harness.worker(*STUBBORN), max_workers=2)
        daemon.wait_event("worker ready", count=2)

        self.kill(daemon)

    def test_workers_that_are_not_ready_yet_do_not_stay(self):
        daemon = self.daemon(command=harness.worker("--ready=never", *STUBBORN),
                             wait="worker spawned")
        daemon.wait_record("start")

        self.kill(daemon)

    def test_a_job_in_flight_is_back_the_moment_workmand_starts_again(self):
        daemon = self.daemon(lease_time="10m")
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        self.kill(daemon)

        begun = time.monotonic()
        daemon.start()

        result = client.finish()
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn('"attempt":1', result.stdout.replace(" ", ""))
        self.assertLess(time.monotonic() - begun, 60)

    def test_jobs_put_in_while_no_daemon_runs_are_done_later(self):
        daemon = self.daemon(start=False)
        for n in range(5):
            daemon.enqueue("Echo", n)

        daemon.start()

        daemon.wait_counts(done=5)

    def test_every_job_is_done_over_repeated_deaths(self):
        daemon = self.daemon(max_workers=2, command=harness.mini())
        bulk = daemon.folder / "bulk.jsonl"
        bulk.write_text('{"task":"Mini","args":{}}\n' * 3000)
        daemon.workman("enqueue", "--from", str(bulk))
        daemon.wait_event("job done", count=50)

        for _ in range(3):
            self.kill(daemon)
            seen = daemon.mark()
            daemon.start()
            daemon.wait_status("an empty queue or some jobs done", lambda s: (
                s["counts"]["done"] > 50 or s["queue"]["depth"] == 0))

        daemon.wait_status("an empty queue", lambda s: (
            s["queue"]["depth"] == 0 and s["queue"]["held"] == 0))
        self.assertGreaterEqual(len(daemon.find("job done")), 3000 - 3 * 64)
        self.assertEqual(daemon.find("job failed", since=seen), [])

    def test_a_socket_left_behind_does_not_hinder_the_next_daemon(self):
        daemon = self.daemon()
        self.kill(daemon)
        self.assertTrue((daemon.folder / "t.sock").exists())

        daemon.start()

        self.assertEqual(daemon.status()["pid"], daemon.process.pid)


class DeathOfAWorker(harness.TestCase):
    def test_its_job_is_retried_at_once_and_the_attempt_counts(self):
        daemon = self.daemon(lease_time="10m")
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        pid = daemon.wait_record("job")["pid"]

        os.kill(pid, signal.SIGKILL)

        self.assertIn('"attempt":2', client.finish().stdout.replace(" ", ""))
        self.assertIn("SIGKILL", daemon.wait_event("worker gone", pid=pid)["status"])
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_the_death_of_one_leaves_the_others_alone(self):
        daemon = self.daemon(max_workers=3)
        daemon.wait_event("worker ready", count=3)
        clients = [daemon.wait("Sleep", {"s": 1, "n": n}) for n in range(3)]
        daemon.wait_record("job", count=3)

        os.kill(daemon.records("job")[0]["pid"], signal.SIGKILL)

        for client in clients:
            self.assertEqual(client.finish().returncode, 0)
        self.assertEqual(len(daemon.records("job")), 4)

    def test_all_of_them_at_once_are_replaced(self):
        daemon = self.daemon(max_workers=4)
        daemon.wait_event("worker ready", count=4)

        for pid in daemon.pids().values():
            os.kill(pid, signal.SIGKILL)

        daemon.wait_event("worker ready", count=8)
        self.assertEqual(daemon.call("Echo", 1), 1)


if __name__ == "__main__":
    harness.main()
