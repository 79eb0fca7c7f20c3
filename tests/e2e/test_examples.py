"""Every worker of conf/examples does what it announces, and the profiles beside them are valid."""

import json
import os
import shutil
import subprocess
import unittest

import harness

EXAMPLES = harness.ROOT / "conf/examples"


class Examples(harness.TestCase):
    def check(self, command, needs=()):
        for program in needs:
            if not shutil.which(program):
                self.skipTest(f"{program} is not installed")
        daemon = self.daemon(command=[str(command)], tasks={"Fail": {"max_attempts": 1}})

        args = {"msg": "hällo", "list": [1, None, {"deep": True}], "quote": "\"\\\n"}
        self.assertEqual(daemon.call("Echo", args), args)
        self.assertEqual(daemon.call("Sleep", {"s": 0.1}), {"s": 0.1})
        failed = daemon.wait("Fail", {"message": "no luck"}).finish()
        self.assertEqual((failed.returncode, failed.stdout), (1, ""))
        self.assertIn("no luck", failed.stderr)
        self.assertEqual(daemon.call("Echo", "still alive"), "still alive")
        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_jq(self):
        self.check(EXAMPLES / "echo-jq", ["jq"])

    def test_bash(self):
        self.check(EXAMPLES / "echo.bash", ["bash", "jq"])

    def test_python(self):
        self.check(EXAMPLES / "echo.py", ["python3"])

    def test_perl(self):
        self.check(EXAMPLES / "echo.pl", ["perl"])

    def test_node(self):
        self.check(EXAMPLES / "echo.js", ["node"])

    def test_cpp(self):
        self.check(harness.BUILD / "examples/echo")

    def test_any_language(self):
        self.check(EXAMPLES / "any")

    def test_a_pool_of_six_languages_serves_one_queue(self):
        daemon = self.daemon(command=[str(EXAMPLES / "any")], max_workers=6)
        daemon.wait_event("worker ready", count=6)

        clients = [daemon.wait("Sleep", {"s": 0.2, "n": n}) for n in range(6)]

        for n, client in enumerate(clients):
            self.assertEqual(json.loads(client.finish().stdout), {"s": 0.2, "n": n})


class Profiles(unittest.TestCase):
    def check(self, path):
        result = subprocess.run(
            [harness.WORKMAND, "--check", str(harness.ROOT / path)], capture_output=True, text=True,
            timeout=harness.DEADLINE, env=dict(os.environ, WORKMAN_DEMO_DIR="/tmp/workman-demo"))
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_the_first_profile_is_valid(self):
        self.check("conf/echo.yaml")

    def test_the_profile_of_the_demo_is_valid(self):
        self.check("conf/demo/demo.yaml")


if __name__ == "__main__":
    harness.main()
