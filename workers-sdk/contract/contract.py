#!/usr/bin/env python3
"""What every worker library promises, tried with its fixture worker: contract.py LANGUAGE.
The daemon is played over pipes, as in python/tests, whose kit this uses."""

import base64
import collections
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

SDKS = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(SDKS / "python/tests"))

import kit  # noqa: E402
from languages import LANGUAGES  # noqa: E402

LANGUAGE = LANGUAGES[sys.argv.pop(1)]
ROUNDS = int(os.environ.get("WORKMAN_ABORT_ROUNDS", 60))
LONG = {"s": 600}
BYTES = bytes(range(256))


def without(feature):
    """For what a language cannot do; its README says so."""
    return unittest.skipIf(feature in LANGUAGE.without, "the language cannot: " + feature)


class Case(kit.TestCase):
    def worker(self, ready=True, **options):
        return super().worker(ready, command=LANGUAGE.command, **options)


class Answers(Case):
    def test_options_are_announced(self):
        tasks = {task["name"]: task for task in
                 self.worker(ready=False).ready()["tasks"] if isinstance(task, dict)}
        self.assertEqual(tasks["kit.fail"], {
            "name": "kit.fail", "max_attempts": 2,
            "backoff": {"kind": "exp", "base_ms": 1000, "max_ms": 60000}})
        self.assertEqual(tasks["kit.spin"]["timeout_ms"], 60000)
        self.assertEqual(tasks["kit.bytes"]["payload"], "base64")

    def test_json_of_every_shape_comes_back_as_it_went(self):
        worker = self.worker()
        for args in (None, True, 0, -1, 1.5, "", "\u00e9\U0001f600\u2028\"\\\n\x00", [], [[]],
                     {"a": [1, None]}, {"": ""}, 9007199254740993):
            if not (isinstance(args, int) and abs(args) > 1 << 53 and "int64" in LANGUAGE.without):
                self.assertEqual(worker.call("kit.echo", args).get("result"), args)

    def test_an_empty_object_stays_an_object(self):
        self.assertEqual(self.worker().call("kit.echo", {"a": {}, "b": []})["result"],
                         {"a": {}, "b": []})

    def test_text_beyond_one_pipe_goes_both_ways(self):
        text = "\u00e9" * (1 << 19)
        self.assertEqual(self.worker().call("kit.echo", text)["result"], text)

    def test_bytes_go_both_ways(self):
        worker = self.worker()
        for data in (BYTES, b"\n\n", b"\xff", b"x" * 300000):
            coded = base64.b64encode(data).decode()
            self.assertEqual(worker.call("kit.bytes", args_b64=coded)["result_b64"], coded)
        made = worker.call("kit.bytes", {"n": 600})["result_b64"]
        self.assertEqual(base64.b64decode(made), bytes(i % 256 for i in range(600)))

    def test_an_error_is_a_failure_with_its_place_and_the_worker_goes_on(self):
        worker = self.worker()
        outcome = worker.call("kit.fail")
        self.assertNotIn("retry", outcome)
        self.assertIn("boom", outcome["error"]["message"])
        self.assertEqual(outcome["error"].get("class"), LANGUAGE.error_class)
        if LANGUAGE.trace:
            self.assertIn(LANGUAGE.file, outcome["error"]["trace"])
            self.assertNotIn(LANGUAGE.library, outcome["error"]["trace"])
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def test_a_task_says_how_it_fails(self):
        worker = self.worker()
        retry = worker.call("kit.fail", {"kind": "retry"})
        self.assertEqual((retry["retry"], retry["delay_ms"]), (True, 5000))
        permanent = worker.call("kit.fail", {"kind": "permanent"})
        self.assertIs(permanent["retry"], False)
        self.assertEqual((permanent["error"]["code"], permanent["error"]["data"]),
                         ("not_found", {"n": 1}))
        abort = worker.call("kit.fail", {"kind": "abort"})
        self.assertEqual((abort["type"], abort["requeue"], abort["delay_ms"]),
                         ("abort", True, 2000))

    def test_an_unknown_task_fails_and_the_worker_lives(self):
        worker = self.worker()
        self.assertEqual(worker.call("kit.unknown")["error"]["code"], "task_not_found")
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def test_what_is_no_json_is_no_result(self):
        worker = self.worker()
        for args in (None, "object"):
            outcome = worker.call("kit.nan", args)
            self.assertEqual((outcome["type"], outcome["error"]["code"]),
                             ("fail", "unserialisable_result"))
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def test_a_result_beyond_the_longest_line_is_not_sent(self):
        worker = self.worker(hello={**kit.HELLO, "max_line": 65536})
        outcome = worker.call("kit.bytes", {"n": 60000})
        self.assertEqual((outcome["error"]["code"], outcome["retry"]), ("result_too_large", False))

    @without("hooks that fail a job")
    def test_a_failing_hook_fails_the_job(self):
        worker = self.worker()
        job = worker.job("kit.sleep", {"s": 0, "hook_fails": True})
        self.assertEqual(worker.next("fail")["id"], job)

    def test_what_a_job_says_comes_before_its_outcome_and_in_order(self):
        worker = self.worker()
        job = worker.job("kit.progress")
        said = [worker.next() for _ in range(8)]
        self.assertEqual([message.pop("id") for message in said], [job] * 8)
        step = {"type": "progress", "total": 3, "message": "step"}
        self.assertEqual(said, [
            {**step, "done": 1}, {**step, "done": 2}, {**step, "done": 3},
            {"type": "data", "data": {"row": 1}},
            {"type": "data", "data_b64": "/w==", "warn": True},
            {"type": "log", "level": "warn", "message": "hello", "fields": {"n": 1}},
            {"type": "heartbeat", "extend_ms": 2500}, {"type": "done"}])

    def test_follow_ups_ride_inside_the_outcome(self):
        self.assertEqual(self.worker().call("kit.enqueue")["enqueue"], [
            {"task": "kit.echo", "args": {"n": 1}, "delay_ms": 1500, "priority": "low",
             "unique": "u", "max_attempts": 2},
            {"task": "kit.echo", "args_b64": "/w=="}])

    def test_a_reply_is_found_by_its_ref_and_other_lines_are_kept_in_order(self):
        worker = self.worker()
        job = worker.job("kit.enqueue", {"now": True})
        request = worker.next("enqueue")
        self.assertEqual((request["task"], request["unique"]), ("kit.echo", "u"))
        later = [worker.message("kit.echo", 1), worker.message("kit.echo", 2)]
        worker.send({"type": "cancel", "id": "other", "reason": "timeout"}, later[0],
                    {"type": "reply", "id": "none", "ok": True}, later[1],
                    {"type": "reply", "id": request["ref"], "ok": True, "result": {"job": "7"}})

        outcomes = [worker.next() for _ in range(3)]
        self.assertEqual([outcome["id"] for outcome in outcomes],
                         [job, later[0]["id"], later[1]["id"]])
        self.assertEqual(outcomes[0]["result"], {"job": "7"})

    def test_a_refused_request_raises_in_the_job(self):
        worker = self.worker()
        worker.job("kit.enqueue", {"now": True})
        worker.send({"type": "reply", "id": worker.next("enqueue")["ref"], "ok": False,
                     "error": {"message": "the queue is full"}})
        self.assertIn("the queue is full", worker.next("fail")["error"]["message"])

    def test_a_job_sees_its_context(self):
        worker = self.worker(hello={**kit.HELLO, "config": {"a": 1}})
        result = worker.call("kit.context", timeout_ms=60000, deadline_at=1764000030000,
                             attempt=2, max_attempts=3)["result"]
        self.assertTrue(0 < result.pop("left") <= 60)
        self.assertEqual(result, {"attempt": 2, "max_attempts": 3, "deadline": 1764000030,
                                  "config": {"a": 1}, "stdin": "", "environment": False})

    def test_a_cancelled_job_can_look(self):
        worker = self.worker()
        job = worker.job("kit.cancelled")
        worker.next("progress")
        worker.send({"type": "cancel", "id": job, "reason": "revoked"})
        self.assertEqual(worker.next(), {"type": "abort", "id": job, "reason": "cancelled",
                                         "requeue": True})

    @without("threads")
    def test_lines_of_several_threads_do_not_mix(self):
        worker = self.worker()
        worker.job("kit.threads", {"n": 200000})
        said = [worker.next() for _ in range(21)]
        self.assertEqual([message["type"] for message in said], ["data"] * 20 + ["done"])

    def test_exit_in_a_task_gives_no_outcome(self):
        for code in (0, 3):
            worker = self.worker()
            worker.job("kit.exit", {"code": code})
            self.assert_left(worker, code)

    @without("fork")
    def test_a_fork_that_returns_gives_no_second_outcome(self):
        worker = self.worker()
        self.assertEqual(worker.call("kit.fork")["result"], {"parent": True})
        self.assertIn("after_fork", worker.note("after_fork"))
        worker.close()
        self.assert_left(worker)


