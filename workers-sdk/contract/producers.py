#!/usr/bin/env python3
"""A library under the real workmand, and its client: producers.py LANGUAGE. The client is also tried
against a socket that answers by a script."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from case import LANGUAGE  # It tells where the next two are.
import harness
import kit


def produce(call, task="kit.echo", args=None, env=None, **more):
    """One call of the library's client: {"value"}, {"bytes"} or {"error","message","failure"}."""
    wanted = {"call": call, "task": task, "args": args, **more}
    result = subprocess.run([*LANGUAGE.producer, json.dumps(wanted)], capture_output=True,
                            env=env or kit.environment(), timeout=2 * kit.DEADLINE)
    if result.returncode != 0:
        raise AssertionError("%r: %s" % (wanted, result.stderr.decode("utf-8", "replace")))
    return json.loads(result.stdout)


@unittest.skipUnless(LANGUAGE.producer, "the library has no client")
class Requests(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = str(self.folder / "t.sock")

    def produce(self, reply, call="enqueue", **more):
        """One call that gets this reply; `self.asked` holds the request afterwards."""
        server = socket.socket(socket.AF_UNIX)
        server.settimeout(kit.DEADLINE)
        server.bind(self.path)
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                self.asked = json.loads(stream.readline())
                stream.write(reply if isinstance(reply, bytes) else
                             json.dumps(reply).encode() + b"\n")
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            return produce(call, socket=self.path, **more)
        finally:
            thread.join()
            server.close()
            os.unlink(self.path)

    def test_enqueue_returns_the_id_and_says_all_it_was_told(self):
        for call in ("enqueue", "enqueue_background"):
            said = self.produce({"ok": True, "id": "21"}, call, args={"n": {}}, options={
                "delay": 1.5, "priority": "low", "unique": "u", "max_attempts": 2})
            self.assertEqual(said, {"value": "21"})
            self.assertEqual(self.asked, {
                "verb": "enqueue", "task": "kit.echo", "args": {"n": {}}, "delay_ms": 1500,
                "priority": "low", "unique": "u", "max_attempts": 2})

    def test_bytes_go_as_base64_and_come_as_bytes(self):
        said = self.produce({"ok": True, "id": "1", "result_b64": "/w=="}, "enqueue_with_wait",
                            bytes="AP8=", options={"timeout": 2})
        self.assertEqual(base64.b64decode(said["bytes"]), b"\xff")
        self.assertEqual((self.asked["args_b64"], self.asked["wait"], self.asked["timeout_ms"]),
                         ("AP8=", True, 2000))
        self.assertNotIn("args", self.asked)

    def test_a_wait_returns_the_result_and_may_end_at_once(self):
        said = self.produce({"ok": True, "id": "1", "result": [1]}, "enqueue_with_wait",
                            options={"timeout": 0})
        self.assertEqual(said, {"value": [1]})
        self.assertEqual((self.asked["wait"], self.asked["timeout_ms"]), (True, 0))

    def test_failures_are_told_apart(self):
        for reply, error in (
                ({"ok": False, "error": "boom", "failure": {"message": "boom"}}, "JobFailed"),
                ({"ok": False, "timeout": True, "error": "time is up"}, "WaitTimeout"),
                ({"ok": False, "error": "the queue is down"}, "ClientError")):
            said = self.produce(reply, "enqueue_with_wait")
            self.assertEqual((said["error"], said["message"], said.get("failure")),
                             (error, reply["error"], reply.get("failure")))

    def test_a_daemon_that_breaks_off_is_told(self):
        said = self.produce(b'{"ok":tr')
        self.assertEqual(said["error"], "ClientError")
        self.assertIn("nobody knows", said["message"])

    def test_without_a_daemon_the_error_names_the_paths_and_the_other_way(self):
        said = produce("enqueue", profile="no-such-profile",
                       env=kit.environment(XDG_RUNTIME_DIR=str(self.folder)))
        self.assertEqual(said["error"], "NoDaemon")
        for text in ("/run/workman/no-such-profile.sock: no such file", str(self.folder),
                     "/tmp/workman-", "workman enqueue"):
            self.assertIn(text, said["message"].replace("No such", "no such"))

    def test_a_socket_that_everybody_may_write_to_is_not_trusted(self):
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.path)
            os.chmod(self.path, 0o777)
            said = produce("enqueue", socket=self.path)
        self.assertEqual(said["error"], "NoDaemon")
        self.assertIn("everybody may write", said["message"])
        os.unlink(self.path)
        self.assertEqual(self.produce({"ok": True, "id": "1"}), {"value": "1"})

    def test_a_profile_or_a_socket_is_needed(self):
        self.assertIn("profile", produce("enqueue")["message"])


