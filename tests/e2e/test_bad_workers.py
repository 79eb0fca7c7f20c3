"""The bad workers that the daemon has to live with, one case each, by name. Every case asserts what
became of the job, whether that was an attempt, that the next job is done, and (when the daemon is
closed) that no process is left.

Most cases are in the tables below. These have a test of their own elsewhere:

  silent                      test_violations v01, test_lifecycle Starting
  unflushed ready             test_violations v03, test_lifecycle Starting
  logger's objects            test_protocol Pollution
  glued outcome               test_protocol Pollution (salvage)
  CRLF, byte order mark       test_protocol Pollution
  duplicate done              test_violations v09
  done for somebody else      test_violations v09
  done without id             test_violations v10
  outcome before ready        test_violations v13
  never reads stdin           test_violations v21, test_protocol Pipes
  closes stdout               test_violations v11, test_protocol Pipes
  closes stdin                test_protocol Pipes
  ignores EOF                 test_violations v19
  ignores TERM                test_stop Ladder (an idle worker that ignores all of it)
  refused enqueue in done     test_violations v16
  wedged while idle           test_channel Pings
  exit 127, no such command   test_lifecycle Crashes
  pretty-printed payload      test_basics Results (arguments ... may be pretty printed)
  23-digit integer            test_basics Results (digits and key order survive)
"""

import json
import pathlib

import harness

DONE = '{"type":"done","id":"$ID","result":7}'
BAD = str(pathlib.Path(__file__).parent / "workers/bad.py")
DEEP = 511  # levels of a result, the message itself being the 512th


def bad(*options):
    command = harness.worker(*options)
    return [BAD if part == harness.WORKER else part for part in command]


def raw(text, **more):
    return "Raw", {"text": text, **more}


def nested(levels):
    return DONE.replace("7", "[" * levels + "]" * levels) + "\n"


# The job goes on; nothing is counted against it.
HARMLESS = {
    "dots before an outcome": raw(f"....{DONE}\n"),
    "a progress bar with carriage returns": raw(f"1%\r2%\r100%\r\n{DONE}\n"),
    "empty lines and blanks": raw(f"\n \t\n\r\n{DONE}\n"),
    "objects of a logger": raw(f'{{"level":"info","msg":"hi"}}\n{{"type":7}}\n[1]\n{DONE}\n'),
    "types of a later version": raw(f'{{"type":"x-new","id":"$ID"}}\n{DONE}\n'),
    "an outcome in CRLF": raw(f"{DONE}\r\n"),
    "an outcome with spaces and other members first": raw(
        ' { "result" : 7 , "x_more" : [1] , "id" : "$ID" , "type" : "done" } \n'),
    "an escaped type": raw(DONE.replace('"done"', '"d\\u006fne"') + "\n"),
    "a whole outcome without a line feed, then exit 0": raw(DONE, exit=0),
    "an outcome, then a crash": raw(f"{DONE}\n", signal=11),
    "an outcome, then exit 3": raw(f"{DONE}\n", exit=3),
    "an outcome, then more garbage than a pipe holds": raw(f"{DONE}\n$PAD\n", pad=300_000),
    "17 MiB without a line feed before the outcome": raw(f"$PAD\n{DONE}\n", pad=17 << 20),
    "a result of 511 levels": raw(nested(DEEP)),
    "a lone surrogate in an escape": raw(DONE.replace("7", '"\\ud800"') + "\n"),
    "as much on stderr as can be written": ("Flood", {"bytes": 20_000_000}),
    "bytes on stderr that are no text": raw(f"{DONE}\n", stderr="\u0000\u00ff \u001b[31m"),
    "a grandchild that holds stdout": ("Grandchild", {"s": 600}),
}

# The worker goes, and the attempt counts: the second one, on another worker, is done.
COUNTED = {
    "half an outcome, then exit 0": raw('{"type":"done","id":"$ID","result":1', exit=0),
    "half an outcome, then a crash": raw('{"type":"done","id":"$ID",', signal=11),
    "exit 0 without a word": ("Exit", {"code": 0}),
    "exit 3": ("Exit", {"code": 3}),
    "a crash": ("Exit", {"signal": 11}),
    "a SIGKILL from elsewhere, as of the OOM killer": ("Exit", {"signal": 9}),
    "an abort() of its own": ("Exit", {"signal": 6}),
    "a result that is not UTF-8": raw(DONE.replace("7", '"\u00ff"') + "\n", latin1=True),
    "an outcome in UTF-16": raw("".join(f"{c}\0" for c in DONE.replace("$ID", "\0"))
                                + '$ID"done" {"type":"done"\n'),
    "NaN as result": raw(DONE.replace("7", "NaN") + "\n"),
    "a result of 512 levels": raw(nested(DEEP + 1)),
    "a member twice in an outcome": raw(DONE.replace("}", ',"id":"$ID"}') + "\n"),
    "an outcome of a known type with bad members": raw('{"type":"fail","id":"$ID"}\n'),
    "a result in two forms": raw(DONE.replace("}", ',"result_b64":"AA=="}') + "\n"),
    "a result in bad base64": raw('{"type":"done","id":"$ID","result_b64":"?"}\n'),
    "a follow-up job that is none": raw(DONE.replace("}", ',"enqueue":[7]}') + "\n"),
    "stdout closed": ("CloseStdout", {}),
    "a grandchild that holds stdout, and an exit": ("Grandchild", {"exit": True, "s": 600}),
}

