"""The same flows on every queue that needs no more than what a test can start by itself."""

import json
import shutil
import signal
import subprocess
import sys
import time
import unittest

import harness
from gearman_peer import Server, queue


class Flows:
    """Mixed into one class per queue."""

    def start(self, **profile):
        raise NotImplementedError

    def test_a_result_comes_back(self):
        daemon = self.start()

        result = daemon.workman("enqueue", "--wait", "Echo", '{"msg":"hello"}')

        self.assertEqual((result.returncode, result.stdout), (0, '{"msg":"hello"}\n'))

    def test_a_job_is_done_without_anybody_waiting(self):
        daemon = self.start()

        daemon.enqueue("Echo", {"n": 1})

        daemon.wait_record("job", task="Echo")
        daemon.wait_counts(done=1)

    def test_only_the_last_outcome_of_a_retried_job_reaches_the_client(self):
        daemon = self.start()

        result = daemon.call("Fail", {"once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)

    def test_a_job_that_always_fails_tells_the_client(self):
        daemon = self.start(max_attempts=2)

        result = daemon.wait("Fail", {"message": "no luck"}).finish()

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertEqual(len(daemon.records("job")), 2)

    def test_a_lost_job_is_done_by_another_worker(self):
        daemon = self.start()

        result = daemon.call("Exit", {"code": 3, "once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)

    def test_an_aborted_job_comes_back_uncounted(self):
        daemon = self.start()

        result = daemon.call("Abort", {"once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 1)

    def test_many_jobs_are_each_done_once(self):
        daemon = self.start(max_workers=2, command=harness.mini())
        lines = '{"task":"Mini","args":{}}\n' * 500

        self.assertEqual(daemon.workman("enqueue", "--from", "-", stdin=lines).returncode, 0)

        counts = daemon.wait_counts(done=500)
        self.assertEqual((counts["done"], counts["taken"]), (500, 500))

    def test_a_reload_hurts_no_job(self):
        daemon = self.start()
        slow = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")

        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.assertEqual(daemon.call("Whole")["generation"], 2)
        self.assertEqual(slow.finish().stdout, '{"s":1}\n')

    def test_a_stop_ends_the_running_job_first(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(client.finish().stdout, '{"s":0.7}\n')


class Memory(Flows, harness.TestCase):
    def start(self, **profile):
        return self.daemon(queue={"driver": "memory"}, **profile)

    def test_without_a_daemon_there_is_nowhere_to_enqueue(self):
        daemon = self.daemon(start=False, queue={"driver": "memory"})

        self.assertEqual(daemon.workman("enqueue", "Echo", "1").returncode, 1)


class Sqlite(Flows, harness.TestCase):
    def start(self, **profile):
        return self.daemon(queue={"driver": "sqlite"}, **profile)

    def test_a_producer_wakes_an_idle_daemon(self):
        daemon = self.start()
        waits = []

        for n in range(5):
            begun = time.monotonic()
            daemon.enqueue("Echo", n)
            waits.append(daemon.wait_record("job", count=n + 1)["t"] - begun)

        # A poll once a second, begun when the last job was done, would take nearly a second.
        self.assertLess(min(waits), 0.6)

    def test_two_daemons_share_one_file_and_do_each_job_once(self):
        folder = self.folder()
        shared = {"driver": "sqlite", "path": str(folder / "shared.db")}
        one = self.daemon(queue=shared, command=harness.mini())
        two = self.daemon(queue=shared, command=harness.mini())

        one.workman("enqueue", "--from", "-", stdin='{"task":"Mini"}\n' * 1000)

        harness.poll("both to have done all", lambda: (
            len(one.find("job done")) + len(two.find("job done")) >= 1000))
        taken = [daemon.status()["counts"]["taken"] for daemon in (one, two)]
        self.assertEqual(sum(taken), 1000)


class Gearman(Flows, harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def start(self, **profile):
        # A prefix of its own keeps what one test left on the server away from the next.
        self.prefix = f"{self.id().rsplit('.', 1)[1]}:"
        return self.daemon(**profile, queue=queue(self.server, prefix=self.prefix))

    def gearman(self, task, data, *options):
        return subprocess.run(
            ["gearman", "-h", "127.0.0.1", "-p", str(self.server.port), "-f", self.prefix + task,
             *options],
            input=data, capture_output=True, text=True, timeout=harness.DEADLINE)

    def test_a_client_of_gearman_itself_gets_its_result(self):
        self.start()

        result = self.gearman("Echo", '{"from": "gearman"}')

        self.assertEqual(json.loads(result.stdout), {"from": "gearman"})

    def test_a_client_of_gearman_itself_sees_a_failure(self):
        self.start(max_attempts=1)

        self.assertNotEqual(self.gearman("Fail", '{"message":"no"}').returncode, 0)

    def test_background_jobs_of_gearman_are_done(self):
        daemon = self.start()

        self.gearman("Echo", "{}", "-b")

        daemon.wait_record("job", task="Echo")

    def test_a_job_survives_the_death_of_workmand(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        self.assertEqual(client.finish().returncode, 0)

    def test_a_server_that_comes_back_is_used_again(self):
        daemon = self.start()
        self.assertEqual(daemon.call("Echo", 1), 1)

        self.server.stop()
        daemon.wait_event("queue down")
        self.assertEqual(daemon.status()["queue"]["state"], "down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        self.assertEqual(daemon.call("Echo", 2), 2)


if __name__ == "__main__":
    if shutil.which("gearmand") and shutil.which("gearman"):
        harness.main()
    else:
        passed = unittest.main(defaultTest=["Memory", "Sqlite"], verbosity=2, exit=False)
        print("SKIPPED: Gearman, because gearmand or gearman is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED if passed.result.wasSuccessful() else 1)
