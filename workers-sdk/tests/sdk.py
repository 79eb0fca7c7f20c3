"""The tests that every library passes that has a fixture worker (SDK_FIXTURE is its command, SDK the
language). They play the daemon with the means of ../python/tests/kit.py."""

import os
import pathlib
import shlex
import sys

WORKERS_SDK = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(WORKERS_SDK / "python/tests"))

import kit  # noqa: E402
from kit import DEADLINE, HELLO, environment, main  # noqa: E402,F401

LANGUAGE = os.environ["SDK"]
FIXTURE = shlex.split(os.environ["SDK_FIXTURE"])
EXAMPLE = shlex.split(os.environ["SDK_EXAMPLE"])
# What each language calls its errors, and where their stacks are; C++ has none.
FAILURE = {"node": "RangeError", "go": "*errors.errorString", "cpp": "std::runtime_error"}[LANGUAGE]
TRACE = {"node": "fixture.js", "go": None, "cpp": None}[LANGUAGE]


class TestCase(kit.TestCase):
    def worker(self, **options):
        return super().worker(**{"command": FIXTURE, **options})


def bytes_of(numbers):
    return {"bytes": list(numbers)}
