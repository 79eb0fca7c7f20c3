"""The lives of workers: started, found wanting, replaced, recycled, scaled."""

import os
import signal

import harness


class Crashes(harness.TestCase):
    def test_a_worker_that_dies_is_replaced(self):
        daemon = self.daemon()
        pid = daemon.wait_event("worker ready")["pid"]

        os.kill(pid, signal.SIGKILL)

        gone = daemon.wait_event("worker gone", pid=pid)
        self.assertEqual((gone["level"], gone["worker"]), ("warn", "t-1"))
        self.assertNotEqual(daemon.wait_event("worker ready", count=2)["pid"], pid)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_starts_that_fail_are_spaced_out(self):
        gate = self.folder() / "broken"
        gate.touch()
        daemon = self.daemon(wait="degraded", command=harness.worker(f"--exit-if={gate}"),
                             max_start_failures=4, respawn_backoff={"min": "50ms", "max": "10s"})

        starts = [entry["t"] for entry in daemon.records("start")]

        self.assertEqual(len(starts), 4)
        gaps = [later - earlier for earlier, later in zip(starts, starts[1:])]
        self.assertGreaterEqual(gaps[1], 0.08)
        self.assertGreaterEqual(gaps[2], gaps[0])

    def test_a_degraded_pool_takes_no_job_and_recovers(self):
        gate = self.folder() / "broken"
        gate.touch()
        daemon = self.daemon(wait="degraded", command=harness.worker(f"--exit-if={gate}"),
                             max_start_failures=2)
        client = daemon.wait("Echo", {"patient": True})
        status = daemon.wait_status("one waiting job", lambda s: s["queue"]["depth"] == 1)
        self.assertEqual((status["state"], status["counts"]["taken"]), ("degraded", 0))
        self.assertEqual(daemon.find("worker start failed")[1]["failures"], 2)

        gate.unlink()

        daemon.wait_event("recovered")
        self.assertEqual(client.finish().stdout, '{"patient":true}\n')
        self.assertEqual(daemon.status()["state"], "running")

    def test_a_worker_that_cannot_be_configured_is_not_started_again_before_a_reload(self):
        gate = self.folder() / "broken"
        gate.touch()
        daemon = self.daemon(wait="degraded", max_workers=1,
                             command=harness.worker(f"--exit-if={gate}", "--exit=78"))
        self.assertEqual(daemon.status()["state"], "degraded")
        gate.unlink()
        self.assertEqual(len(daemon.find("worker spawned")), 1)

        daemon.signal(signal.SIGHUP)

        self.assertEqual(daemon.call("Whole")["generation"], 2)
        self.assertEqual(len(daemon.find("worker spawned")), 2)

    def test_a_command_that_cannot_be_executed_is_named(self):
        script = self.folder() / "worker"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        daemon = self.daemon(wait="degraded", command=[str(script)], max_start_failures=2)

        self.assertIn("cannot execute", daemon.find("worker gone")[0]["status"])
        self.assertIn("cannot execute", daemon.find("degraded")[0]["why"])

    def test_a_worker_that_says_127_itself_could_be_executed(self):
        daemon = self.daemon(wait="degraded", command=harness.worker("--exit=127"),
                             max_start_failures=1)

        self.assertEqual(daemon.find("worker gone")[0]["status"], "exit 127")


class Starting(harness.TestCase):
    def test_a_silent_worker_is_stopped_after_the_start_timeout(self):
        daemon = self.daemon(wait="degraded", command=harness.worker("--ready=never"),
                             start_timeout="200ms", max_start_failures=1)

        daemon.wait_record("eof")
        self.assertIn("ready", daemon.find("worker start failed")[0]["why"])

    def test_a_silent_worker_that_ignores_everything_is_killed(self):
        daemon = self.daemon(
            wait="degraded", start_timeout="200ms", abort_timeout="200ms", max_start_failures=1,
            command=harness.worker("--ready=never", "--ignore-eof", "--abrt=ignore"))

        pid = daemon.find("worker spawned")[0]["pid"]
        self.assertIn("SIGKILL", daemon.wait_event("worker gone", pid=pid)["status"])

    def test_a_worker_that_does_not_flush_is_told_so(self):
        daemon = self.daemon(wait="degraded", command=harness.worker("--ready=unflushed"),
                             start_timeout="300ms", max_start_failures=1)

        event = daemon.wait_event("violation")
        self.assertEqual(event["code"], "V03")
        self.assertIn("flush", event["why"])

    def test_a_slow_start_within_the_timeout_is_fine(self):
        daemon = self.daemon(command=harness.worker("--ready-late=0.5"))

        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.find("worker start failed"), [])

    def test_workers_do_not_dump_core_unless_asked_to(self):
        daemon = self.daemon()
        with open(f"/proc/{daemon.wait_event('worker ready')['pid']}/limits") as file:
            core = next(line for line in file if line.startswith("Max core file size"))

        self.assertEqual(core.split()[4], "0")

    def test_every_worker_has_its_own_session(self):
        daemon = self.daemon(max_workers=2)
        daemon.wait_event("worker ready", count=2)

        for pid in daemon.pids().values():
            self.assertEqual(os.getsid(pid), pid)


