#!/usr/bin/env python3
"""Framing, the ends of streams, and descriptors that nobody else may reach: lines.py LANGUAGE."""

import json
import os
import subprocess
import tempfile

from case import LANGUAGE, Case, without  # It tells where the next one is.
import kit


class Lines(Case):
    def test_ready_needs_no_hello(self):
        self.worker(hello=None)

    def test_a_worker_that_hears_of_another_protocol_exits_78(self):
        worker = self.worker(ready=False, hello={**kit.HELLO, "proto": 3, "proto_min": 2})
        worker.ready()
        self.assert_left(worker, 78)

    def test_the_end_of_input_ends_the_worker(self):
        worker = self.worker()
        worker.close()
        self.assert_left(worker)
        worker = self.worker(ready=False)
        worker.close()
        self.assertEqual(worker.rest()[0], 0)

    def test_a_job_before_the_end_of_input_is_done_and_half_a_line_is_no_job(self):
        for whole in (0, 1):
            worker = self.worker()
            jobs = [worker.job("kit.echo", 1) for _ in range(whole)]
            worker.write(json.dumps(worker.message("kit.echo", 1)).encode())
            worker.close()
            self.assert_left(worker, 0, [{"type": "done", "id": job, "result": 1} for job in jobs])

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
            outcome = worker.next("fail")
            self.assertEqual(outcome["id"], "abcdefghijkl")
            self.assertIn(outcome["error"]["code"], ("unreadable_args", "unserialisable_result"))
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)
        if "nesting" in LANGUAGE.without:
            return
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
            self.assertEqual(worker.call("kit.print", args)["result"], args)
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
        if "fd 1" not in LANGUAGE.without:
            child = worker.call("kit.orphan", {"s": 600})["result"]
            self.addCleanup(os.kill, child, 9)
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)
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
        variable = "KIT_LOAD" if LANGUAGE.task_file else "WORKMAN_KIT_TASKS"
        with tempfile.NamedTemporaryFile("w", suffix=LANGUAGE.suffix) as file:
            for name in ("before", "after"):
                file.seek(0)
                file.truncate()
                file.write((LANGUAGE.task_file or "%s\n") % name)
                file.flush()
                ready = self.worker(ready=False, env={variable: file.name}).ready()
                self.assertIn(name, ready["tasks"])


if __name__ == "__main__":
    kit.main()
