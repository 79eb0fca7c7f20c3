#!/usr/bin/env python3
"""The producer against a socket that answers by a script."""

import base64
import json
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
import unittest

import kit

sys.path.insert(0, str(kit.FOLDER))

from workman import Client, ClientError, JobFailed, NoDaemon  # noqa: E402


class Requests(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = str(self.folder / "t.sock")

    def answer(self, reply):
        """Serves one request, which `self.asked` holds afterwards."""
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
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
        self.addCleanup(thread.join)
        return Client(socket=self.path)

    def test_enqueue_returns_the_id(self):
        client = self.answer({"ok": True, "id": "21"})
        self.assertEqual(client.enqueue("Echo", {"n": 1}, delay=1.5, priority="low", unique="u",
                                        max_attempts=2), "21")
        self.assertEqual(self.asked, {
            "verb": "enqueue", "task": "Echo", "args": {"n": 1}, "delay_ms": 1500,
            "priority": "low", "unique": "u", "max_attempts": 2})

    def test_bytes_go_as_base64(self):
        self.answer({"ok": True, "id": "1"}).enqueue_background("Echo", b"\xff")
        self.assertEqual(base64.b64decode(self.asked["args_b64"]), b"\xff")
        self.assertNotIn("args", self.asked)

    def test_a_wait_returns_the_result(self):
        client = self.answer({"ok": True, "id": "1", "result": [1]})
        self.assertEqual(client.enqueue_with_wait("Echo", timeout=2), [1])
        self.assertEqual((self.asked["wait"], self.asked["timeout_ms"]), (True, 2000))

    def test_a_wait_returns_bytes(self):
        client = self.answer({"ok": True, "id": "1", "result_b64": "/w=="})
        self.assertEqual(client.enqueue_with_wait("Echo"), b"\xff")

    def test_a_failed_job_raises_with_the_whole_error(self):
        client = self.answer({"ok": False, "error": "boom", "failure": {"message": "boom"}})
        with self.assertRaises(JobFailed) as caught:
            client.enqueue_with_wait("Fail")
        self.assertEqual(caught.exception.failure, {"message": "boom"})

    def test_a_wait_that_runs_out_raises(self):
        client = self.answer({"ok": False, "timeout": True, "error": "time is up"})
        with self.assertRaises(TimeoutError):
            client.enqueue_with_wait("Echo", timeout=0)

    def test_a_refusal_raises_with_its_sentence(self):
        client = self.answer({"ok": False, "error": "the queue is down"})
        with self.assertRaisesRegex(ClientError, "the queue is down"):
            client.enqueue("Echo")

    def test_a_daemon_that_breaks_off_is_told(self):
        with self.assertRaisesRegex(ClientError, "nobody knows"):
            self.answer(b'{"ok":tr').enqueue("Echo")

    def test_without_a_daemon_the_error_names_the_paths_and_the_other_way(self):
        os.environ["XDG_RUNTIME_DIR"] = str(self.folder)
        self.addCleanup(os.environ.pop, "XDG_RUNTIME_DIR")
        with self.assertRaises(NoDaemon) as caught:
            Client("no-such-profile").enqueue("Echo")
        for text in ("/run/workman/no-such-profile.sock", str(self.folder), "/tmp/workman-",
                     "workman enqueue"):
            self.assertIn(text, str(caught.exception))

    def test_a_socket_that_everybody_may_write_to_is_not_trusted(self):
        client = self.answer({"ok": True, "id": "1"})
        os.chmod(self.path, 0o777)
        with self.assertRaisesRegex(NoDaemon, "everybody may write"):
            client.enqueue("Echo")
        os.chmod(self.path, 0o700)
        client.enqueue("Echo")

    def test_a_profile_or_a_socket_is_needed(self):
        with self.assertRaises(ValueError):
            Client()


if __name__ == "__main__":
    unittest.main()
