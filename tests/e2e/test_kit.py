"""Every rule that a worker can break is found by the case of `workman test-worker` that is about it,
and by no other of those beside it."""

import subprocess

import harness
from kit import EXAMPLES, WORKERS, Kit


class BrokenWorkers(Kit):
    def check(self, worker, arguments, fault, failures):
        """`failures`: cases that are run -> whether they fail."""
        tap = self.tap(*arguments, "--only", ",".join(failures), "--",
                       "python3", str(WORKERS / worker), fault)
        found = {name: name in tap.failed for name in failures}
        self.assertEqual((found, tap.status), (failures, 1), fault + "\n" + tap.text)

    def check_echo(self, fault, fails, passes=()):
        self.check("broken_echo.py", ["--sdk"], fault,
                   {**dict.fromkeys(fails, True), **dict.fromkeys(passes, False)})

    def check_sdk(self, fault, fails, passes=()):
        self.check("broken_sdk.py", ["--fixture"], fault,
                   {**dict.fromkeys(fails, True), **dict.fromkeys(passes, False)})

    def test_jobs_and_lines(self):
        self.each(self.check_echo, [
            ("twice", ["one-job-done", "job-then-eof", "hundred-jobs"], ["ready-first"]),
            ("wrong-id", ["one-job-done", "result-matches"], ["eof-idle-exits-0"]),
            ("nan", ["one-job-done"], ["no-unsolicited"]),
            ("lossy", ["split-write", "utf8-round-trip"], ["one-job-done", "empty-args-shapes"]),
            ("chatty", ["one-job-done"], ["ready-schema", "no-unsolicited"]),
            ("null", ["empty-args-shapes"], ["result-matches", "big-1MiB"]),
            ("one-a-read", ["two-buffered-in-order"]),
            ("hasty", ["partial-line-eof"], ["job-then-eof", "eof-before-ready"]),
            ("strict", ["unknown-type", "shutdown-ignored-or-drained"], ["unknown-fields"]),
            ("narrow", ["max-line-declared"], ["one-job-done"]),
            ("fragile", ["empty-line", "unknown-task", "garbage-in"],
             ["crlf-tolerated", "whitespace-json", "wrong-arg-type"]),
        ])

    def test_ready_and_the_end(self):
        self.each(self.check_echo, [
            ("unflushed", ["ready-flushed"]),
            ("silent", ["ready-first"]),
            ("eager", ["ready-first"]),
            ("no-tasks", ["ready-first", "ready-schema"]),
            ("same-name", ["ready-schema"]),
            ("unsolicited", ["no-unsolicited"]),
            ("ignores-eof", ["eof-idle-exits-0", "partial-line-eof"], ["one-job-done"]),
            ("exit-3", ["eof-idle-exits-0", "job-then-eof", "shutdown-ignored-or-drained"],
             ["eof-before-ready", "partial-line-eof"]),
        ])

    def test_signals(self):
        self.each(self.check_sdk, [
            ("dies-of-term", ["term-idle", "term-mid-job", "term-with-parked-job"], ["abrt-idle"]),
            ("term-goes-on", ["term-idle", "term-with-parked-job"]),
            ("dies-of-abrt", ["abrt-idle", "abrt-mid-sleep", "abrt-after-done"], ["term-idle"]),
            ("abrt-silent", ["abrt-mid-sleep", "abrt-mid-spin", "abort-hook-requeue-false"],
             ["abrt-idle", "abrt-after-done"]),
            ("abrt-deaf", ["abrt-mid-sleep"], ["abrt-idle"]),
            ("no-hook", ["abrt-mid-sleep", "abort-hook-requeue-false"]),
            ("hook-unheard", ["abort-hook-requeue-false"], ["abrt-mid-sleep"]),
            ("dies-of-int", ["int-ignored"], ["term-mid-job"]),
        ])

    def test_what_tasks_print_return_and_leave(self):
        self.each(self.check_sdk, [
            ("prints", ["print-protected", "print-no-newline", "child-print-protected",
                        "child-does-not-hold"], ["fail-outcome"]),
            ("plain-failure", ["fail-outcome", "nan-result"]),
            ("nan", ["nan-result"], ["fail-outcome", "binary-round-trip"]),
            ("epipe", ["epipe-exit"]),
            ("fake-done", ["exit-in-task"]),
            ("progress-late", ["progress-order"]),
            ("no-follow-ups", ["enqueue-in-outcome", "enqueue-ref-reply"]),
            ("replies-only", ["enqueue-ref-reply"], ["enqueue-in-outcome"]),
            ("serial", ["concurrency"], ["interleaving"]),
            ("stale", ["reload"]),
            ("one-channel", ["fd-channel"]),
            ("by-hand", ["by-hand"]),
        ])

    def test_the_report_says_what_was_sent_what_came_and_what_to_do(self):
        tap = self.tap("--only", "7", "--", "python3", str(WORKERS / "broken_echo.py"), "wrong-id")

        self.assertRegex(tap.text, r"not ok 7 - one-job-done\n# a done for the id \w+, but the job "
                                   r"is \w+\n#   > \{\"type\":\"hello\"")
        self.assertRegex(tap.text, r'(?m)^#   > \{"type":"job"')
        self.assertRegex(tap.text, r'(?m)^#   < \{"type": "done"')
        self.assertIn("# Answer each job with exactly one line", tap.text)


