"""preload: true. Workers are forked from a loaded template, and are children of workmand all the
same: it knows how each of them ended, and none outlives it."""

import os
import pathlib
import signal
import socket
import sys
import unittest

import harness

WORKERS = pathlib.Path(__file__).parent / "workers"
LANGUAGES = {
    "python": [sys.executable, "-S", str(WORKERS / "preloaded.py")],
    "perl": ["perl", str(WORKERS / "preloaded.pl")],
    "ruby": ["ruby", "--disable-gems", str(WORKERS / "preloaded.rb")],
}


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rsplit(")", 1)[1].split()[1])


class Preload(harness.TestCase):
    command = LANGUAGES["python"]

    def preloaded(self, order="one", **profile):
        folder = self.folder()
        self.code = folder / "code"
        self.code.write_text(order)
        profile.setdefault("wait", "ready")
        profile.setdefault("command", self.command)
        return self.daemon(folder=folder, preload=True,
                           env={"WORKMAN_E2E_CODE": str(self.code)}, **profile)


class InEveryLanguage:
    def test_workers_are_forked_by_one_template_and_are_ours(self):
        daemon = self.preloaded(max_workers=3)
        daemon.wait_event("worker ready", count=3)

        template = daemon.find("template ready")[0]
        self.assertEqual([entry["pid"] for entry in daemon.records("load")], [template["pid"]])
        pids = set(daemon.pids().values())
        self.assertEqual(len(pids), 3)
        self.assertNotIn(template["pid"], pids)
        for what in ("after_fork", "boot"):
            self.assertEqual({entry["pid"] for entry in daemon.records(what)}, pids)
        self.assertEqual({entry["pid"] for entry in daemon.records("before_fork")},
                         {template["pid"]})
        for pid in pids:
            self.assertEqual(parent(pid), daemon.process.pid)
        who = daemon.call("Who")
        self.assertEqual((who["ppid"], who["sid"], who["version"]),
                         (daemon.process.pid, who["pid"], "one"))
        self.assertEqual(daemon.pids()[who["worker"]], who["pid"])
        said = daemon.wait_event("worker stderr", line=f"asked {who['pid']}")
        self.assertEqual(said["worker"], who["worker"])

        self.assertEqual(daemon.stop(), 0)
        self.assertEqual({entry["pid"] for entry in daemon.records("exit")}, pids)
        self.assertEqual({event["status"] for event in daemon.find("worker gone")}, {"exit 0"})
        self.assertEqual(daemon.find("template gone")[0]["status"], "exit 0")

    def test_a_reload_loads_new_code_and_the_old_template_goes_with_its_last_worker(self):
        daemon = self.preloaded(max_workers=2)
        slow = daemon.wait("Sleep", {"s": 2})
        busy = daemon.wait_record("sleep")["pid"]
        old = daemon.find("template ready")[0]["pid"]
        self.code.write_text("two")

        daemon.signal(signal.SIGHUP)

        daemon.wait_event("reload done")
        self.assertEqual(daemon.call("Who")["version"], "two")
        self.assertTrue(harness.alive(old) and harness.alive(busy))
        self.assertEqual(slow.finish().stdout, '{"s":2}\n')
        gone = daemon.wait_event("template gone", pid=old)
        self.assertEqual((gone["status"], gone["reason"]), ("exit 0", "no longer needed"))
        names = [(event["event"], event.get("pid")) for event in daemon.events]
        self.assertLess(names.index(("worker gone", busy)), names.index(("template gone", old)))

    def test_a_job_past_the_graceful_time_is_force_killed(self):
        daemon = self.preloaded(graceful_shutdown_timeout="200ms")
        daemon.enqueue("Sleep", {"s": 600})
        pid = daemon.wait_record("sleep")["pid"]

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual([entry["pid"] for entry in daemon.records("on_abort")], [pid])
        self.assertEqual(len(daemon.find("worker signalled", signal="ABRT")), 1)
        self.assertEqual(daemon.find("worker gone", pid=pid)[0]["status"], "exit 0")

    def test_a_killed_worker_is_explained_and_replaced(self):
        daemon = self.preloaded(graceful_shutdown_timeout="100ms")
        first = daemon.wait("Sleep", {"s": 600})
        pid = daemon.wait_record("sleep")["pid"]

        os.kill(pid, signal.SIGKILL)

        gone = daemon.wait_event("worker gone", pid=pid)
        self.assertEqual(gone["status"], "signal 9 (SIGKILL)")
        again = daemon.wait_record("sleep", count=2)["pid"]
        os.kill(again, signal.SIGKILL)
        daemon.wait_record("sleep", count=3)
        self.assertEqual(len(daemon.records("load")), 1)
        first.kill()

    def test_recycled_workers_come_from_the_same_template(self):
        daemon = self.preloaded(max_reqs_per_child=2, max_reqs_per_child_jitter="0%")
        pids = [daemon.call("Who")["pid"] for _ in range(6)]

        self.assertEqual(len(set(pids)), 3)
        self.assertEqual(len(daemon.records("load")), 1)

    def test_long_lines_pass_both_ways(self):
        daemon = self.preloaded()
        text = "x" * 3_000_000

        result = daemon.workman("enqueue", "--wait", "Echo", "-", stdin=daemon.json(text))

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout.strip(), daemon.json(text))

    def test_all_die_with_the_daemon(self):
        daemon = self.preloaded(max_workers=2)
        daemon.wait_event("worker ready", count=2)
        daemon.enqueue("Sleep", {"s": 600})
        daemon.wait_record("sleep")

        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()

        daemon.wait_no_process()

    def test_a_template_that_cannot_load_degrades_and_a_reload_heals(self):
        daemon = self.preloaded("exit 3", wait="degraded", max_workers=3, max_start_failures=2)
        why = daemon.find("degraded")[0]["why"]
        self.assertIn("its template ended before it was forked: exit 3", why)
        self.assertIn("2 start failures", why)  # However many workers waited for each of them.
        self.assertTrue(daemon.find("template output", line="will not load"))
        self.code.write_text("well")

        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.assertEqual(daemon.call("Who")["version"], "well")

    def test_an_idle_template_may_die_and_another_is_loaded_when_it_is_needed(self):
        daemon = self.preloaded()
        template = daemon.find("template ready")[0]["pid"]
        before = daemon.call("Who")["pid"]

        os.kill(template, signal.SIGKILL)

        gone = daemon.wait_event("template gone", pid=template)
        self.assertEqual((gone["status"], gone["reason"]), ("signal 9 (SIGKILL)", "unasked"))
        self.assertEqual(daemon.call("Who")["pid"], before)
        os.kill(before, signal.SIGKILL)
        daemon.wait_event("worker gone", pid=before)
        self.assertEqual(daemon.call("Who")["ppid"], daemon.process.pid)
        self.assertEqual(len(daemon.records("load")), 2)