class Recycling(harness.TestCase):
    def test_a_worker_is_replaced_after_so_many_jobs(self):
        daemon = self.daemon(max_reqs_per_child=3, max_reqs_per_child_jitter="0%")

        pids = [daemon.call("Whole")["pid"] for _ in range(7)]

        self.assertEqual([len(set(pids[a:b])) for a, b in ((0, 3), (3, 6), (6, 7))], [1, 1, 1])
        self.assertEqual(len(set(pids)), 3)
        self.assertEqual(daemon.wait_event("worker stopping", reason="recycle")["worker"], "t-1")
        self.assertEqual(daemon.status()["counts"]["done"], 7)
        self.assertEqual(daemon.records("hello")[0]["max_jobs"], 3)

    def test_the_replacement_does_not_wait_for_the_old_one_to_end(self):
        daemon = self.daemon(max_reqs_per_child=1, exit_grace="3s", abort_timeout="300ms",
                             command=harness.worker("--ignore-eof", "--term=ignore"))
        first = daemon.call("Whole")["pid"]

        second = daemon.call("Whole")["pid"]

        self.assertNotEqual(first, second)
        self.assertEqual(daemon.find("worker gone"), [])
        daemon.wait_event("worker gone", pid=first)

    def test_jitter_takes_away_and_never_adds(self):
        daemon = self.daemon(max_workers=6, max_reqs_per_child=100,
                             max_reqs_per_child_jitter="50%")
        daemon.wait_event("worker ready", count=6)

        drawn = [daemon.wait_record("hello", worker=f"t-{n}")["max_jobs"] for n in range(1, 7)]

        self.assertLessEqual(max(drawn), 100)
        self.assertGreaterEqual(min(drawn), 50)
        self.assertGreater(len(set(drawn)), 1)

    def test_an_old_worker_is_replaced_and_its_running_job_is_not_cut(self):
        daemon = self.daemon(max_lifetime="300ms")

        self.assertEqual(daemon.call("Sleep", {"s": 1}), {"s": 1})

        first = daemon.wait_event("worker gone")
        self.assertIn(first["reason"], ("lifetime", "recycle"))
        self.assertEqual(first["status"], "exit 0")
        self.assertEqual(daemon.status()["counts"]["lost"], 0)


class Scaling(harness.TestCase):
    def test_ttin_and_ttou_add_and_take_a_worker(self):
        daemon = self.daemon()

        daemon.signal(signal.SIGTTIN)
        daemon.wait_event("scaled", workers=2)
        daemon.wait_event("worker ready", worker="t-2")

        daemon.signal(signal.SIGTTOU)
        daemon.wait_event("scaled", workers=1)
        daemon.wait_event("worker stopping", reason="scale")
        daemon.wait_workers(1)

    def test_a_pool_between_min_and_max_grows_with_the_work_and_shrinks_again(self):
        daemon = self.daemon(min_workers=1, max_workers=3, idle_timeout="300ms")

        clients = [daemon.wait("Sleep", {"s": 1}) for _ in range(3)]

        daemon.wait_event("worker ready", count=3)
        for client in clients:
            self.assertEqual(client.finish().returncode, 0)
        daemon.wait_event("worker stopping", reason="idle", count=2)
        daemon.wait_workers(1)
        self.assertEqual(daemon.find("worker stopping", reason="scale"), [])
        self.assertEqual(len(daemon.find("worker spawned")), 3)

    def test_usr1_and_usr2_do_no_harm(self):
        daemon = self.daemon()

        daemon.signal(signal.SIGUSR1)
        daemon.signal(signal.SIGUSR2)

        daemon.wait_event("state")
        self.assertEqual(daemon.call("Echo", 1), 1)


if __name__ == "__main__":
    harness.main()
