"""Three hosts, each a network namespace with a workmand of its own, on one broker. One host is cut
off the network, one is killed. Every job must be done; what ran twice is counted and printed, and may
only be what those two hosts had in hand."""

import collections
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import gearman_peer
import harness
import rabbit_server
import redis_server
import sql_servers

HOSTS = ("a", "b", "c")
WORKERS = 3
JOBS = 240
LEASE = "3s"
HELD = 2 * WORKERS  # jobs of 50 ms: none is prefetched once 20 outcomes are known
NUMBER = os.getpid() % 200 + 20
GATEWAY = f"10.77.{NUMBER}.1"
WORKER = """
import json, os, sys, time
print('{"type":"ready","tasks":["Count"],"signals":[]}', flush=True)
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for line in sys.stdin:
    job = json.loads(line)
    if job["type"] == "job":
        time.sleep(0.05)  # the work
        os.write(log, f"{sys.argv[2]} {job['args']}\\n".encode())
        print(json.dumps({"type": "done", "id": job["id"]}), flush=True)
"""


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def may_make_hosts():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    made = ip("netns", "add", f"wm{NUMBER}probe", check=False).returncode == 0
    ip("netns", "delete", f"wm{NUMBER}probe", check=False)
    return made


class Network:
    """A bridge with the broker's address, and a namespace per host."""

    def __init__(self):
        self.bridge = f"wm{NUMBER}br"
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{GATEWAY}/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for i, host in enumerate(HOSTS):
            space, cable = self.space(host), self.cable(host)
            ip("netns", "add", space)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", cable, "master", self.bridge, "up")
            for command in (("address", "add", f"10.77.{NUMBER}.{i + 10}/24", "dev", "eth0"),
                            ("link", "set", "eth0", "up"), ("link", "set", "lo", "up")):
                ip("-n", space, *command)

    @staticmethod
    def space(host):
        return f"wm{NUMBER}{host}"

    @staticmethod
    def cable(host):
        return f"wm{NUMBER}v{host}"

    def close(self):
        for host in HOSTS:
            ip("netns", "delete", self.space(host), check=False)
            ip("link", "delete", self.cable(host), check=False)
        ip("link", "delete", self.bridge, check=False)


class Gearmand(gearman_peer.Server):
    def __init__(self):
        # Without keep-alive a server never learns that a host has vanished.
        super().__init__(host=GATEWAY, options=[
            "--keepalive", "--keepalive-idle=1", "--keepalive-interval=1", "--keepalive-count=2"])

    def queue(self):
        return gearman_peer.queue(self)

    def close(self):
        self.stop()


class Redis(redis_server.Server):
    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--bind", "127.0.0.1", GATEWAY, "--port", str(self.port), "--dir",
             self.folder, "--save", "", "--protected-mode", "no"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.poll("redis-server to answer", lambda: self.try_command("PING") == "PONG")

    def queue(self):
        return {"driver": "redis", "url": f"redis://{GATEWAY}:{self.port}/0"}


class Rabbit(rabbit_server.Server):
    def __init__(self):
        # Its guest is admitted from loopback addresses alone, unless it is told otherwise; a host that
        # has vanished shows by its heartbeat.
        super().__init__("loopback_users.guest = false\nheartbeat = 2\n", GATEWAY)

    def queue(self):
        return {"driver": "amqp", "url": self.url}


class Postgres(sql_servers.Postgres):
    def make(self):
        super().make()
        with open(self.data / "data/pg_hba.conf", "a") as file:
            file.write(f"host all all 10.77.{NUMBER}.0/24 scram-sha-256\n")

    def command(self):
        return [word.replace("listen_addresses=127.0.0.1", f"listen_addresses=127.0.0.1,{GATEWAY}")
                for word in super().command()]

    def queue(self):
        return {"driver": "postgres", "url": self.url().replace("127.0.0.1", GATEWAY)}


