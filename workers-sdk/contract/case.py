"""A test case of one library, which the first argument of the program names. The daemon is played
over pipes."""

import pathlib
import sys
import unittest

SDKS = pathlib.Path(__file__).resolve().parents[1]
sys.path.append(str(SDKS.parent / "tests/e2e"))

import kit  # noqa: E402
from languages import LANGUAGES  # noqa: E402

LANGUAGE = LANGUAGES[sys.argv.pop(1)]


def without(feature):
    """For what a language cannot do; its README says so."""
    return unittest.skipIf(feature in LANGUAGE.without, "the language cannot: " + feature)


class Case(kit.TestCase):
    def worker(self, ready=True, **options):
        return super().worker(ready, command=LANGUAGE.command, **options)