class Lines(Case):
    def test_ready_needs_no_hello(self):
        self.worker(hello=None)

    def test_a_worker_that_hears_of_another_protocol_exits_78(self):
        worker = self.worker(ready=False, hello={**kit.HELLO, "proto": 3, "proto_min": 2})
        worker.ready()
        self.assert_left(worker, 78)

    def test_the_end_of_input_ends_the_worker(self):
        for ready in (True, False):
            worker = self.worker(ready=ready)
            worker.close()
            self.assertEqual(worker.rest()[0], 0)

    def test_a_job_before_the_end_of_input_is_done_and_half_a_line_is_no_job(self):
        worker = self.worker()
        job = worker.job("kit.echo", 1)
        worker.write(json.dumps(worker.message("kit.echo", 1)).encode())
        worker.close()
        self.assert_left(worker, 0, [{"type": "done", "id": job, "result": 1}])

    def test_a_line_may_come_byte_by_byte(self):
        worker = self.worker()
        message = worker.message("kit.echo", "\u00e9")
        for byte in json.dumps(message, ensure_ascii=False).encode() + b"\n":
            worker.write(bytes([byte]))
        self.assertEqual(worker.next("done")["result"], "\u00e9")

    def test_jobs_in_one_write_are_answered_in_order(self):
        worker = self.worker()
        jobs = [worker.message("kit.echo", number) for number in range(20)]
        worker.send(*jobs)
        self.assertEqual([worker.next("done")["id"] for _ in jobs], [job["id"] for job in jobs])

    def test_odd_lines_are_tolerated(self):
        worker = self.worker(hello=None)
        job = worker.message("kit.echo", 1)
        spaced = json.dumps(dict(reversed(job.items())), indent=1).replace("\n", " ").encode()
        for odd in (b"\xef\xbb\xbf\n \t\n", b"not json\n", b"[1]\n", b"7\n", b"\xff\xfe\n",
                    b'{"type":"x-future","id":"z"}\n', b'{"type":"job"}\n', b'{"no":"type"}\n'):
            worker.write(odd)
            worker.write(spaced + b"\r\n")
            self.assertEqual(worker.next(), {"type": "done", "id": job["id"], "result": 1}, odd)

    def test_a_byte_order_mark_before_the_first_message_is_dropped(self):
        worker = self.worker(hello=None)
        worker.write(b"\xef\xbb\xbf" + json.dumps(worker.message("kit.echo", 1)).encode() + b"\n")
        self.assertEqual(worker.next("done")["result"], 1)

    def test_arguments_that_cannot_be_read_are_answered(self):
        worker = self.worker()
        for args in (b"[" * 100000 + b"]" * 100000, b'{"a":}'):
            worker.write(b'{"type":"job","id":"abcdefghijkl","task":"kit.echo","attempt":1,"args":'
                         + args + b"}\n")
            self.assertEqual(worker.next("fail")["id"], "abcdefghijkl")
        nested = b"[" * 500 + b"]" * 500
        worker.write(b'{"type":"job","id":"abcdefghijkm","task":"kit.echo","attempt":1,"args":'
                     + nested + b"}\n")
        self.assertEqual(worker.next("done")["id"], "abcdefghijkm")

    def test_shutdown_gives_back_what_comes_after_it_and_waits_for_the_end_of_input(self):
        worker = self.worker()
        worker.send({"type": "shutdown", "reason": "stop"})
        outcome = worker.call("kit.echo", 1)
        self.assertEqual((outcome["type"], outcome["requeue"]), ("abort", True))
        worker.close()
        self.assert_left(worker)


