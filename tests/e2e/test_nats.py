"""A real nats-server with its streams on disk: what comes back after deaths, and what another
program that speaks the protocol puts and finds."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import harness
import peer

PEER = str(harness.BUILD / "tests/peer_nats")
PROGRAM = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Server:
    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="wm-nats-")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", self.folder],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.poll("nats-server to answer", self.answers)

    def answers(self):
        try:
            return self.request("$JS.API.INFO")
        except OSError:
            return None

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def request(self, subject, body=""):
        """Publishes, and returns the JSON that is answered."""
        with socket.create_connection(("127.0.0.1", self.port), harness.DEADLINE) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\nSUB answer 1\r\n' + (
                f"PUB {subject} answer {len(body)}\r\n{body}\r\n").encode())
            with connection.makefile("rb") as stream:
                for line in stream:
                    if line.startswith(b"MSG"):
                        return json.loads(stream.read(int(line.split()[-1])))
        raise OSError("the server closed the connection")

    def messages(self):
        """How many the stream holds."""
        return self.request("$JS.API.STREAM.INFO.WORKMAN_t")["state"]["messages"]


class Nats(harness.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)

    def start(self, **profile):
        return self.daemon(queue={"driver": "nats", "url": f"nats://127.0.0.1:{self.server.port}"},
                           **profile)

    def test_a_job_is_done_and_gone(self):
        daemon = self.start()

        daemon.enqueue("Note", {"n": 1})

        self.assertEqual(daemon.wait_record("note")["args"], {"n": 1})
        daemon.wait_counts(done=1)
        harness.poll("an empty stream", lambda: self.server.messages() == 0)

    def go(self, *words):
        """The client for Go."""
        if not os.path.exists(PEER) and os.environ.get("WORKMAN_REQUIRE_SERVERS") != "1":
            self.skipTest("the client for Go is not installed")
        return peer.run(self, PEER, f"nats://127.0.0.1:{self.server.port}", *words)

    def test_a_job_that_go_publishes_is_done(self):
        daemon = self.start()

        self.go("publish", "workman.t.Note", '{"from":"Go"}')

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "Go"})
        daemon.wait_counts(done=1)
        harness.poll("an empty stream", lambda: self.server.messages() == 0)

    def test_a_job_of_ours_is_taken_by_go(self):
        daemon = self.start()

        daemon.enqueue("Elsewhere", {"n": 1})

        self.assertEqual(json.loads(self.go("take", "workman.t.Elsewhere")), {"n": 1})
        harness.poll("an empty stream", lambda: self.server.messages() == 0)

    def test_a_caller_that_wants_a_result_is_refused(self):
        daemon = self.start()

        result = daemon.wait("Echo", 1).finish()

        self.assertEqual(result.returncode, 1)
        self.assertIn("nobody can wait for this job", result.stderr)

    def test_a_failed_job_comes_back_with_its_attempt(self):
        daemon = self.start()

        job = daemon.enqueue("Fail", {"once": str(daemon.folder / "once")})

        daemon.wait_counts(done=1)
        self.assertEqual([(entry["job"], entry["attempt"]) for entry in daemon.records("job")],
                         [(job, 1), (job, 2)])

    def test_the_jobs_of_a_killed_daemon_come_back_when_their_lease_is_over(self):
        daemon = self.start(lease_time="1s")
        job = daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        again = daemon.wait_record("job", count=2)
        daemon.wait_counts(done=1)
        self.assertEqual((again["job"], again["attempt"]), (job, 1))

    def test_a_job_longer_than_its_lease_runs_once(self):
        daemon = self.start(lease_time="1s")

        daemon.enqueue("Sleep", {"s": 4})

        daemon.wait_counts(done=1)
        self.assertEqual(len(daemon.records("job")), 1)
        harness.poll("an empty stream", lambda: self.server.messages() == 0)

    def test_the_lease_of_the_first_daemon_is_renewed_by_one_with_a_longer_lease(self):
        daemon = self.start(lease_time="1s")
        daemon.enqueue("Note", 1)
        daemon.enqueue("Sleep", {"s": 0})
        daemon.wait_counts(done=2)
        daemon.stop()
        daemon.write_profile(lease_time="60s")
        daemon.start()

        daemon.enqueue("Sleep", {"s": 4})

        daemon.wait_counts(done=1)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 2)

    def test_a_server_that_comes_back_takes_the_outcome_and_has_the_jobs(self):
        daemon = self.start()
        daemon.enqueue("Sleep", {"s": 2})
        daemon.wait_record("job")
        daemon.enqueue("Note", {"n": 2})

        self.server.stop()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        self.assertEqual(daemon.wait_record("note")["args"], {"n": 2})
        harness.poll("an empty stream", lambda: self.server.messages() == 0)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 1)

    def test_a_job_that_failed_for_good_is_gone_and_listed(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        daemon.wait_counts(dead=1)

        result = subprocess.run(
            [harness.WORKMAN, "failed", "list", "--json", "-p", str(daemon.path)],
            capture_output=True, text=True, timeout=harness.DEADLINE)

        letter = json.loads(result.stdout)
        self.assertEqual((letter["id"], letter["task"]), (job, "Fail"))
        harness.poll("an empty stream", lambda: self.server.messages() == 0)

    def test_a_message_of_another_program_is_a_job(self):
        daemon = self.start()

        answer = self.server.request("workman.t.Note", '{"from":"me"}')

        self.assertEqual(answer["stream"], "WORKMAN_t")
        self.assertEqual(daemon.wait_record("note")["args"], {"from": "me"})
        daemon.wait_counts(done=1)

    def test_a_message_that_nobody_serves_stays(self):
        daemon = self.start()

        self.server.request("workman.t.Other", "1")
        daemon.enqueue("Note", 1)

        daemon.wait_counts(done=1)
        harness.poll("one message", lambda: self.server.messages() == 1)

    def test_tls_is_refused_with_a_sentence(self):
        daemon = self.daemon(start=False, queue={"driver": "nats", "url": "tls://host:4222"})

        daemon.start(wait=None)

        self.assertEqual(daemon.wait_exit(), 2)
        self.assertIn("queue.url: must begin with nats:// (tls:// is not served", daemon.tail())


if __name__ == "__main__":
    if PROGRAM is None:
        print("SKIPPED: nats-server is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
