"""Every violation of the line protocol (docs/protocol.md, "Violations") is forced once by a real
worker. Each test asserts four things: the counter in `workman status --json`, the quoted line in the
log, what became of the job, and what became of the worker. The daemon's close asserts a fifth: that
no process is left."""

import json
import pathlib
import subprocess
import unittest

import harness

DONE = '{"type":"done","id":"$ID","result":7}'
BAD = str(pathlib.Path(__file__).parent / "workers/bad.py")


def bad(*options):
    """The command of bad.py."""
    command = harness.worker(*options)
    return [BAD if part == harness.WORKER else part for part in command]


class Base(harness.TestCase):
    def counted(self, daemon, code, quote=None, count=1):
        """Waits for the counter; checks that the line is quoted, and cut."""
        daemon.wait_status(f"{code} in the status",
                           lambda status: status["violations"].get(code, 0) >= count)
        found = [event for event in daemon.events if event.get("code") == code]
        self.assertEqual((found[0]["worker"], bool(found[0]["why"])), ("t-1", True))
        if quote is not None:
            self.assertIn(quote, found[0]["line"])
            self.assertLessEqual(len(found[0]["line"].encode()), 200)
        return found[0]

    def raw(self, daemon, text, **more):
        return daemon.call("Raw", {"text": text, **more})

    def costs_an_attempt(self, daemon, task, args=None):
        result = daemon.call(task, {**(args or {}), "once": str(daemon.folder / "once")})
        self.assertEqual(result["attempt"], 2)

    def fails_for_good(self, daemon, task, args, because):
        client = daemon.wait(task, args).finish()
        self.assertEqual(client.returncode, 1)
        self.assertIn(because, client.stderr)
        self.assertEqual(len(daemon.records("job", task=task)), 1)
        self.assertEqual(daemon.status()["counts"]["dead"], 1)

    def lives(self, daemon):
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(len(daemon.find("worker spawned")), 1)
        self.assertEqual(daemon.find("worker stopping"), [])

    def aborted(self, daemon, why="broke the protocol"):
        self.assertIn(why, daemon.wait_event("worker signalled", signal="ABRT")["why"])
        daemon.wait_event("worker gone")
        self.assertEqual(daemon.call("Echo", 1), 1)

    def retired(self, daemon):
        daemon.wait_event("worker stopping", reason="retire")
        self.assertEqual(daemon.call("Echo", 1), 1)
        daemon.wait_event("worker ready", count=2)

    def never_started(self, code, quote, command, **profile):
        """A job that waits while no worker can start stays on the queue, untouched."""
        daemon = self.daemon(start=False, command=command, max_start_failures=1, **profile)
        daemon.enqueue("Echo", 1)
        daemon.start(wait="degraded")
        self.counted(daemon, code, quote)
        daemon.wait_event("worker start failed")
        status = daemon.status()
        self.assertEqual((status["queue"]["depth"], status["counts"]["taken"]), (1, 0))


class Starting(Base):
    def test_v01_a_worker_that_never_says_ready(self):
        self.never_started("V01", "banner 0", harness.worker("--ready=never", "--banner=1"),
                           start_timeout="500ms")

    def test_v02_a_bad_announcement(self):
        daemon = self.daemon(command=harness.worker("--tasks="), wait="degraded")

        self.counted(daemon, "V02", '{"type": "ready"')
        # As exit 78: nobody tries again before a reload.
        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_v03_a_worker_that_does_not_flush(self):
        self.never_started("V03", '"type": "ready"', harness.worker("--ready=unflushed"),
                           start_timeout="500ms")

    def test_v13_an_outcome_before_ready(self):
        self.never_started("V13", '{"type":"done","id":"AAAA', bad("--early-outcome"))

    def test_v20_a_concurrency_out_of_range_is_set_to_the_limit(self):
        daemon = self.daemon(command=harness.worker("--concurrency=5000"))

        self.counted(daemon, "V20", '{"type": "ready"')
        self.lives(daemon)