class Python(InEveryLanguage, Preload):
    command = LANGUAGES["python"]


class Perl(InEveryLanguage, Preload):
    command = LANGUAGES["perl"]


class Ruby(InEveryLanguage, Preload):
    command = LANGUAGES["ruby"]


class Edges(Preload):
    def test_a_template_that_hangs_while_it_loads_is_ended(self):
        daemon = self.preloaded("hang", wait="degraded", start_timeout="300ms", exit_grace="200ms",
                                max_start_failures=1)

        gone = daemon.wait_event("template gone")
        self.assertEqual(gone["reason"], "the template was not ready within start_timeout")
        self.assertEqual(daemon.find("template signalled")[0]["signal"], "SIGABRT")

    def test_a_stop_while_the_template_loads(self):
        daemon = self.preloaded("hang", wait="template spawned", exit_grace="100ms", max_workers=2)
        daemon.wait_record("load")

        self.assertEqual(daemon.stop(), 0)

        self.assertEqual(daemon.find("template gone")[0]["reason"], "stop")
        self.assertEqual(daemon.find("worker spawned"), [])

    def test_a_third_sigterm_kills_a_template_at_once(self):
        daemon = self.preloaded("stuck", wait="template spawned", max_workers=2)
        daemon.wait_record("load")
        for _ in range(3):
            daemon.signal(signal.SIGTERM)
            daemon.wait_event("stopping", count=1 + len(daemon.find("stopping")))

        daemon.wait_exit()

        self.assertEqual(daemon.find("template gone")[0]["status"], "signal 9 (SIGKILL)")

    def test_a_reload_whose_template_cannot_load_is_rolled_back(self):
        daemon = self.preloaded(max_start_failures=1)
        before = daemon.call("Who")
        self.code.write_text("exit 78")

        result = daemon.workman("reload")

        self.assertNotEqual(result.returncode, 0)
        self.assertIn("rolled back", result.stderr)
        self.assertEqual(daemon.call("Who"), before)
        self.assertEqual(daemon.status()["generation"], 1)

    def test_a_worker_that_cannot_be_forked_is_told_so(self):
        daemon = self.preloaded(wait="degraded", command=harness.worker())

        self.assertIn("zygote", daemon.find("degraded")[0]["why"])
        daemon.wait_event("template gone")

    def test_preload_comes_and_goes_with_a_reload(self):
        daemon = self.preloaded()
        daemon.write_profile(preload=None)
        self.assertEqual(daemon.workman("reload").returncode, 0)
        cold = daemon.call("Who")
        self.assertEqual([e["pid"] for e in daemon.records("load")][-1], cold["pid"])
        daemon.wait_event("template gone")
        daemon.write_profile(preload=True)
        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.assertNotIn(daemon.call("Who")["pid"], [e["pid"] for e in daemon.records("load")])

    def test_who_has_no_token_is_turned_away(self):
        daemon = self.preloaded()
        path = str(daemon.folder / "t.sock.fork")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        for line in (b'{"type":"attach","token":"000000000001-00"}\n', b"nonsense\n", b"x" * 5000):
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                stranger.sendall(line)
                try:
                    self.assertEqual(stranger.recv(1), b"")
                except ConnectionResetError:
                    pass  # It was closed before all was read.
        self.assertEqual(len(daemon.status()["workers"]), 1)

        daemon.stop()

        self.assertFalse(os.path.exists(path))

    def test_a_frozen_daemon_still_gets_its_workers(self):
        daemon = self.preloaded("one", wait="template spawned", max_workers=4)
        daemon.wait_record("load")
        daemon.signal(signal.SIGSTOP)
        daemon.signal(signal.SIGCONT)

        daemon.wait_event("worker ready", count=4)
        self.assertEqual(daemon.stop(), 0)

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to run workers as another user")
    def test_workers_of_another_user(self):
        daemon = self.preloaded(wait=None, start=False, user="nobody", working_directory="/",
                                command=["/usr/bin/python3", "-c", TINY])
        os.chmod(daemon.folder, 0o700)
        daemon.start()

        who = daemon.call("Who")

        self.assertEqual((who["ppid"], who["uid"]), (daemon.process.pid, 65534))


TINY = """
import json, os, socket, sys, time
def send(channel, **message): channel.write(json.dumps(message) + "\\n"); channel.flush()
hello = json.loads(sys.stdin.readline())
send(sys.stdout, type="ready", tasks=["Who"], zygote="zygote" in hello["features"])
for line in sys.stdin:
    order = json.loads(line)
    if order["type"] != "fork": continue
    daemon = os.getppid()
    if os.fork():
        os.wait()
        continue
    if os.fork(): os._exit(0)
    while os.getppid() != daemon: time.sleep(0.001)
    os.setsid()
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(order["socket"])
    channel = peer.makefile("rw")
    send(channel, type="attach", token=order["token"])
    send(channel, type="ready", tasks=["Who"])
    for line in channel:
        job = json.loads(line)
        if job["type"] == "job":
            send(channel, type="done", id=job["id"],
                 result={"ppid": os.getppid(), "uid": os.getuid()})
    os._exit(0)
"""


if __name__ == "__main__":
    harness.main()
