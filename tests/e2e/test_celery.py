"""Celery itself (Debian's) and workman on one queue, in both directions, with results."""

import json
import pathlib
import subprocess
import sys

import harness
import redis_server

# Debian's Celery belongs to Debian's Python, whichever this one is.
PYTHON = "/usr/bin/python3"

TASKS = """
import json, os
from celery import Celery
app = Celery("tasks", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])

@app.task(name="Note")
def note(*args, **kwargs):
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps([args, kwargs]) + "\\n")
    return "noted"
"""


class Interop(redis_server.TestCase):
    def setUp(self):
        super().setUp()
        self.place = self.folder()
        (self.place / "tasks.py").write_text(TASKS)
        self.notes = self.place / "notes"
        self.notes.touch()

    def start(self, **profile):
        return self.daemon(queue={"driver": "celery", "url": self.server.url}, **profile)

    def python(self, code):
        return self.run_program([PYTHON, "-c", "from tasks import app\n" + code],
                                REDIS_URL=self.server.url, NOTES=str(self.notes),
                                PYTHONPATH=str(self.place))

    def test_a_task_of_celery_is_done_here_and_its_result_comes_back(self):
        self.start()

        result = self.python(
            "print(app.send_task('Echo', [1, 'two'], {'x': None}).get(timeout=30))")

        self.assertEqual(result.strip(), "{'args': [1, 'two'], 'kwargs': {'x': None}}")

    def test_a_failure_is_raised_at_the_caller(self):
        self.start(max_attempts=1)

        result = self.python("""
try:
    app.send_task('Fail').get(timeout=30)
except Exception as error:
    print(type(error).__name__, error)""")

        self.assertEqual(result.strip(), "Exception failed")

    def test_a_task_with_a_time_waits_for_it(self):
        daemon = self.start()

        sent = float(self.python("""
import time
print(time.monotonic())
app.send_task('Note', ['later'], countdown=2)"""))

        # The clock is the machine's, so that it can be compared between processes.
        self.assertGreaterEqual(daemon.wait_record("note")["t"] - sent, 2)

    def test_a_task_that_has_expired_is_revoked(self):
        self.python("app.send_task('Note', ['old'], task_id='one', expires=-5)")
        daemon = self.start()

        status = harness.poll("its result", lambda: self.server.command(
            "GET", "celery-task-meta-one"))

        self.assertEqual(json.loads(status)["status"], "REVOKED")
        self.assertEqual(daemon.records("note"), [])

    def check_refused(self, code, sentence):
        daemon = self.start()

        self.python(code)

        status = json.loads(harness.poll("its result", lambda: self.server.command(
            "GET", "celery-task-meta-one")))
        self.assertEqual(status["status"], "FAILURE")
        self.assertIn(sentence, status["result"]["exc_message"][0])
        self.assertEqual(daemon.records("note"), [])
        daemon.wait_event("job cannot be read", job="one")

    def test_a_pickle_is_refused(self):
        self.check_refused("app.send_task('Note', [1], task_id='one', serializer='pickle')",
                           "only JSON is served here: set task_serializer to json")

    def test_a_callback_is_refused(self):
        self.check_refused(
            "app.send_task('Note', [1], task_id='one', link=app.signature('Note'))",
            "callbacks, chains and chords are not supported")

    def test_jobs_of_workman_are_done_by_celery(self):
        daemon = self.daemon(start=False, queue={"driver": "celery", "url": self.server.url})
        job = daemon.enqueue("Note", {"args": [1, "two"], "kwargs": {"x": None}})
        daemon.enqueue("Note", ["list"])
        daemon.enqueue("Note", {"a": "mapping"})
        process = subprocess.Popen(
            [PYTHON, "-m", "celery", "-A", "tasks", "worker", "-P", "solo", "-l", "error",
             "--without-gossip", "--without-mingle"], cwd=self.place, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**daemon.environment, "REDIS_URL": self.server.url, "NOTES": str(self.notes)})
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        harness.poll("celery to have done all",
                     lambda: len(self.notes.read_text().splitlines()) >= 3, 90)

        self.assertEqual(self.notes.read_text().splitlines(), [
            '[[1, "two"], {"x": null}]', '[["list"], {}]', '[[{"a": "mapping"}], {}]'])
        self.assertEqual(self.python(
            f"print(app.AsyncResult('{job}').get(timeout=30))").strip(), "noted")


def have_celery():
    return pathlib.Path(PYTHON).exists() and subprocess.run(
        [PYTHON, "-c", "import celery, redis"], capture_output=True).returncode == 0


if __name__ == "__main__":
    if not (redis_server.installed() and have_celery()):
        print("SKIPPED: redis-server, or python3-celery with python3-redis, is not installed",
              file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
