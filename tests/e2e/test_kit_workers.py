"""The workers of this repository pass `workman test-worker`: the examples what every worker must,
the SDKs everything."""

import shutil

import harness
from kit import EXAMPLES, SDKS, Kit

MUST_AND_ROBUST = ",".join(map(str, range(1, 29)))


class GoodWorkers(Kit):
    def test_the_examples_do_what_a_worker_must(self):
        """What they miss of level R is what their few lines leave out; it is written down here."""
        script = ["empty-line", "unknown-task", "garbage-in"]
        self.each(self.check_example, [
            (["jq", EXAMPLES / "echo-jq"], ["garbage-in"]),
            (["jq", EXAMPLES / "echo.bash"], ["whitespace-json", "unknown-task"]),
            (["python3", EXAMPLES / "echo.py"], script),
            (["perl", EXAMPLES / "echo.pl"], script),
            (["node", EXAMPLES / "echo.js"], script),
            ([harness.BUILD / "examples/echo"], script)])

    def check_example(self, words, misses):
        if not shutil.which(words[0]):
            return
        command = [str(word) for word in words if word != "jq"]
        tap = self.tap("--task", "Echo", "--only", MUST_AND_ROBUST, "--", *command)
        self.assertEqual((tap.failed, tap.excused, tap.status), ([], misses, 0), tap.text)

    def check_sdk(self, *command):
        tap = self.tap("--sdk", "--fixture", "--rounds", "20", "--", *map(str, command))
        self.assertEqual((tap.failed, tap.excused, tap.status), ([], [], 0), tap.text)
        self.assertEqual(tap.skipped, {
            "max-line-declared": "ready states no max_line",
            "concurrency": "the worker announces a concurrency of 1",
            "interleaving": "the worker announces a concurrency of 1"})
        self.assertRegex(tap.text, r"# \d+ jobs/s, p50 \d+ µs, p99 \d+ µs")

    def test_the_python_sdk_passes_all(self):
        self.check_sdk("python3", SDKS / "python/fixture.py")

    def test_the_perl_sdk_passes_all(self):
        self.check_sdk("perl", SDKS / "perl/fixture.pl")


if __name__ == "__main__":
    harness.main()
