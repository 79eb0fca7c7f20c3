"""The control socket: what `workman` asks through it, and what any program may."""

import json
import os
import signal
import socket
import stat

import harness


class Status(harness.TestCase):
    def test_the_status_of_an_idle_daemon_has_the_promised_shape(self):
        daemon = self.daemon(max_workers=2)
        daemon.wait_event("worker ready", count=2)

        status = daemon.status()

        self.assertEqual(sorted(status), ["counts", "dropped", "generation", "pid", "profile",
                                          "queue", "state", "version", "violations", "workers"])
        self.assertEqual(status["violations"], {})
        self.assertEqual(status["dropped"], {"data": 0, "log": 0, "stderr": 0})
        self.assertEqual((status["profile"], status["pid"], status["generation"], status["state"]),
                         ("t", daemon.process.pid, 1, "running"))
        self.assertEqual(sorted(status["counts"]), ["abort", "dead", "done", "fail", "lost",
                                                    "taken", "timeout"])
        self.assertEqual(sorted(status["queue"]), ["depth", "driver", "held", "oldest_ms", "state"])
        self.assertEqual((status["queue"]["driver"], status["queue"]["state"]), ("sqlite", "up"))
        self.assertEqual([entry["worker"] for entry in status["workers"]], ["t-1", "t-2"])
        for entry in status["workers"]:
            self.assertEqual(sorted(entry),
                             ["generation", "job", "jobs", "pid", "state", "worker"])
            self.assertEqual((entry["state"], entry["job"], entry["jobs"]), ("idle", None, 0))

    def test_a_running_job_is_shown_without_its_arguments(self):
        daemon = self.daemon()
        job_id = daemon.enqueue("Sleep", {"s": 1, "secret": "hunter2"})
        daemon.wait_record("job")

        text = daemon.workman("status", "--json").stdout

        entry = json.loads(text)["workers"][0]
        self.assertEqual(entry["state"], "busy")
        self.assertEqual(sorted(entry["job"]), ["attempt", "id", "running_ms", "task"])
        self.assertEqual((entry["job"]["id"], entry["job"]["task"], entry["job"]["attempt"]),
                         (job_id, "Sleep", 1))
        self.assertNotIn("hunter2", text)
        daemon.wait_counts(done=1)

    def test_people_get_text(self):
        daemon = self.daemon()

        result = daemon.workman("status")

        self.assertEqual(result.returncode, 0)
        self.assertIn("t-1", result.stdout)


class Verbs(harness.TestCase):
    def test_a_paused_daemon_takes_no_job_until_it_is_resumed(self):
        daemon = self.daemon()
        self.assertEqual(daemon.workman("pause").returncode, 0)
        daemon.wait_event("paused")
        client = daemon.wait("Echo", {"n": 1})
        daemon.wait_status("a waiting job", lambda s: s["queue"]["depth"] == 1)
        self.assertEqual(daemon.status()["state"], "paused")
        self.assertEqual(daemon.records("job"), [])

        self.assertEqual(daemon.workman("resume").returncode, 0)

        self.assertEqual(client.finish().stdout, '{"n":1}\n')
        self.assertEqual(daemon.status()["state"], "running")

    def test_scale_adds_and_removes_workers(self):
        daemon = self.daemon()

        self.assertEqual(daemon.workman("scale", "3").returncode, 0)
        daemon.wait_event("worker ready", count=3)
        self.assertEqual(daemon.workman("scale", "1").returncode, 0)

        daemon.wait_workers(1)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_scaling_down_lets_running_jobs_end(self):
        daemon = self.daemon(max_workers=2)
        daemon.wait_event("worker ready", count=2)
        clients = [daemon.wait("Sleep", {"s": 1}) for _ in range(2)]
        daemon.wait_record("job", count=2)

        daemon.workman("scale", "1")

        for client in clients:
            self.assertEqual(client.finish().stdout, '{"s":1}\n')

    def test_a_reload_falls_back_to_the_size_in_the_profile(self):
        daemon = self.daemon()
        daemon.workman("scale", "2")
        daemon.wait_event("worker ready", count=2)

        self.assertEqual(daemon.workman("reload").returncode, 0)

        daemon.wait_workers(1)

    def test_scaling_to_nonsense_is_refused(self):
        daemon = self.daemon()

        self.assertIn(daemon.workman("scale", "-1").returncode, (1, 64))
        self.assertIn(daemon.workman("scale", "many").returncode, (1, 64))
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_stop_is_as_graceful_as_a_signal(self):
        daemon = self.daemon()
        client = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job")

        self.assertEqual(daemon.workman("stop").returncode, 0)

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(client.finish().stdout, '{"s":0.7}\n')