class Descriptors(Case):
    def test_what_is_printed_goes_to_stderr(self):
        for args in ({"text": "noise"}, {"text": "noise", "newline": False},
                     {"text": "noise", "child": True}):
            if args.get("child") and "fd 1" in LANGUAGE.without:
                continue
            worker = self.worker()
            self.assertEqual(worker.call("kit.print", args)["type"], "done")
            worker.close()
            self.assert_left(worker)
            self.assertIn("noise", worker.note("noise"))

    @without("fd 1")
    def test_a_child_does_not_hold_the_protocol_open(self):
        worker = self.worker(stderr=subprocess.DEVNULL)
        child = worker.call("kit.orphan", {"s": 600})["result"]
        self.addCleanup(os.kill, child, 9)
        worker.close()
        self.assert_left(worker)  # It waits for the end of stdout.

    def test_a_worker_that_cannot_write_leaves(self):
        reading, writing = os.pipe()
        worker = self.worker(ready=False, stdout=writing)
        os.close(writing)
        with open(reading, "rb", buffering=0) as stream:
            stream.read(1)
        worker.job("kit.echo", 1)
        self.assertEqual(worker.process.wait(kit.DEADLINE), 1)

    def test_other_descriptors_can_carry_the_protocol(self):
        jobs, write = os.pipe()
        read, outcomes = os.pipe()
        worker = self.worker(ready=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             pass_fds=(jobs, outcomes),
                             env={"WORKMAN_IN": str(jobs), "WORKMAN_OUT": str(outcomes)})
        os.close(jobs)
        os.close(outcomes)
        worker.input = open(write, "wb", buffering=0)
        worker.follow(open(read, "rb", buffering=0), worker.lines)
        worker.ready()
        child = worker.call("kit.orphan", {"s": 600})["result"]
        self.addCleanup(os.kill, child, 9)
        for args in ({"text": "one"}, {"text": "two", "child": True}):
            self.assertEqual(worker.call("kit.print", args)["type"], "done")
        worker.close()
        self.assert_left(worker)

    def test_stderr_may_be_gone(self):
        reading, writing = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, writing)
        worker = self.worker(stderr=writing)
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)
        worker.close()
        self.assertEqual(worker.rest()[0], 0)

    def test_a_restarted_worker_has_the_tasks_of_the_changed_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=LANGUAGE.suffix) as file:
            for name in ("before", "after"):
                file.seek(0)
                file.truncate()
                file.write(LANGUAGE.task_file % name)
                file.flush()
                ready = self.worker(ready=False, env={"KIT_LOAD": file.name}).ready()
                self.assertIn(name, ready["tasks"])


