"""Celery and workman on one queue of a real Redis, which is the result backend, too."""

import sys

import celery_flows
import harness
import redis_server


class Redis(celery_flows.Flows, redis_server.TestCase, celery_flows.TestCase):
    def setUp(self):
        super().setUp()
        self.broker = self.backend = self.server.url
        self.queue = {"driver": "celery", "url": self.server.url}

    def test_the_result_of_celery_is_where_it_looks(self):
        daemon = self.daemon(start=False, queue=self.queue)
        job = daemon.enqueue("Note", 1)

        self.celery()

        self.assertEqual(self.result_of(f"app.AsyncResult('{job}')"), "noted")


if __name__ == "__main__":
    if not (redis_server.installed() and celery_flows.installed()):
        print("SKIPPED: redis-server, or python3-celery with python3-redis, is not installed",
              file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
