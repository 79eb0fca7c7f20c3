"""A real redis-server for a test: on a loopback port that was free, in a folder of its own."""

import shutil
import socket
import subprocess
import tempfile

import beside
import harness

PROGRAM = "redis-server"


def installed():
    return shutil.which(PROGRAM) is not None


class Server:
    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="wm-redis-")
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder,
             "--save", "", "--appendonly", "yes", "--appendfsync", "always"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.poll("redis-server to answer", lambda: self.try_command("PING") == "PONG")

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def try_command(self, *words):
        try:
            return self.command(*words)
        except (OSError, AssertionError):
            return None  # It does not listen yet, or reads its file.

    def command(self, *words):
        """One command and its reply: text, a number, None, or a list of them."""
        with socket.create_connection(("127.0.0.1", self.port), harness.DEADLINE) as connection:
            parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(
                b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
            with connection.makefile("rb") as stream:
                return self.read(stream)

    def read(self, stream):
        line = stream.readline()
        if not line:
            raise OSError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            if rest == b"-1":
                return None
            data = stream.read(int(rest) + 2)[:-2]
            return data.decode("utf-8", "replace")
        if kind == b"*":
            return None if rest == b"-1" else [self.read(stream) for _ in range(int(rest))]
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise AssertionError(rest.decode())
        return rest.decode()


class TestCase(beside.Beside, harness.TestCase):
    """With one server for the class; its keys are deleted before each test."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        super().setUp()
        self.server.command("FLUSHALL")
