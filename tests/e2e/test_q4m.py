"""The driver q4m with the real daemon, on a MariaDB that stands in for Q4M, the queue engine for MySQL
(tests/q4m/stand_in.sql says how far). The other side of each test speaks plain SQL."""

import json
import signal
import sys

import dead_letters
import harness
import sql_servers

STAND_IN = harness.ROOT / "tests/q4m/stand_in.sql"
TABLES = ["urgent", "usual", "idle"]
# A stop that waits for nobody.
SHORT = {"graceful_shutdown_timeout": "50ms", "abort_timeout": "50ms", "exit_grace": "50ms"}
WAIT = "SELECT queue_wait('wm.urgent', 'wm.usual', 'wm.idle', 10)"


class Q4m(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = sql_servers.Mariadb()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        fresh = "DROP DATABASE wm; CREATE DATABASE wm; USE wm;\n"
        self.server.query(fresh + STAND_IN.read_text())

    def start(self, start=True, columns=True, **profile):
        queue = {"driver": "q4m", "url": self.server.url(), "tables": TABLES}
        if columns:
            queue.update(task_column="task", id_column="job")
        return self.daemon(start=start, **{"queue": queue, **profile})

    def put(self, table, task, args, job="NULL"):
        """As another program does it."""
        self.server.query(f"INSERT INTO {table}(task, args, job) "
                          f"VALUES ('{task}', '{json.dumps(args)}', {job})")

    def rows(self):
        """The tasks of the rows that are there, held or not."""
        return self.server.query(" UNION ALL ".join(
            f"SELECT task FROM {table}_rows" for table in TABLES)).split()

    def free(self):
        """The tasks of the rows that nobody holds."""
        return self.server.query(" UNION ALL ".join(
            f"SELECT task FROM {table}" for table in TABLES)).split()

    def wait_rows(self, *tasks):
        harness.poll(f"rows {tasks}", lambda: self.rows() == list(tasks), explain=self.rows)

    def test_a_row_of_another_program_is_done_and_gone(self):
        daemon = self.start()

        self.put("usual", "Note", {"from": "SQL"})

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "SQL"})
        self.assertEqual(daemon.wait_record("job")["job"], "usual:1")
        daemon.wait_counts(done=1)
        self.wait_rows()

    def test_a_job_of_ours_is_taken_by_another_program(self):
        daemon = self.start(start=False)

        job = daemon.enqueue("Elsewhere", {"n": 1})
        urgent = daemon.enqueue("Elsewhere", {"n": 2}, "--priority", "high")

        look = "SELECT task, args, job FROM"
        taken = self.server.query(f"{WAIT}; {look} urgent; SELECT queue_end(); "
                                  f"{WAIT}; {look} usual; SELECT queue_end()").splitlines()
        self.assertEqual(taken, ["1", f'Elsewhere\t{{"n":2}}\t{urgent}', "1",
                                 "2", f'Elsewhere\t{{"n":1}}\t{job}', "1"])
        self.assertEqual(self.rows(), [])

    def test_the_id_that_the_producer_is_told_is_the_job_s(self):
        daemon = self.start()

        job = daemon.enqueue("Note", 1)

        self.assertEqual(daemon.wait_record("job")["job"], job)

    def test_tables_come_in_their_order(self):
        daemon = self.start(start=False)
        for table in reversed(TABLES):
            self.put(table, "Note", table)

        daemon.start()

        daemon.wait_counts(done=3)
        self.assertEqual([entry["args"] for entry in daemon.records("note")], TABLES)

    def test_the_table_may_be_the_task(self):
        daemon = self.start(columns=False, max_attempts=1,
                            command=harness.worker("--tasks=urgent,usual,idle"))
        self.put("idle", "", {"from": "SQL"})
        self.assertEqual(daemon.wait_record("job")["task"], "idle")

        # The queue has no place for a number, so the table is all that the producer learns.
        self.assertEqual(daemon.enqueue("usual", {"n": 1}), "usual")

        self.assertEqual(daemon.wait_record("job", task="usual")["args"], {"n": 1})
        result = daemon.workman("enqueue", "Note", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn('no table for the task "Note"', result.stderr)

    def test_what_q4m_has_no_place_for_is_refused(self):
        daemon = self.start()

        for option, why in ((("--delay", "5s"), "no delayed jobs"), (("--unique", "k"), "no unique keys"),
                            (("--max-attempts", "3"), "no number of attempts"),
                            (("--wait",), "nobody can wait for this job")):
            result = daemon.workman("enqueue", *option, "Note", "1")
            self.assertEqual(result.returncode, 1, option)
            self.assertIn(why, result.stderr)
        self.assertEqual(self.rows(), [])

    def test_several_workers_hold_a_row_each(self):
        daemon = self.start(max_workers=3, **SHORT)
        for _ in range(4):
            self.put("usual", "Sleep", {"s": 600})

        daemon.wait_record("job", count=3)

        harness.poll("one row to be free", lambda: len(self.free()) == 1, explain=self.free)
        self.assertEqual(len(self.rows()), 4)

    def test_a_failed_job_is_tried_again_and_then_a_dead_letter(self):
        daemon = self.start(max_attempts=2)
        self.put("usual", "Fail", {"message": "no luck"}, "'mine'")

        daemon.wait_counts(dead=1)
        self.wait_rows()
        self.assertEqual([entry["attempt"] for entry in daemon.records("job")], [1, 2])
        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        self.assertEqual((letter["id"], letter["task"]), ("mine", "Fail"))

        dead_letters.failed(daemon, "retry", "mine")

        self.assertEqual(daemon.wait_record("job", count=3)["attempt"], 1)
        daemon.wait_counts(dead=2)

    def test_a_stop_gives_rows_back(self):
        daemon = self.start(**SHORT)
        daemon.enqueue("Sleep", {"s": 600})
        daemon.wait_record("job")
        self.assertEqual((self.rows(), self.free()), (["Sleep"], []))

        self.assertEqual(daemon.stop(), 0)

        harness.poll("the row to be free", lambda: self.free() == ["Sleep"], explain=self.free)

    def test_the_rows_of_a_killed_daemon_are_back_at_once(self):
        daemon = self.start()
        job = daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()
        harness.poll("the row to be free", lambda: self.free() == ["Sleep"], explain=self.free)

        daemon.start()

        again = daemon.wait_record("job", count=2)
        daemon.wait_counts(done=1)
        self.assertEqual((again["job"], again["attempt"]), (job, 1))
        self.wait_rows()

    def test_a_server_that_is_killed_has_its_rows_when_it_is_back(self):
        daemon = self.start(**SHORT)
        daemon.enqueue("Sleep", {"s": 600})
        daemon.wait_record("job")
        self.put("urgent", "Note", {"n": 2})

        self.server.end()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        self.assertEqual(self.rows(), ["Note", "Sleep"])

    def test_a_row_that_nobody_serves_holds_up_no_other(self):
        daemon = self.start()
        self.put("usual", "Other", 1)
        self.put("usual", "Note", 2)

        daemon.wait_event("job left alone", task="Other", table="usual")

        self.assertEqual(daemon.wait_record("note")["args"], 2)
        daemon.wait_counts(done=1)
        self.wait_rows("Other")
        self.assertEqual(daemon.stop(), 0)
        harness.poll("the row to be free", lambda: self.free() == ["Other"], explain=self.free)

    def test_a_server_that_wants_no_more_connections_is_lived_with(self):
        daemon = self.start(start=False, max_workers=6, **SHORT)
        for _ in range(6):
            self.put("usual", "Sleep", {"s": 600})
        limit = "ALTER USER wm@'127.0.0.1' WITH MAX_USER_CONNECTIONS"
        self.server.query_as_root(f"{limit} 5")

        daemon.start()
        daemon.wait_event("no connection for another job")
        self.server.query_as_root(f"{limit} 0")

        daemon.wait_record("job", count=6)
        self.assertFalse(daemon.find("queue down"))

    def test_a_table_that_is_missing_is_told(self):
        daemon = self.start(start=False)
        daemon.profile["queue"]["tables"] = ["urgent", "nowhere"]
        daemon.write_profile()

        daemon.start(wait="queue down")

        self.assertIn("wm.nowhere", daemon.wait_event("queue down")["error"])
        self.assertNotIn("secret", "\n".join(daemon.raw))


if __name__ == "__main__":
    if not sql_servers.Mariadb.installed():
        print("SKIPPED: MariaDB is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