class Signals(Case):
    def test_term_and_hup_end_an_idle_worker(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            worker = self.worker()
            worker.call("kit.echo", 1)
            worker.signal(number)
            self.assert_left(worker)

    def test_a_busy_worker_finishes_its_job_and_gives_back_the_next(self):
        worker = self.worker()
        first = worker.job("kit.sleep", {"s": 0.5})
        worker.next("progress")
        second = worker.job("kit.echo", 1)
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGHUP)
        self.assert_left(worker, 0, [
            {"type": "done", "id": first, "result": {"s": 0.5}},
            {"type": "abort", "id": second, "reason": "stopping", "requeue": True}])

    def test_int_is_ignored(self):
        worker = self.worker()
        job = worker.job("kit.sleep", {"s": 0.3})
        worker.next("progress")
        worker.signal(signal.SIGINT)
        self.assertEqual(worker.next("done")["id"], job)
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def interrupted(self, task, args=None, **more):
        worker = self.worker()
        job = worker.job(task, args or LONG, **more)
        worker.next("progress")
        worker.signal(signal.SIGABRT)
        status, (outcome,) = worker.rest()
        self.assertEqual((status, outcome["type"], outcome["id"]), (0, "abort", job))
        return worker, outcome

    def test_abrt_ends_an_idle_worker_without_an_outcome(self):
        worker = self.worker()
        worker.signal(signal.SIGABRT)
        self.assert_left(worker)

    def test_a_sleeping_job_is_interrupted_where_it_is(self):
        worker, outcome = self.interrupted("kit.sleep")
        self.assertIn("on_abort %s shutdown" % outcome["id"], worker.note("on_abort"))
        self.assertNotIn("requeue", outcome)
        self.assertTrue(outcome["reason"].startswith("force killed (shutdown)"))
        if LANGUAGE.trace:
            self.assertIn(LANGUAGE.file, outcome["reason"])
            self.assertNotIn(LANGUAGE.library, outcome["reason"])
            self.assertIn(LANGUAGE.file, worker.note(LANGUAGE.file))

    def test_a_spinning_job_is_interrupted(self):
        worker, _ = self.interrupted("kit.spin")
        self.assertIn("on_abort", worker.note("on_abort"))

    @without("exceptions")
    def test_a_job_that_catches_the_interruption_is_aborted_all_the_same(self):
        for args in (LONG, {**LONG, "quiet": True}):
            worker, _ = self.interrupted("kit.swallow", args)
            self.assertIn("on_abort", worker.note("on_abort"))

    def test_the_hook_may_enqueue_the_job_itself(self):
        _, outcome = self.interrupted("kit.requeue")
        self.assertIs(outcome["requeue"], False)
        self.assertEqual(outcome["enqueue"], [{"task": "kit.echo", "args": {"again": True}}])

    def test_the_hook_is_told_a_time_out(self):
        worker, _ = self.interrupted("kit.sleep", {**LONG, "late": True}, timeout_ms=1)
        self.assertIn("timeout", worker.note("on_abort"))

    def test_the_hook_is_told_what_the_daemon_said(self):
        worker = self.worker()
        job = worker.job("kit.sleep", LONG)
        worker.next("progress")
        worker.send({"type": "cancel", "id": job, "reason": "revoked"})
        worker.signal(signal.SIGABRT)
        self.assertEqual(worker.next("abort")["id"], job)
        self.assertIn("revoked", worker.note("on_abort"))

    def test_a_hook_that_fails_does_not_cost_the_outcome(self):
        self.interrupted("kit.rude")

    def test_a_parked_job_is_given_back(self):
        worker = self.worker()
        jobs = [worker.job("kit.sleep", LONG)]
        worker.next("progress")
        jobs.append(worker.job("kit.echo", 1))
        worker.signal(signal.SIGABRT)
        status, outcomes = worker.rest()
        self.assertEqual([(outcome["type"], outcome["id"]) for outcome in outcomes],
                         [("abort", job) for job in jobs])
        self.assertEqual(status, 0)

    def test_while_it_waits_for_a_reply_the_job_is_interrupted(self):
        worker = self.worker()
        job = worker.job("kit.enqueue", {"now": True})
        worker.next("enqueue")
        worker.signal(signal.SIGABRT)
        self.assertEqual(worker.next("abort")["id"], job)

    def race(self, number, delay, task, args):
        """A signal so long after the job was written; it may hit the job anywhere, or nothing."""
        worker = self.worker()
        worker.call("kit.echo", 1)
        timer = threading.Timer(delay, worker.signal, [number])
        timer.start()
        job = worker.job(task, args)
        status, messages = worker.rest()
        timer.join()
        outcomes = [message for message in messages if message["type"] != "progress"]
        self.assertEqual((status, [outcome["id"] for outcome in outcomes]), (0, [job]),
                         "after %r s: %r\n%s" % (delay, messages, worker.drained()))
        return outcomes[0]["type"]

    def test_at_any_moment_there_is_exactly_one_outcome(self):
        seed = random.randrange(1 << 32)
        moments = random.Random(seed)
        print("seed", seed)
        seen = collections.Counter(
            self.race(signal.SIGABRT, moments.uniform(*LANGUAGE.window), "kit.sleep", {"s": 0.01})
            for _ in range(ROUNDS))
        print(dict(seen))
        self.assertLessEqual(set(seen), {"done", "abort"})

    def test_a_job_that_comes_with_term_is_answered(self):
        moments = random.Random(2)
        for _ in range(20):
            self.race(signal.SIGTERM, moments.uniform(0, 0.002), "kit.echo", 1)

    def test_while_lines_are_written_none_is_torn(self):
        moments = random.Random(1)
        for _ in range(10):
            self.race(signal.SIGABRT, moments.uniform(0.0, 0.04), "kit.bytes", {"n": 1 << 19})


