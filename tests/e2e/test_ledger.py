"""What the daemon keeps for a broker that keeps nothing: attempts and deliveries over its own death,
and dead letters. The broker is a real gearmand."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys

import harness
from gearman_peer import Server, queue

STDERR = "warming up\nout of \"luck\""
# So long that a job that waits for its next try does so until the daemon is killed.
NEVER = {"min": "10m", "max": "10m", "jitter": "0%"}


class Case(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()

    def start(self, start=True, **profile):
        # A prefix of its own keeps what one test left on the server away from the next.
        prefix = f"{self.id().rsplit('.', 1)[1]}:"
        return self.daemon(start=start, **{"queue": queue(self.server, prefix=prefix), **profile})

    def kill(self, daemon):
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

    def rows(self, daemon):
        """(job, attempts, deliveries) as the ledger has them."""
        with sqlite3.connect(daemon.folder / "t.ledger.db") as ledger:
            return ledger.execute("SELECT job, attempts, deliveries FROM counts").fetchall()

    def wait_rows(self, daemon, rows):
        harness.poll(f"the ledger to have {rows}", lambda: self.rows(daemon) == rows,
                     explain=lambda: f"{self.rows(daemon)}\n{daemon.tail()}")

    @staticmethod
    def failed(daemon, *words):
        return subprocess.run([harness.WORKMAN, "failed", *words, "-p", str(daemon.path)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=daemon.environment, timeout=harness.DEADLINE)

    def letters(self, daemon):
        result = self.failed(daemon, "list", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def wait_letters(self, daemon, count):
        harness.poll(f"{count} dead letters", lambda: len(self.letters(daemon)) == count,
                     explain=daemon.tail)
        return self.letters(daemon)


class Counts(Case):
    def test_attempts_go_on_over_kills_of_the_daemon_until_the_job_is_a_dead_letter(self):
        daemon = self.start(max_attempts=3, retry_backoff=NEVER)
        job = daemon.enqueue("Exit", {"code": 3, "stderr": STDERR})
        self.wait_rows(daemon, [(job, 1, 1)])
        self.kill(daemon)

        daemon.start()
        daemon.wait_record("job", attempt=2)
        # The daemon died with the job in hand: that is a delivery, and no attempt.
        self.wait_rows(daemon, [(job, 2, 3)])
        self.kill(daemon)
        daemon.start()

        daemon.wait_record("job", attempt=3)
        self.assertEqual(daemon.wait_event("job lost", attempt=3)["next"], "dead")
        letter = self.wait_letters(daemon, 1)[0]
        self.assertEqual((letter["id"], letter["task"], letter["attempts"], letter["deliveries"]),
                         (job, "Exit", 3, 5))
        self.assertIn("exit 3", letter["error"]["message"])
        self.assertEqual(letter["error"]["stderr"], STDERR)
        self.wait_rows(daemon, [])
        self.assertEqual(len(daemon.records("job")), 3)

    def test_a_job_that_takes_the_daemon_down_each_time_ends(self):
        daemon = self.start(max_attempts=2, max_aborts=1)
        job = daemon.enqueue("KillParent", {})
        daemon.wait_exit()
        for _ in range(2):
            daemon.wait_no_process()
            daemon.start(wait=None)
            daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        letter = self.wait_letters(daemon, 1)[0]
        self.assertEqual((letter["id"], letter["deliveries"]), (job, 4))
        self.assertIn("too often", letter["error"]["message"])
        # It ran max_attempts + max_aborts times; the fourth delivery was refused.
        self.assertEqual([record["attempt"] for record in daemon.records("job")], [1, 1, 1])
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_a_stop_loses_no_attempt(self):
        daemon = self.start(retry_backoff=NEVER)
        daemon.enqueue("Exit", {"code": 3, "once": str(daemon.folder / "once")})
        daemon.wait_event("job lost")
        self.assertEqual(daemon.stop(), 0)

        daemon.start()

        daemon.wait_record("job", attempt=2)
        daemon.wait_counts(done=1)
        self.wait_rows(daemon, [])

    def test_an_abort_by_a_stop_is_a_delivery_only(self):
        daemon = self.start(graceful_shutdown_timeout="0s")
        daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        self.assertEqual(daemon.stop(), 0)
        self.wait_rows(daemon, [("", 0, 1)])

        daemon.start()

        daemon.wait_record("job", count=2, attempt=1)
        daemon.wait_counts(done=1)
        self.wait_rows(daemon, [])

    def test_a_job_whose_follow_up_is_refused_each_time_ends(self):
        daemon = self.start(max_attempts=3)
        line = '{"type":"done","id":"$ID","enqueue":[{"task":"Echo","delay_ms":9000}]}\n'

        daemon.enqueue("Raw", {"text": line})

        self.wait_letters(daemon, 1)
        self.assertEqual([entry["attempt"] for entry in daemon.records("job", task="Raw")], [1, 2, 3])
        self.assertIn("follow-up", self.letters(daemon)[0]["error"]["message"])
        self.assertEqual(self.rows(daemon), [])

    def test_jobs_that_end_well_leave_no_trace(self):
        daemon = self.start(max_workers=2, command=harness.mini())
        lines = '{"task":"Mini","args":{}}\n' * 300

        self.assertEqual(daemon.workman("enqueue", "--from", "-", stdin=lines).returncode, 0)

        daemon.wait_counts(done=300)
        self.kill(daemon)
        daemon.start()
        self.assertEqual(daemon.find("jobs of a dead daemon counted"), [])
        self.assertEqual(self.rows(daemon), [])

    def test_a_ledger_that_cannot_be_kept_stops_no_job(self):
        daemon = self.start(start=False)
        (daemon.folder / "t.ledger.db").write_text("this is not a database, but long enough " * 99)

        daemon.start()

        self.assertIn("not a database", daemon.wait_event("ledger unavailable")["error"])
        self.assertEqual(daemon.call("Fail", {"once": str(daemon.folder / "once")})["attempt"], 2)


class Letters(Case):
    def dead(self, daemon, task="Fail", args=None):
        before = len(self.letters(daemon))
        job = daemon.enqueue(task, args or {})
        self.wait_letters(daemon, before + 1)
        return job

    def test_they_are_listed_and_shown_with_and_without_daemon_and_broker(self):
        daemon = self.start(max_attempts=1)
        self.assertEqual(self.letters(daemon), [])
        first = self.dead(daemon, "Fail", {"message": "no luck"})
        second = self.dead(daemon, "Exit", {"code": 3})
        self.assertEqual(daemon.stop(), 0)
        daemon.write_profile(queue={**daemon.profile["queue"], "job_servers": "127.0.0.1:1"})

        self.assertEqual([letter["id"] for letter in self.letters(daemon)], [second, first])
        shown = json.loads(self.failed(daemon, "show", first, "--json").stdout)
        self.assertEqual((shown["task"], shown["args"], shown["error"]["message"]),
                         ("Fail", {"message": "no luck"}, "no luck"))
        retried = self.failed(daemon, "retry", first)
        self.assertEqual(retried.returncode, 1)
        self.assertIn("127.0.0.1:1", retried.stderr)
        self.assertEqual(len(self.letters(daemon)), 2)

    def test_a_retried_one_runs_again_as_new(self):
        daemon = self.start(max_attempts=1)
        job = self.dead(daemon, "Exit", {"code": 3, "once": str(daemon.folder / "once")})

        result = self.failed(daemon, "retry", job)

        self.assertEqual((result.returncode, result.stdout), (0, "1 back on the queue\n"))
        daemon.wait_counts(done=1)
        self.assertEqual([record["attempt"] for record in daemon.records("job")], [1, 1])
        self.assertEqual(self.letters(daemon), [])

    def test_dropped_ones_are_gone(self):
        daemon = self.start(max_attempts=1)
        first, second = self.dead(daemon), self.dead(daemon)

        self.assertEqual(self.failed(daemon, "drop", first, "99").returncode, 1)
        self.assertEqual([letter["id"] for letter in self.letters(daemon)], [second])
        self.assertEqual(self.failed(daemon, "drop", "--all").stdout, "1 dropped\n")
        self.assertEqual(self.letters(daemon), [])

    def test_old_ones_are_swept_when_a_daemon_starts(self):
        daemon = self.start(max_attempts=1)
        self.dead(daemon)
        self.assertEqual(daemon.stop(), 0)
        daemon.write_profile(dead_letter={"retention": "1ms"})

        daemon.start()

        self.wait_letters(daemon, 0)


if __name__ == "__main__":
    if not shutil.which("gearmand"):
        print("SKIPPED: gearmand is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