class Options(Kit):
    def test_a_worker_that_cannot_start_is_not_tried_56_times(self):
        tap = self.tap("--", "python3", str(WORKERS / "broken_echo.py"), "exits")

        self.assertEqual((tap.failed, tap.bail, tap.status),
                         (["ready-first", "ready-without-hello", "ready-flushed"],
                          "Bail out! the worker never gets ready", 1))
        self.assertIn("#   stderr: no such database", tap.text)

    def test_a_command_that_is_not_there(self):
        tap = self.tap("--", "./no-such-program")

        self.assertEqual((tap.bail, tap.status), (
            "Bail out! cannot execute ./no-such-program: No such file or directory", 1))

    def test_a_task_that_is_not_there_is_named_with_those_that_are(self):
        tap = self.tap("--only", "7", "--", "python3", str(EXAMPLES / "echo.py"))

        self.assertIn("announces no task kit.echo; choose one whose jobs succeed", tap.bail)
        self.assertTrue(tap.bail.endswith(": Echo, Sleep, Fail"), tap.bail)

    def test_a_result_is_compared_with_what_was_expected(self):
        command = ["--only", "8", "--task", "Echo", "--args", '{"a":[1,"é"],"b":null}', "--",
                   "python3", str(EXAMPLES / "echo.py")]
        right = self.tap("--expect", '{"b": null, "a": [1.0, "\\u00e9"]}', *command)
        wrong = self.tap("--expect", '{"b": null, "a": [1]}', *command)
        unsaid = self.tap(*command)

        self.assertEqual((right.passed, right.status), (["result-matches"], 0), right.text)
        self.assertEqual((wrong.failed, wrong.status), (["result-matches"], 1), wrong.text)
        self.assertEqual((unsaid.skipped["result-matches"], unsaid.status), ("no --expect", 0))

    def test_an_expected_failure_does_not_count(self):
        command = ["--only", "23,28", "--task", "Echo", "--", "python3", str(EXAMPLES / "echo.py")]
        strict = self.tap("--sdk", *command)
        excused = self.tap("--sdk", "--xfail", "empty-line,28", *command)
        lenient = self.tap(*command)

        self.assertEqual((strict.failed, strict.status), (["empty-line", "garbage-in"], 1))
        for tap in (excused, lenient):
            self.assertEqual((tap.excused, tap.status), (["empty-line", "garbage-in"], 0), tap.text)

    def test_wrong_usage(self):
        for arguments in (["--"], [], ["--only", "99", "--", "cat"], ["--xfail", "x", "--", "cat"],
                          ["--args", "{", "--", "cat"], ["--expect", "1", "--", "cat"]):
            with self.subTest(arguments):
                result = subprocess.run([harness.WORKMAN, "test-worker", *arguments],
                                        capture_output=True, text=True, timeout=harness.DEADLINE)
                self.assertEqual((result.returncode, result.stdout), (64, ""))
                self.assertIn("workman: ", result.stderr)


if __name__ == "__main__":
    harness.main()
