"""The drivers theschwartz and qudo with the real daemon; TheSchwartz with its own Perl client and
worker, in both directions, on SQLite and on MariaDB."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import unittest

import harness
import sql_servers

PERL = os.path.join(os.path.dirname(__file__), "workers/schwartz.pl")

# As TheSchwartz's own schema makes them; @KEY and BYTES differ by server.
THESCHWARTZ = """
CREATE TABLE funcmap(funcid @KEY, funcname VARCHAR(255) NOT NULL, UNIQUE(funcname));
CREATE TABLE job(jobid @KEY, funcid INTEGER NOT NULL, arg BYTES, uniqkey VARCHAR(255),
  insert_time INTEGER, run_after INTEGER NOT NULL, grabbed_until INTEGER NOT NULL, priority SMALLINT,
  coalesce VARCHAR(255), UNIQUE(funcid, uniqkey));
CREATE TABLE note(jobid BIGINT NOT NULL, notekey VARCHAR(255), value BYTES, PRIMARY KEY(jobid, notekey));
CREATE TABLE error(error_time INTEGER NOT NULL, jobid BIGINT NOT NULL, message VARCHAR(255) NOT NULL,
  funcid INTEGER NOT NULL DEFAULT 0);
CREATE TABLE exitstatus(jobid BIGINT NOT NULL PRIMARY KEY, funcid INTEGER NOT NULL DEFAULT 0,
  status SMALLINT, completion_time INTEGER, delete_after INTEGER);
"""

QUDO = """
CREATE TABLE func(id @KEY, name VARCHAR(255) NOT NULL UNIQUE);
CREATE TABLE job(id @KEY, func_id INTEGER NOT NULL, arg BYTES, uniqkey VARCHAR(255), enqueue_time INTEGER,
  grabbed_until INTEGER NOT NULL, run_after INTEGER NOT NULL, retry_cnt INTEGER NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0, UNIQUE(func_id, uniqkey));
CREATE TABLE exception_log(id @KEY, func_id INTEGER NOT NULL, exception_time INTEGER NOT NULL,
  message BYTES NOT NULL, uniqkey VARCHAR(255), arg BYTES, retried SMALLINT NOT NULL);
