"""Sockets of Python's own ZeroMQ, for the tests of both ways in which workman uses it."""

import json
import socket

import beside
import harness
import peer

zmq = peer.library("zmq", "python3-zmq")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class TestCase(beside.Beside, harness.TestCase):
    def setUp(self):
        self.context = zmq.Context()
        self.addCleanup(self.context.term)
        self.place = self.folder()

    def endpoint(self, name="jobs"):
        return f"ipc://{self.place}/{name}.ipc"

    def socket(self, kind, connect=None, bind=None):
        """With time-outs, and closed before the context ends."""
        socket = self.context.socket(kind)
        self.addCleanup(socket.close, 0)
        socket.rcvtimeo = socket.sndtimeo = int(harness.DEADLINE * 1000)
        if bind:
            socket.bind(bind)
        else:
            socket.connect(connect or self.endpoint())
        return socket

    def start(self, key="router", endpoint=None, bind=True, **profile):
        return self.daemon(queue={"driver": "zeromq", key: endpoint or self.endpoint(), "bind": bind},
                           **profile)

    def ask(self, socket, task, args, *more):
        socket.send_multipart([task.encode(), json.dumps(args).encode(), *more])
