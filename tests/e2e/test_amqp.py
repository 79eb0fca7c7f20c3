"""The flows of every queue on a real RabbitMQ, and what only this driver does. The other side is
amqp-tools."""

import json
import signal
import sys

import dead_letters
import harness
import rabbit_server
from test_queues import Flows


class Amqp(Flows, harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = rabbit_server.Server()
        cls.addClassCleanup(cls.server.close)
        cls.queues = 0

    def setUp(self):
        Amqp.queues += 1
        self.queue = f"workman.t{self.queues}"  # nothing of another test is in it

    def start(self, **profile):
        return self.daemon(queue={"driver": "amqp", "url": self.server.url, "queue": self.queue},
                           **profile)

    def test_a_job_is_back_at_once_after_the_death_of_workmand(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        self.assertEqual(client.finish().returncode, 0)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 2)

    def test_a_server_that_comes_back_has_the_jobs(self):
        daemon = self.start()
        daemon.call("Echo", 1)
        self.server.stop()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2, timeout=rabbit_server.START)
        self.assertEqual(daemon.call("Echo", 2), 2)

    def test_a_dead_letter_is_listed_and_retried(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        daemon.wait_counts(dead=1)

        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))

        self.assertEqual((letter["id"], letter["task"]), (job, "Fail"))
        self.assertIn("no luck", json.dumps(letter))
        dead_letters.failed(daemon, "retry", job)
        daemon.wait_record("job", count=2, task="Fail")

    def test_a_message_of_another_program_is_a_job(self):
        daemon = self.start()

        self.server.publish(self.queue, '{"from":"me"}', "-H", "task: Note")

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "me"})
        daemon.wait_counts(done=1)
        self.assertIsNone(self.server.get(self.queue))

    def test_another_program_gets_a_job(self):
        daemon = self.start()
        daemon.stop()

        daemon.workman("enqueue", "Echo", '{"for":"you"}')

        self.assertEqual(self.server.get(self.queue), '{"for":"you"}')

    def test_old_dead_letters_go(self):
        daemon = self.start(max_attempts=1, dead_letter={"retention": "10s"})
        daemon.enqueue("Fail", {"message": "no luck"})
        dead_letters.wait(daemon, 1)

        dead_letters.wait(daemon, 0)

    def test_a_message_that_names_no_task_is_a_dead_letter(self):
        daemon = self.start()

        self.server.publish(self.queue, "?")

        harness.poll("the dead letter",
                     lambda: "names no task" in dead_letters.failed(daemon, "list", "--json"))

    def test_a_message_for_nobody_is_sent_away_for_a_while(self):
        daemon = self.start()

        self.server.publish(self.queue, "for nobody", "-H", "task: Nobody")

        daemon.wait_event("task not served here", task="Nobody")
        harness.poll("the message", lambda: self.server.get(
            self.queue + ".delay.2000") == "for nobody")

    def test_a_password_is_not_shown(self):
        daemon = self.daemon(start=False, queue={
            "driver": "amqp", "url": "amqp://user:geheim@127.0.0.1:1/"})

        daemon.start(wait="queue down")

        shown = daemon.tail(200) + daemon.workman("status").stdout
        self.assertNotIn("geheim", shown)


class OwnSettings(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = rabbit_server.Server(
            "consumer_timeout = 3000\n"
            "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.certfile = {folder}/cert.pem\n"
            "ssl_options.keyfile = {folder}/key.pem\n")
        cls.addClassCleanup(cls.server.close)

    def test_a_channel_that_the_server_closes_for_a_long_job_is_opened_again(self):
        daemon = self.daemon(max_workers=2, queue={
            "driver": "amqp", "url": self.server.url, "queue": "workman.long"})
        client = daemon.wait("Sleep", {"s": 8, "once": str(daemon.folder / "once")})

        daemon.wait_event("queue down")

        self.assertIn("timed out", daemon.tail(200))
        daemon.wait_event("queue up", count=2)
        # It is handed out again while it runs, and the second worker is quick.
        self.assertEqual(client.finish().returncode, 0)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_tls_checks_who_the_server_is(self):
        url = f"amqps://localhost:{self.server.tls_port}/"
        daemon = self.daemon(queue={"driver": "amqp", "url": url, "queue": "workman.tls",
                                    "ca_file": f"{self.server.folder}/cert.pem"})
        self.assertEqual(daemon.call("Echo", 1), 1)

        stranger = self.daemon(start=False, queue={"driver": "amqp", "url": url})
        stranger.start(wait="queue down")


if __name__ == "__main__":
    if not rabbit_server.installed():
        print("SKIPPED: rabbitmq-server, epmd or amqp-tools is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    del Flows  # it is for its heirs
    harness.main()
