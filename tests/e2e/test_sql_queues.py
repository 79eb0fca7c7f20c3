"""The drivers postgres and mysql with the real daemon and a real server."""

import signal
import subprocess
import sys
import unittest

import dead_letters
import harness
import sql_servers
import test_queues


class SqlFlows(dead_letters.Swept, test_queues.Flows):
    """Mixed into one class per server; every test has a table of its own."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.kind()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def table(self):
        return self.id().rsplit(".", 1)[1][:40].rstrip("_")

    def start(self, start=True, **profile):
        driver = "postgres" if self.kind is sql_servers.Postgres else "mysql"
        return self.daemon(start=start, **profile, queue={
            "driver": driver, "url": self.server.url(), "table": self.table()})

    def run_program(self, *command):
        return subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              timeout=harness.DEADLINE)

    def test_a_job_is_back_when_workmand_is_killed(self):
        daemon = self.start(lease_time="10m")
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        # The lease would have kept it for ten minutes.
        self.assertEqual(client.finish().returncode, 0)

    def test_a_server_that_comes_back_is_used_again(self):
        daemon = self.start()
        self.assertEqual(daemon.call("Echo", 1), 1)

        self.server.end()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        self.assertEqual(daemon.call("Echo", 2), 2)

    def test_a_row_put_by_hand_is_a_job(self):
        daemon = self.start()
        payload = """'{"by":"hand"}'"""

        self.server.query(f"INSERT INTO {self.table()}(task, payload) VALUES ('Echo', {payload})")

        daemon.wait_record("job", task="Echo", args={"by": "hand"})
        daemon.wait_counts(done=1)
        self.assertEqual(self.server.query(f"SELECT count(*) FROM {self.table()}_view"), "0")

    def test_init_makes_the_tables_and_is_harmless(self):
        daemon = self.start(start=False)

        for _ in range(2):
            result = self.run_program(harness.WORKMAN, "queue", "init", "-p", daemon.path)
            self.assertEqual((result.returncode, result.stderr), (0, ""))

        self.assertEqual(self.server.query(f"SELECT version FROM {self.table()}_schema"), "1")

    def test_the_password_is_nowhere(self):
        daemon = self.start()
        daemon.call("Echo", 1)

        shown = self.run_program(harness.WORKMAND, daemon.path, "--print-config").stdout

        self.assertIn("wm:***@", shown)
        seen = [shown, daemon.workman("status", "--json").stdout, *daemon.raw]
        with open(f"/proc/{daemon.process.pid}/cmdline") as file:
            seen.append(file.read())
        self.assertNotIn("secret", "\n".join(seen))

    def test_a_wrong_password_is_told_without_it(self):
        daemon = self.start(start=False)
        daemon.profile["queue"]["url"] = self.server.url().replace("secret", "guessed")
        daemon.write_profile()

        result = daemon.workman("enqueue", "Echo", "1")

        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot reach the queue", result.stderr)
        self.assertNotIn("guessed", result.stderr)


class Postgres(SqlFlows, harness.TestCase):
    kind = sql_servers.Postgres


class Mysql(SqlFlows, harness.TestCase):
    kind = sql_servers.Mariadb


if __name__ == "__main__":
    missing = [kind for kind in (Postgres, Mysql) if not kind.kind.installed()]
    if not missing:
        harness.main()
    names = [kind.__name__ for kind in (Postgres, Mysql) if kind not in missing]
    passed = unittest.main(defaultTest=names, verbosity=2, exit=False) if names else None
    print("SKIPPED: " + ", ".join(kind.__name__ for kind in missing) + " is not installed",
          file=sys.stderr)
    sys.exit(harness.SKIPPED if passed is None or passed.result.wasSuccessful() else 1)
