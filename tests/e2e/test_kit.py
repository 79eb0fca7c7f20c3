"""`workman test-worker`: good workers pass, and each broken rule is found by the case that is about
it and by no other of those beside it."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import unittest

import harness

EXAMPLES = harness.ROOT / "conf/examples"
SDKS = harness.ROOT / "workers-sdk"
WORKERS = harness.ROOT / "tests/e2e/workers"
LINE = re.compile(r"(not )?ok (\d+) - (\S+)(?: # ([A-Z]+) (.*))?")
PATIENCE = "6" if os.environ.get("WORKMAN_SLOW") == "1" else "2"
MUST_AND_ROBUST = ",".join(map(str, range(1, 29)))


class Tap:
    """What one run of the kit has said. Checks that it is TAP."""

    def __init__(self, test, *arguments):
        command = [harness.WORKMAN, "test-worker", "--patience", PATIENCE, *arguments]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.status, self.text = result.returncode, result.stdout + result.stderr
        self.failed, self.excused, self.passed, self.skipped = [], [], [], {}
        lines = result.stdout.removesuffix("\n").split("\n")
        test.assertEqual(lines[:2], ["TAP version 13", "1..56"], self.text)
        self.bail = next((line for line in lines if line.startswith("Bail out!")), "")
        found = [LINE.fullmatch(line) for line in lines[2:] if not line.startswith(("#", "Bail"))]
        test.assertNotIn(None, found, self.text)
        test.assertEqual([int(one[2]) for one in found], list(range(1, len(found) + 1)), self.text)
        test.assertTrue(self.bail or len(found) == 56, self.text)
        for wrong, _, name, word, reason in (one.groups() for one in found):
            if word == "SKIP":
                self.skipped[name] = reason
            elif wrong:
                (self.excused if word else self.failed).append(name)
            else:
                self.passed.append(name)


class Kit(unittest.TestCase):
    maxDiff = None

    def tap(self, *arguments):
        return Tap(self, *arguments)

    def each(self, check, cases):
        """Runs check(*case) for each, two at a time: most of it is waiting."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for case, run in [(case, pool.submit(check, *case)) for case in cases]:
                with self.subTest(case[0]):
                    run.result()


class GoodWorkers(Kit):
    def test_the_examples_do_what_a_worker_must(self):
        """What they miss of level R is what their few lines leave out; it is written down here."""
        blank = ["empty-line", "garbage-in"]
        self.each(self.check_example, [
            (["jq", EXAMPLES / "echo-jq"], ["garbage-in"]),
            (["jq", EXAMPLES / "echo.bash"], ["whitespace-json", "unknown-task"]),
            (["python3", EXAMPLES / "echo.py"], [*blank, "unknown-task"]),
            (["perl", EXAMPLES / "echo.pl"], blank),
            (["node", EXAMPLES / "echo.js"], blank),
            ([harness.BUILD / "examples/echo"], blank)])

    def check_example(self, words, misses):
        if not shutil.which(words[0]):
            return
        command = [str(word) for word in words if word != "jq"]
        tap = self.tap("--task", "Echo", "--only", MUST_AND_ROBUST, "--", *command)
        self.assertEqual((tap.failed, tap.excused, tap.status), ([], misses, 0), tap.text)

    def check_sdk(self, *command):
        tap = self.tap("--sdk", "--fixture", "--rounds", "50", "--", *map(str, command))
        self.assertEqual((tap.failed, tap.excused, tap.status), ([], [], 0), tap.text)
        self.assertEqual(tap.skipped, {
            "max-line-declared": "ready states no max_line",
            "concurrency": "the worker announces a concurrency of 1",
            "interleaving": "the worker announces a concurrency of 1"})
        self.assertRegex(tap.text, r"# \d+ jobs/s, p50 \d+ µs, p99 \d+ µs")

    def test_the_python_sdk_passes_all(self):
        self.check_sdk("python3", SDKS / "python/tests/fixture_worker.py")

    def test_the_perl_sdk_passes_all(self):
        self.check_sdk("perl", SDKS / "perl/t/fixture_worker.pl")


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
            ("one-a-read", ["two-buffered-in-order"], ["hundred-jobs", "split-write"]),
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
            ("abrt-late", ["abrt-after-done"], ["abrt-idle", "abrt-mid-sleep"]),
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