class Host(harness.Daemon):
    def __init__(self, network, name, folder, profile):
        super().__init__(folder, profile)
        self.name, self.network = name, network

    def start(self, wait="ready"):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.network.space(self.name), harness.WORKMAND, str(self.path),
             "--log-format", "json"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self.environment, cwd=self.folder)
        self.reader = threading.Thread(target=self.read, args=(self.process.stderr,), daemon=True)
        self.reader.start()
        self.wait_event(wait)
        return self


class Hosts(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.network = Network()

    @classmethod
    def tearDownClass(cls):
        cls.network.close()

    def executions(self):
        return collections.Counter(line.split()[1] for line in self.log.read_text().splitlines())

    def put(self, host, count):
        """The producer needs no network of its own: the broker has an address here, too."""
        jobs = range(self.jobs, self.jobs + count)
        put = host.workman("enqueue", "--from", "-", stdin="".join(
            json.dumps({"task": "Count", "args": n}) + "\n" for n in jobs))
        self.assertEqual(put.returncode, 0, put.stderr)
        self.jobs += count

    def finish(self, host):
        harness.poll("every job to be done", lambda: len(self.executions()) == self.jobs, 120,
                     lambda: f"{len(self.executions())} of {self.jobs}\n{host.tail()}")

    def by_host(self):
        return collections.Counter(line.split()[0] for line in self.log.read_text().splitlines())

    def try_broker(self, broker):
        self.addCleanup(broker.close)
        folder, self.jobs = self.folder(), 0
        self.log = folder / "log"
        self.log.touch()
        (folder / "worker.py").write_text(WORKER)
        hosts = {}
        for name in HOSTS:
            place = folder / name
            place.mkdir()
            hosts[name] = Host(self.network, name, place, {
                "command": [sys.executable, "-S", "-E", str(folder / "worker.py"), str(self.log), name],
                "max_workers": WORKERS, "lease_time": LEASE, "queue": broker.queue()})
            self.addCleanup(self.close, hosts[name])
        self.put(hosts["a"], JOBS)
        for host in hosts.values():
            host.start()
        harness.poll("every host to work", lambda: len(self.by_host()) == len(HOSTS))

        ip("link", "set", self.network.cable("b"), "down")
        hosts["c"].signal(signal.SIGKILL)
        hosts["c"].wait_exit()
        self.finish(hosts["a"])
        before = self.by_host()["b"]
        ip("link", "set", self.network.cable("b"), "up")

        def works_again():
            self.put(hosts["a"], 6 * WORKERS)
            self.finish(hosts["a"])
            return self.by_host()["b"] > before
        harness.poll("the host that was cut off to work again", works_again, 120, hosts["b"].tail)
        for name in ("a", "b"):
            self.assertEqual(hosts[name].stop(), 0)

        runs = self.executions()
        again = sum(runs.values()) - len(runs)
        lost = {str(n) for n in range(self.jobs)} - set(runs)
        print(f"{broker.queue()['driver']}: {self.jobs} jobs, {len(runs)} done, {len(lost)} lost, "
              f"{again} ran twice; by host {dict(self.by_host())}", file=sys.stderr)
        self.assertEqual((lost, len(runs)), (set(), self.jobs))
        # At the most what the two had in hand when they went: one job per worker, and what was prefetched.
        self.assertLessEqual(again, 2 * WORKERS + HELD)

    def need(self, what, there):
        if there:
            return
        if os.environ.get("WORKMAN_REQUIRE_SERVERS") == "1":
            self.fail(f"{what} is not installed")
        print(f"SKIPPED: {what} is not installed", file=sys.stderr)
        self.skipTest(f"{what} is not installed")

    def test_gearman(self):
        self.need("gearmand", shutil.which("gearmand"))
        self.try_broker(Gearmand())

    def test_redis(self):
        self.need("redis-server", redis_server.installed())
        self.try_broker(Redis())

    def test_postgres(self):
        self.need("PostgreSQL", sql_servers.Postgres.installed())
        self.try_broker(Postgres())

    def test_rabbitmq(self):
        self.need("rabbitmq-server", rabbit_server.installed())
        self.try_broker(Rabbit())


if __name__ == "__main__":
    if not may_make_hosts():
        print("SKIPPED: there are no network namespaces here", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
