"""A PostgreSQL and a MariaDB for the tests of one class: data in a temporary folder, a loopback port
that the kernel chose, an ordinary user also when the tests run as root. Ended by their pid."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile

import harness


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    user = scheme = database = ""

    @classmethod
    def installed(cls):
        try:
            pwd.getpwnam(cls.user)
        except KeyError:
            return False
        return cls.program() is not None

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="workman-sql-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "server"
        self.data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.data, self.user, self.user)
        self.port, self.process = free_port(), None
        self.make()
        self.start()

    def as_user(self, *command):
        if os.geteuid() != 0:
            return list(command)
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups",
                "--pdeathsig=QUIT", *command]

    def run(self, *command):
        result = subprocess.run(self.as_user(*command), stdin=subprocess.DEVNULL, text=True,
                                capture_output=True, timeout=120, cwd=self.data)
        if result.returncode != 0:
            raise AssertionError(f"{command[0]}: {result.stdout}{result.stderr}")

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.as_user(*self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.data)
        harness.poll(f"{self.scheme} to answer", lambda: self.query("SELECT 1", False) is not None,
                     60, lambda: (self.folder / "log").read_text())

    def end(self):
        """As a crash would."""
        self.process.send_signal(signal.SIGQUIT if self.scheme == "postgresql" else signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self):
        return f"{self.scheme}://wm:secret@127.0.0.1:{self.port}/{self.database}"

    def query(self, sql, check=True):
        """What the server's own client prints; None when it fails and that may be."""
        result = subprocess.run(self.client(sql), stdin=subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=60, env={**os.environ, "PGPASSWORD": "secret"})
        if result.returncode != 0:
            if check:
                raise AssertionError(result.stderr)
            return None
        return result.stdout.strip()


class Postgres(Server):
    user, scheme, database = "postgres", "postgresql", "postgres"

    @staticmethod
    def program(name="postgres"):
        found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
        return found[-1] if found else None

    def make(self):
        password = self.data / "password"
        password.write_text("secret\n")
        password.chmod(0o644)
        self.run(self.program("initdb"), "-D", str(self.data / "data"), "-U", "wm", "-A",
                 "scram-sha-256", f"--pwfile={password}", "--no-sync", "--locale=C", "-E", "UTF8")

    def command(self):
        return [self.program(), "-D", str(self.data / "data"), "-p", str(self.port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]

    def client(self, sql):
        return ["psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "wm", "-d", "postgres",
                "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]


class Mariadb(Server):
    user, scheme, database = "mysql", "mysql", "wm"

    @staticmethod
    def program():
        return shutil.which("mariadbd", path="/usr/sbin:/usr/bin")

    def make(self):
        self.run("mariadb-install-db", "--no-defaults", f"--datadir={self.data}/data",
                 "--auth-root-authentication-method=normal", "--skip-test-db")
        (self.folder / "init.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS wm;\n"
            "CREATE USER IF NOT EXISTS wm@'127.0.0.1' IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON wm.* TO wm@'127.0.0.1';\n")

    def command(self):
        return [self.program(), "--no-defaults", f"--datadir={self.data}/data",
                f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                f"--socket={self.data}/socket", f"--pid-file={self.data}/pid",
                f"--init-file={self.folder}/init.sql"]

    def client(self, sql):
        return ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-uwm",
                "-psecret", "wm", "-N", "-B", "-e", sql]

    def query_as_root(self, sql):
        self.run("mariadb", "--no-defaults", f"--socket={self.data}/socket", "-uroot", "-e", sql)
