"""A gearmand for a measurement: what it has, and how fast it gets rid of it."""

import contextlib
import json
import os
import socket
import subprocess
import time

from daemon import Failure, cpu_us
from measure import BUILD, WORKER

TESTS = BUILD / "tests"
DEADLINE = 120.0


@contextlib.contextmanager
def on_one_cpu(pids):
    """These processes, and what is started meanwhile."""
    ours = os.sched_getaffinity(0)
    one = {min(ours)}

    def let(cpus):
        for pid in pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), cpus)
        os.sched_setaffinity(0, cpus)
    let(one)
    try:
        yield
    finally:
        let(ours)


class Gearmand:
    """A context: a server on a free port. It says how many jobs of the task it has."""

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            ["gearmand", "--listen=127.0.0.1", f"--port={self.port}", f"--log-file={self.folder}/gearmand.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                self.admin = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)
                break
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failure("gearmand does not listen") from None
                time.sleep(0.01)
        self.lines = self.admin.makefile("r")
        return self

    def __exit__(self, *error):
        self.admin.close()
        self.process.terminate()
        self.process.wait(DEADLINE)

    def jobs(self, task="Echo"):
        self.admin.sendall(b"status\n")
        total = 0
        while (line := self.lines.readline().rstrip("\n")) != ".":
            name, count, *_ = line.split("\t")
            total = int(count) if name == task else total
        return total

    def measure(self, jobs, pids):
        """The rate and the CPU time per job between the first and the last seventh."""
        looks = []
        deadline = time.monotonic() + DEADLINE
        for left in (jobs * 6 // 7, jobs // 7):
            while (now := self.jobs()) > left:
                if time.monotonic() > deadline:
                    raise Failure(f"gearmand still has {now} jobs")
                time.sleep(0.01)
            looks.append((time.monotonic(), now, sum(sum(cpu_us(pid).values()) for pid in pids()),
                          sum(cpu_us(self.process.pid).values())))
        (begin, first, cpu, server), (end, last, cpu_end, server_end) = looks
        done = first - last
        if done < 1:
            raise Failure("too few jobs for a measurement")
        while self.jobs() > 0:
            if time.monotonic() > deadline:
                raise Failure("the last jobs are not done")
            time.sleep(0.01)
        return {"rate": done / (end - begin), "cpu_us": (cpu_end - cpu) / done,
                "server_us": (server_end - server) / done}

    def ask(self, count, pids):
        """How long single jobs take whose caller waits; then the same with all on one CPU. One
        thing happens at a time, so one is enough, and on several the figure tells mostly how fast
        an idle CPU wakes."""
        free = self.ask_as_it_is(count)["p50_us"]
        with on_one_cpu([self.process.pid, *pids]):
            return {"free_p50_us": free, **self.ask_as_it_is(count)}

    def ask_as_it_is(self, count):
        return json.loads(subprocess.run(
            [TESTS / "bench_gearman_client", str(self.port), "Echo", str(count)], check=True,
            capture_output=True).stdout)


def enqueue(folder, server, path):
    profile = folder / "producer.yaml"
    profile.write_text(json.dumps({
        "name": "producer", "command": [WORKER], "state_dir": str(folder),
        "queue": {"driver": "gearman", "job_servers": [f"127.0.0.1:{server.port}"]}}))
    subprocess.run([BUILD / "bin/workman", "enqueue", "-p", profile, "--from", path], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
