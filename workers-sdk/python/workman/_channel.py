"""The two descriptors of a worker: whole lines in, whole lines out."""

import _thread
import collections
import os
import select
import sys

from workman._text import decode, note, vanish


class Channel:
    """Holds what has come and is not dealt with, in order. Reads in the main thread alone; writes
    in any. While `guard` is not 0 an interruption waits: no line is torn and no input is lost."""

    def __init__(self):
        self.lines, self.rest, self.started, self.eof = collections.deque(), [], False, False
        self.guard = 0
        self.lock, self.main = _thread.allocate_lock(), _thread.get_ident()
        self.supervised = bool(os.environ.get("WORKMAN"))
        self.input, self.output, self.wake, self.poll = None, None, None, None
        if self.supervised:
            self.take_descriptors()

    def take_descriptors(self):
        """Children do not inherit what is taken here, nor the word that they are workers."""
        import fcntl
        os.environ.pop("WORKMAN")
        given = [int(os.environ.pop(name, default)) for name, default in
                 (("WORKMAN_IN", 0), ("WORKMAN_OUT", 1))]
        self.input, self.output = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in given)
        for fd in given:
            if fd > 2:
                os.close(fd)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        try:
            os.dup2(2, 1)
        except OSError:  # There is no stderr.
            os.dup2(null, 1)
        if null > 2:
            os.close(null)
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(line_buffering=True)

    def watch(self):
        """Makes the pipe whose writing end it returns: a signal writes there and ends a wait."""
        self.wake, signalled = os.pipe()
        os.set_blocking(signalled, False)
        self.poll = select.poll()
        self.poll.register(self.wake, select.POLLIN)
        self.poll.register(self.input, select.POLLIN)
        return signalled

    def drop(self):
        """For a forked child, which must not speak for us nor hold our pipes open."""
        for fd in (self.input, self.output):
            os.close(fd)
        self.input = self.output = None
        self.lock = _thread.allocate_lock()

    def unguard(self):
        self.guard -= 1

    def send(self, text, job=None):
        """Writes a message. What a thread says of a job that has ended is dropped."""
        mine = _thread.get_ident() == self.main
        if mine:
            self.guard += 1
        with self.lock:
            if self.output is not None and not (job is not None and job.closed):
                self.write(text.encode() + b"\n")
        if mine:
            self.unguard()

    def write(self, data):
        try:
            written = os.write(self.output, data)
            while written < len(data):
                data = memoryview(data)[written:]
                written = os.write(self.output, data)
        except OSError as error:
            note("cannot write to the daemon: %s" % error)
            vanish(1)

    def fill(self, timeout=None):
        """Waits for input or a signal (None: without end) and keeps the whole lines. True if there
        was anything."""
        events = self.poll.poll(timeout)
        for fd, _ in events:
            self.guard += 1
            if fd == self.wake:
                os.read(fd, 4096)
            else:
                self.read()
            self.unguard()
        return bool(events)

    def read(self):
        chunk = os.read(self.input, 65536)
        if not chunk:
            self.eof = True
            self.poll.unregister(self.input)
            return
        if not self.started:
            self.started = True
            chunk = chunk[3:] if chunk.startswith(b"\xef\xbb\xbf") else chunk
        head, feed, tail = chunk.rpartition(b"\n")
        if feed:
            lines = (b"".join(self.rest) + head).split(b"\n") if self.rest else head.split(b"\n")
            self.lines.extend(lines)
            self.rest.clear()
        if tail:
            self.rest.append(tail)

    @staticmethod
    def parse(line):
        """The message of a line as a dict, or None."""
        try:
            message = decode(line.decode())
        except (ValueError, RecursionError):
            return None
        return message if isinstance(message, dict) else None