class UnderTheDaemon(harness.TestCase):
    def library(self, **profile):
        return self.daemon(command=LANGUAGE.command, **profile)

    def call(self, daemon, call, task="kit.echo", args=None, **more):
        if LANGUAGE.producer:
            return produce(call, task, args, socket=daemon.profile["admin"]["socket"], **more)
        if call != "enqueue_with_wait":
            return {"value": daemon.enqueue(task, args)}
        return {"value": daemon.call(task, args)}

    def test_jobs_go_through_and_come_back(self):
        daemon = self.library()
        args = {"\u00e9": [1, None, {}]}
        self.assertEqual(self.call(daemon, "enqueue_with_wait", args=args), {"value": args})
        self.assertTrue(self.call(daemon, "enqueue", args=1)["value"])
        daemon.wait_counts(done=2)
        if LANGUAGE.producer:
            said = self.call(daemon, "enqueue_with_wait", options={"delay": 3600, "timeout": 0.1})
            self.assertEqual(said["error"], "WaitTimeout")
            self.assertEqual(self.call(daemon, "status")["value"]["pid"], daemon.process.pid)

    def test_bytes_come_back(self):
        if LANGUAGE.producer:
            said = self.call(self.library(), "enqueue_with_wait", "kit.bytes", {"n": 3})
            self.assertEqual(said, {"bytes": "AAEC"})

    def test_what_the_daemon_refuses_says_why(self):
        if LANGUAGE.producer:
            said = self.call(self.library(), "enqueue", "")
            self.assertEqual(said["error"], "ClientError")
            self.assertIn("task", said["message"])

    def test_announced_options_hold(self):
        daemon = self.library(max_attempts=5)
        said = None
        if LANGUAGE.producer:
            said = self.call(daemon, "enqueue_with_wait", "kit.fail",
                             options={"timeout": kit.DEADLINE})
        else:
            daemon.enqueue("kit.fail", None)
        daemon.wait_counts(fail=2, dead=1)  # Two attempts, as the task says, 1 s apart.
        if said:
            self.assertEqual((said["error"], said["failure"].get("class")),
                             ("JobFailed", LANGUAGE.error_class))

    def test_follow_ups_run(self):
        daemon = self.library()
        self.call(daemon, "enqueue_with_wait", "kit.chain")
        daemon.wait_counts(done=3)

    def test_an_aborted_job_that_went_back_by_its_hook_runs_after_the_restart(self):
        daemon = self.library(graceful_shutdown_timeout="300ms")
        self.call(daemon, "enqueue", "kit.requeue", {"s": 600})
        harness.poll("the job to run", lambda: any("requeue runs" in line for line in daemon.raw))

        self.assertEqual(daemon.stop(), 0)

        daemon.start()
        counts = daemon.wait_counts(done=1)
        self.assertEqual((counts["done"], counts["abort"], counts["dead"]), (1, 0, 0))

    def test_a_time_out_is_told_to_the_hook(self):
        daemon = self.library(tasks={"kit.sleep": {"time_limit": "300ms"}}, max_attempts=1)
        daemon.enqueue("kit.sleep", {"s": 600})
        daemon.wait_counts(timeout=1)
        harness.poll("the hook", lambda: any("on_abort" in line and "timeout" in line
                                             for line in daemon.raw), explain=daemon.tail)


if __name__ == "__main__":
    if not pathlib.Path(harness.WORKMAND).exists():
        print(harness.WORKMAND, "is not built", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