class Garbage(Base):
    def test_v04_garbage(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, "no \u001b[31mmessage\n", done="ok"), "ok")

        self.assertTrue(self.counted(daemon, "V04", "no \u001b[31mmessage")["job"])
        self.lives(daemon)

    def test_v04_garbage_where_that_is_forbidden(self):
        daemon = self.daemon(stdout_garbage="strict")

        self.costs_an_attempt(daemon, "Raw", {"text": "no message\n"})

        self.counted(daemon, "V04", "no message")
        self.aborted(daemon)

    def test_v05_garbage_that_begins_like_an_object(self):
        daemon = self.daemon()
        cases = ('{"type":tru}', '{"a":1,"a":2}', '{"type":"log","message":"\u00ff"}',
                 '{"type":"log"} more')

        self.assertEqual(self.raw(daemon, "".join(f"{line}\n" for line in cases), done="ok",
                                  latin1=True), "ok")

        self.counted(daemon, "V05", '{"type":tru}', count=len(cases))
        self.lives(daemon)

    def test_v06_a_message_over_max_line(self):
        daemon = self.daemon(max_line="64KiB")

        self.fails_for_good(daemon, "Raw", {"text": DONE.replace("7", '"$PAD"') + "\n",
                                            "pad": 200_000}, "max_line (65536 bytes)")

        self.counted(daemon, "V06", '{"type":"done","id":"')
        self.retired(daemon)

    def test_v18_a_flood_costs_the_worker_its_place_and_the_job_nothing(self):
        daemon = self.daemon(command=bad())

        self.assertEqual(daemon.call("Babble", {"bytes": 3 << 20, "line": 65536})["attempt"], 1)

        self.counted(daemon, "V18", "x" * 100)
        self.retired(daemon)

    def test_v18_a_flood_that_does_not_end_costs_the_job_an_attempt(self):
        daemon = self.daemon(command=bad())

        self.costs_an_attempt(daemon, "Babble", {"bytes": 0, "line": 65536})

        self.counted(daemon, "V18", "x" * 100, count=2)
        self.aborted(daemon)

    def test_v18_counts_a_line_that_never_ends(self):
        daemon = self.daemon(command=bad(), max_line="64KiB")

        self.assertEqual(daemon.call("Raw", {"text": f"$PAD\n{DONE}\n", "pad": 4 << 20}), 7)

        self.counted(daemon, "V18", "x" * 100)
        self.retired(daemon)


class Outcomes(Base):
    def test_v07_a_damaged_outcome(self):
        daemon = self.daemon()

        self.costs_an_attempt(daemon, "Raw", {"text": '{"type":"done","id":"$ID","resu\n'})

        self.counted(daemon, "V07", '","resu')
        self.aborted(daemon)

    def test_v07_at_the_end_of_the_stream(self):
        daemon = self.daemon()

        self.costs_an_attempt(daemon, "Raw", {"text": '{"type":"done","id":"$ID","re', "exit": 0})

        self.counted(daemon, "V07", '","re')
        daemon.wait_event("worker gone", status="exit 0")

    def test_v08_an_outcome_with_bad_members(self):
        daemon = self.daemon()

        self.costs_an_attempt(daemon, "Raw", {"text": '{"type":"fail","id":"$ID"}\n'})

        self.counted(daemon, "V08", '{"type":"fail","id":"')
        self.aborted(daemon)

    def test_v08_any_other_message_with_bad_members(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"progress","id":"$ID","done":"x"}\n',
                                  done="ok"), "ok")

        self.counted(daemon, "V08", '"done":"x"}')
        self.lives(daemon)

    def test_v08_tells_the_job_why(self):
        daemon = self.daemon(max_attempts=1)

        self.fails_for_good(daemon, "Raw", {"text": '{"type":"fail","id":"$ID"}\n'}, "V08")

        letters = subprocess.run(
            [harness.WORKMAN, "failed", "list", "--json", "-p", str(daemon.path)],
            capture_output=True, text=True, env=daemon.environment, timeout=harness.DEADLINE)
        self.assertIn("protocol_error", letters.stdout)

    def test_v09_a_second_outcome(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"{DONE}\n{DONE.replace('7', '8')}\n"), 7)

        self.counted(daemon, "V09", '"result":8}')
        self.lives(daemon)

    def test_v09_a_message_about_somebody_elses_job(self):
        daemon = self.daemon()
        others = [f'{{"type":"{kind}","id":"{"A" * 16}"{more}}}' for kind, more in (
            ("done", ""), ("progress", ',"done":1'), ("data", ',"data":1'), ("heartbeat", ""))]

        self.assertEqual(self.raw(daemon, "".join(f"{line}\n" for line in others), done="ok"),
                         "ok")

        self.counted(daemon, "V09", "AAAA", count=4)
        self.lives(daemon)

    def test_v10_an_outcome_without_an_id(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"done","result":1}\n', done="ok"), "ok")

        self.counted(daemon, "V10", '{"type":"done","result":1}')
        self.lives(daemon)

    def test_v12_a_second_ready(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"ready","tasks":["X"]}\n', done="ok"), "ok")

        self.counted(daemon, "V12", '"tasks":["X"]')
        self.lives(daemon)

    def test_scored_ones_retire_a_worker_in_the_end(self):
        daemon = self.daemon(max_violations=3)

        self.assertEqual(self.raw(daemon, '{"type":"done","result":1}\n' * 5, done="ok"), "ok")

        self.counted(daemon, "V10", count=5)
        self.retired(daemon)