class Socket(harness.TestCase):
    def connect(self, daemon):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(harness.DEADLINE)
        connection.connect(str(daemon.folder / "t.sock"))
        self.addCleanup(connection.close)
        return connection, connection.makefile("rwb", buffering=0)

    def ask(self, stream, request):
        stream.write(json.dumps(request).encode() + b"\n")
        return json.loads(stream.readline())

    def test_only_the_owner_may_use_it(self):
        daemon = self.daemon()

        mode = stat.S_IMODE(os.stat(daemon.folder / "t.sock").st_mode)

        self.assertEqual(oct(mode), "0o600")

    def test_a_producer_without_any_library_gets_its_result(self):
        daemon = self.daemon()
        _, stream = self.connect(daemon)

        reply = self.ask(stream, {"verb": "enqueue", "task": "Echo", "args": {"a": 1},
                                  "wait": True})

        self.assertEqual((reply["ok"], reply["result"]), (True, {"a": 1}))
        self.assertTrue(reply["id"])

    def test_without_wait_the_id_comes_at_once(self):
        daemon = self.daemon()
        _, stream = self.connect(daemon)

        reply = self.ask(stream, {"verb": "enqueue", "task": "Echo", "args": {"a": 1}})

        self.assertTrue(reply["ok"] and reply["id"])
        daemon.wait_counts(done=1)

    def test_a_failed_job_is_answered_with_its_error(self):
        daemon = self.daemon(max_attempts=1)
        _, stream = self.connect(daemon)

        reply = self.ask(stream, {"verb": "enqueue", "task": "Fail", "wait": True,
                                  "args": {"message": "no luck"}})

        self.assertFalse(reply["ok"])
        self.assertIn("no luck", json.dumps(reply["error"]))

    def test_nonsense_is_answered_and_the_connection_lives(self):
        daemon = self.daemon()
        _, stream = self.connect(daemon)

        for line in (b"nonsense\n", b"[]\n", b'{"verb":"dance"}\n', b'{"verb":7}\n', b"{}\n",
                     b'{"verb":"enqueue"}\n'):
            stream.write(line)
            reply = json.loads(stream.readline())
            self.assertFalse(reply["ok"], line)
            self.assertTrue(reply["error"], line)
        self.assertTrue(self.ask(stream, {"verb": "status"})["ok"])

    def test_a_client_that_hangs_up_while_it_waits_does_no_harm(self):
        daemon = self.daemon()
        connection, stream = self.connect(daemon)
        stream.write(b'{"verb":"enqueue","task":"Sleep","args":{"s":0.7},"wait":true}\n')
        daemon.wait_record("job")

        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

        daemon.wait_counts(done=1)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_a_stop_does_not_leave_a_waiting_client_hanging(self):
        daemon = self.daemon(graceful_shutdown_timeout="200ms")
        _, stream = self.connect(daemon)
        stream.write(b'{"verb":"enqueue","task":"Sleep","args":{"s":600},"wait":true}\n')
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(signal.SIGTERM), 0)

        answer = stream.readline()
        self.assertFalse(answer and json.loads(answer)["ok"])


if __name__ == "__main__":
    harness.main()
