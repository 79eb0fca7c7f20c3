"""Kafka's protocol as tests/kafka/broker.cc speaks it: jobs end in any order, come back after
deaths and rebalances, and what another program writes and reads."""

import json
import os
import shutil
import signal
import subprocess

import dead_letters
import harness
import kafka_broker

TOPIC = "workman.t"


def headers(message):
    return {name: value.decode() for name, value in message.headers() or []}


class TestCase(harness.TestCase):
    partitions = 2

    def setUp(self):
        self.broker = kafka_broker.Broker((TOPIC, TOPIC + ".retry", TOPIC + ".dead"), self.partitions)
        self.addCleanup(self.broker.close)

    def queue(self, **keys):
        return {"driver": "kafka", "url": f"kafka://{self.broker.address}",
                "session_timeout": "4s", **keys}

    def start(self, wait="ready", **profile):
        daemon = self.daemon(queue=self.queue(), wait=wait, **profile)
        daemon.wait_event("queue up")
        return daemon


class Jobs(TestCase, dead_letters.Swept):
    def test_a_job_is_done_and_committed(self):
        daemon = self.start()

        daemon.enqueue("Note", {"n": 1})

        self.assertEqual(daemon.wait_record("note")["args"], {"n": 1})
        daemon.wait_counts(done=1)
        harness.poll("a commit", lambda: any(
            self.broker.position(TOPIC, partition=number) == 1 for number in range(2)))

    def test_a_failed_job_comes_back_with_its_attempt(self):
        daemon = self.start()

        job = daemon.enqueue("Fail", {"once": str(daemon.folder / "once")})

        daemon.wait_counts(done=1)
        self.assertEqual([(entry["job"], entry["attempt"]) for entry in daemon.records("job")],
                         [(job, 1), (job, 2)])
        retry = headers(self.broker.records(TOPIC + ".retry", 1)[0])
        self.assertEqual((retry["task"], retry["workman-id"], retry["workman-attempt"]),
                         ("Fail", job, "2"))

    def test_a_delayed_job_waits(self):
        daemon = self.start()
        daemon.enqueue("Note", "first")
        daemon.wait_counts(done=1)  # so the daemon has its partitions

        daemon.enqueue("Note", "late", "--delay", "2s")
        daemon.enqueue("Note", "early")

        daemon.wait_counts(done=3)
        self.assertEqual([entry["args"] for entry in daemon.records("note")],
                         ["first", "early", "late"])

    def test_what_a_log_cannot_do_is_refused(self):
        daemon = self.start()

        waits = daemon.wait("Echo", 1).finish()
        urgent = daemon.workman("enqueue", "Note", "1", "--priority", "high")

        self.assertEqual((waits.returncode, urgent.returncode), (1, 1))
        self.assertIn("kafka has no results: nobody can wait for this job", waits.stderr)
        self.assertIn("kafka has no priorities", urgent.stderr)

    def test_a_job_that_failed_for_good_is_a_record_of_the_dead_topic(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        dead_letters.wait(daemon, 1)

        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        record = self.broker.records(TOPIC + ".dead", 1)[0]

        self.assertEqual((letter["id"], letter["task"]), (job, "Fail"))
        self.assertEqual(record.key().decode(), job)
        self.assertEqual(json.loads(headers(record)["workman-error"])["message"], "no luck")

    def test_a_dead_letter_is_retried_once_and_dropped(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        dead_letters.wait(daemon, 1)

        dead_letters.failed(daemon, "retry", job)
        daemon.wait_record("job", count=2)
        daemon.wait_counts(dead=2)
        dead_letters.wait(daemon, 1)
        dead_letters.failed(daemon, "drop", job)

        dead_letters.wait(daemon, 0)
        self.assertEqual([entry["job"] for entry in daemon.records("job")], [job, job])


class Others(TestCase):
    def test_a_record_of_another_program_is_a_job(self):
        daemon = self.start()

        self.broker.produce(TOPIC, '{"from":"Python"}', headers={"task": "Note"})

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "Python"})
        daemon.wait_counts(done=1)

    def test_a_record_of_kcat_is_a_job(self):
        kcat = shutil.which("kcat")
        if kcat is None:
            self.skipTest("kcat is not installed")
        daemon = self.start()

        subprocess.run([kcat, "-b", self.broker.address, "-P", "-t", TOPIC, "-H", "task=Note"],
                       input='{"from":"kcat"}', text=True, check=True, timeout=harness.DEADLINE,
                       stderr=subprocess.DEVNULL)

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "kcat"})

    def test_a_job_of_ours_is_a_record_for_another_program(self):
        daemon = self.start()

        job = daemon.enqueue("Note", {"n": 1})

        record = self.broker.records(TOPIC, 1)[0]
        self.assertEqual(json.loads(record.value()), {"n": 1})
        self.assertEqual(headers(record), {"task": "Note"})
        self.assertEqual(job, f"{TOPIC}-{record.partition()}-{record.offset()}")

    def test_a_record_without_a_task_is_a_dead_letter(self):
        daemon = self.start()

        self.broker.produce(TOPIC, "lost?")

        dead_letters.wait(daemon, 1)
        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        self.assertIn("has no header", json.dumps(letter))

    def test_a_record_whose_copy_is_refused_is_not_lost(self):
        self.broker.produce(TOPIC, "lost?")
        self.assertEqual(self.broker.do("refuse"), "ok")
        daemon = self.start()
        daemon.wait_event("kafka refused a record", topic=TOPIC + ".dead")
        daemon.stop()
        places = {self.broker.position(TOPIC, partition=number) for number in range(2)}
        self.assertEqual(places, {-1001})

        daemon.start()

        dead_letters.wait(daemon, 1)

    def test_a_record_of_a_task_that_nobody_serves_holds_nothing_up(self):
        daemon = self.start()

        self.broker.produce(TOPIC, "1", headers={"task": "Other"}, partition=0)
        self.broker.produce(TOPIC, "1", headers={"task": "Note"}, partition=0)

        daemon.wait_counts(done=1)
        moved = self.broker.records(TOPIC + ".retry", 1)[0]
        self.assertEqual(headers(moved)["task"], "Other")
        harness.poll("a commit behind both", lambda: self.broker.position(TOPIC) == 2)


