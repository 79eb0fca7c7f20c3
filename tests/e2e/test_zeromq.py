"""Python's own ZeroMQ on the other side of the socket, for jobs without an answer: PUSH sockets that
give jobs, PULL sockets that take ours, and what becomes of jobs when the daemon stops."""

import json
import subprocess

import dead_letters
import harness
import zeromq_peer
from zeromq_peer import zmq


class Pull(zeromq_peer.TestCase):
    def test_jobs_of_push_sockets_are_done(self):
        daemon = self.start("pull", max_workers=2)
        callers = [self.socket(zmq.PUSH) for _ in range(3)]

        for number, caller in enumerate(callers * 10):
            self.ask(caller, "Note", {"n": number})

        daemon.wait_counts(done=30)
        self.assertCountEqual([entry["args"]["n"] for entry in daemon.records("note")], range(30))

    def test_tcp_and_the_id_of_a_caller(self):
        port = zeromq_peer.free_port()
        daemon = self.start("pull", f"tcp://*:{port}")

        self.ask(self.socket(zmq.PUSH, f"tcp://127.0.0.1:{port}"), "Note", 1, b"mine")
        self.assertEqual(daemon.wait_record("job")["job"], "mine")
        daemon.enqueue("Note", 2)

        daemon.wait_counts(done=2)

    def test_workers_that_connect(self):
        source = self.socket(zmq.PUSH, bind=self.endpoint())
        daemon = self.start("pull", bind=False)

        self.ask(source, "Note", {"n": 1})

        daemon.wait_counts(done=1)

    def test_a_job_of_ours_is_taken_by_a_pull_socket(self):
        daemon = self.daemon(start=False, queue={"driver": "zeromq", "pull": self.endpoint()})
        sink = self.socket(zmq.PULL, bind=self.endpoint())

        job = daemon.enqueue("Elsewhere", {"n": 1})

        self.assertEqual(sink.recv_multipart(), [b"Elsewhere", b'{"n":1}', job.encode()])

    def test_a_job_of_ours_is_taken_by_a_pull_socket_that_connects(self):
        daemon = self.daemon(start=False, queue={"driver": "zeromq", "pull": self.endpoint(),
                                                 "bind": False})
        sink = self.socket(zmq.PULL)

        daemon.enqueue("Elsewhere", {"n": 1})

        self.assertEqual(sink.recv_multipart()[:2], [b"Elsewhere", b'{"n":1}'])

    def test_nobody_takes_a_job(self):
        daemon = self.daemon(start=False, queue={"driver": "zeromq", "pull": self.endpoint()})

        result = daemon.workman("enqueue", "Note", "1")

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn(f"nobody takes jobs at {self.endpoint()}", result.stderr)

    def test_a_caller_that_wants_a_result_is_refused(self):
        daemon = self.start("pull")

        result = daemon.wait("Echo", 1).finish()

        self.assertEqual(result.returncode, 1)
        self.assertIn('"pull" has no way back', result.stderr)

    def test_a_failed_job_comes_back_with_its_attempt(self):
        daemon = self.start("pull")

        self.ask(self.socket(zmq.PUSH), "Fail", {"once": str(daemon.folder / "once")}, b"j")

        daemon.wait_counts(done=1)
        self.assertEqual([(entry["job"], entry["attempt"]) for entry in daemon.records("job")],
                         [("j", 1), ("j", 2)])

    def test_a_dead_letter_is_listed_and_retried(self):
        daemon = self.start("pull", max_attempts=1)
        self.ask(self.socket(zmq.PUSH), "Fail", {"message": "no luck"}, b"j")
        daemon.wait_counts(dead=1)

        listed = dead_letters.failed(daemon, "list", "--json")
        self.assertEqual(json.loads(listed)["id"], "j")
        dead_letters.failed(daemon, "retry", "j")

        daemon.wait_counts(dead=2)

    def test_a_reload_under_load_loses_nothing(self):
        daemon = self.start("pull", max_workers=2)
        caller = self.socket(zmq.PUSH)

        for number in range(300):
            self.ask(caller, "Echo", number)
        daemon.workman("reload")
        for number in range(300):
            self.ask(caller, "Echo", number)

        self.assertEqual(daemon.wait_counts(done=600)["fail"], 0)

    def test_a_stop_tells_what_it_loses(self):
        daemon = self.start("pull")
        caller = self.socket(zmq.PUSH)
        self.ask(caller, "Sleep", {"s": 2})
        daemon.wait_record("job")
        for number in range(5):
            self.ask(caller, "Note", number, str(number).encode())

        self.assertEqual(daemon.stop(), 0)

        lost = {event["job"] for event in daemon.find("job lost for good")}
        self.assertEqual(lost, {"0", "1", "2", "3", "4"})
        self.assertEqual(daemon.wait_event("jobs lost for good")["count"], 5)


class Profile(zeromq_peer.TestCase):
    def test_check_tells_when_jobs_are_lost(self):
        for key, words in (("pull", "the daemon stops, crashes or is killed"),
                           ("router", "the daemon crashes or is killed")):
            result = self.check_queue(driver="zeromq", **{key: self.endpoint()})
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(f"queue zeromq: jobs are lost if {words}", result.stdout)

    def test_check_says_nothing_of_a_queue_that_keeps_its_jobs(self):
        daemon = self.daemon(start=False)
        result = subprocess.run([harness.WORKMAND, "--check", str(daemon.path)],
                                capture_output=True, text=True, timeout=harness.DEADLINE)
        self.assertNotIn("are lost", result.stdout)

    def test_keys_that_cannot_be(self):
        ipc = self.endpoint()
        for queue, sentence in (
                ({}, '"pull" is missing|queue.pull'),
                ({"pull": ipc, "router": ipc}, "choose one"),
                ({"pull": "tcp://127.0.0.1"}, "tcp://HOST:PORT"),
                ({"pull": "tcp://127.0.0.1:*"}, "must name a port"),
                ({"pull": "tcp://127.0.0.1:70000"}, "from 1 to 65535"),
                ({"pull": "tcp://*:5555", "bind": False}, "must name a host"),
                ({"pull": "ipc://"}, "must name the file"),
                ({"pull": "inproc://x"}, "reaches nobody"),
                ({"pull": "udp://127.0.0.1:5555"}, "must begin with tcp:// or ipc://"),
                ({"router": ipc, "bind": "perhaps"}, "must be one of true and false"),
                ({"router": ipc, "hwm": 5}, "hwm"),
                ({"router": ipc, "url": "tcp://127.0.0.1:5555"}, "url")):
            with self.subTest(queue=queue):
                result = self.check_queue(driver="zeromq", **queue)
                self.assertEqual(result.returncode, 2, result.stdout)
                self.assertRegex(result.stderr, sentence)

    def test_options_of_a_job_that_cannot_be(self):
        daemon = self.start()
        for option, word in (("--priority=high", "priorities"), ("--unique=k", "unique"),
                             ("--delay=5s", "delay"), ("--max-attempts=3", "attempts")):
            result = daemon.workman("enqueue", option, "Echo", "1")
            self.assertEqual(result.returncode, 1, option)
            self.assertIn(word, result.stderr)


if __name__ == "__main__":
    harness.main()
