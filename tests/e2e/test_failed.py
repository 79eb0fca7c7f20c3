"""Dead letters: how a job gets there, and `workman failed`, with a daemon and without one; and
`workman test-queue`, which leaves the jobs of others alone."""

import json
import subprocess

import harness

STDERR = "warming up\nout of \"luck\""


class Case(harness.TestCase):
    @staticmethod
    def workman(daemon, *words):
        """`failed list` is two words: the profile stands behind them."""
        return subprocess.run([harness.WORKMAN, *words, "-p", str(daemon.path)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=daemon.environment, timeout=harness.DEADLINE * 6)

    def letters(self, daemon):
        result = self.workman(daemon, "failed", "list", "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return [json.loads(line) for line in result.stdout.splitlines()]

    def lose(self, daemon, task, args):
        """Runs a job until it is a dead letter and returns its id."""
        job = daemon.enqueue(task, args)
        harness.poll(f"job {job} to be a dead letter",
                     lambda: job in [letter["id"] for letter in self.letters(daemon)],
                     explain=daemon.tail)
        return job

    def show(self, daemon, job):
        result = self.workman(daemon, "failed", "show", job, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return json.loads(result.stdout)


class DeadLetters(Case):
    def test_a_lost_job_keeps_the_exit_status_and_the_last_words_of_its_worker(self):
        daemon = self.daemon(max_attempts=2)

        job = self.lose(daemon, "Exit", {"code": 3, "stderr": STDERR})

        letter = self.show(daemon, job)
        self.assertEqual((letter["task"], letter["attempts"]), ("Exit", 2))
        self.assertEqual(letter["args"], {"code": 3, "stderr": STDERR})
        self.assertEqual(letter["error"]["code"], "lost")
        self.assertIn("exit 3", letter["error"]["message"])
        self.assertEqual(letter["error"]["stderr"], STDERR)

    def test_a_job_that_ran_too_long_keeps_the_last_words_of_its_worker(self):
        daemon = self.daemon(max_attempts=1, time_limit="500ms")

        job = self.lose(daemon, "Raw", {"stderr": "stuck here"})

        error = self.show(daemon, job)["error"]
        self.assertEqual((error["code"], error["stderr"]), ("timeout", "stuck here"))

    def test_only_the_last_words_are_kept(self):
        daemon = self.daemon(max_attempts=1)

        job = self.lose(daemon, "Exit", {"code": 3, "stderr": "\n".join(map(str, range(100)))})

        kept = self.show(daemon, job)["error"]["stderr"].split("\n")
        self.assertEqual(kept, [str(number) for number in range(80, 100)])

    def test_the_error_of_a_worker_is_kept_as_it_gave_it(self):
        daemon = self.daemon(max_attempts=1)

        job = self.lose(daemon, "Fail", {"message": "no luck"})

        self.assertEqual(self.show(daemon, job)["error"], {"message": "no luck"})


class Failed(Case):
    def test_the_list_is_a_table_for_people(self):
        daemon = self.daemon(max_attempts=1)
        first = self.lose(daemon, "Fail", {"message": "no luck\nat all"})
        second = self.lose(daemon, "Exit", {"code": 3})

        head, *rows = self.workman(daemon, "failed", "list").stdout.splitlines()

        self.assertEqual(head.split(), ["JOB", "TASK", "ATTEMPTS", "FAILED", "ERROR"])
        self.assertEqual([row.split()[:3] for row in rows],
                         [[second, "Exit", "1"], [first, "Fail", "1"]])
        self.assertTrue(rows[1].endswith("Z  no luck"), rows)

    def test_a_letter_is_shown_with_all_that_is_known(self):
        daemon = self.daemon(max_attempts=1)
        job = self.lose(daemon, "Exit", {"code": 3, "stderr": STDERR})

        shown = self.workman(daemon, "failed", "show", job)

        self.assertEqual(shown.returncode, 0)
        self.assertIn("\nstderr:\n  warming up\n  out of \"luck\"\n", shown.stdout)
        self.assertIn("\nargs:\n  {\"code\":3,", shown.stdout)

    def test_a_retried_job_runs_again_as_new(self):
        daemon = self.daemon(max_attempts=1)
        job = self.lose(daemon, "Exit", {"code": 3, "once": str(daemon.folder / "once")})

        result = self.workman(daemon, "failed", "retry", job)

        self.assertEqual((result.returncode, result.stdout), (0, "1 back on the queue\n"))
        daemon.wait_counts(done=1)
        self.assertEqual([record["attempt"] for record in daemon.records("job")], [1, 1])
        self.assertEqual(self.letters(daemon), [])

    def test_a_retried_job_that_fails_again_is_a_dead_letter_again(self):
        daemon = self.daemon(max_attempts=1)
        jobs = [self.lose(daemon, "Fail", {"message": str(number)}) for number in range(3)]

        result = self.workman(daemon, "failed", "retry", "--all")

        self.assertEqual((result.returncode, result.stdout), (0, "3 back on the queue\n"))
        daemon.wait_counts(dead=6)
        self.assertEqual(len(daemon.records("job")), 6)
        harness.poll("three dead letters", lambda: sorted(
            letter["id"] for letter in self.letters(daemon)) == sorted(jobs))

    def test_dropped_letters_are_gone(self):
        daemon = self.daemon(max_attempts=1)
        first, second, third = (self.lose(daemon, "Fail", {}) for _ in range(3))

        one = self.workman(daemon, "failed", "drop", second)
        self.assertEqual((one.returncode, one.stdout), (0, "1 dropped\n"))
        self.assertEqual([letter["id"] for letter in self.letters(daemon)], [third, first])

        rest = self.workman(daemon, "failed", "drop", "--all")
        self.assertEqual((rest.returncode, rest.stdout), (0, "2 dropped\n"))
        self.assertEqual(self.letters(daemon), [])
        self.assertEqual(len(daemon.records("job")), 3)

    def test_an_unknown_id_is_named_and_the_others_are_done(self):
        daemon = self.daemon(max_attempts=1)
        job = self.lose(daemon, "Fail", {})

        for what in (("show", "99"), ("drop", "99", job), ("retry", "x")):
            result = self.workman(daemon, "failed", *what)
            self.assertEqual(result.returncode, 1, what)
            self.assertIn(f"no dead letter has the id {what[1]}", result.stderr)
        self.assertEqual(self.letters(daemon), [])

    def test_everything_works_without_a_daemon(self):
        daemon = self.daemon(max_attempts=1)
        dropped = self.lose(daemon, "Fail", {})
        retried = self.lose(daemon, "Exit", {"code": 3, "once": str(daemon.folder / "once")})
        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([letter["id"] for letter in self.letters(daemon)], [retried, dropped])
        self.assertEqual(self.show(daemon, retried)["task"], "Exit")
        self.assertEqual(self.workman(daemon, "failed", "drop", dropped).returncode, 0)
        self.assertEqual(self.workman(daemon, "failed", "retry", retried).returncode, 0)
        self.assertEqual(self.letters(daemon), [])

        daemon.start()
        daemon.wait_counts(done=1)

    def test_a_letter_whose_unique_key_is_taken_stays(self):
        daemon = self.daemon(max_attempts=1)
        job = daemon.enqueue("Fail", {}, "--unique", "key")
        harness.poll("a dead letter", lambda: self.letters(daemon))
        daemon.workman("pause")
        other = daemon.enqueue("Fail", {}, "--unique", "key")
        self.assertNotEqual(job, other)

        result = self.workman(daemon, "failed", "retry", "--all")

        self.assertEqual((result.returncode, result.stdout), (1, "0 back on the queue\n"))
        self.assertIn("another job with its unique key is on the queue", result.stderr)
        self.assertEqual([letter["id"] for letter in self.letters(daemon)], [job])

    def test_a_queue_whose_dead_letters_no_command_reaches_says_so(self):
        daemon = self.daemon(start=False, queue={"driver": "memory"})

        result = self.workman(daemon, "failed", "list")

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("live in its daemon", result.stderr)
        self.assertEqual(result.stderr.count("\n"), 1)

    def test_wrong_words_are_wrong_usage(self):
        daemon = self.daemon(start=False)

        for words in ((), ("retry",), ("drop",), ("retry", "--all", "1"), ("show",), ("empty",)):
            result = self.workman(daemon, "failed", *words)
            self.assertEqual((result.returncode, result.stdout), (64, ""), words)


class TestQueue(Case):
    def test_the_queue_of_a_busy_daemon_keeps_its_promises_and_its_jobs(self):
        daemon = self.daemon()
        job = daemon.enqueue("Nobody", {"n": 1})

        result = self.workman(daemon, "test-queue")

        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertRegex(result.stdout.splitlines()[-1], r"^sqlite: \d+ passed, 0 failed, ")
        self.assertIn("jobs of its own", result.stderr)
        self.assertEqual(daemon.status()["queue"]["depth"], 1, job)
        self.assertEqual((daemon.records("job"), self.letters(daemon)), ([], []))

    def test_one_case_can_be_chosen(self):
        daemon = self.daemon(start=False)

        result = self.workman(daemon, "test-queue", "--only", "21")
        self.assertEqual(result.returncode, 0)
        self.assertEqual([line.split()[0] for line in result.stdout.splitlines()],
                         ["21", "sqlite:"])
        self.assertEqual(self.workman(daemon, "test-queue", "--only", "9999").returncode, 64)

    def test_a_queue_that_cannot_be_reached_is_one_sentence(self):
        daemon = self.daemon(start=False,
                             queue={"driver": "gearman", "job_servers": "127.0.0.1:1"})

        result = self.workman(daemon, "test-queue")

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("cannot reach the queue (gearman)", result.stderr)


if __name__ == "__main__":
    harness.main()
