"""Mode exec: time limits, stops and reloads while a program runs, and the pool that is held."""

import signal

import harness
from programs import ModeCase, sh


class ExecStops(ModeCase):
    def running(self, command, **profile):
        """A daemon in the middle of a job, and who waits for that."""
        daemon = self.program(command, **profile)
        client = daemon.wait("T", str(daemon.folder / "go"))
        daemon.wait_event("program started")
        return daemon, client

    # Ends when the file that is its argument is there.
    WAITS = sh('while [ ! -e "$1" ]; do sleep 0.05; done; echo \'"late"\'', "{args}")

    def test_term_waits_for_the_program(self):
        daemon, client = self.running(self.WAITS)

        daemon.signal(signal.SIGTERM)
        daemon.wait_event("worker stopping")
        (daemon.folder / "go").touch()

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(daemon.find("stopped")[0]["done"], 1)
        self.assertEqual(daemon.find("worker signalled"), [])
        client.kill()

    def test_after_the_graceful_time_out_comes_abort_signal_and_the_job_goes_back(self):
        daemon, client = self.running(["sleep", "600"], graceful_shutdown_timeout="100ms")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")], ["TERM"])
        self.assertEqual(daemon.find("job aborted")[0]["next"], "back on the queue")
        client.kill()

    def test_a_program_that_ends_well_after_our_signal_is_not_believed(self):
        daemon, client = self.running(
            sh('trap "exit 0" INT; touch "$1.up"; while :; do sleep 0.05; done', "{args}"),
            graceful_shutdown_timeout="100ms", options={"abort_signal": "INT"})
        harness.poll("the trap", (daemon.folder / "go.up").exists)

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")], ["INT"])
        self.assertEqual((daemon.find("stopped")[0]["done"], daemon.find("stopped")[0]["abort"]),
                         (0, 1))
        client.kill()

    def test_a_program_deaf_to_it_is_killed_with_its_children(self):
        daemon, client = self.running(
            sh('trap "" TERM; sleep 600 & touch "$1.up"; while :; do sleep 1; done', "{args}"),
            graceful_shutdown_timeout="100ms", abort_timeout="200ms")
        harness.poll("the trap", (daemon.folder / "go.up").exists)

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([one["signal"] for one in daemon.find("worker signalled")],
                         ["TERM", "KILL"])
        client.kill()

    def test_a_time_limit_is_an_attempt(self):
        daemon = self.program(["sleep", "600"], time_limit="200ms", max_attempts=2)

        self.assertIn("longer than its time limit", self.failed(daemon))
        self.assertEqual(daemon.wait_counts(timeout=2)["dead"], 1)

    def test_a_grandchild_that_holds_stdout_costs_a_second_and_is_killed(self):
        daemon = self.program(sh('sleep 600 & echo \'"here"\''))

        self.assertEqual(daemon.call("T"), "here")
        harness.poll("no process", lambda: not harness.processes(daemon.tag))

    def test_a_reload_waits_for_what_runs_and_new_jobs_get_the_new_command(self):
        daemon, client = self.running(self.WAITS)

        daemon.write_profile(command=["echo", '"new"'])
        result = daemon.workman("reload")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(daemon.call("T", 1), "new")
        (daemon.folder / "go").touch()

        self.assertEqual(client.finish().stdout, '"late"\n')
        self.assertEqual(daemon.find("worker signalled"), [])

    def test_a_reload_may_change_the_mode(self):
        daemon = self.program(["echo", '"exec"'])
        self.assertEqual(daemon.call("T"), "exec")

        daemon.write_profile(mode="lines", command=["cat"])
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(daemon.call("T", "lines"), "lines")
        daemon.write_profile(mode=None, command=harness.worker(), tasks=None)
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(daemon.call("Echo", "protocol"), "protocol")

    def test_no_program_stays_when_workmand_is_killed(self):
        daemon, client = self.running(["sleep", "600"])

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        daemon.wait_no_process()
        client.kill()


class Pool(ModeCase):
    def test_what_cannot_be_run_holds_the_pool_and_costs_the_job_nothing(self):
        for code in (78, 126, 127):
            daemon = self.program(sh('[ -e ok ] && exec echo 1; exit "$0"'), start=False)
            daemon.write_profile(command=["sh", "-c", f"[ -e ok ] && exec echo 1; exit {code}"],
                                 max_workers=3)
            daemon.start()
            client = daemon.wait("T")

            self.assertIn("exit", daemon.wait_event("degraded")["why"])
            status = daemon.wait_status("nobody at work", lambda s: s["queue"]["held"] == 0)
            self.assertEqual(status["state"], "degraded")
            self.assertEqual((status["counts"]["fail"], status["counts"]["lost"]), (0, 0))
            (daemon.folder / "ok").touch()
            self.assertEqual(daemon.workman("reload").returncode, 0)
            self.assertEqual(client.finish().stdout, "1\n", daemon.tail())

    def test_a_program_that_went_missing_holds_the_pool(self):
        folder = self.folder()
        script = folder / "work"
        script.write_text("#!/bin/sh\necho $WORKMAN_ATTEMPT\n")
        script.chmod(0o755)
        daemon = self.program(["./work"], folder=folder)
        script.rename(folder / "gone")
        client = daemon.wait("T")

        self.assertIn("No such file", daemon.wait_event("degraded")["why"])
        daemon.wait_event("job aborted")
        (folder / "gone").rename(script)
        self.assertEqual(daemon.workman("reload").returncode, 0)
        self.assertEqual(client.finish().stdout, "1\n", daemon.tail())

    def test_as_many_programs_run_as_there_are_workers(self):
        daemon = self.program(["sleep", "{args}"], max_workers=3)
        clients = [daemon.wait("T", "600") for _ in range(5)]

        daemon.wait_event("program started", count=3)
        status = daemon.wait_status("three busy", lambda s: sum(
            one["state"] == "busy" for one in s["workers"]) == 3)

        self.assertEqual(len(harness.processes(daemon.tag)), 3)
        self.assertEqual(len(status["workers"]), 3)
        self.assertEqual(len(daemon.find("program started")), 3)
        for client in clients:
            client.kill()
        daemon.signal(signal.SIGQUIT)
        self.assertEqual(daemon.wait_exit(), 0)


if __name__ == "__main__":
    harness.main()
