"""Processes that workers leave behind, with workmand as PID 1 of a namespace (which needs root) and
without: they are reaped, and nothing else is."""

import os
import pathlib
import signal
import subprocess
import sys
import unittest

import harness

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


def stat(pid):
    """state and parent of a process; None when it is gone."""
    try:
        state, parent = pathlib.Path(
            f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[:2]
        return state, int(parent)
    except OSError:
        return None


def children(pid):
    """pid -> state of the children, zombies included."""
    found = {int(entry): stat(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    return {one: what[0] for one, what in found.items() if what and what[1] == pid}


class Contained(harness.Daemon):
    """A daemon that a script starts, for which `$@` is the real command line."""
    script = None

    def start(self, wait="ready"):
        if self.script:
            path = self.folder / "start"
            path.write_text(f"#!/bin/bash\n{self.script}\n")
            path.chmod(0o755)
            original, harness.WORKMAND = harness.WORKMAND, str(path)
            self.environment["REAL"] = original
        try:
            return super().start(wait)
        finally:
            if self.script:
                harness.WORKMAND = original

    def pid(self):
        """Of workmand, as the test sees it."""
        return self.process.pid

    def signal(self, signo):
        os.kill(self.pid(), signo)

    def wait_no_zombie(self):
        harness.poll("no zombie", lambda: "Z" not in children(self.pid()).values(),
                     explain=lambda: f"{children(self.pid())}\n{self.tail()}")


class PidOne(Contained):
    script = f'exec {" ".join(UNSHARE)} "$REAL" "$@"'

    def pid(self):
        return next(iter(children(self.process.pid)), 0) or self.process.pid


class Flows:
    """Mixed into one class per kind of daemon."""
    kind = None

    def start(self, **profile):
        daemon = self.kind(self.folder(), {"max_attempts": 1, **profile})
        self.addCleanup(self.close, daemon)
        return daemon.start()

    def test_an_orphan_is_reaped_when_it_ends_and_its_worker_keeps_its_status(self):
        daemon = self.start()

        daemon.enqueue("Grandchild", {"s": 0.5, "exit": True})

        orphan = daemon.wait_record("grandchild")["child"]
        self.assertEqual(daemon.wait_event("orphan reaped")["pid"], orphan)
        self.assertEqual(daemon.find("orphan reaped")[0]["status"], "exit 0")
        self.assertEqual(daemon.wait_event("worker gone")["status"], "exit 3")
        daemon.wait_no_zombie()

    def test_one_that_ended_before_its_worker_is_reaped_with_it(self):
        daemon = self.start()
        child = daemon.call("Grandchild", {"s": 0})["child"]
        harness.poll("a zombie of the worker", lambda: any(
            "Z" in children(worker).values() for worker in children(daemon.pid())))
        self.assertEqual(daemon.find("orphan reaped"), [])

        daemon.workman("reload")

        self.assertEqual(daemon.wait_event("orphan reaped")["pid"], child)
        daemon.wait_no_zombie()

    def test_workers_that_end_by_the_dozen_each_keep_their_status(self):
        daemon = self.start(max_workers=4, max_start_failures=0)
        for code in range(3, 33):
            daemon.enqueue("Exit", {"code": code})

        daemon.wait_event("job lost", count=30)

        codes = sorted(event["status"] for event in daemon.find("worker gone"))
        self.assertEqual(codes, sorted(f"exit {code}" for code in range(3, 33)))
        self.assertEqual(daemon.find("orphan reaped"), [])

    def test_a_killed_worker_takes_its_group_along_and_all_are_reaped(self):
        daemon = self.start(command=harness.worker("--abrt=ignore"), abort_timeout="300ms",
                            time_limit="4s")
        child = daemon.call("Grandchild")["child"]

        daemon.enqueue("Sleep", {"s": 600})

        self.assertEqual(daemon.wait_event("orphan reaped", pid=child)["status"],
                         "signal 9 (SIGKILL)")
        daemon.wait_event("job timeout")
        daemon.wait_no_zombie()

    def test_what_it_inherited_is_reaped(self):
        daemon = self.kind(self.folder(), {})
        self.addCleanup(self.close, daemon)
        daemon.script = (daemon.script or 'exec "$REAL" "$@"').replace(
            '"$REAL" "$@"', """bash -c 'sleep 0.3 & exec "$REAL" "$@"' bash "$@\"""")

        daemon.start()

        daemon.wait_event("orphan reaped")
        daemon.wait_no_zombie()


class Subreaper(Flows, harness.TestCase):
    kind = Contained


class AsPidOne(Flows, harness.TestCase):
    kind = PidOne

    def test_it_is_pid_1_and_does_jobs(self):
        daemon = self.start()

        self.assertEqual(daemon.status()["pid"], 1)
        self.assertEqual(daemon.call("Echo", {"n": 1}), {"n": 1})

    def test_it_obeys_term(self):
        daemon = self.start()
        client = daemon.wait("Sleep", {"s": 0.7})
        daemon.wait_record("job")

        daemon.signal(signal.SIGTERM)

        self.assertEqual(daemon.wait_exit(), 0)
        self.assertEqual(client.finish().returncode, 0)
        daemon.wait_event("stopped")

    def test_it_obeys_hup(self):
        daemon = self.start()

        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload done")
        self.assertEqual(daemon.call("Whole")["generation"], 2)

    def test_its_exit_status_is_its_own(self):
        daemon = self.start()
        second = self.kind(daemon.folder, {})
        self.addCleanup(second.close)

        second.start(wait=None)

        self.assertEqual(second.wait_exit(), 1)
        self.assertIn("already running", second.tail())

    def test_nothing_that_a_worker_left_behind_outlives_it(self):
        daemon = self.start()
        daemon.call("Grandchild", {"s": 600})

        daemon.signal(signal.SIGTERM)

        self.assertEqual(daemon.wait_exit(), 0)
        daemon.wait_no_process()

    def test_killed_it_leaves_nothing(self):
        daemon = self.start()
        daemon.call("Grandchild", {"s": 600})

        daemon.signal(signal.SIGKILL)

        daemon.wait_exit()
        daemon.wait_no_process()


if __name__ == "__main__":
    if subprocess.run([*UNSHARE, "true"], stderr=subprocess.DEVNULL).returncode == 0:
        harness.main()
    else:
        passed = unittest.main(defaultTest=["Subreaper"], verbosity=2, exit=False)
        print("SKIPPED: workmand as PID 1, because a namespace for processes cannot be made here",
              file=sys.stderr)
        sys.exit(harness.SKIPPED if passed.result.wasSuccessful() else 1)