class Order(TestCase):
    partitions = 1

    def test_what_ended_behind_a_slow_job_does_not_run_again_after_a_kill(self):
        daemon = self.start(max_workers=2)
        slow = daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job", task="Sleep")
        for number in range(5):
            daemon.enqueue("Note", number)
        daemon.wait_counts(done=5)
        # All of the five are behind the slow one, so the group's offset has not moved.
        self.assertEqual(self.broker.position(TOPIC), 0)
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()

        daemon.start()

        again = daemon.wait_record("job", task="Sleep", count=2)
        self.assertEqual((again["job"], again["attempt"]), (slow, 1))
        harness.poll("a commit behind all", lambda: self.broker.position(TOPIC) == 6)
        self.assertEqual(len(daemon.records("note")), 5)

    def test_the_outcome_of_a_job_is_told_when_the_broker_is_back(self):
        self.is_told("60s", "queue down")

    def test_the_outcome_is_told_when_the_session_ended_meanwhile(self):
        self.is_told("1s", "partitions given up", topic=TOPIC)

    def is_told(self, session_timeout, event, **fields):
        """A job ends while the broker is away, after the daemon has said `event`."""
        daemon = self.daemon(queue=self.queue(session_timeout=session_timeout))
        end = self.folder() / "end"
        daemon.enqueue("Sleep", {"path": str(end)})
        daemon.wait_record("job")

        self.broker.do("down")
        daemon.wait_event("queue down")
        daemon.wait_event(event, **fields)
        end.touch()
        daemon.wait_counts(done=1)
        self.broker.do("up")

        harness.poll("a commit", lambda: self.broker.position(TOPIC) == 1)
        self.assertEqual((len(daemon.records("job")), daemon.find("job completed late")), (1, []))

    def test_a_broker_that_is_away_does_not_hold_up_the_end(self):
        daemon = self.start()
        self.broker.do("down")
        daemon.wait_event("queue down")

        daemon.signal(signal.SIGTERM)

        self.assertEqual(daemon.wait_exit(), 0)


class Several(TestCase):
    def test_a_partition_that_moves_takes_no_running_job_along(self):
        first = self.start(max_workers=2)
        end = self.folder() / "end"
        for partition in range(self.partitions):
            self.broker.produce(TOPIC, json.dumps({"path": str(end)}), headers={"task": "Sleep"},
                                partition=partition)
        first.wait_record("job", count=2)
        second = self.daemon(queue=self.queue(topic=TOPIC), name="other")
        first.wait_event("partitions wait for running jobs")
        self.assertEqual(first.find("partitions given up", topic=TOPIC), [])

        end.touch()

        first.wait_counts(done=2)
        first.wait_event("partitions given up", topic=TOPIC)
        self.receives(second, first)
        self.assertEqual(second.records("job", task="Sleep"), [])
        self.assertEqual(first.find("queue down") + first.find("job completed late"), [])

    def receives(self, daemon, producer):
        """Waits until a job comes to `daemon`: it has its partitions."""
        harness.poll("a job", lambda: producer.enqueue("Note", "warm") and daemon.records("note"),
                     explain=daemon.tail)

    def test_two_daemons_share_the_jobs_and_one_that_is_killed_leaves_them_to_the_other(self):
        first = self.daemon(queue=self.queue(topic=TOPIC), name="one")
        second = self.daemon(queue=self.queue(topic=TOPIC), name="two")
        first.wait_event("queue up")
        second.wait_event("queue up")
        self.receives(first, first)
        self.receives(second, first)
        second.signal(signal.SIGKILL)
        second.wait_exit()

        for number in range(20):
            first.enqueue("Note", number)

        def done():
            return {entry["args"] for entry in first.records("note")} >= set(range(20))
        harness.poll("all jobs on the one that is left", done, explain=first.tail)
        second.wait_no_process()


if __name__ == "__main__":
    if not os.path.exists(harness.BUILD / "tests/kafka_broker"):
        raise SystemExit("kafka_broker was not built")
    harness.main()
