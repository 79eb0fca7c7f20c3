"""Mode exec: a real program that knows nothing of us runs for each job. And what --check says of
modes. Mode lines is in test_filters.py."""

import json
import subprocess

import harness
from programs import PYTHON, ModeCase, sh


class ExecResults(ModeCase):
    def test_a_program_reads_its_job_on_stdin_and_prints_the_result(self):
        daemon = self.program(["cat"])

        self.assertEqual(daemon.call("T", {"n": [1, None, "é"]}), {"n": [1, None, "é"]})
        self.assertEqual(daemon.status()["workers"][0]["pid"], None)
        self.assertEqual(daemon.status()["workers"][0]["state"], "idle")

    def test_numbers_keep_their_digits(self):
        daemon = self.program(["cat"])

        self.assertEqual(self.waited(daemon, b'{"z":12345678901234567890123,"a":1.10}'),
                         b'{"z":12345678901234567890123,"a":1.10}')

    def test_arguments_come_from_the_job(self):
        daemon = self.program(
            [*PYTHON, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))", "{task}",
             "{attempt}", "-s={args.size.w}x{args.size.h}", "{args.name}", "{{args.name}}", "{}"])

        result = daemon.call("T", {"size": {"w": 80, "h": 60.50}, "name": "a b; $(rm -rf /) '"})

        self.assertEqual(result, ["T", "1", "-s=80x60.5", "a b; $(rm -rf /) '", "{args.name}", "{}"])

    def test_a_converter_gets_bytes_and_gives_bytes(self):
        # As `convert - -resize {args.w} png:-`, for a payload that is bytes.
        data = bytes(range(256)) * 300
        daemon = self.program(["tr", "a-z", "A-Z"], payload="base64", options={"result": "text"})

        self.assertEqual(self.waited(daemon, data),
                         data.translate(bytes(b - 32 if 97 <= b <= 122 else b for b in range(256))))

    def test_text_is_text_and_no_json_string(self):
        daemon = self.program(["cat"], payload="text", options={"result": "text"})

        self.assertEqual(self.waited(daemon, 'a "b"\nü'.encode()), 'a "b"\nü'.encode())

    def test_the_task_can_choose_the_program(self):
        folder = self.folder()
        for name in ("Upper", "Lower"):
            script = folder / f"{name}.sh"
            script.write_text(f"#!/bin/sh\necho '\"{name}\"'\n")
            script.chmod(0o755)
        daemon = self.program(["./{task}.sh"], tasks=("Upper", "Lower"), folder=folder)

        self.assertEqual((daemon.call("Upper"), daemon.call("Lower")), ("Upper", "Lower"))

    def test_the_environment_tells_about_the_job(self):
        daemon = self.program(
            [*PYTHON, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
            max_attempts=4, time_limit="90s", queue={"driver": "sqlite", "prefix": "q:"})

        job = daemon.wait("T", 1).finish()

        seen = json.loads(job.stdout)
        self.assertEqual({key: seen[f"WORKMAN_{key}"] for key in (
            "TASK", "ATTEMPT", "MAX_ATTEMPTS", "TIMEOUT_MS", "QUEUE", "CTL", "PROFILE", "WORKER")},
            {"TASK": "T", "ATTEMPT": "1", "MAX_ATTEMPTS": "4", "TIMEOUT_MS": "90000",
             "QUEUE": "q:T", "CTL": "3", "PROFILE": "t", "WORKER": "t-1"})
        self.assertRegex(seen["WORKMAN_ID"], "^[0-9A-Za-z]{16}$")
        self.assertTrue(seen["WORKMAN_JOB"])
        self.assertNotIn("WORKMAN", seen)

    def test_no_output_is_null_and_bad_json_is_a_failure(self):
        daemon = self.program(sh('cat >/dev/null; printf "%s" "$1"', "{args}"))

        self.assertIsNone(daemon.call("T", ""))
        self.assertIn("not one JSON value", self.failed(daemon, "1 2"))

    def test_a_program_that_reads_nothing_is_no_error(self):
        daemon = self.program(["echo", '"done"'])

        self.assertEqual(self.waited(daemon, b'"' + b"x" * 500_000 + b'"'), b'"done"')

    def test_an_output_beyond_max_result_ends_the_program_and_the_job_for_good(self):
        daemon = self.program(sh("exec yes"), max_attempts=3, options={
            "result": "text", "max_result": 100_000})

        self.assertIn("longer than exec.max_result", self.failed(daemon))
        self.assertEqual(daemon.wait_counts(dead=1)["fail"], 1)
        exact = self.program(sh('head -c "$1" /dev/zero', "{args}"), options={
            "result": "text", "max_result": 100_000})
        self.assertEqual(len(self.waited(exact, b"100000")), 100_000)

    def test_messages_on_descriptor_3_need_no_id(self):
        daemon = self.program(sh(
            """echo '{"type":"progress","done":1,"total":3}' >&$WORKMAN_CTL
               echo '{"type":"log","level":"warn","message":"hm"}' >&3
               echo '{"type":"data","data":1}' >&3
               echo 'no message' >&3
               echo '{"type":"done","result":1}' >&3
               [ $WORKMAN_TASK = U ] ||
                 printf '%s' '{"type":"enqueue","task":"U","args":{"n":7}}' >&3
               echo "\\"$WORKMAN_TASK\\""
               """), tasks=("T", "U"))

        self.assertEqual(daemon.call("T"), "T")

        entry = daemon.wait_event("worker log", message="hm")
        self.assertTrue(entry["job"])
        daemon.wait_event("control line refused", count=2)
        daemon.wait_counts(done=2)


class ExecOutcomes(ModeCase):
    def test_each_exit_code_has_its_outcome(self):
        daemon = self.program(sh('echo "last words" >&2; exit "$1"', "{args}"), max_attempts=2)

        for code in (1, 2, 75, 125):
            seen = daemon.mark()
            self.assertRegex(self.failed(daemon, code), rf"exit {code}: last words")
            self.assertRegex(daemon.wait_event("job failed", since=seen)["next"], "retry in")
        for code in (64, 65, 66, 76, 77):
            seen = daemon.mark()
            self.assertRegex(self.failed(daemon, code), rf"exit {code}: last words")
            self.assertEqual(daemon.wait_event("job failed", since=seen)["next"], "dead")
        for code in (128, 139, 255):
            seen = daemon.mark()
            self.assertRegex(self.failed(daemon, code), rf"exit {code}")
            daemon.wait_event("job lost", since=seen, count=2)
        self.assertIsNone(daemon.call("T", 0))
        counts = daemon.status()["counts"]
        self.assertEqual((counts["done"], counts["abort"], counts["dead"]), (1, 0, 12))
        self.assertEqual(daemon.find("worker start failed"), [])

    def test_false_fails_and_true_is_done(self):
        daemon = self.program(["{task}"], tasks=("true", "false"))

        self.assertIsNone(daemon.call("true"))
        self.assertIn("exit 1", self.failed(daemon, task="false"))

    def test_the_end_of_stderr_is_in_the_dead_letter(self):
        daemon = self.program(sh("echo first >&2; echo 'convert: no such file' >&2; exit 1"))
        job = daemon.enqueue("T")
        daemon.wait_counts(dead=1)

        shown = subprocess.run([harness.WORKMAN, "failed", "show", job, "-p", str(daemon.path)],
                               capture_output=True, text=True, env=daemon.environment,
                               timeout=harness.DEADLINE)

        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("exit_1", shown.stdout)
        self.assertIn("first", shown.stdout)
        self.assertTrue(daemon.wait_event("worker stderr", line="first")["job"])

    def test_a_signal_of_its_own_is_a_crash(self):
        daemon = self.program(sh("kill -SEGV $$$$"), max_attempts=2)

        self.assertIn("signal 11", self.failed(daemon))
        self.assertEqual(daemon.wait_counts(lost=2)["abort"], 0)

    def test_a_program_can_give_its_job_back(self):
        daemon = self.program(sh(
            'if [ -e "$1" ]; then echo "$WORKMAN_ATTEMPT"; else touch "$1"; exit 79; fi',
            "{args}"))

        self.assertEqual(daemon.call("T", str(daemon.folder / "mark")), 1)
        self.assertEqual(daemon.status()["counts"]["abort"], 1)

    def test_the_profile_may_give_exit_codes_another_meaning(self):
        daemon = self.program(sh('exit "$1"', "{args}"), max_attempts=2, options={
            "exit_codes": {"3": "permanent", "127": "retry", "4": "done", "0": "fail"}})

        self.assertIsNone(daemon.call("T", 4))
        for code, tries in ((3, 1), (127, 2), (0, 2)):
            seen = daemon.mark()
            self.failed(daemon, code)
            self.assertEqual(len(daemon.find("job failed", since=seen)), tries)
        self.assertNotEqual(daemon.status()["state"], "degraded")

    def test_a_job_that_does_not_fit_the_command_line_is_a_dead_letter(self):
        daemon = self.program(["echo", "{args.n}"], max_attempts=3)

        self.assertIn("{args.n}", self.failed(daemon, {"m": 1}))
        self.assertEqual(daemon.call("T", {"n": 5}), 5)
        self.assertEqual(daemon.status()["counts"]["dead"], 1)


class Profiles(harness.TestCase):
    def check(self, text):
        path = self.folder() / "p.yaml"
        path.write_text(text)
        result = subprocess.run([harness.WORKMAND, "--check", str(path)], capture_output=True,
                                text=True, timeout=harness.DEADLINE)
        return result.returncode, result.stdout + result.stderr

    def test_check_prints_a_ladder_of_the_mode(self):
        status, said = self.check("command: [cat]\nmode: exec\ntasks: {T: {}}\ntime_limit: 5s\n")

        self.assertEqual(status, 0, said)
        self.assertIn("5s  SIGTERM, the attempt counts", said)
        self.assertNotIn("SIGABRT", said)

    def test_check_names_what_a_mode_cannot_do_without(self):
        status, said = self.check("command: [no-such, '{nothing}']\nmode: exec\n"
                                  "lines: {stdbuf: true}\n")

        self.assertEqual(status, 2)
        for part in ("tasks: is missing", "'{nothing}' is no placeholder", "'no-such' not found",
                     "lines.stdbuf: belongs to mode lines"):
            self.assertIn(part, said)


if __name__ == "__main__":
    harness.main()
