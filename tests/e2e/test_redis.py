"""The flows of every queue on the drivers that need a Redis server, and what only they do."""

import json
import signal
import sys

import dead_letters
import harness
import redis_server
from test_queues import Flows


class OnRedis(Flows, redis_server.TestCase):
    DRIVER = None

    def start(self, **profile):
        return self.daemon(queue={"driver": self.DRIVER, "url": self.server.url}, **profile)

    def test_a_job_survives_the_death_of_workmand(self):
        daemon = self.start(lease_time="1s")
        client = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        self.assertEqual(client.finish().returncode, 0)

    def test_a_server_that_comes_back_has_the_job_and_takes_its_result(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 2})
        daemon.wait_record("job")

        self.server.stop()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        daemon.wait_counts(done=1)
        # The caller was connected to a server that died; it is told, or it has its result.
        client.finish()
        self.assertEqual(daemon.call("Echo", 2), 2)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 1)

    def test_a_dead_letter_is_listed_and_retried(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        daemon.wait_counts(dead=1)
        place = ["-p", str(daemon.path)]

        letter = json.loads(self.run_program([harness.WORKMAN, "failed", "list", "--json", *place]))

        self.assertEqual((letter["id"], letter["task"]), (job, "Fail"))
        self.assertIn("no luck", json.dumps(letter))
        self.run_program([harness.WORKMAN, "failed", "retry", job, *place])
        daemon.wait_record("job", count=2, task="Fail")

    def test_a_password_is_not_shown(self):
        daemon = self.daemon(start=False, queue={
            "driver": self.DRIVER, "url": "redis://user:geheim@127.0.0.1:1/0"})

        daemon.start(wait="queue down")

        shown = daemon.tail(200) + daemon.workman("status").stdout + self.run_program(
            [harness.WORKMAND, "--print-config", str(daemon.path)])
        self.assertIn("user:***@", shown)
        self.assertNotIn("geheim", shown)

    def test_tls_is_refused_with_a_sentence(self):
        daemon = self.daemon(start=False, queue={"driver": self.DRIVER, "url": "rediss://host/0"})

        daemon.start(wait=None)

        self.assertEqual(daemon.wait_exit(), 2)
        self.assertIn("queue.url: must begin with redis:// (rediss:// asks for TLS", daemon.tail())


class Redis(dead_letters.Swept, OnRedis):
    DRIVER = "redis"

    def test_an_entry_of_another_program_is_a_job(self):
        daemon = self.start()

        self.server.command("XADD", "workman:t:task:Note:normal", "*", "payload", '{"from":"me"}')

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "me"})
        daemon.wait_counts(done=1)
        self.assertEqual(self.server.command("XLEN", "workman:t:task:Note:normal"), 0)


class Resque(OnRedis):
    DRIVER = "resque"


class Sidekiq(OnRedis):
    DRIVER = "sidekiq"


class Celery(OnRedis):
    DRIVER = "celery"


if __name__ == "__main__":
    if not redis_server.installed():
        print("SKIPPED: redis-server is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    del OnRedis, Flows  # they are for their heirs
    harness.main()
