#!/usr/bin/env python3
"""What is C++'s alone: crashes, children of a shell, and whatever can be thrown."""

import signal
import sys

sys.argv[1:1] = ["cpp"]
sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/contract")

from case import Case  # noqa: E402
import kit  # noqa: E402


class Cpp(Case):
    def test_a_crash_stays_a_crash(self):
        worker = self.worker()
        worker.job("kit.crash")
        self.assert_left(worker, -signal.SIGABRT)

    def test_children_inherit_no_blocked_and_no_ignored_signal(self):
        self.assertIs(self.worker().call("kit.mask")["result"], True)

    def test_anything_can_be_thrown(self):
        self.assertEqual(self.worker().call("kit.fail", {"kind": "odd"})["error"],
                         {"message": "int", "class": "int"})


if __name__ == "__main__":
    kit.main()
