#!/usr/bin/env python3
"""What signals do, above all: whenever SIGABRT comes, a job has exactly one outcome:
signals.py LANGUAGE."""

import collections
import os
import random
import signal
import threading

from case import LANGUAGE, Case, without  # It tells where the next one is.
import kit

# protocol.md wants 300, which take minutes: WORKMAN_ABORT_ROUNDS=300.
ROUNDS = int(os.environ.get("WORKMAN_ABORT_ROUNDS", LANGUAGE.rounds))
LONG = {"s": 600}


def in_order(outcomes, first):
    """Where several jobs may run, those that never started are given back at once."""
    if "concurrency" in LANGUAGE.without:
        return outcomes
    return sorted(outcomes, key=lambda outcome: outcome["id"] != first)


class Signals(Case):
    def test_term_and_hup_end_an_idle_worker(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            worker = self.worker()
            worker.call("kit.echo", 1)
            worker.signal(number)
            self.assert_left(worker)

    def test_a_busy_worker_finishes_its_job_and_gives_back_the_next(self):
        worker = self.worker()
        first = worker.job("kit.sleep", {"s": 0.5})
        worker.next("progress")
        second = worker.job("kit.echo", 1)
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGHUP)
        status, outcomes = worker.rest()
        expected = [{"type": "done", "id": first, "result": {"s": 0.5}},
                    {"type": "abort", "id": second, "reason": "stopping", "requeue": True}]
        self.assertEqual((status, in_order(outcomes, first)), (0, expected))

    def test_int_is_ignored(self):
        worker = self.worker()
        job = worker.job("kit.sleep", {"s": 0.3})
        worker.next("progress")
        worker.signal(signal.SIGINT)
        self.assertEqual(worker.next("done")["id"], job)
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)

    def interrupted(self, task, args=None, **more):
        worker = self.worker()
        job = worker.job(task, args or LONG, **more)
        worker.next("progress")
        worker.signal(signal.SIGABRT)
        status, (outcome,) = worker.rest()
        self.assertEqual((status, outcome["type"], outcome["id"]), (0, "abort", job))
        return worker, outcome

    def test_abrt_ends_an_idle_worker_without_an_outcome(self):
        worker = self.worker()
        worker.signal(signal.SIGABRT)
        self.assert_left(worker)

    def test_after_the_outcome_there_is_no_second_one(self):
        worker = self.worker()
        worker.call("kit.echo", 1)
        worker.signal(signal.SIGABRT)
        self.assert_left(worker)

    def test_a_sleeping_job_is_interrupted_where_it_is(self):
        worker, outcome = self.interrupted("kit.sleep")
        self.assertIn("on_abort %s shutdown" % outcome["id"], worker.note("on_abort"))
        self.assertNotIn("requeue", outcome)
        self.assertTrue(outcome["reason"].startswith("force killed (shutdown)"))
        if "stacks" not in LANGUAGE.without:
            self.assertIn(LANGUAGE.file, outcome["reason"])
            self.assertNotIn(LANGUAGE.library, outcome["reason"])
            self.assertIn(LANGUAGE.file, worker.note(LANGUAGE.file))

    def test_a_spinning_job_is_interrupted(self):
        worker, _ = self.interrupted("kit.spin")
        self.assertIn("on_abort", worker.note("on_abort"))

    @without("exceptions")
    def test_a_job_that_catches_the_interruption_is_aborted_all_the_same(self):
        for args in (LONG, {**LONG, "quiet": True}):
            worker, _ = self.interrupted("kit.swallow", args)
            self.assertIn("on_abort", worker.note("on_abort"))

    def test_the_hook_may_enqueue_the_job_itself(self):
        _, outcome = self.interrupted("kit.requeue")
        self.assertIs(outcome["requeue"], False)
        self.assertEqual(outcome["enqueue"], [{"task": "kit.echo", "args": {"again": True}}])

    def test_the_hook_is_told_a_time_out(self):
        worker, _ = self.interrupted("kit.sleep", {**LONG, "late": True}, timeout_ms=1)
        self.assertIn("timeout", worker.note("on_abort"))

    def test_the_hook_is_told_what_the_daemon_said(self):
        worker = self.worker()
        job = worker.job("kit.sleep", LONG)
        worker.next("progress")
        worker.send({"type": "cancel", "id": job, "reason": "revoked"})
        worker.signal(signal.SIGABRT)
        self.assertEqual(worker.next("abort")["id"], job)
        self.assertIn("revoked", worker.note("on_abort"))

    def test_a_hook_that_fails_does_not_cost_the_outcome(self):
        worker, _ = self.interrupted("kit.rude")
        self.assertIn(LANGUAGE.rude, worker.note(LANGUAGE.rude) or "")

    @without("cooperation")
    def test_a_job_that_does_not_look_is_given_back_all_the_same(self):
        worker, _ = self.interrupted("kit.deaf")
        self.assertIn("on_abort", worker.note("on_abort"))

    def test_a_parked_job_is_given_back(self):
        worker = self.worker()
        jobs = [worker.job("kit.sleep", LONG)]
        worker.next("progress")
        jobs.append(worker.job("kit.echo", 1))
        worker.signal(signal.SIGABRT)
        status, outcomes = worker.rest()
        self.assertEqual([(outcome["type"], outcome["id"])
                          for outcome in in_order(outcomes, jobs[0])],
                         [("abort", job) for job in jobs])
        self.assertEqual(status, 0)

    def test_while_it_waits_for_a_reply_the_job_is_interrupted(self):
        worker = self.worker()
        job = worker.job("kit.enqueue", {"now": True})
        worker.next("enqueue")
        worker.signal(signal.SIGABRT)
        self.assertEqual(worker.next("abort")["id"], job)

    def race(self, number, delay, task, args, close=False):
        """A signal so long after the job was written; it may hit the job anywhere, or nothing.
        close: the end of the input comes with it."""
        worker = self.worker()
        worker.call("kit.echo", 1)

        def strike():
            worker.signal(number)
            if close:
                worker.close()
        timer = threading.Timer(delay, strike)
        job = worker.job(task, args)
        timer.start()
        status, messages = worker.rest()
        timer.join()
        outcomes = [message for message in messages if message["type"] != "progress"]
        self.assertEqual((status, [outcome["id"] for outcome in outcomes]), (0, [job]),
                         "after %r s: %r\n%s" % (delay, messages, worker.drained()))
        return outcomes[0]["type"]

    def test_at_any_moment_there_is_exactly_one_outcome(self):
        seed = random.randrange(1 << 32)
        moments = random.Random(seed)
        print("seed", seed)
        seen = collections.Counter(
            self.race(signal.SIGABRT, moments.uniform(*LANGUAGE.window), "kit.sleep", {"s": 0.01},
                      close=number % 2 == 1)
            for number in range(ROUNDS))
        print(dict(seen))
        self.assertLessEqual(set(seen), {"done", "abort"})

    def test_a_job_that_comes_with_term_is_answered(self):
        moments = random.Random(2)
        for _ in range(20):
            self.race(signal.SIGTERM, moments.uniform(0, 0.002), "kit.echo", 1)

    def test_while_lines_are_written_none_is_torn(self):
        moments = random.Random(1)
        for most in LANGUAGE.torn_windows:
            self.race(signal.SIGABRT, moments.uniform(0.0, most), "kit.bytes",
                      {"n": LANGUAGE.torn_size})


if __name__ == "__main__":
    kit.main()
