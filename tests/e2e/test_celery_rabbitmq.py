"""Celery and workman on one queue of a real RabbitMQ, with results in the caller's queue (rpc://) and
in Redis."""

import json
import sys

import celery_flows
import dead_letters
import harness
import rabbit_server
import redis_server

MAX_PRIORITY = """
import kombu
app.conf.task_queues = [kombu.Queue('urgent', max_priority=9)]
with app.connection() as connection:
    app.conf.task_queues[0](connection).declare()
app.conf.task_create_missing_queues = True
"""


class TestCase(celery_flows.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = rabbit_server.Server()
        cls.addClassCleanup(cls.server.close)

    def setUp(self):
        super().setUp()
        self.broker, self.backend = self.server.url, "rpc://"
        self.queue = {"driver": "celery", "url": self.server.url}
        # Nothing of another test is in it.
        for name in ("celery", "celery.dead"):
            while self.server.get(name) is not None:
                pass


class Rabbitmq(celery_flows.Flows, TestCase):
    def test_a_caller_of_workman_gets_the_result_of_celery(self):
        daemon = self.daemon(start=False, queue=self.queue)
        self.celery()

        good, bad = daemon.wait("Note", [1]), daemon.wait("Break", [])

        self.assertEqual(json.loads(good.finish().stdout), "noted")
        failed = bad.finish()
        self.assertEqual(failed.returncode, 1)
        self.assertIn("it broke", failed.stderr)

    def test_queues_are_taken_as_they_are_and_served_side_by_side(self):
        self.python(MAX_PRIORITY)
        self.queue["queues"] = ["urgent", "celery"]
        daemon = self.start()

        self.python(MAX_PRIORITY + """
app.send_task('Note', ['first'], queue='urgent', priority=9)
app.send_task('Note', ['second'], queue='celery')""")

        daemon.wait_counts(done=2)
        self.assertEqual(sorted(entry["args"]["args"][0] for entry in daemon.records("note")),
                         ["first", "second"])

    def test_what_is_not_wanted_stays_for_others(self):
        self.queue["queues"] = ["one", "two"]
        daemon = self.start(max_workers=1, prefetch=0)
        self.python("""
for queue in ('one', 'two'):
    for number in range(3):
        app.send_task('Sleep', [], {'s': 600}, queue=queue)""")
        daemon.wait_record("job", task="Sleep")

        left = [body for queue in ("one", "two")
                for body in iter(lambda queue=queue: self.server.get(queue), None)]

        self.assertEqual(len(left), 5)

    def test_bad_keys_are_told_by_name(self):
        for key, value, sentence in (
                ("result_backend", "memcached://x", "must be broker (for rpc://), none, or a URL"),
                ("result_backend", "redis://x/y", "number of a database"),
                ("queues", ["amq.x"], 'must not begin with "amq."'),
                ("quorum", "true", "quorum")):
            said = self.check_queue(**{**self.queue, key: value})

            self.assertEqual(said.returncode, 2, said.stderr)
            self.assertIn(f"queue.{key}", said.stderr)
            self.assertIn(sentence, said.stderr)

    def test_a_dead_letter_shows_its_arguments_and_is_retried(self):
        daemon = self.start(max_attempts=1)
        self.python("app.send_task('Fail', [], {'message': 'no luck'}, task_id='one')")
        daemon.wait_counts(dead=1)

        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        self.assertEqual((letter["id"], letter["task"]), ("one", "Fail"))
        self.assertIn("no luck", json.dumps(letter))
        dead_letters.failed(daemon, "retry", "one")

        daemon.wait_record("job", count=2, task="Fail")

    def test_a_retry_is_told_at_its_end_only(self):
        daemon = self.start()
        once = str(daemon.folder / "once")

        result = self.result_of(f"app.send_task('Fail', [], {{'once': '{once}'}})")

        self.assertNotIn("Exception", result)
        self.assertEqual([entry["attempt"] for entry in daemon.records("job")], [1, 2])


class Results(TestCase):
    """The broker is RabbitMQ, the result backend Redis."""

    def setUp(self):
        super().setUp()
        self.store = redis_server.Server()
        self.addCleanup(self.store.close)
        self.backend = self.store.url
        self.queue["result_backend"] = self.store.url

    def test_the_result_is_kept_for_any_process(self):
        self.start(max_attempts=1)
        self.python("app.send_task('Echo', [1], task_id='one'); app.send_task('Fail', task_id='two')")

        self.assertEqual(self.result_of("app.AsyncResult('one')"), "{'args': [1], 'kwargs': {}}")
        self.assertEqual(self.result_of("app.AsyncResult('two')"), "Exception failed")

    def test_a_result_that_nobody_wants_is_not_kept(self):
        daemon = self.start()
        self.python("app.send_task('Echo', [1], task_id='quiet', ignore_result=True)")
        daemon.wait_counts(done=1)

        self.assertIsNone(self.store.command("GET", "celery-task-meta-quiet"))

    def test_a_backend_that_was_away_for_a_while_gets_the_result(self):
        daemon = self.start()
        daemon.call("Echo", 1)
        self.store.stop()
        self.store.start()

        self.assertEqual(self.result_of("app.send_task('Echo', [2])"),
                         "{'args': [2], 'kwargs': {}}")
        self.assertEqual(daemon.find("queue down"), [])

    def test_a_job_ends_only_when_its_result_is_kept(self):
        daemon = self.start()
        self.store.stop()
        self.backend = "rpc://"  # Celery sends nothing while its own backend is away.
        self.python("app.send_task('Note', [1], task_id='three')")
        daemon.wait_record("note")
        daemon.wait_event("queue down")
        self.store.start()
        self.backend = self.store.url

        self.assertEqual(self.result_of("app.AsyncResult('three')"), "None")


if __name__ == "__main__":
    if not (rabbit_server.installed() and redis_server.installed() and celery_flows.installed()):
        print("SKIPPED: rabbitmq-server, redis-server, or python3-celery with python3-redis, is not "
              "installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
