"""Parts of a result on their way to who waits for it, and the brake when the queue does not take
them."""

import pathlib
import shutil
import signal
import sys
import time
import unittest

import harness
from gearman_peer import WORK_COMPLETE, WORK_DATA, WORK_WARNING, Server, Waiting, queue

BAD = str(pathlib.Path(__file__).parent / "workers/bad.py")
MIB = 1 << 20


def bad(*options):
    command = harness.worker(*options)
    return [BAD if part == harness.WORKER else part for part in command]


class Sqlite(harness.TestCase):
    def test_parts_that_nobody_waits_for_are_dropped_and_counted(self):
        daemon = self.daemon(command=bad())

        daemon.enqueue("Data", {"parts": 5})

        daemon.wait_counts(done=1)
        self.assertEqual(daemon.status()["dropped"]["data"], 5)

    def test_parts_are_taken_where_somebody_waits(self):
        daemon = self.daemon(command=bad())

        self.assertEqual(daemon.call("Data", {"parts": 5}), 5)

        self.assertEqual(daemon.status()["dropped"]["data"], 0)
        self.assertEqual(daemon.status()["violations"], {})


class Gearman(harness.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.stop)

    def serve(self, **profile):
        return self.daemon(command=bad(), queue=queue(self.server), **profile)

    def test_every_part_comes_in_order_and_before_the_result(self):
        daemon = self.serve()

        packets = Waiting(self.server.port, "Data", {"parts": 2000}).finish(daemon)

        self.assertEqual(packets.pop(), (WORK_COMPLETE, b"2000"))
        self.assertEqual(packets, [(WORK_DATA, b'"%d:"' % n) for n in range(2000)])

    def test_text_is_sent_without_quotes(self):
        text = '{"type":"data","id":"$ID","data":"a \\"b\\""}\n{"type":"data","id":"$ID",' \
               '"data_b64":"AP8="}\n{"type":"done","id":"$ID","result":"end"}\n'
        script = ('echo \'{"type":"ready","tasks":["T"]}\'; while read -r line; do '
                  'case $line in \'{"type":"job",\'*) id=${line#*\'"id":"\'}; id=${id%%\'"\'*}; '
                  'printf "%s" "${1//\\$ID/$id}";; esac; done')
        command = [part.replace("$", "$$") for part in ("bash", "-c", script, "-", text)]
        daemon = self.daemon(payload="text", queue=queue(self.server), command=command)

        packets = Waiting(self.server.port, "T", {}).finish(daemon)

        self.assertEqual(packets, [(WORK_DATA, b'a "b"'), (WORK_DATA, b"\0\xff"),
                                   (WORK_COMPLETE, b"end")])

    def test_a_warning_is_a_warning(self):
        daemon = self.serve()

        packets = Waiting(self.server.port, "Data", {"parts": 1, "warn": True}).finish(daemon)

        self.assertEqual(packets, [(WORK_WARNING, b'"0:"'), (WORK_COMPLETE, b"1")])

    def test_a_server_that_does_not_read_stops_the_worker_and_loses_nothing(self):
        daemon = self.serve()
        size, parts = 256 * 1024, 300
        client = Waiting(self.server.port, "Data", {"parts": parts, "size": size})
        harness.poll("the first part", lambda: client.packets, explain=daemon.tail)

        self.server.signal(signal.SIGSTOP)
        try:
            paused = daemon.wait_event("worker paused")
            held = self.memory(daemon)
        finally:
            self.server.signal(signal.SIGCONT)
        packets = client.finish(daemon)

        self.assertEqual((paused["worker"], paused["why"]),
                         ("t-1", "the queue is behind with its results"))
        # 8 MiB for the worker, a line on each side, what the socket and the queue's driver hold.
        self.assertLess(held, 80 * MIB)
        self.assertLess(self.peak(daemon), 120 * MIB)
        daemon.wait_event("worker resumed", worker="t-1")
        self.assertEqual(packets.pop(), (WORK_COMPLETE, b"%d" % parts))
        self.assertEqual([body.split(b":")[0] for _, body in packets],
                         [b'"%d' % n for n in range(parts)])
        self.assertEqual({(kind, len(body) - len(body.split(b":")[0])) for kind, body in packets},
                         {(WORK_DATA, size + 2)})
        self.assertEqual(daemon.status()["dropped"]["data"], 0)

    def test_a_paused_worker_is_really_stopped(self):
        daemon = self.serve()
        client = Waiting(self.server.port, "Data", {"parts": 300, "size": 256 * 1024})
        harness.poll("the first part", lambda: client.packets, explain=daemon.tail)

        self.server.signal(signal.SIGSTOP)
        try:
            daemon.wait_event("worker paused")
            # It blocks in its own write: a moment later it has not got any further.
            counts = []
            until = time.monotonic() + 1.5
            while time.monotonic() < until:
                counts.append(len(daemon.records("part")))
                time.sleep(0.1)
        finally:
            self.server.signal(signal.SIGCONT)
        client.finish(daemon)

        self.assertEqual(len(set(counts[len(counts) // 2:])), 1)
        self.assertLess(counts[-1], 300)

    @staticmethod
    def memory(daemon, field="VmRSS"):
        for line in pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field}")

    def peak(self, daemon):
        return self.memory(daemon, "VmHWM")


if __name__ == "__main__":
    if shutil.which("gearmand"):
        harness.main()
    else:
        passed = unittest.main(defaultTest=["Sqlite"], verbosity=2, exit=False)
        print("SKIPPED: Gearman, because gearmand is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED if passed.result.wasSuccessful() else 1)
