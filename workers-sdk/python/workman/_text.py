"""JSON as the protocol wants it, and what goes to stderr."""

import binascii
import json
import os
import sys

encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
decode = json.JSONDecoder().decode
UNSERIALISABLE = (TypeError, ValueError, OverflowError, RecursionError)
HERE = os.path.dirname(__file__) + os.sep


def ms(seconds):
    return None if seconds is None else max(0, round(seconds * 1000))


def payload(name, value):
    """A member that carries a value: bytes as base64, anything else as JSON."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return '"%s_b64":"%s"' % (name, binascii.b2a_base64(value, newline=False).decode())
    return '"%s":%s' % (name, encode(value))


def members(**members):
    """JSON members, each with a comma before it; those without a value are left out."""
    return "".join(',"%s":%s' % (key, encode(value)) for key, value in members.items()
                   if value is not None)


def note(text):
    try:
        print("<4>workman: " + text, file=sys.stderr, flush=True)
    except (AttributeError, OSError, ValueError):
        pass  # There is no stderr.


def stack(trace):
    """The frames of a traceback that are not ours, as text."""
    import traceback  # Costs too much for a worker whose jobs do not fail.
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith(HERE)]
    return "".join(traceback.format_list(frames)).rstrip()


def vanish(status):
    """Ends the process at once, but for what is printed and not yet written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):
            pass
    os._exit(status)
