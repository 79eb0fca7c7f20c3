"""Mode lines: real filters answer line by line, and what becomes of those that do not."""

import shutil
import signal
import unittest

import harness
from programs import PYTHON, STDBUF, ModeCase, sh


class Filters(ModeCase):
    mode = "lines"

    def check(self, command, job, result, **profile):
        daemon = self.program(command, **profile)
        for _ in range(3):
            self.assertEqual(self.waited(daemon, job), result)
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
        self.assertEqual(daemon.status()["counts"]["timeout"], 1)

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_a_filter_that_leaves_lines_out_is_named_too(self):
        daemon = self.program(["jq", "-c", "--unbuffered", "select(.a)"], time_limit="3s")

        self.assertIn("ended without an answer", self.failed(daemon, {"b": 1}))
        self.assertEqual(daemon.call("T", {"a": 1}), {"a": 1})

    def test_a_slow_filter_is_ended_so_that_its_answer_meets_no_other_job(self):
        daemon = self.program(sh('trap "" ABRT; while IFS= read -r l; do case $l in '
                                 '1) sleep 600;; esac; echo "$l"; done'),
                              time_limit="3s", abort_timeout="200ms")
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
        daemon = self.program(
            [*PYTHON, "-c", "import sys; i = sys.stdin.buffer; i.read(1); "
             "print('what', flush=True); i.read()"], options={"framing": "netstring"})

        self.failed(daemon, 1)

        self.assertEqual(daemon.wait_event("violation")["code"], "V23")
        self.assertEqual(daemon.status()["counts"]["lost"], 1)

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
        daemon = self.program(["sleep", "600"], max_workers=2)
        daemon.wait_event("worker ready", count=2)

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        daemon.wait_no_process()


if __name__ == "__main__":
    harness.main()
