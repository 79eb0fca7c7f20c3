"""A real RabbitMQ for a test: on loopback ports that were free, in a folder of its own, with an epmd of
its own. Both are ended by their pids."""

import os
import shutil
import socket
import subprocess
import tempfile

import harness

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START = 120


def installed():
    return os.access(PROGRAM, os.X_OK) and all(map(shutil.which, ("epmd", "amqp-publish", "amqp-get")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """`settings`: lines of rabbitmq.conf; {port} in them is `tls_port`, {folder} the folder. `host`:
    the address that it listens on."""

    def __init__(self, settings="", host="127.0.0.1"):
        self.host = host
        self.port, epmd, other = free_port(), free_port(), free_port()
        self.folder = tempfile.mkdtemp(prefix="wm-rabbit-")
        self.url = f"amqp://{host}:{self.port}"
        self.environment = {
            **os.environ, "HOME": self.folder,
            "RUNNING_UNDER_SYSTEMD": "1",  # so the script becomes the server
            "ERL_CRASH_DUMP": f"{self.folder}/erl_crash.dump",
            "RABBITMQ_NODENAME": f"wm{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": host, "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(other), "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}/log",
            "RABBITMQ_PID_FILE": f"{self.folder}/rabbit.pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "ERL_CRASH_DUMP": f"{self.folder}/crash.dump",
            # How often it looks for consumer_timeout; no line of rabbitmq.conf sets it.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-rabbit channel_tick_interval 500",
            "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(epmd)}
        self.tls_port = free_port()
        with open(f"{self.folder}/rabbitmq.conf", "w", encoding="utf-8") as file:
            file.write(settings.format(port=self.tls_port, folder=self.folder))
        if "ssl" in settings:
            self.make_certificate()
        self.epmd = self.spawn("epmd", "-address", "127.0.0.1", "-port", str(epmd))
        try:
            self.start()
        except AssertionError:
            self.close()
            raise

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
             "-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/cert.pem"],
            check=True, capture_output=True, timeout=60)

    def spawn(self, *command):
        return subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start(self):
        self.process = self.spawn(PROGRAM)
        harness.poll("rabbitmq-server to answer, or to end",
                     lambda: self.answers() or self.process.poll() is not None, timeout=START)
        if self.process.poll() is not None:
            raise AssertionError("rabbitmq-server does not start")

    def answers(self):
        try:
            with socket.create_connection((self.host, self.port), 5) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False  # It does not listen yet.

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        self.epmd.kill()
        self.epmd.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def publish(self, queue, body, *options):
        subprocess.run(["amqp-publish", "-u", self.url, "-r", queue, "-p", "-b", body, *options],
                       check=True, timeout=60)

    def get(self, queue):
        """The body of the first message; None when there is none."""
        result = subprocess.run(["amqp-get", "-u", self.url, "-q", queue], timeout=60,
                                capture_output=True, text=True, errors="replace")
        return result.stdout if result.returncode == 0 else None
