"""Python's own ZeroMQ on the other side of the socket, for jobs that are answered: REQ and DEALER
sockets that give jobs, a ROUTER that takes ours, and what callers hear when the daemon ends."""

import json
import signal

import harness
import zeromq_peer
from zeromq_peer import zmq


class Router(zeromq_peer.TestCase):
    def test_a_req_socket_gets_its_answers(self):
        self.start()
        caller = self.socket(zmq.REQ)

        for number in range(3):
            self.ask(caller, "Echo", {"n": number})
            word, result = caller.recv_multipart()
            self.assertEqual((word, json.loads(result)), (b"done", {"n": number}))

    def test_a_req_socket_that_correlates(self):
        self.start()
        caller = self.context.socket(zmq.REQ)
        self.addCleanup(caller.close, 0)
        caller.setsockopt(zmq.REQ_CORRELATE, 1)
        caller.rcvtimeo = int(harness.DEADLINE * 1000)
        caller.connect(self.endpoint())

        self.ask(caller, "Echo", 1)

        self.assertEqual(caller.recv_multipart(), [b"done", b"1"])

    def test_a_dealer_gets_the_empty_frame_that_it_sent(self):
        self.start()
        caller = self.socket(zmq.DEALER)

        caller.send_multipart([b"Echo", b"1"])
        self.assertEqual(caller.recv_multipart(), [b"done", b"1"])
        caller.send_multipart([b"", b"Echo", b"2", b"id"])
        self.assertEqual(caller.recv_multipart(), [b"", b"done", b"2", b"id"])

    def test_answers_of_several_callers(self):
        self.start(max_workers=3)
        callers = [self.socket(zmq.DEALER) for _ in range(4)]

        for number in range(40):
            self.ask(callers[number % 4], "Echo", number, str(number).encode())

        for start, caller in enumerate(callers):
            answers = [tuple(caller.recv_multipart()) for _ in range(10)]
            self.assertCountEqual(answers, [(b"done", b"%d" % n, b"%d" % n)
                                            for n in range(start, 40, 4)])

    def test_a_failure_is_told_after_the_last_attempt(self):
        daemon = self.start(max_attempts=2)
        caller = self.socket(zmq.REQ)

        self.ask(caller, "Fail", {"message": "no luck"})

        word, error = caller.recv_multipart()
        self.assertEqual((word, json.loads(error)["message"]), (b"fail", "no luck"))
        self.assertEqual([entry["attempt"] for entry in daemon.records("job")], [1, 2])

    def test_what_is_no_job_is_answered(self):
        daemon = self.start()
        caller = self.socket(zmq.DEALER)

        caller.send_multipart([b"", b""])
        self.assertEqual(caller.recv_multipart()[:2], [b"", b"fail"])
        caller.send_multipart([b"a", b"b", b"c", b"d"])
        self.assertEqual(caller.recv_multipart()[0], b"fail")

        self.ask(caller, "Echo", 1)
        self.assertEqual(caller.recv_multipart(), [b"done", b"1"])
        daemon.wait_event("message refused", count=2)

    def test_a_task_that_nobody_serves_is_answered(self):
        self.start()
        caller = self.socket(zmq.REQ)

        self.ask(caller, "Nobody", 1)

        word, error = caller.recv_multipart()
        self.assertEqual((word, json.loads(error)["message"]), (b"fail", "no worker serves its task"))

    def test_a_caller_that_has_gone(self):
        daemon = self.start()
        caller = self.socket(zmq.DEALER)
        self.ask(caller, "Sleep", {"s": 0.5}, b"j")
        daemon.wait_record("job")
        caller.close(0)

        daemon.wait_event("answer dropped", job="j")
        self.assertEqual(daemon.wait_counts(done=1)["lost"], 0)

    def test_enqueue_and_wait(self):
        daemon = self.start()

        self.assertEqual(daemon.call("Echo", {"n": 1}), {"n": 1})
        failed = daemon.wait("Fail", {"message": "no luck"}).finish()

        self.assertEqual(failed.returncode, 1)
        self.assertIn("no luck", failed.stderr)

    def test_enqueue_and_wait_for_a_router_elsewhere(self):
        daemon = self.daemon(start=False, queue={"driver": "zeromq", "router": self.endpoint()})
        worker = self.socket(zmq.ROUTER, bind=self.endpoint())
        client = daemon.wait("Elsewhere", {"n": 1})

        identity, task, args, job = worker.recv_multipart()
        worker.send_multipart([identity, b"done", args, job])

        result = client.finish()
        self.assertEqual((task, result.returncode, result.stdout), (b"Elsewhere", 0, '{"n":1}\n'))

    def test_workers_that_connect_answer(self):
        source = self.socket(zmq.DEALER, bind=self.endpoint())
        self.start(bind=False)

        self.ask(source, "Echo", 1)

        self.assertEqual(source.recv_multipart(), [b"done", b"1"])

    def test_a_stop_answers_the_running_job_and_refuses_the_others(self):
        daemon = self.start()
        caller = self.socket(zmq.DEALER)
        self.ask(caller, "Sleep", {"s": 2}, b"first")
        daemon.wait_record("job")
        for number in range(20):
            self.ask(caller, "Echo", number, b"late")

        daemon.signal(signal.SIGTERM)
        answers = [caller.recv_multipart() for _ in range(21)]

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertIn([b"done", b"first"], [[one[0], one[-1]] for one in answers])
        late = [one for one in answers if one[-1] == b"late"]
        self.assertEqual(len(late), 20)
        for word, *_ in late:
            self.assertEqual(word, b"fail")
        self.assertIn(b"elsewhere", late[0][1])

    def test_a_daemon_that_is_killed_ends_the_wait(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 600})
        daemon.wait_record("job")

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        result = client.finish()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("has gone", result.stderr)
        daemon.wait_no_process()

    def test_a_reload_under_load_loses_nothing(self):
        daemon = self.start(max_workers=2)
        caller = self.socket(zmq.DEALER)
        for number in range(300):
            self.ask(caller, "Echo", number, b"%d" % number)
        daemon.workman("reload")
        for number in range(300, 600):
            self.ask(caller, "Echo", number, b"%d" % number)

        answers = [caller.recv_multipart() for _ in range(600)]

        self.assertCountEqual([(word, int(job)) for word, _, job in answers],
                              [(b"done", number) for number in range(600)])

    def test_no_more_is_read_than_there_is_room_for(self):
        daemon = self.start()
        caller = self.socket(zmq.DEALER)
        for number in range(200):
            self.ask(caller, "Sleep", {"s": 600} if number == 0 else {"s": 0}, b"%d" % number)
        daemon.wait_record("job")

        self.assertEqual(daemon.status()["counts"]["taken"], 1)
        daemon.signal(signal.SIGQUIT)
        daemon.wait_exit()

    def test_a_second_daemon_at_the_endpoint_waits(self):
        first = self.start()
        second = self.start()

        error = second.wait_event("queue down")["error"]
        self.assertIn("another program listens there", error)
        first.stop()

        second.wait_event("queue up")
        self.assertEqual(second.call("Echo", 1), 1)


if __name__ == "__main__":
    harness.main()
