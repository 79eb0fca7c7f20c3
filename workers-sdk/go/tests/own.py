#!/usr/bin/env python3
"""What is Go's alone: panics."""

import sys

sys.argv[1:1] = ["go"]
sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/contract")

from case import Case  # noqa: E402
import kit  # noqa: E402


class Panics(Case):
    def test_a_panic_is_a_failure_with_its_stack(self):
        worker = self.worker()
        error = worker.call("kit.fail", {"kind": "panic"})["error"]
        self.assertEqual((error["message"], error["class"]), ("out of order", "panic"))
        self.assertIn("main.go", error["trace"])
        self.assertIn("Goexit", worker.call("kit.fail", {"kind": "goexit"})["error"]["message"])
        self.assertEqual(worker.call("kit.echo", 1)["result"], 1)


if __name__ == "__main__":
    kit.main()
