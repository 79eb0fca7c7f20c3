#!/usr/bin/env python3
"""What a worker of any library answers: answers.py LANGUAGE."""

import base64
import signal
import time

from case import LANGUAGE, Case, without  # It tells where the next one is.
import kit

BYTES = bytes(range(256))


class Answers(Case):
    def test_ready_names_each_task_once_with_its_options(self):
        ready = self.worker(ready=False).ready()
        names = [task if isinstance(task, str) else task["name"] for task in ready["tasks"]]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(ready["signals"], ["TERM", "ABRT"])
        self.assertNotIn("concurrency", ready)
        tasks = {task["name"]: task for task in ready["tasks"] if isinstance(task, dict)}
        self.assertEqual(tasks["kit.fail"], {
            "name": "kit.fail", "max_attempts": 2,
            "backoff": {"kind": "exp", "base_ms": 1000, "max_ms": 60000}})
        self.assertEqual(tasks["kit.spin"], {"name": "kit.spin", "timeout_ms": 60000})
        self.assertEqual(tasks["kit.bytes"], {"name": "kit.bytes", "payload": "base64"})

    def test_a_hundred_jobs_are_answered_in_order(self):
        worker = self.worker()
        for number in range(100):
            self.assertEqual(worker.call("kit.echo", number).get("result"), number)

    def test_json_of_every_shape_comes_back_as_it_went(self):
        worker = self.worker()
        for args in (None, True, False, 0, -1, -7, 1.5, "", [], [[]], [None], {},
                     "\u00e9\U0001f600\u2028\"\\\n\x00\x7f", {"a": [1, None]}, {"": ""},
                     9007199254740993, 12345678901234567):
            if not (isinstance(args, int) and abs(args) > 1 << 53 and "int64" in LANGUAGE.without):
                self.assertEqual(worker.call("kit.echo", args).get("result"), args)

    def test_an_empty_object_stays_an_object(self):
        self.assertEqual(self.worker().call("kit.echo", {"a": {}, "b": []})["result"],
                         {"a": {}, "b": []})

    def test_text_beyond_one_pipe_goes_both_ways(self):
        worker = self.worker()
        for text in ("x" * LANGUAGE.text_size, "\u00e9" * (LANGUAGE.text_size // 2)):
            self.assertEqual(worker.call("kit.echo", text)["result"], text)

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
        self.assertRegex(outcome["error"]["message"], r"\A%s\Z" % LANGUAGE.boom)
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

    def test_arguments_of_a_wrong_type_do_not_end_the_worker(self):
        worker = self.worker()
        self.assertIn(worker.call("kit.bytes", "no object")["type"], ("fail", "done"))
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
        error = worker.next("fail")["error"]
        self.assertEqual((error["message"], error["class"]),
                         ("the queue is full", LANGUAGE.refused))

    def test_a_request_ends_with_the_daemon(self):
        worker = self.worker()
        worker.job("kit.enqueue", {"now": True})
        worker.next("enqueue")
        worker.close()
        self.assertIn("daemon", worker.next("fail")["error"]["message"])
        self.assert_left(worker)

    def test_a_job_sees_its_context(self):
        worker = self.worker(hello={**kit.HELLO, "config": {"a": 1}})
        read = "fd 1" not in LANGUAGE.without  # Then stdin is free to read.
        result = worker.call("kit.context", read, timeout_ms=60000, deadline_at=1764000030000,
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
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    @without("threads")
    def test_lines_of_several_threads_do_not_mix(self):
        worker = self.worker()
        worker.job("kit.threads", {"n": 200000})
        said = [worker.next() for _ in range(21)]
        self.assertEqual([message["type"] for message in said], ["data"] * 20 + ["done"])
        self.assertEqual({len(message["data"]) for message in said[:20]}, {200000})

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


@without("concurrency")
class Concurrency(Case):
    def test_as_many_jobs_run_at_the_same_time_as_are_announced(self):
        worker = self.worker(ready=False, env={"WORKMAN_KIT_CONCURRENCY": "4"})
        self.assertEqual(worker.ready()["concurrency"], 4)
        jobs = [worker.job("kit.sleep", {"s": 600}) for _ in range(5)]
        started = [worker.next("progress")["id"] for _ in range(4)]
        self.assertEqual(set(started), set(jobs[:4]))

        worker.signal(signal.SIGABRT)  # Each is aborted; the fifth never started.
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


if __name__ == "__main__":
    kit.main()
