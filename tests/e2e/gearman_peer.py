"""A gearmand of a test's own, and a client that is a few packets of Gearman's protocol, so that
every packet which comes back can be counted."""

import json
import pathlib
import socket
import struct
import subprocess
import threading

import harness

PERL = str(pathlib.Path(__file__).parent / "peers/gearman.pl")
SUBMIT_JOB, JOB_CREATED, WORK_STATUS, WORK_COMPLETE, WORK_FAIL = 7, 8, 12, 13, 14
WORK_EXCEPTION, OPTION_REQ, OPTION_RES, WORK_DATA, WORK_WARNING = 25, 26, 27, 28, 29


class Server:
    """gearmand on a free port that it keeps over restarts."""

    def __init__(self, start=True, host="127.0.0.1", options=()):
        with socket.socket() as probe:
            probe.bind((host, 0))
            self.port = probe.getsockname()[1]
        self.host, self.options, self.process = host, options, None
        if start:
            self.start()

    def start(self):
        self.process = subprocess.Popen(
            ["gearmand", f"--listen={self.host}", f"--port={self.port}", "--log-file=/dev/null",
             *self.options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.poll("gearmand to listen", self.listens)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def signal(self, signo):
        self.process.send_signal(signo)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def queue(*servers, **more):
    """The `queue` block of a profile."""
    return {"driver": "gearman", "job_servers": [f"{one.host}:{one.port}" for one in servers], **more}


def packet(kind, *parts):
    body = b"\0".join(parts)
    return b"\0REQ" + struct.pack(">II", kind, len(body)) + body


def perl(server, *words):
    """The command of Gearman's own client, or worker, for Perl."""
    return ["perl", PERL, f"{server.host}:{server.port}", *words]


class Waiting(threading.Thread):
    """Submits one job and collects what comes back, (type, bytes) in order, until its end."""

    def __init__(self, port, task, args, exceptions=False):
        super().__init__(daemon=True)
        self.packets = []
        self.socket = socket.create_connection(("127.0.0.1", port))
        if exceptions:
            self.socket.sendall(packet(OPTION_REQ, b"exceptions"))
        self.socket.sendall(packet(SUBMIT_JOB, task.encode(), b"", json.dumps(args).encode()))
        self.start()

    def run(self):
        with self.socket.makefile("rb") as stream:
            while header := stream.read(12):
                kind, size = struct.unpack(">II", header[4:])
                body = stream.read(size)
                if kind not in (JOB_CREATED, OPTION_RES):
                    self.packets.append((kind, body.split(b"\0", 1)[-1]))
                if kind in (WORK_COMPLETE, WORK_FAIL, WORK_EXCEPTION):
                    return

    def finish(self, daemon):
        harness.poll("the end of the job", lambda: not self.is_alive(), harness.DEADLINE * 3,
                     daemon.tail)
        self.socket.close()
        return self.packets