# The worker cannot start; the job is never taken. What the log says of why.
NO_START = {
    "exit 78": (harness.worker("--exit=78"), "exit 78"),
    "exit 127": (harness.worker("--exit=127"), "exit 127"),
    "a banner of 2,000 lines": (harness.worker("--banner=2000"), "more than 1000 lines"),
    "a banner of many mebibytes": (["sh", "-c", "head -c 40000000 /dev/zero; exec sleep 600"],
                                   "floods its stdout"),
    "UTF-16": (bad("--utf16"), "was not ready in time"),
    "a process that forks, and its parent exits": (bad("--fork"), "exit 0"),
    "an announcement without tasks": (harness.worker("--tasks="), "its ready is invalid"),
}


class Tables(harness.TestCase):
    def test_harmless(self):
        daemon = self.daemon(kill_group=True)
        for number, (name, (task, args)) in enumerate(HARMLESS.items()):
            with self.subTest(name):
                before = len(daemon.records("job"))
                result = daemon.workman("enqueue", "--wait", task, "-", stdin=json.dumps(args))
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(daemon.call("Echo", number), number)
                self.assertEqual([job["attempt"] for job in daemon.records("job")[before:]], [1, 1])
        counts = daemon.status()["counts"]
        self.assertEqual((counts["lost"], counts["fail"], counts["dead"]), (0, 0, 0))

    def test_counted(self):
        daemon = self.daemon(kill_group=True, exit_grace="300ms")
        for number, (name, (task, args)) in enumerate(COUNTED.items()):
            with self.subTest(name):
                before = len(daemon.records("job"))
                once = str(daemon.folder / f"once{number}")
                self.assertEqual(daemon.call(task, {**args, "once": once})["attempt"], 2)
                jobs = daemon.records("job")[before:]
                self.assertEqual([job["attempt"] for job in jobs], [1, 2])
                self.assertNotEqual(jobs[0]["pid"], jobs[1]["pid"])
        self.assertEqual(daemon.status()["counts"]["lost"], len(COUNTED))
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_no_start(self):
        for name, (command, why) in NO_START.items():
            with self.subTest(name):
                # Short only where it is waited for: a slow machine must not be taken for silence.
                patience = "1s" if name == "UTF-16" else "30s"
                daemon = self.daemon(start=False, command=command, max_start_failures=1,
                                     start_timeout=patience)
                daemon.enqueue("Echo", 1)
                daemon.start(wait="degraded")
                self.assertIn(why, daemon.wait_event("worker start failed")["why"])
                status = daemon.status()
                self.assertEqual((status["queue"]["depth"], status["counts"]["taken"]), (1, 0))
                self.assertEqual(daemon.stop(), 0)


class Others(harness.TestCase):
    def test_ready_long_after_the_start_but_in_time(self):
        daemon = self.daemon(command=harness.worker("--ready-late=2"), start_timeout="20s")

        self.assertEqual(daemon.call("Whole")["attempt"], 1)

        self.assertEqual(daemon.find("worker start failed"), [])

    def test_exit_75_is_not_now_and_is_tried_again(self):
        once = self.folder() / "once"
        daemon = self.daemon(command=harness.worker(f"--exit-once={once}", "--exit=75"),
                             max_start_failures=1)

        self.assertEqual(daemon.call("Whole")["attempt"], 1)

        self.assertEqual(len(daemon.find("worker spawned")), 2)
        self.assertEqual(daemon.find("degraded"), [])

    def test_a_result_of_17_mebibytes_fails_for_good(self):
        daemon = self.daemon()

        failed = daemon.wait(*raw(DONE.replace("7", '"$PAD"') + "\n", pad=17 << 20)).finish()

        self.assertEqual(failed.returncode, 1)
        self.assertIn("max_line (16777216 bytes)", failed.stderr)
        self.assertEqual([job["attempt"] for job in daemon.records("job", task="Raw")], [1])
        daemon.wait_event("worker stopping", reason="retire")
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_arguments_of_511_levels_are_the_deepest(self):
        daemon = self.daemon(command=harness.mini())

        results = [daemon.workman("enqueue", "--wait", "Mini", "-",
                                  stdin="[" * levels + "]" * levels).returncode
                   for levels in (DEEP, DEEP + 1)]

        self.assertEqual(results[0], 0)
        self.assertNotEqual(results[1], 0)
        self.assertEqual(daemon.status()["counts"]["done"], 1)
        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_a_worker_that_ignores_abrt_is_killed_and_the_job_is_not_blamed(self):
        daemon = self.daemon(command=bad(), graceful_restart_timeout="200ms",
                             abort_timeout="300ms")
        gate = daemon.folder / "gate"
        client = daemon.wait("Stubborn", {"gate": str(gate)})
        daemon.wait_record("stubborn")

        daemon.workman("reload")
        daemon.wait_event("worker signalled", signal="KILL")
        gate.touch()

        self.assertEqual(client.finish().returncode, 0)
        self.assertEqual([job["attempt"] for job in daemon.records("job")], [1, 1])

    def test_a_worker_that_ignores_the_end_of_input_hurts_no_job(self):
        daemon = self.daemon(command=harness.worker("--ignore-eof", "--term=ignore", "--abrt=ignore"),
                             exit_grace="200ms", abort_timeout="300ms")
        self.assertEqual(daemon.call("Echo", 1), 1)

        self.assertEqual(daemon.workman("reload").returncode, 0)

        daemon.wait_event("worker signalled", signal="KILL")
        self.assertEqual(daemon.call("Whole")["attempt"], 1)
        self.assertEqual(daemon.status()["counts"]["lost"], 0)


if __name__ == "__main__":
    harness.main()
