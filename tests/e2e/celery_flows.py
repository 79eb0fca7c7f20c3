"""Celery itself (Debian's) and workman on one queue, in both directions, with results: what is the
same with every broker."""

import json
import os
import pathlib
import subprocess

import beside
import harness

# Debian's Celery belongs to Debian's Python, whichever this one is.
PYTHON = "/usr/bin/python3"

TASKS = """
import json, os
from celery import Celery
app = Celery("tasks", broker=os.environ["BROKER_URL"], backend=os.environ["BACKEND_URL"])

@app.task(name="Note")
def note(*args, **kwargs):
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps([args, kwargs]) + "\\n")
    return "noted"

@app.task(name="Break")
def broken():
    raise ValueError("it broke")
"""


def installed():
    return pathlib.Path(PYTHON).exists() and subprocess.run(
        [PYTHON, "-c", "import celery, redis"], capture_output=True).returncode == 0


class TestCase(beside.Beside, harness.TestCase):
    """`broker` and `backend` are URLs, of Celery; `queue` is the profile's block."""

    def setUp(self):
        super().setUp()
        self.place = self.folder()
        (self.place / "tasks.py").write_text(TASKS)
        self.notes = self.place / "notes"
        self.notes.touch()

    def start(self, **profile):
        return self.daemon(queue=self.queue, **profile)

    def environment(self):
        return {"BROKER_URL": self.broker, "BACKEND_URL": self.backend, "NOTES": str(self.notes),
                "PYTHONPATH": str(self.place)}

    def python(self, code):
        return self.run_program([PYTHON, "-c", "from tasks import app\n" + code],
                                **self.environment()).strip()

    def result_of(self, call):
        """What get() returns of `call`, or the error that it raises, as text."""
        return self.python(f"""
try:
    print({call}.get(timeout=60))
except Exception as error:
    print(type(error).__name__, error)""")

    def celery(self, *options):
        """A worker of Celery's own."""
        process = subprocess.Popen(
            [PYTHON, "-m", "celery", "-A", "tasks", "worker", "-P", "solo", "-l", "error",
             "--without-gossip", "--without-mingle", *options], cwd=self.place,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, **self.environment()})
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def noted(self):
        return [json.loads(line) for line in self.notes.read_text().splitlines()]

    def wait_noted(self, count):
        harness.poll("celery to have done all", lambda: len(self.noted()) >= count, 90)


class Flows:
    def test_a_task_of_celery_is_done_here_and_its_result_comes_back(self):
        self.start()

        self.assertEqual(self.result_of("app.send_task('Echo', [1, 'two'], {'x': None})"),
                         "{'args': [1, 'two'], 'kwargs': {'x': None}}")

    def test_a_failure_is_raised_at_the_caller(self):
        self.start(max_attempts=1)

        self.assertEqual(self.result_of("app.send_task('Fail')"), "Exception failed")

    def test_a_task_with_a_time_waits_for_it(self):
        daemon = self.start()

        sent = float(self.python("""
import time
print(time.monotonic())
app.send_task('Note', ['later'], countdown=2)"""))

        # The clock is the machine's, so that it can be compared between processes.
        self.assertGreaterEqual(daemon.wait_record("note")["t"] - sent, 2)

    def test_a_task_that_has_expired_is_revoked(self):
        daemon = self.start()

        result = self.result_of("app.send_task('Note', ['old'], expires=-5)")

        self.assertEqual(result, "TaskRevokedError the task has expired")
        self.assertEqual(daemon.records("note"), [])

    def check_refused(self, call, sentence):
        daemon = self.start()

        result = self.result_of(call)

        self.assertIn(sentence, result)
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
        daemon = self.daemon(start=False, queue=self.queue)
        daemon.enqueue("Note", {"args": [1, "two"], "kwargs": {"x": None}})
        daemon.enqueue("Note", ["list"])
        daemon.enqueue("Note", {"a": "mapping"})

        self.celery()

        self.wait_noted(3)
        self.assertEqual(self.noted(), [
            [[1, "two"], {"x": None}], [["list"], {}], [[{"a": "mapping"}], {}]])

    def test_a_task_that_is_not_served_here_is_left_to_celery(self):
        daemon = self.start(wait="ready")
        # Only Celery has it, and only Celery could put what is linked to it.
        task = "app.send_task('Break', link=app.signature('Echo'))"
        self.python(task)
        daemon.call("Echo", 1)

        self.celery()

        self.assertIn("ValueError it broke", self.result_of(task))
        self.assertEqual(daemon.records("job", task="Break"), [])
