"""SIGHUP: the new generation is ready before the old one goes, and nothing is hurt on the way."""

import signal

import harness


class Rolling(harness.TestCase):
    def test_new_workers_are_ready_before_old_idle_ones_go(self):
        daemon = self.daemon(max_workers=2)
        daemon.wait_event("worker ready", count=2)
        old = daemon.pids()

        self.assertEqual(daemon.workman("reload").returncode, 0)

        status = daemon.status()
        self.assertEqual((status["generation"], status["state"]), (2, "running"))
        living = daemon.wait_workers(2)
        self.assertEqual({entry["generation"] for entry in living}, {2})
        self.assertFalse(set(old.values()) & set(daemon.pids().values()))
        events = [(e["event"], e.get("pid")) for e in daemon.events]
        new = [pid for name, pid in events if name == "worker ready" and pid not in old.values()]
        for pid in old.values():
            self.assertGreater(events.index(("worker gone", pid)),
                               events.index(("worker ready", new[0])))
        self.assertEqual(len(daemon.records("shutdown", reason="restart")), 2)

    def test_a_busy_worker_goes_after_its_job_and_holds_nobody_up(self):
        daemon = self.daemon(max_workers=2)
        daemon.wait_event("worker ready", count=2)
        slow = daemon.wait("Sleep", {"s": 2})
        old = daemon.wait_record("job")["pid"]

        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload done")
        self.assertEqual(daemon.call("Whole")["generation"], 2)
        self.assertTrue(harness.alive(old))
        self.assertEqual(slow.finish().stdout, '{"s":2}\n')
        daemon.wait_event("worker gone", pid=old)
        self.assertEqual(len(daemon.records("job", task="Sleep")), 1)
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_a_single_worker_is_replaced_while_it_works(self):
        daemon = self.daemon(max_workers=1)
        slow = daemon.wait("Sleep", {"s": 2})
        daemon.wait_record("job")

        result = daemon.workman("reload")

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"\b1\b")
        self.assertEqual(daemon.call("Whole")["generation"], 2)
        self.assertEqual(slow.finish().stdout, '{"s":2}\n')

    def test_a_job_past_the_restart_timeout_is_aborted_and_runs_again(self):
        daemon = self.daemon(graceful_restart_timeout="500ms")
        slow = daemon.wait("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        old = daemon.wait_record("job")["pid"]

        daemon.signal(signal.SIGHUP)

        self.assertIn('"attempt":1', slow.finish().stdout.replace(" ", ""))
        self.assertIn("SIGABRT", daemon.wait_event("worker gone", pid=old)["status"])
        self.assertEqual(daemon.find("worker signalled")[0]["signal"], "ABRT")

    def test_an_endless_restart_timeout_waits(self):
        daemon = self.daemon(graceful_restart_timeout="infinity", graceful_shutdown_timeout="100ms")
        slow = daemon.wait("Sleep", {"s": 1})
        daemon.wait_record("job")

        daemon.signal(signal.SIGHUP)

        self.assertEqual(slow.finish().stdout, '{"s":1}\n')

    def test_no_job_is_hurt_by_reloads_under_load(self):
        daemon = self.daemon(max_workers=3, command=harness.mini())
        bulk = daemon.folder / "bulk.jsonl"
        bulk.write_text('{"task":"Mini","args":{}}\n' * 5000)
        daemon.workman("enqueue", "--from", str(bulk))

        for generation in (2, 3):
            self.assertEqual(daemon.workman("reload").returncode, 0)
            self.assertEqual(daemon.status()["generation"], generation)

        counts = daemon.wait_counts(done=5000)
        self.assertEqual([counts[key] for key in ("taken", "done", "fail", "lost", "timeout")],
                         [5000, 5000, 0, 0, 0])

    def test_what_the_new_profile_says_is_what_the_new_workers_get(self):
        daemon = self.daemon(config={"version": 1})
        daemon.write_profile(config={"version": 2}, max_workers=3)

        self.assertEqual(daemon.workman("reload").returncode, 0)

        daemon.wait_workers(3)
        self.assertEqual(daemon.wait_record("hello", generation=2)["config"], {"version": 2})


class Refused(harness.TestCase):
    def refused(self, daemon, expected, **bad):
        before, good = daemon.pids(), {key: daemon.profile[key] for key in bad}
        daemon.write_profile(**bad)
        daemon.signal(signal.SIGHUP)
        self.assertIn(expected, daemon.wait_event("reload refused")["error"])
        result = daemon.workman("reload")
        self.assertIn(result.returncode, (1, 2))
        self.assertIn(expected, result.stderr)
        daemon.write_profile(**good)
        self.assertEqual(daemon.pids(), before)
        self.assertEqual(daemon.status()["generation"], 1)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_a_bad_profile_changes_nothing(self):
        daemon = self.daemon()

        self.refused(daemon, "max_workers", max_workers=-1)

    def test_a_file_that_is_gone_changes_nothing(self):
        daemon = self.daemon()
        daemon.path.rename(daemon.folder / "elsewhere.yaml")
        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload refused")

        (daemon.folder / "elsewhere.yaml").rename(daemon.path)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_another_name_needs_a_restart(self):
        daemon = self.daemon()

        self.refused(daemon, "needs a restart", name="u")

    def test_another_queue_needs_a_restart(self):
        daemon = self.daemon()

        self.refused(daemon, "needs a restart", queue={"driver": "sqlite", "path": "other.db"})


class RolledBack(harness.TestCase):
    def test_new_workers_that_cannot_start_leave_the_old_ones_serving(self):
        daemon = self.daemon(max_workers=2, max_start_failures=2)
        daemon.wait_event("worker ready", count=2)
        before = daemon.pids()
        daemon.write_profile(command=harness.worker("--exit=1"))

        result = daemon.workman("reload")

        self.assertEqual(result.returncode, 1)
        self.assertTrue(result.stderr)
        daemon.wait_event("reload rolled back")
        self.assertEqual(daemon.pids(), before)
        self.assertEqual(daemon.records("shutdown"), [])
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.status()["state"], "running")

    def test_after_a_roll_back_a_good_profile_is_taken(self):
        daemon = self.daemon(max_start_failures=1)
        daemon.write_profile(command=harness.worker("--exit=1"))
        self.assertEqual(daemon.workman("reload").returncode, 1)
        daemon.write_profile(command=harness.worker())

        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.assertEqual(daemon.call("Echo", 1), 1)
        daemon.wait_workers(1)


class Overlapping(harness.TestCase):
    def test_a_hup_during_a_hup_ends_with_the_newest_generation_only(self):
        daemon = self.daemon(max_workers=2, command=harness.worker("--ready-late=0.3"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_event("reload started", generation=2)

        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload started", generation=3)
        daemon.wait_event("reload done", generation=3)
        self.assertEqual({entry["generation"] for entry in daemon.wait_workers(2)}, {3})
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_a_term_during_a_hup_wins(self):
        daemon = self.daemon(command=harness.worker("--ready-late=0.5"))
        daemon.signal(signal.SIGHUP)
        daemon.wait_event("worker spawned", generation=2)

        self.assertEqual(daemon.stop(), 0)

    def test_a_hup_after_a_term_is_ignored(self):
        daemon = self.daemon()
        client = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job")
        daemon.signal(signal.SIGTERM)
        daemon.wait_event("stopping")

        daemon.signal(signal.SIGHUP)

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(client.finish().returncode, 0)
        self.assertEqual(daemon.find("reload started"), [])


if __name__ == "__main__":
    harness.main()
