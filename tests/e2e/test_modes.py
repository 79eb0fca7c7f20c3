"""Modes exec and lines: real programs that know nothing of us, as workers."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import unittest

import harness

PYTHON = [sys.executable, "-S", "-E"]
STDBUF = any(pathlib.Path("/usr").glob("lib*/**/coreutils/libstdbuf.so"))


def sh(script, *arguments):
    return ["sh", "-c", script, "sh", *arguments]


class ModeCase(harness.TestCase):
    mode = "exec"

    def program(self, command, start=True, options=None, tasks=("T",), **profile):
        """A daemon of this mode that runs `command`; `options` is the mode's own block."""
        profile.setdefault("max_attempts", 1)
        if options:
            profile[self.mode] = options
        return self.daemon(start=start, command=command, mode=self.mode,
                           tasks={task: {} for task in tasks}, **profile)

    def waited(self, daemon, payload, task="T", *options):
        """Enqueues bytes as they are, waits; the result's bytes without the line feed at the end."""
        result = subprocess.run(daemon.command("enqueue", "--wait", *options, task, "-"),
                                input=payload, capture_output=True, env=daemon.environment,
                                timeout=harness.DEADLINE * 2)
        self.assertEqual(result.returncode, 0, result.stderr.decode() + daemon.tail())
        self.assertEqual(result.stdout[-1:], b"\n")
        return result.stdout[:-1]

    def failed(self, daemon, args=None, task="T"):
        """The error sentence of a job that fails."""
        result = daemon.wait(task, args).finish()
        self.assertEqual(result.returncode, 1, result.stdout + daemon.tail())
        return result.stderr

    def dead(self, daemon):
        """The errors of the dead letters, as objects."""
        result = daemon.workman("failed", "list")
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout


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
        data = bytes(range(256)) * 300 + b"\n"
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

        self.assertEqual(daemon.call("T", "x" * 500_000), "done")

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
               printf '%s' '{"type":"enqueue","task":"U","args":{"n":7}}' >&3
               echo '"T"'"""), tasks=("T", "U"))
        daemon.profile["tasks"] = {"T": {}, "U": {}}

        # The job that it puts is of a task whose program would put it again; one is enough.
        self.assertEqual(daemon.call("T"), "T")

        entry = daemon.wait_event("worker log", message="hm")
        self.assertTrue(entry["job"])
        daemon.wait_event("control line refused", count=2)
        daemon.wait_counts(taken=2)

    def test_as_many_programs_run_as_there_are_workers(self):
        daemon = self.program(["sleep", "{args}"], max_workers=3)
        clients = [daemon.wait("T", "600") for _ in range(5)]

        daemon.wait_event("program started", count=3)
        status = daemon.wait_status("three busy", lambda s: sum(
            one["state"] == "busy" for one in s["workers"]) == 3)

        self.assertEqual(len(harness.processes(daemon.tag)), 3)
        self.assertEqual(len(status["workers"]), 3)
        self.assertEqual(len(daemon.find("program started")), 3)
        for client in clients:
            client.kill()
        daemon.signal(signal.SIGQUIT)
        self.assertEqual(daemon.wait_exit(), 0)


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

        shown = daemon.workman("failed", "show", job)

        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("exit_1", shown.stdout)
        self.assertIn("first", shown.stdout)
        self.assertTrue(daemon.wait_event("worker stderr", line="first")["job"])

    def test_a_signal_of_its_own_is_a_crash(self):
        daemon = self.program(sh("kill -SEGV $$"), max_attempts=2)

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
            daemon.wait_event("job failed", since=seen, count=tries, next="dead" if tries == 1
                              else None) if tries == 1 else daemon.wait_event(
                                  "job failed", since=seen, count=tries)
        self.assertNotEqual(daemon.status()["state"], "degraded")

    def test_what_cannot_be_run_holds_the_pool_and_costs_the_job_nothing(self):
        for code in (78, 126, 127):
            daemon = self.program(sh('[ -e ok ] && exec echo 1; exit "$0"'), start=False)
            daemon.write_profile(command=["sh", "-c", f"[ -e ok ] && exec echo 1; exit {code}"],
                                 max_workers=3)
            daemon.start()
            client = daemon.wait("T")

            self.assertIn("exit", daemon.wait_event("degraded")["why"])
            status = daemon.wait_status("nobody at work", lambda s: s["queue"]["held"] == 0)
            self.assertEqual(status["state"], "degraded")
            self.assertEqual((status["counts"]["fail"], status["counts"]["lost"]), (0, 0))
            (daemon.folder / "ok").touch()
            self.assertEqual(daemon.workman("reload").returncode, 0)
            self.assertEqual(client.finish().stdout, "1\n", daemon.tail())

    def test_a_program_that_went_missing_holds_the_pool(self):
        folder = self.folder()
        script = folder / "work"
        script.write_text("#!/bin/sh\necho $WORKMAN_ATTEMPT\n")
        script.chmod(0o755)
        daemon = self.program(["./work"], folder=folder)
        script.rename(folder / "gone")
        client = daemon.wait("T")

        self.assertIn("No such file", daemon.wait_event("degraded")["why"])
        daemon.wait_event("job aborted")
        (folder / "gone").rename(script)
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(client.finish().stdout, "1\n", daemon.tail())

    def test_a_job_that_does_not_fit_the_command_line_is_a_dead_letter(self):
        daemon = self.program(["echo", "{args.n}"], max_attempts=3)

        self.assertIn("{args.n}", self.failed(daemon, {"m": 1}))
        self.assertEqual(daemon.call("T", {"n": 5}), 5)
        self.assertEqual(daemon.status()["counts"]["dead"], 1)


class ExecStops(ModeCase):
    def running(self, command, **profile):
        """A daemon in the middle of a job, and who waits for that."""
        daemon = self.program(command, **profile)
        client = daemon.wait("T", str(daemon.folder / "go"))
        daemon.wait_event("program started")
        return daemon, client

    # Ends when the file that is its argument is there.
    WAITS = sh('while [ ! -e "$1" ]; do sleep 0.05; done; echo \'"late"\'', "{args}")

    def test_term_waits_for_the_program(self):
        daemon, client = self.running(self.WAITS)

        daemon.signal(signal.SIGTERM)
        daemon.wait_event("worker stopping")
        (daemon.folder / "go").touch()

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(daemon.find("stopped")[0]["done"], 1)
        self.assertEqual(daemon.find("worker signalled"), [])
        client.kill()

    def test_after_the_graceful_time_out_comes_abort_signal_and_the_job_goes_back(self):
        daemon, client = self.running(["sleep", "600"], graceful_shutdown_timeout="100ms")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")], ["TERM"])
        self.assertEqual(daemon.find("job aborted")[0]["next"], "back on the queue")
        client.kill()

    def test_a_program_that_ends_well_after_our_signal_is_not_believed(self):
        daemon, client = self.running(
            sh('trap "exit 0" INT; touch "$1.up"; while :; do sleep 0.05; done', "{args}"),
            graceful_shutdown_timeout="100ms", options={"abort_signal": "INT"})
        harness.poll("the trap", (daemon.folder / "go.up").exists)

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")], ["INT"])
        self.assertEqual((daemon.find("stopped")[0]["done"], daemon.find("stopped")[0]["abort"]),
                         (0, 1))
        client.kill()

    def test_a_program_deaf_to_it_is_killed_with_its_children(self):
        daemon, client = self.running(
            sh('trap "" TERM; sleep 600 & touch "$1.up"; while :; do sleep 1; done', "{args}"),
            graceful_shutdown_timeout="100ms", abort_timeout="200ms")
        harness.poll("the trap", (daemon.folder / "go.up").exists)

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")],
                         ["TERM", "KILL"])
        client.kill()

    def test_a_time_limit_is_an_attempt(self):
        daemon = self.program(["sleep", "600"], time_limit="200ms", max_attempts=2)

        self.assertIn("longer than its time limit", self.failed(daemon))
        self.assertEqual(daemon.wait_counts(timeout=2)["dead"], 1)

    def test_a_grandchild_that_holds_stdout_costs_a_second_and_is_killed(self):
        daemon = self.program(sh('sleep 600 & echo \'"here"\''))

        self.assertEqual(daemon.call("T"), "here")
        harness.poll("no process", lambda: not harness.processes(daemon.tag))

    def test_a_reload_waits_for_what_runs_and_new_jobs_get_the_new_command(self):
        daemon, client = self.running(self.WAITS)

        daemon.write_profile(command=["echo", '"new"'])
        result = daemon.workman("reload")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(daemon.call("T", 1), "new")
        (daemon.folder / "go").touch()

        self.assertEqual(client.finish().stdout, '"late"\n')
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_a_reload_may_change_the_mode(self):
        daemon = self.program(["echo", '"exec"'])
        self.assertEqual(daemon.call("T"), "exec")

        daemon.write_profile(mode="lines", command=["cat"])
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(daemon.call("T", "lines"), "lines")
        daemon.write_profile(mode=None, command=harness.worker(), tasks=None)
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(daemon.call("Echo", "protocol"), "protocol")

    def test_no_program_stays_when_workmand_is_killed(self):
        daemon, client = self.running(["sleep", "600"])

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        daemon.wait_no_process()
        client.kill()


class Filters(ModeCase):
    mode = "lines"

    def check(self, command, payload, result, **profile):
        daemon = self.program(command, **profile)
        for _ in range(3):
            self.assertEqual(self.waited(daemon, payload), result)
        self.assertEqual(len(daemon.find("worker spawned")), 1)
        return daemon

    def test_cat(self):
        self.check(["cat"], b'{\n "z": 12345678901234567890123,\n "a":1.10}',
                   b'{ "z": 12345678901234567890123, "a":1.10}')

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_jq(self):
        self.check(["jq", "-c", "--unbuffered", "{sum: (.a + .b)}"], b'{"a":1,"b":2}', b'{"sum":3}')

    def test_awk(self):
        self.check(["awk", "{ print toupper($0); fflush() }"], b"some text", b"SOME TEXT",
                   payload="text", options={"result": "text"})

    def test_sed(self):
        self.check(["sed", "-u", "s/a/b/g"], b"banana", b"bbnbnb", payload="text",
                   options={"result": "text"})

    @unittest.skipUnless(STDBUF, "coreutils has no libstdbuf.so here")
    def test_stdbuf_makes_a_filter_answer_at_once(self):
        self.check(["sed", "s/a/b/g"], b"banana", b"bbnbnb", payload="text",
                   options={"result": "text", "stdbuf": True})

    def test_a_shell_loop(self):
        self.check(sh('while IFS= read -r line; do echo "[$line,$line]"; done'), b"7", b"[7,7]")

    def test_bytes_in_netstrings_and_behind_their_length(self):
        data = bytes(range(256)) + b"\n12:x,"
        echo = ("import struct, sys\n"
                "i, o = sys.stdin.buffer, sys.stdout.buffer\n"
                "while True:\n"
                " if sys.argv[1] == 'u32be':\n"
                "  h = i.read(4)\n"
                "  if not h: break\n"
                "  b = i.read(struct.unpack('>I', h)[0]); o.write(struct.pack('>I', len(b)) + b)\n"
                " else:\n"
                "  n = b''\n"
                "  while not n.endswith(b':'):\n"
                "   c = i.read(1)\n"
                "   if not c: sys.exit()\n"
                "   n += c\n"
                "  b = i.read(int(n[:-1])); i.read(1); o.write(b'%d:%s,' % (len(b), b))\n"
                " o.flush()\n")
        for framing in ("netstring", "u32be"):
            self.check([*PYTHON, "-c", echo, framing], data, data, payload="base64",
                       options={"result": "text", "framing": framing})

    def test_a_payload_with_a_line_feed_is_no_line(self):
        daemon = self.program(["cat"], payload="text", max_attempts=3, options={"result": "text"})

        result = daemon.workman("enqueue", "--wait", "T", "-", stdin="two\nlines")

        self.assertEqual(result.returncode, 1)
        self.assertIn("line feed", result.stderr)
        self.assertEqual(self.waited(daemon, b"one"), b"one")
        self.assertEqual(daemon.status()["counts"]["dead"], 1)

    def test_an_answer_can_be_an_error(self):
        daemon = self.program(["cat"], options={"error_match": '^"ERR ', "error_key": "error"})

        self.assertIn("ERR full", self.failed(daemon, "ERR full"))
        self.assertIn("too big", self.failed(daemon, {"error": "too big"}))
        self.assertEqual(daemon.call("T", {"error": None}), {"error": None})
        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_an_answer_that_is_no_json_fails_its_job_and_nothing_else(self):
        daemon = self.program(["sed", "-u", "s/^1$/what/"])

        self.assertIn("not one JSON value", self.failed(daemon, 1))
        self.assertEqual(daemon.call("T", 2), 2)
        self.assertEqual(len(daemon.find("worker spawned")), 1)


class FilterTroubles(ModeCase):
    mode = "lines"

    def test_a_buffer_is_named_when_the_time_is_over(self):
        daemon = self.program(["sed", "s/a/b/"], time_limit="300ms")

        self.assertIn("keeps its output in a buffer", self.failed(daemon, "a"))
        self.assertIn("stdbuf", daemon.find("job timeout")[0]["error"])
        self.assertEqual(daemon.find("worker signalled"), [])
        self.assertEqual(daemon.status()["counts"]["timeout"], 1)

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_a_filter_that_leaves_lines_out_is_named_too(self):
        daemon = self.program(["jq", "-c", "--unbuffered", "select(.a)"], time_limit="300ms")

        self.assertIn("ended without an answer", self.failed(daemon, {"b": 1}))
        self.assertEqual(daemon.call("T", {"a": 1}), {"a": 1})

    def test_a_slow_filter_is_ended_so_that_its_answer_meets_no_other_job(self):
        daemon = self.program(sh('trap "" ABRT; while IFS= read -r l; do case $l in '
                                 '1) sleep 600;; esac; echo "$l"; done'),
                              time_limit="300ms", abort_timeout="200ms")
        self.assertEqual(daemon.call("T", 7), 7)

        self.assertIn("time limit", self.failed(daemon, 1))
        self.assertEqual(daemon.call("T", 2), 2)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")],
                         ["ABRT", "KILL"])

    def test_a_second_line_is_out_of_step_and_replaces_the_filter(self):
        daemon = self.program(sh('while IFS= read -r l; do echo "$l"; case $l in '
                                 '1) echo more;; esac; done'))

        self.assertEqual(daemon.call("T", 1), 1)
        self.assertEqual(daemon.wait_event("violation")["code"], "V22")
        daemon.wait_event("worker gone")
        self.assertEqual(daemon.call("T", 2), 2)

        self.assertEqual(daemon.status()["counts"]["lost"], 0)

    def test_a_filter_that_ends_in_the_middle_loses_its_job(self):
        daemon = self.program(sh('while IFS= read -r l; do echo oops >&2; '
                                 'case $l in 1) printf half; exit 3;; esac; echo "$l"; done'))

        self.assertIn("exit 3", self.failed(daemon, 1))
        self.assertEqual(daemon.call("T", 2), 2)
        self.assertEqual(daemon.status()["counts"]["lost"], 1)

    def test_output_without_the_framing_is_out_of_step(self):
        daemon = self.program(["cat"], options={"framing": "u32be", "result": "text"},
                              payload="text")
        self.assertEqual(self.waited(daemon, b"good"), b"good")

        daemon.write_profile(lines={"framing": "netstring", "result": "text"},
                             command=["tr", ",", ";"], time_limit="20s")
        self.assertEqual(daemon.workman("reload").returncode, 0)
        result = daemon.workman("enqueue", "--wait", "T", "-", stdin="bad")

        self.assertEqual(result.returncode, 1)

    def test_an_answer_longer_than_max_line_fails_for_good(self):
        daemon = self.program(sh('while IFS= read -r l; do case $l in '
                                 '1) head -c 200000 /dev/zero | tr "\\0" x;; esac; echo "$l"; done'),
                              max_line="64KiB", max_attempts=3)

        self.assertIn("max_line", self.failed(daemon, 1))
        self.assertEqual(daemon.call("T", 2), 2)
        self.assertEqual(daemon.status()["counts"]["dead"], 1)

    def test_a_filter_that_cannot_start_counts_as_a_start_failure(self):
        folder = self.folder()
        script = folder / "filter"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        daemon = self.program(["./filter"], folder=folder, wait="degraded", max_start_failures=2)
        client = daemon.wait("T", 1)

        self.assertIn("No such file", daemon.find("worker start failed")[0]["why"])
        self.assertEqual(daemon.status()["counts"]["taken"], 0)
        script.write_text("#!/bin/sh\nexec cat\n")
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(client.finish().stdout, "1\n")

    def test_a_stop_waits_for_the_answer_and_ends_the_input(self):
        daemon = self.program(sh('while IFS= read -r l; do while [ ! -e go ]; do sleep 0.05; done; '
                                 'echo "$l"; done; touch ended'))
        client = daemon.wait("T", 5)
        daemon.wait_status("busy", lambda s: s["workers"][0]["state"] == "busy")

        daemon.signal(signal.SIGTERM)
        daemon.wait_event("worker stopping")
        (daemon.folder / "go").touch()

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(daemon.find("stopped")[0]["done"], 1)
        self.assertTrue((daemon.folder / "ended").exists())
        client.kill()

    def test_no_filter_stays_when_workmand_is_killed(self):
        daemon = self.program(sh("sleep 600; cat"), max_workers=2)
        daemon.wait_event("worker ready", count=2)

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        daemon.wait_no_process()


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
