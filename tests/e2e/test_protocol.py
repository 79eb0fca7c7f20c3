"""Workers that bend or break the line protocol. The task Raw writes any bytes in the middle of a
job; $ID stands for the id of the delivery."""

import json

import harness

DONE = '{"type":"done","id":"$ID","result":7}'


class Base(harness.TestCase):
    def raw(self, daemon, text, **more):
        return daemon.call("Raw", {"text": text, **more})

    def again(self, daemon, text, **more):
        """What a misbehaviour that costs the job its first attempt leads to."""
        result = self.raw(daemon, text, once=str(daemon.folder / "once"), **more)
        self.assertEqual(result["attempt"], 2)
        return result

    def codes(self, daemon):
        return [event["code"] for event in daemon.find("violation")]


class Pollution(Base):
    def test_garbage_is_logged_with_its_job_and_decides_nothing(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, "plain noise\n", done="ok"), "ok")

        event = daemon.wait_event("worker stdout")
        self.assertEqual((event["level"], event["line"], event["worker"]),
                         ("warn", "plain noise", "t-1"))
        self.assertTrue(event["job"])

    def test_objects_of_a_logger_are_tolerated(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"level":"info","msg":"hi"}\n', done="ok"), "ok")

        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_unknown_types_are_ignored(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"x-new","id":"$ID"}\n', done="ok"), "ok")

    def test_strict_costs_the_worker_its_life(self):
        daemon = self.daemon(stdout_garbage="strict")

        self.again(daemon, "plain noise\n")

        self.assertEqual(self.codes(daemon), ["V04"])
        daemon.wait_event("worker gone")

    def test_a_glued_outcome_is_salvaged(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"....{DONE}\n"), 7)

        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_a_resync_line_feed_is_fine(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"....\n{DONE}\n"), 7)

    def test_a_banner_before_ready_is_tolerated(self):
        daemon = self.daemon(command=harness.worker("--banner=300"))

        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_an_endless_banner_is_a_failed_start(self):
        daemon = self.daemon(command=harness.worker("--banner=5000"), wait="degraded",
                             max_start_failures=1)

        self.assertEqual(len(daemon.find("worker start failed")), 1)

    def test_a_byte_order_mark_and_crlf_are_tolerated(self):
        daemon = self.daemon(command=harness.worker("--bom", "--crlf"))

        self.assertEqual(self.raw(daemon, f"{DONE}\r\n"), 7)

        self.assertEqual(daemon.find("worker stdout"), [])


class Damage(Base):
    def test_a_damaged_outcome_costs_the_worker_its_life_and_the_job_an_attempt(self):
        daemon = self.daemon()

        self.again(daemon, '{"type":"done","id":"$ID","resu\n')

        self.assertEqual(self.codes(daemon), ["V07"])

    def test_half_an_outcome_and_a_clean_exit_are_no_outcome(self):
        daemon = self.daemon()

        self.again(daemon, '{"type":"done","id":"$ID","result":1', exit=0)

    def test_half_an_outcome_and_a_crash_are_no_outcome(self):
        daemon = self.daemon()

        self.again(daemon, '{"type":"done","id":"$ID",', signal=11)

    def test_a_whole_outcome_counts_without_its_line_feed(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, DONE, exit=0), 7)

    def test_what_is_not_json_is_no_result(self):
        daemon = self.daemon()
        too_deep = "[" * 600 + "]" * 600
        for number, result in enumerate(("NaN", "tru", "01", "[1,,2]", too_deep)):
            text = DONE.replace("7", result) + "\n"
            with self.subTest(result[:10]):
                once = str(daemon.folder / f"once{number}")
                self.assertEqual(self.raw(daemon, text, once=once)["attempt"], 2)

    def test_a_result_that_is_not_utf_8_is_no_result(self):
        daemon = self.daemon()

        self.again(daemon, DONE.replace("7", '"\u00ff"') + "\n", latin1=True)

    def test_both_kinds_of_result_are_a_protocol_error(self):
        daemon = self.daemon()

        self.again(daemon, DONE.replace("}", ',"result_b64":"AA=="}') + "\n")

        self.assertEqual(self.codes(daemon), ["V08"])

    def test_a_result_over_max_line_fails_for_good(self):
        daemon = self.daemon(max_line="64KiB")

        failed = daemon.wait("Raw", {"text": DONE.replace("7", '"$PAD"') + "\n",
                                     "pad": 200_000}).finish()

        self.assertEqual(failed.returncode, 1)
        self.assertEqual(len(daemon.records("job")), 1)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_a_long_line_of_garbage_is_only_garbage(self):
        daemon = self.daemon(max_line="64KiB")

        self.assertEqual(self.raw(daemon, f"$PAD\n{DONE}\n", pad=1_000_000), 7)

    def test_arguments_over_max_line_are_never_sent(self):
        daemon = self.daemon(max_line="64KiB")

        failed = daemon.workman("enqueue", "--wait", "Echo", "-",
                                stdin=json.dumps({"big": "x" * 100_000}))

        self.assertEqual(failed.returncode, 1)
        self.assertEqual(daemon.records("job"), [])
        self.assertEqual(daemon.call("Echo", 1), 1)


