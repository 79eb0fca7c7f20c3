#!/usr/bin/env python3
"""The producer of each library against a socket that answers by a script. The fixture's --client
makes one call and prints what came of it."""

import base64
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading

import sdk


class Requests(sdk.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = str(self.folder / "t.sock")

    def answer(self, reply):
        """Serves one request, which `self.asked` holds afterwards."""
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.settimeout(sdk.DEADLINE)
        server.bind(self.path)
        server.listen()

        def serve():
            connection, _ = server.accept()
            with connection, connection.makefile("rwb") as stream:
                self.asked = json.loads(stream.readline())
                stream.write(reply if isinstance(reply, bytes) else
                             json.dumps(reply).encode() + b"\n")
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, sdk.DEADLINE)

    def call(self, name, *args, where=None, **environment):
        call = {"where": where or {"socket": self.path}, "call": name, "args": args}
        result = subprocess.run([*sdk.FIXTURE, "--client", json.dumps(call)], text=True,
                                env=sdk.environment(**environment), capture_output=True,
                                timeout=sdk.DEADLINE)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_enqueue_returns_the_id(self):
        self.answer({"ok": True, "id": "21"})
        self.assertEqual(self.call("enqueue", "Echo", {"n": 1}, {
            "delay": 1500, "priority": "low", "unique": "u", "maxAttempts": 2}), {"ok": "21"})
        self.assertEqual(self.asked, {
            "verb": "enqueue", "task": "Echo", "args": {"n": 1}, "delay_ms": 1500,
            "priority": "low", "unique": "u", "max_attempts": 2})

    def test_bytes_go_as_base64(self):
        self.answer({"ok": True, "id": "1"})
        self.call("enqueueBackground", "Echo", sdk.bytes_of(b"\xff"))
        self.assertEqual(base64.b64decode(self.asked["args_b64"]), b"\xff")
        self.assertNotIn("args", self.asked)

    def test_a_wait_returns_the_result(self):
        self.answer({"ok": True, "id": "1", "result": [1]})
        self.assertEqual(self.call("enqueueWithWait", "Echo", None, {"timeout": 2000}),
                         {"ok": [1]})
        self.assertEqual((self.asked["wait"], self.asked["timeout_ms"]), (True, 2000))

    def test_a_wait_returns_bytes(self):
        self.answer({"ok": True, "id": "1", "result_b64": "/w=="})
        self.assertEqual(self.call("enqueueWithWait", "Echo"), {"ok": sdk.bytes_of(b"\xff")})

    def test_a_failed_job_is_an_error_with_the_whole_failure(self):
        self.answer({"ok": False, "error": "boom", "failure": {"message": "boom"}})
        self.assertEqual(self.call("enqueueWithWait", "Fail"), {
            "class": "JobFailed", "message": "boom", "failure": {"message": "boom"}})

    def test_a_wait_that_runs_out_is_an_error(self):
        self.answer({"ok": False, "timeout": True, "error": "time is up"})
        self.assertEqual(self.call("enqueueWithWait", "Echo", None, {"timeout": 0}),
                         {"class": "WaitTimeout", "message": "time is up"})
        self.assertEqual(self.asked["timeout_ms"], 0)

    def test_a_refusal_is_an_error_with_its_sentence(self):
        self.answer({"ok": False, "error": "the queue is down"})
        self.assertEqual(self.call("enqueue", "Echo"),
                         {"class": "ClientError", "message": "the queue is down"})

    def test_a_daemon_that_breaks_off_is_told(self):
        self.answer(b'{"ok":tr')
        self.assertIn("nobody knows", self.call("enqueue", "Echo")["message"])

    def test_without_a_daemon_the_error_names_the_paths_and_the_other_way(self):
        said = self.call("enqueue", "Echo", where={"profile": "no-such-profile"},
                         XDG_RUNTIME_DIR=str(self.folder))
        self.assertEqual(said["class"], "NoDaemon")
        for text in ("/run/workman/no-such-profile.sock", str(self.folder), "/tmp/workman-",
                     "workman enqueue"):
            self.assertIn(text, said["message"])

    def test_a_socket_that_everybody_may_write_to_is_not_trusted(self):
        self.answer({"ok": True, "id": "1"})
        os.chmod(self.path, 0o777)
        said = self.call("enqueue", "Echo")
        self.assertEqual(said["class"], "NoDaemon")
        self.assertIn("everybody may write", said["message"])
        os.chmod(self.path, 0o700)
        self.assertEqual(self.call("enqueue", "Echo"), {"ok": "1"})

    def test_a_profile_or_a_socket_is_needed(self):
        said = self.call("enqueue", "Echo", where={"profile": ""})
        self.assertIn("profile", said["message"])


if __name__ == "__main__":
    sdk.main()