class Features(Base):
    def test_v15_a_feature_that_was_not_offered(self):
        daemon = self.daemon()

        self.fails_for_good(daemon, "Raw", {"text": '{"type":"done","id":"$ID",'
                                                    '"result_file":"/tmp/x"}\n'}, "result_file")

        self.counted(daemon, "V15", '"result_file":"/tmp/x"')
        self.lives(daemon)

    def test_v15_with_a_ref_is_answered(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"enqueue","task":"Echo","ref":"r9",'
                                          '"args_file":"/tmp/x"}\n', done="ok"), "ok")

        self.counted(daemon, "V15", '"args_file":"/tmp/x"')
        self.assertIs(daemon.wait_record("reply", id="r9")["ok"], False)
        self.lives(daemon)

    def test_v16_a_follow_up_that_the_queue_refuses(self):
        daemon = self.daemon()
        text = DONE.replace("}", ',"enqueue":[{"task":"*"}]}') + "\n"

        self.costs_an_attempt(daemon, "Raw", {"text": text})

        self.counted(daemon, "V16")
        self.assertEqual(daemon.records("job", task="*"), [])
        self.lives(daemon)

    def test_v16_with_a_ref_is_answered(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"enqueue","task":"*","ref":"r9"}\n',
                                  done="ok"), "ok")

        self.counted(daemon, "V16", '"ref":"r9"')
        self.assertIs(daemon.wait_record("reply", id="r9")["ok"], False)
        self.lives(daemon)

    def test_v17_is_v15_as_long_as_no_files_are_offered(self):
        daemon = self.daemon()
        self.fails_for_good(daemon, "Raw", {"text": '{"type":"done","id":"$ID",'
                                                    '"result_file":"../../etc/passwd"}\n'},
                            "not offered")

        self.counted(daemon, "V15", "../../etc/passwd")
        self.assertNotIn("V17", daemon.status()["violations"])
        self.lives(daemon)


class Pipes(Base):
    def test_v11_a_worker_that_closes_its_stdout(self):
        daemon = self.daemon(exit_grace="300ms", abort_timeout="5s")

        self.costs_an_attempt(daemon, "CloseStdout")

        self.counted(daemon, "V11")
        self.aborted(daemon, "stdout")

    def test_v14_exit_0_in_the_middle_of_a_job(self):
        daemon = self.daemon()

        self.costs_an_attempt(daemon, "Exit", {"code": 0})

        self.assertTrue(self.counted(daemon, "V14")["job"])
        daemon.wait_event("worker gone", status="exit 0")
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_v19_a_worker_that_ignores_the_end_of_its_input(self):
        daemon = self.daemon(command=harness.worker("--ignore-eof"), exit_grace="300ms")

        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.counted(daemon, "V19")
        self.aborted(daemon, "did not exit")
        self.assertEqual(daemon.status()["counts"]["lost"], 0)

    def test_v21_a_worker_that_does_not_read(self):
        deaf = self.folder() / "deaf"
        daemon = self.daemon(write_timeout="500ms",
                             command=harness.worker(f"--deaf-once={deaf}"))

        result = daemon.workman("enqueue", "--wait", "Whole", "-",
                                stdin=json.dumps({"big": "x" * 2_000_000}))

        self.assertEqual(json.loads(result.stdout)["attempt"], 1)
        self.counted(daemon, "V21")
        self.aborted(daemon, "does not read")


class Complete(unittest.TestCase):
    def test_every_code_has_its_test(self):
        tests = [name for case in (Starting, Garbage, Outcomes, Features, Pipes)
                 for name in dir(case) if name.startswith("test_v")]
        self.assertEqual({name[5:8] for name in tests}, {f"v{n:02}" for n in range(1, 22)})


if __name__ == "__main__":
    harness.main()