"""


def tables(schema, key, data):
    return schema.replace("@KEY", key).replace("BYTES", data)


class PerlFlows:
    """Mixed into one class per server."""

    def perl(self, verb, task, *rest):
        result = subprocess.run([PERL, *self.dsn(), verb, task, *rest], capture_output=True,
                                text=True, timeout=harness.DEADLINE * 2)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def start(self, **profile):
        return self.daemon(**profile, queue={"driver": "theschwartz", "url": self.url()})

    def test_what_perl_puts_a_worker_gets(self):
        daemon = self.start()
        for value in ("""'{"plain":"json"}'""", "{ n => 1, deep => [ 1, -2, 'x', undef, 300, 1.5 ] }",
                      "[ 1, { a => 'b' } ]", r'{ text => "\x{20ac}uro" }'):
            self.perl("insert", "Echo", value)

        daemon.wait_counts(done=4)

        args = [record["args"] for record in daemon.records("job")]
        self.assertIn({"plain": "json"}, args)
        # Perl's network order writes a number with a fraction as text.
        self.assertIn({"n": 1, "deep": [1, -2, "x", None, 300, "1.5"]}, args)
        self.assertIn([1, {"a": "b"}], args)
        self.assertIn({"text": "€uro"}, args)
        self.assertEqual(self.rows("SELECT count(*) FROM job"), "0")

    def test_what_workman_puts_perl_gets(self):
        daemon = self.daemon(start=False, queue={"driver": "theschwartz", "url": self.url()})
        for n in range(3):
            daemon.enqueue("Theirs", {"n": n})

        lines = self.perl("work", "Theirs").splitlines()

        self.assertEqual(sorted(json.loads(json.loads(line))["n"] for line in lines), [0, 1, 2])

    def test_a_job_that_we_hold_perl_leaves_alone(self):
        daemon = self.start()
        daemon.enqueue("Sleep", {"s": 5})
        daemon.wait_record("job")

        self.assertEqual(self.perl("work", "Sleep"), "")
        daemon.wait_counts(done=1)

    def test_a_job_is_back_after_its_lease_when_workmand_is_killed(self):
        daemon = self.start(lease_time="2s")
        daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        daemon.wait_counts(done=1)

    def test_a_failure_is_an_error_row_and_a_retry(self):
        daemon = self.start(max_attempts=2)
        daemon.enqueue("Fail", {"message": "no luck"})

        daemon.wait_counts(dead=1)

        self.assertEqual(self.rows("SELECT count(*) FROM error WHERE message LIKE '%no luck%'"), "2")
        self.assertEqual(self.rows("SELECT count(*), min(status) FROM exitstatus"), "1\t1")
        self.assertEqual(self.rows("SELECT count(*) FROM job"), "0")

    def test_an_object_is_left_to_perl(self):
        daemon = self.start()
        self.perl("insert", "Echo", "bless { a => 1 }, 'Some::Class'")

        event = daemon.wait_event("a job is left to the Perl workers")

        self.assertIn("object of a Perl class", event["why"])
        self.assertEqual(self.rows("SELECT count(*) FROM job"), "1")
        self.assertEqual(self.rows("SELECT count(*) FROM error"), "1")


class Sqlite(PerlFlows, harness.TestCase):
    KEY, DATA = "INTEGER PRIMARY KEY AUTOINCREMENT", "MEDIUMBLOB"

    def setUp(self):
        super().setUp()
        self.file = str(self.folder()) + "/schwartz.db"
        with sqlite3.connect(self.file) as db:
            db.executescript(tables(THESCHWARTZ, self.KEY, self.DATA))
        db.close()

    def url(self):
        return "sqlite:///" + self.file

    def dsn(self):
        return f"dbi:SQLite:dbname={self.file}", "", ""

    def rows(self, sql):
        db = sqlite3.connect(self.file)
        try:
            return "\n".join("\t".join(map(str, row)) for row in db.execute(sql))
        finally:
            db.close()


class Mariadb(PerlFlows, harness.TestCase):
    KEY, DATA = "BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY", "MEDIUMBLOB"

    @classmethod
    def setUpClass(cls):
        cls.server = sql_servers.Mariadb()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        super().setUp()
        self.server.query("DROP TABLE IF EXISTS funcmap, job, note, error, exitstatus;"
                          + tables(THESCHWARTZ, self.KEY, self.DATA))

    def url(self):
        return self.server.url()

    def dsn(self):
        return f"dbi:mysql:database=wm;host=127.0.0.1;port={self.server.port}", "wm", "secret"

    def rows(self, sql):
        return self.server.query(sql)


class Qudo(harness.TestCase):
    def test_jobs_flow_and_failures_are_logged(self):
        file = str(self.folder()) + "/qudo.db"
        with sqlite3.connect(file) as db:
            db.executescript(tables(QUDO, Sqlite.KEY, Sqlite.DATA))
            db.execute("INSERT INTO func(name) VALUES ('Echo')")
            db.execute("INSERT INTO job(func_id, arg, enqueue_time, grabbed_until, run_after, retry_cnt)"
                       " VALUES (1, '{\"by\":\"qudo\"}', 0, 0, 0, 0)")
        daemon = self.daemon(max_attempts=2, queue={"driver": "qudo", "url": "sqlite:///" + file})

        daemon.wait_record("job", args={"by": "qudo"})
        daemon.enqueue("Fail", {"message": "no luck"})
        daemon.wait_counts(done=1, dead=1)

        logged = db.execute("SELECT retried FROM exception_log ORDER BY id").fetchall()
        left = db.execute("SELECT count(*) FROM job").fetchone()
        db.close()
        self.assertEqual((logged, left), ([(1,), (0,)], (0,)))


if __name__ == "__main__":
    has_perl = subprocess.run(["perl", "-MTheSchwartz", "-MDBD::SQLite", "-e", "1"],
                              capture_output=True).returncode == 0
    has_mysql = sql_servers.Mariadb.installed() and subprocess.run(
        ["perl", "-MDBD::mysql", "-e", "1"], capture_output=True).returncode == 0
    if has_perl and has_mysql:
        harness.main()
    names = ["Qudo"] + (["Sqlite"] if has_perl else [])
    passed = unittest.main(defaultTest=names, verbosity=2, exit=False)
    print("SKIPPED: what needs TheSchwartz from Perl, and MariaDB with DBD::mysql", file=sys.stderr)
    sys.exit(harness.SKIPPED if passed.result.wasSuccessful() else 1)