class ByHand(unittest.TestCase):
    def run_it(self, *arguments, command=LANGUAGE.command):
        return subprocess.run([*command, *arguments], env=kit.environment(), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=kit.DEADLINE)

    def test_it_says_what_it_is(self):
        result = self.run_it()
        self.assertEqual(result.returncode, 0)
        self.assertIn("--run TASK", result.stdout)
        self.assertEqual(self.run_it("--what").returncode, 64)

    def test_it_lists_its_tasks(self):
        self.assertIn("kit.echo", self.run_it("--list").stdout.splitlines())

    def test_it_runs_a_task(self):
        result = self.run_it("--run", "kit.echo", '{"a":false}')
        self.assertEqual((result.returncode, result.stdout), (0, '{"a":false}\n'), result.stderr)

    def test_prints_of_a_task_stay_on_stdout(self):
        if "prints by hand" not in LANGUAGE.without:
            self.assertIn("noise\n", self.run_it("--run", "kit.print", "{}").stdout)

    def test_a_failure_is_told(self):
        result = self.run_it("--run", "kit.fail")
        self.assertEqual(result.returncode, 1)
        self.assertIn("boom", result.stderr)
        if LANGUAGE.trace:
            self.assertIn(LANGUAGE.file, result.stderr)

    def test_a_task_that_is_not_there_and_arguments_that_are_no_json_are_told(self):
        for arguments in (("kit.none",), ("kit.echo", "{")):
            result = self.run_it("--run", *arguments)
            self.assertEqual(result.returncode, 1, arguments)
            self.assertRegex(result.stderr, "kit.none|not JSON")

    def test_the_example_runs(self):
        listed = self.run_it("--list", command=LANGUAGE.example).stdout
        self.assertEqual(listed.splitlines(), ["resize", "Report"])
        result = self.run_it("--run", "resize", '{"file":"a.png"}', command=LANGUAGE.example)
        self.assertEqual((result.returncode, result.stdout),
                         (0, '{"file":"a.png","width":200}\n'), result.stderr)


if __name__ == "__main__":
    kit.main()
