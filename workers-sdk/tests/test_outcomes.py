#!/usr/bin/env python3
"""What becomes of a job: results, failures, bytes, follow-ups, what it says on its way."""

import base64
import signal
import time

import sdk


class Outcomes(sdk.TestCase):
    def test_ready_names_each_task_once_with_its_options(self):
        ready = self.worker(ready=False).ready()
        names = [entry if isinstance(entry, str) else entry["name"] for entry in ready["tasks"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(ready["signals"], ["TERM", "ABRT"])
        self.assertNotIn("concurrency", ready)
        self.assertIn({"name": "kit.fail", "max_attempts": 2, "backoff": {
            "kind": "exp", "base_ms": 1000, "max_ms": 60000}}, ready["tasks"])
        self.assertIn({"name": "kit.spin", "timeout_ms": 60000}, ready["tasks"])
        self.assertIn({"name": "kit.bytes", "payload": "base64"}, ready["tasks"])

    def test_a_hundred_jobs_are_answered_in_order(self):
        worker = self.worker()
        for number in range(100):
            self.assertEqual(worker.call("kit.echo", number).get("result"), number)

    def test_every_shape_of_arguments_comes_back(self):
        worker = self.worker()
        for value in (None, 0, "", [], {}, False, 1.5, -7, [None],
                      "\u00e9\U0001f600\u2028\"\\\n\u0000"):
            self.assertEqual(worker.call("kit.echo", value).get("result"), value)

    def test_a_mebibyte_comes_back(self):
        text = "x" * (1 << 20)
        self.assertEqual(self.worker().call("kit.echo", text)["result"], text)

    def test_bytes_travel_as_base64_both_ways(self):
        text = base64.b64encode(bytes(range(256))).decode()
        worker = self.worker()
        self.assertEqual(worker.call("kit.bytes", args_b64=text)["result_b64"], text)
        self.assertEqual(worker.call("kit.bytes", {"n": 256})["result_b64"], text)

    def test_an_error_is_a_failure_with_its_class(self):
        worker = self.worker()
        error = worker.call("kit.fail")["error"]
        self.assertEqual((error["message"], error["class"]), ("boom", sdk.FAILURE))
        if sdk.TRACE:
            self.assertIn(sdk.TRACE, error["trace"])
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

    def test_arguments_of_a_wrong_type_do_not_end_the_worker(self):
        worker = self.worker()
        self.assertIn(worker.call("kit.bytes", "no object")["type"], ("fail", "done"))
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def test_what_is_no_json_is_no_result(self):
        outcome = self.worker().call("kit.nan")
        self.assertEqual((outcome["type"], outcome["error"]["code"]),
                         ("fail", "unserialisable_result"))

    def test_a_result_beyond_the_longest_line_is_not_sent(self):
        worker = self.worker(hello={**sdk.HELLO, "max_line": 65536})
        outcome = worker.call("kit.bytes", {"n": 60000})
        self.assertEqual((outcome["error"]["code"], outcome["retry"]), ("result_too_large", False))

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

    def test_a_refused_request_is_an_error_in_the_job(self):
        worker = self.worker()
        worker.job("kit.enqueue", {"now": True})
        worker.send({"type": "reply", "id": worker.next("enqueue")["ref"], "ok": False,
                     "error": {"message": "the queue is full"}})
        error = worker.next("fail")["error"]
        self.assertEqual(error["message"], "the queue is full")
        self.assertIn("Refused", error["class"])

    def test_a_request_ends_with_the_daemon(self):
        worker = self.worker()
        worker.job("kit.enqueue", {"now": True})
        worker.next("enqueue")
        worker.close()
        self.assertIn("daemon", worker.next("fail")["error"]["message"])
        self.assert_left(worker)

    def test_a_job_sees_its_context(self):
        worker = self.worker(hello={**sdk.HELLO, "config": {"a": 1}})
        result = worker.call("kit.context", timeout_ms=60000, deadline_at=1764000030000,
                             attempt=2, max_attempts=3)["result"]
        self.assertTrue(0 < result.pop("left") <= 60)
        self.assertEqual(result, {"attempt": 2, "max_attempts": 3, "deadline": 1764000030000,
                                  "config": {"a": 1}, "stdin": "", "environment": False})

    def test_a_cancelled_job_can_look(self):
        worker = self.worker()
        job = worker.job("kit.cancelled")
        worker.next("progress")
        worker.send({"type": "cancel", "id": job, "reason": "revoked"})
        self.assertEqual(worker.next(), {"type": "abort", "id": job, "reason": "cancelled",
                                         "requeue": True})
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def test_lines_that_are_written_at_the_same_time_do_not_mix(self):
        worker = self.worker()
        worker.job("kit.threads", {"n": 200000})
        said = [worker.next() for _ in range(21)]
        self.assertEqual([message["type"] for message in said], ["data"] * 20 + ["done"])
        self.assertEqual({len(message["data"]) for message in said[:20]}, {200000})

    def test_exit_in_a_task_gives_no_outcome(self):
        worker = self.worker()
        worker.job("kit.exit", {"code": 3})
        self.assert_left(worker, 3)


class Concurrency(sdk.TestCase):
    def setUp(self):
        if sdk.LANGUAGE == "cpp":
            self.skipTest("one job at a time")

    def test_as_many_jobs_run_at_the_same_time_as_are_announced(self):
        worker = self.worker(ready=False, env={"WORKMAN_KIT_CONCURRENCY": "4"})
        self.assertEqual(worker.ready()["concurrency"], 4)
        jobs = [worker.job("kit.sleep", {"s": 600}) for _ in range(5)]
        started = [worker.next("progress")["id"] for _ in range(4)]
        self.assertEqual(set(started), set(jobs[:4]))

        worker.process.send_signal(6)  # Each is aborted; the fifth never started.
        status, outcomes = worker.rest()
        self.assertEqual(status, 0)
        self.assertEqual([outcome["type"] for outcome in outcomes], ["abort"] * 5)
        self.assertEqual({outcome["id"] for outcome in outcomes}, set(jobs))

    def test_they_take_as_long_as_one(self):
        worker = self.worker(env={"WORKMAN_KIT_CONCURRENCY": "4"})
        begun = time.monotonic()
        for _ in range(4):
            worker.job("kit.sleep", {"s": 1})
        for _ in range(4):
            worker.next("done")
        self.assertLess(time.monotonic() - begun, 3)


class Threads(sdk.TestCase):
    """Node.js: a task in a thread of its own."""

    def setUp(self):
        if sdk.LANGUAGE != "node":
            self.skipTest("tasks need no thread of their own")

    def test_a_task_in_a_thread_does_what_others_do(self):
        worker = self.worker()
        for _ in range(2):  # The second one takes the thread of the first.
            job = worker.job("kit.thread", {"now": True})
            self.assertEqual(worker.next()["type"], "progress")
            worker.send({"type": "reply", "id": worker.next("enqueue")["ref"], "ok": True,
                         "result": {"job": "7"}})
            self.assertEqual(worker.next("log")["id"], job)
            outcome = worker.next()
            self.assertEqual((outcome["id"], outcome["result"]["reply"]), (job, {"job": "7"}))
            self.assertEqual(outcome["enqueue"], [{"task": "kit.echo", "args": 1}])
            self.assertIn("noise", worker.note("noise of a thread"))

    def test_its_error_is_a_failure(self):
        worker = self.worker()
        for args in ({"throws": True}, {"crashes": True}):
            error = worker.call("kit.thread", args)["error"]
            self.assertEqual(error["class"], "RangeError")
        job = worker.job("kit.thread", {})
        self.assertEqual(worker.next("done")["id"], job)

    def test_exit_in_a_thread_ends_the_worker(self):
        worker = self.worker()
        worker.job("kit.thread", {"exits": 3})
        self.assert_left(worker, 3)


class Cpp(sdk.TestCase):
    def setUp(self):
        if sdk.LANGUAGE != "cpp":
            self.skipTest("C++ alone")

    def test_a_crash_stays_a_crash(self):
        worker = self.worker()
        worker.job("kit.crash")
        self.assert_left(worker, -signal.SIGABRT)

    def test_a_fork_that_returns_gives_no_second_outcome(self):
        worker = self.worker()
        self.assertEqual(worker.call("kit.fork")["result"], {"parent": True})
        worker.close()
        self.assert_left(worker)

    def test_children_inherit_no_blocked_and_no_ignored_signal(self):
        self.assertIs(self.worker().call("kit.mask")["result"], True)

    def test_a_string_that_is_no_utf8_is_no_result(self):
        self.assertEqual(self.worker().call("kit.utf8")["error"]["code"], "unserialisable_result")

    def test_anything_can_be_thrown(self):
        self.assertEqual(self.worker().call("kit.fail", {"kind": "odd"})["error"],
                         {"message": "int", "class": "int"})


class Go(sdk.TestCase):
    def setUp(self):
        if sdk.LANGUAGE != "go":
            self.skipTest("Go alone")

    def test_a_panic_is_a_failure_with_its_stack(self):
        worker = self.worker()
        error = worker.call("kit.fail", {"kind": "panic"})["error"]
        self.assertEqual((error["message"], error["class"]), ("out of order", "panic"))
        self.assertIn("main.go", error["trace"])
        self.assertIn("Goexit", worker.call("kit.fail", {"kind": "goexit"})["error"]["message"])
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)


if __name__ == "__main__":
    sdk.main()
