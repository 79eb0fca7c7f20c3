"""What a service manager is told over NOTIFY_SOCKET. The test stands in for systemd: it owns the
socket, and reads it or does not."""

import os
import pathlib
import re
import secrets
import signal
import socket
import struct
import threading
import time

import harness

LADDER_US = 60_000_000  # graceful_shutdown_timeout + abort_timeout of the harness's profile


class Manager:
    """Owns a notify socket; keeps each datagram with the pid that the kernel says it came from."""

    def __init__(self, name, reads=True):
        self.name, self.seen = name, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self.socket.settimeout(0.1)
        self.open, self.thread = True, None
        if reads:
            self.read()

    def read(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        size = socket.CMSG_SPACE(struct.calcsize("3i"))
        while self.open:
            try:
                data, control, _flags, _from = self.socket.recvmsg(4096, size)
            except TimeoutError:
                continue
            self.seen.append((struct.unpack("3i", control[0][2])[0], data.decode()))

    def close(self):
        self.open = False
        if self.thread:
            self.thread.join()
        self.socket.close()

    def texts(self, beginning=""):
        return [text for _pid, text in list(self.seen) if text.startswith(beginning)]

    def wait(self, beginning, count=1):
        return harness.poll(f"{beginning} x{count}", lambda: (
            texts[count - 1] if len(texts := self.texts(beginning)) >= count else None),
            explain=lambda: "\n".join(self.texts()))


class Case(harness.TestCase):
    def manager(self, name=None, **options):
        manager = Manager(name or str(self.folder() / "notify"), **options)
        self.addCleanup(manager.close)
        return manager

    def managed(self, manager, wait="ready", watchdog_us=None, watchdog_pid=None, **profile):
        """A daemon that the manager has started."""
        daemon = self.daemon(start=False, **profile)
        daemon.environment["NOTIFY_SOCKET"] = manager.name
        if watchdog_us:
            daemon.environment["WATCHDOG_USEC"] = str(watchdog_us)
        if watchdog_pid:
            daemon.environment["WATCHDOG_PID"] = str(watchdog_pid)
        return daemon.start(wait)


class Start(Case):
    def test_the_main_process_says_that_it_is_ready(self):
        manager = self.manager()

        daemon = self.managed(manager, max_workers=2)

        manager.wait("READY=1")
        manager.wait("STATUS=running, 2 workers, queue up")
        self.assertEqual({pid for pid, _text in manager.seen}, {daemon.process.pid})
        self.assertEqual(len(manager.texts("READY=1")), 1)

    def test_it_is_not_ready_before_a_worker_is(self):
        manager = self.manager()
        daemon = self.managed(manager, wait="worker spawned", start_timeout="300ms",
                              max_start_failures=1,
                              command=harness.worker("--ready=never"))

        daemon.wait_event("degraded")

        self.assertIn("was not ready in time", manager.wait("STATUS=degraded ("))
        self.assertEqual(manager.texts("READY=1"), [])

    def test_a_queue_that_is_away_does_not_hold_it_up(self):
        manager = self.manager()

        self.managed(manager, queue={"driver": "gearman", "job_servers": "127.0.0.1:1"})

        manager.wait("READY=1")
        self.assertIn("Connection refused", manager.wait("STATUS=running, 1 workers, queue down ("))

    def test_a_socket_without_a_file_will_do(self):
        manager = self.manager(f"@workman-test-{secrets.token_hex(8)}")

        daemon = self.managed(manager)

        manager.wait("READY=1")
        self.assertEqual(daemon.stop(), 0)
        manager.wait("STOPPING=1")

    def test_workers_inherit_none_of_it(self):
        manager = self.manager()
        daemon = self.managed(manager, watchdog_us=60_000_000)

        environment = pathlib.Path(f"/proc/{daemon.pids()['t-1']}/environ").read_bytes()

        self.assertIn(b"WORKMAN_WORKER=t-1\0", environment)
        for name in (b"NOTIFY_SOCKET", b"WATCHDOG_USEC", b"WATCHDOG_PID"):
            self.assertNotIn(name, environment)

    def test_a_socket_that_is_none_is_a_line_in_the_log_and_no_more(self):
        for name, why in (("vsock:2:1234", "must begin with / or @"),
                          ("/nowhere/notify", "No such file or directory")):
            daemon = self.daemon(start=False)
            daemon.environment["NOTIFY_SOCKET"] = name
            daemon.start()

            self.assertIn(why, daemon.wait_event("service manager not told")["error"])
            self.assertEqual(daemon.call("Echo", 1), 1)
            self.assertEqual(daemon.stop(), 0)


class Reload(Case):
    def reload_at(self, manager, count=1):
        """The time that the count-th RELOADING states, in microseconds."""
        text = manager.wait("RELOADING=1\n", count)
        return int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", text).group(1))

    def test_a_reload_is_announced_and_done_before_the_client_returns(self):
        manager = self.manager()
        daemon = self.managed(manager)
        begun = time.monotonic_ns() // 1000

        self.assertEqual(daemon.workman("reload").returncode, 0)

        ended = time.monotonic_ns() // 1000
        self.assertTrue(begun <= self.reload_at(manager) <= ended)
        manager.wait("READY=1", 2)
        order = [text.split("\n")[0] for text in manager.texts()
                 if text.startswith(("READY", "RELOADING"))]
        self.assertEqual(order, ["READY=1", "RELOADING=1", "READY=1"])

    def test_by_signal_too(self):
        manager = self.manager()
        daemon = self.managed(manager)

        daemon.signal(signal.SIGHUP)

        self.reload_at(manager)
        manager.wait("READY=1", 2)
        manager.wait("STATUS=running", 2)

    def test_one_that_is_refused_ends_at_once(self):
        manager = self.manager()
        daemon = self.managed(manager)
        daemon.write_profile(max_workers=-1)

        daemon.signal(signal.SIGHUP)

        self.reload_at(manager)
        manager.wait("READY=1", 2)
        daemon.wait_event("reload refused")

    def test_one_that_is_rolled_back_ends(self):
        manager = self.manager()
        daemon = self.managed(manager, max_start_failures=1)
        daemon.write_profile(command=harness.worker("--exit=1"))

        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload rolled back")
        manager.wait("READY=1", 2)

    def test_one_that_another_replaces_ends_with_the_other(self):
        manager = self.manager()
        daemon = self.managed(manager)
        daemon.write_profile(command=harness.worker("--ready=never"))
        daemon.signal(signal.SIGHUP)
        self.reload_at(manager)
        daemon.wait_event("worker spawned", generation=2)
        self.assertEqual(len(manager.texts("READY=1")), 1)
        daemon.write_profile(command=harness.worker())

        daemon.signal(signal.SIGHUP)

        self.reload_at(manager, 2)
        manager.wait("READY=1", 2)
        daemon.wait_event("reload done", generation=3)
        self.assertEqual(len(manager.texts("READY=1")), 2)

    def test_a_ladder_that_does_not_fit_the_stated_grace_is_refused(self):
        daemon = self.daemon(start=False)
        daemon.environment["WORKMAN_STOP_GRACE"] = "62s"
        daemon.start()
        daemon.write_profile(graceful_shutdown_timeout="31s")

        result = daemon.workman("reload")

        self.assertEqual(result.returncode, 1)
        self.assertIn("WORKMAN_STOP_GRACE=62s", result.stderr)


class Stop(Case):
    def test_a_stop_asks_for_the_time_that_the_ladder_may_take(self):
        manager = self.manager()
        daemon = self.managed(manager)
        client = daemon.wait("Sleep", {"s": 0.5})
        daemon.wait_record("job")

        self.assertEqual(daemon.stop(), 0)

        manager.wait("STOPPING=1")
        asked = manager.wait("EXTEND_TIMEOUT_USEC=")
        self.assertGreaterEqual(int(asked.split("=")[1]), LADDER_US)
        manager.wait("STATUS=stopping")
        self.assertEqual(len(manager.texts("STOPPING=1")), 1)
        self.assertEqual(client.finish().returncode, 0)

    def test_a_stop_without_an_end_asks_too(self):
        manager = self.manager()
        daemon = self.managed(manager, graceful_shutdown_timeout="infinity")

        self.assertEqual(daemon.stop(), 0)

        self.assertGreaterEqual(int(manager.wait("EXTEND_TIMEOUT_USEC=").split("=")[1]), 1_000_000)


class Watchdog(Case):
    def wakeups(self, daemon):
        """How often the loop's thread has slept."""
        pid = daemon.process.pid
        text = pathlib.Path(f"/proc/{pid}/task/{pid}/status").read_text()
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE).group(1))

    def test_an_idle_daemon_gives_a_sign_at_half_the_time_and_wakes_for_nothing_else(self):
        manager = self.manager()
        daemon = self.managed(manager, watchdog_us=500_000)
        manager.wait("STATUS=running")
        count = len(manager.texts("WATCHDOG=1"))
        manager.wait("WATCHDOG=1", count + 2)
        count, begun, wakeups = (len(manager.texts("WATCHDOG=1")), time.monotonic(),
                                 self.wakeups(daemon))

        manager.wait("WATCHDOG=1", count + 12)

        # 12 pings at 250 ms. A loaded machine may delay some, but none may come early.
        self.assertGreater(time.monotonic() - begun, 11 * 0.25 - 0.1)
        self.assertLessEqual(self.wakeups(daemon) - wakeups, 12 + 6)

    def test_a_daemon_that_was_stopped_for_a_while_gives_a_sign_when_it_goes_on(self):
        manager = self.manager()
        daemon = self.managed(manager, watchdog_us=8_000_000)
        daemon.signal(signal.SIGSTOP)
        # Longer than the ping, and so long that the daemon's own clock takes it for a freeze.
        harness.poll("the sign to be overdue", lambda over=time.monotonic() + 6: (
            time.monotonic() > over))
        count, begun = len(manager.texts("WATCHDOG=1")), time.monotonic()

        daemon.signal(signal.SIGCONT)

        manager.wait("WATCHDOG=1", count + 1)
        self.assertLess(time.monotonic() - begun, 3)

    def test_a_watchdog_for_this_very_process_counts(self):
        manager = self.manager()
        # A shell becomes the daemon, and so can state its pid.
        daemon = self.daemon(start=False)
        daemon.environment["NOTIFY_SOCKET"] = manager.name
        script = daemon.folder / "start"
        script.write_text('export WATCHDOG_USEC=200000 WATCHDOG_PID=$$\nexec "$REAL" "$@"\n')
        daemon.environment["REAL"] = harness.WORKMAND
        original, harness.WORKMAND = harness.WORKMAND, str(daemon.folder / "workmand")
        self.addCleanup(setattr, harness, "WORKMAND", original)
        pathlib.Path(harness.WORKMAND).write_text(f"#!/bin/sh\n. {script}\n")
        os.chmod(harness.WORKMAND, 0o755)

        daemon.start()

        manager.wait("WATCHDOG=1", 2)

    def test_one_for_another_process_does_not(self):
        manager = self.manager()
        daemon = self.managed(manager, watchdog_us=2_000, watchdog_pid=1)

        daemon.stop()

        manager.wait("STOPPING=1")
        self.assertEqual(manager.texts("WATCHDOG=1"), [])


class Trouble(Case):
    def test_a_manager_that_does_not_read_holds_nothing_up(self):
        manager = self.manager(reads=False)
        daemon = self.managed(manager, watchdog_us=2_000)  # fills the socket in a second

        self.assertEqual(daemon.call("Echo", 1), 1)
        for _ in range(3):
            self.assertEqual(daemon.workman("reload").returncode, 0)
        manager.read()

        manager.wait("READY=1", 4)
        self.assertEqual(daemon.stop(), 0)
        manager.wait("STOPPING=1")

    def test_a_manager_that_was_started_again_is_found(self):
        manager = self.manager()
        daemon = self.managed(manager)
        manager.wait("READY=1")
        manager.close()
        os.unlink(manager.name)
        again = self.manager(manager.name)

        self.assertEqual(daemon.stop(), 0)

        again.wait("STOPPING=1")


if __name__ == "__main__":
    harness.main()