class WrongIds(Base):
    def test_the_first_outcome_stands(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"{DONE}\n{DONE.replace('7', '8')}\n"), 7)

        self.assertEqual(daemon.wait_event("violation")["code"], "V09")
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.wait_counts(done=2)["done"], 2)

    def test_an_outcome_of_somebody_else_is_nobodys(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"{DONE.replace('$ID', 'A' * 16)}\n", done="mine"),
                         "mine")

        self.assertEqual(self.codes(daemon), ["V09"])

    def test_an_outcome_without_id_is_ignored(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"done","result":1}\n', done="mine"), "mine")

        self.assertEqual(self.codes(daemon), ["V10"])

    def test_a_second_ready_is_ignored(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"ready","tasks":["X"]}\n', done="ok"), "ok")

        self.assertEqual(self.codes(daemon), ["V12"])

    def test_too_many_violations_retire_the_worker(self):
        daemon = self.daemon(max_violations=3)

        self.raw(daemon, '{"type":"done","result":1}\n' * 5, done="ok")

        daemon.wait_event("worker ready", count=2)
        self.assertEqual(daemon.status()["counts"]["lost"], 0)

    def test_a_ready_without_a_usable_task_is_refused(self):
        daemon = self.daemon(command=harness.worker("--tasks="), wait="degraded",
                             max_start_failures=1)

        self.assertEqual(daemon.status()["state"], "degraded")


class Telling(Base):
    def test_stderr_is_logged_with_worker_and_job_and_decides_nothing(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, f"{DONE}\n", stderr="ERROR: fatal disaster"), 7)

        event = daemon.wait_event("worker stderr", line="ERROR: fatal disaster")
        self.assertEqual((event["worker"], event["level"]), ("t-1", "info"))
        self.assertEqual(daemon.status()["counts"]["fail"], 0)

    def test_stderr_while_a_job_runs_names_it(self):
        daemon = self.daemon()

        self.again(daemon, "", stderr="last words", exit=3)

        self.assertTrue(daemon.wait_event("worker stderr", line="last words")["job"])

    def test_a_prefix_sets_the_level_of_a_line_on_stderr(self):
        daemon = self.daemon()

        self.raw(daemon, f"{DONE}\n", stderr="<3>disk is full")

        self.assertEqual(daemon.wait_event("worker stderr", line="disk is full")["level"], "error")

    def test_progress_log_and_heartbeat_are_taken(self):
        daemon = self.daemon()
        lines = ('{"type":"progress","id":"$ID","done":1,"total":2}',
                 '{"type":"log","level":"warn","message":"half way","id":"$ID"}',
                 '{"type":"heartbeat","id":"$ID"}', '{"type":"heartbeat"}', DONE, "")

        self.assertEqual(self.raw(daemon, "\n".join(lines)), 7)

        event = daemon.wait_event("worker log")
        self.assertEqual((event["message"], event["level"]), ("half way", "warn"))
        self.assertEqual(self.codes(daemon), [])

    def test_a_worker_that_retires_is_replaced_after_its_job(self):
        daemon = self.daemon()

        self.assertEqual(self.raw(daemon, '{"type":"retire","reason":"leak"}\n', done="ok"), "ok")

        daemon.wait_event("worker stopping", reason="retire")
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.records("shutdown")[0]["reason"], "retire")

    def test_a_job_may_enqueue_another_one_at_once(self):
        daemon = self.daemon()

        self.raw(daemon, '{"type":"enqueue","task":"Echo","args":{"n":1},"ref":"r1"}\n', done="ok")

        daemon.wait_record("job", task="Echo")
        self.assertEqual(daemon.wait_record("reply", id="r1")["ok"], True)


class Pipes(Base):
    def test_a_worker_that_closes_stdout_loses_its_job(self):
        daemon = self.daemon(exit_grace="300ms", abort_timeout="300ms")

        result = daemon.call("CloseStdout", {"once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)
        self.assertIn("V11", self.codes(daemon))

    def test_a_worker_that_closed_stdin_costs_the_next_job_nothing(self):
        daemon = self.daemon(abort_timeout="300ms")
        daemon.call("CloseStdin")

        self.assertEqual(daemon.call("Whole")["attempt"], 1)

    def test_a_worker_that_never_reads_costs_the_job_nothing(self):
        deaf = self.folder() / "deaf"
        daemon = self.daemon(write_timeout="500ms", abort_timeout="300ms",
                             command=harness.worker(f"--deaf-once={deaf}"))

        result = daemon.workman("enqueue", "--wait", "Whole", "-",
                                stdin=json.dumps({"big": "x" * 2_000_000}))

        self.assertEqual(json.loads(result.stdout)["attempt"], 1)
        self.assertEqual(len(daemon.find("worker spawned")), 2)

    def test_a_flood_on_stderr_drowns_nobody(self):
        daemon = self.daemon()

        self.assertEqual(daemon.call("Flood", {"bytes": 20_000_000}), 20_000_000)

        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertLess(len(daemon.find("worker stderr")), 20_000)

    def test_a_grandchild_that_holds_stdout_does_not_delay_the_loss(self):
        daemon = self.daemon(kill_group=True)

        result = daemon.call("Grandchild", {"exit": True, "once": str(daemon.folder / "once")})

        self.assertEqual(result["attempt"], 2)
        child = daemon.records("grandchild")[0]["child"]
        harness.poll("the grandchild to be gone", lambda: not harness.alive(child))


if __name__ == "__main__":
    harness.main()
