#!/usr/bin/env python3
"""The protocol kit against a library's fixture worker: conformance.py LANGUAGE [ARGUMENTS of the kit]."""

import os
import pathlib
import subprocess
import sys

from languages import LANGUAGES

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("WORKMAN_BUILD", ROOT / "build"))
WORKMAN = str(BUILD / "bin/workman")
SKIPPED = 77

language = LANGUAGES[sys.argv[1]]
if not pathlib.Path(WORKMAN).exists():
    print(WORKMAN, "is not built", file=sys.stderr)
    sys.exit(SKIPPED)
if subprocess.run([WORKMAN, "test-worker", "--help"], capture_output=True).returncode != 0:
    print(WORKMAN, "has no test-worker", file=sys.stderr)
    sys.exit(SKIPPED)
patience = ["--patience", "6"] if os.environ.get("WORKMAN_SLOW") == "1" else []
expected = ["--xfail", ",".join(language.expected_failures)] if language.expected_failures else []
# The same variable as in signals.py.
rounds = ["--rounds", os.environ.get("WORKMAN_ABORT_ROUNDS", str(language.rounds))]
sys.exit(subprocess.run([WORKMAN, "test-worker", "--sdk", "--fixture", *rounds, *patience, *expected,
                         *sys.argv[2:], "--", *language.command]).returncode)
