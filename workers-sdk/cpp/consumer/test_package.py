#!/usr/bin/env python3
"""What `cmake --install` makes of the C++ library serves a project that only finds the package."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "contract"))

import kit  # noqa: E402


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True,
                            timeout=600)
    if result.returncode != 0:
        raise AssertionError(f"{command} exited {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


class Package(kit.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        prefix, build = cls.folder / "prefix", cls.folder / "build"
        run("cmake", "--install", os.environ["WORKMAN_BUILD"], "--prefix", prefix,
            "--component", "cpp")
        moved = cls.folder / "moved"  # A package may be unpacked anywhere.
        prefix.rename(moved)
        run("cmake", "-S", HERE, "-B", build, f"-DCMAKE_PREFIX_PATH={moved}",
            "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror")
        run("cmake", "--build", build)
        cls.program = str(build / "consumer")
        cls.plugin = {"MORE_TASKS": str(build / "more_tasks.so")}

    def test_the_program_is_a_worker(self):
        worker = kit.Worker(command=[self.program])
        self.addCleanup(self.end, worker)
        self.assertEqual(worker.ready()["tasks"], ["echo"])
        self.assertEqual(worker.call("echo", [1])["result"], [1])

    def test_a_shared_object_brings_more_tasks(self):
        worker = kit.Worker(command=[self.program], env=self.plugin)
        self.addCleanup(self.end, worker)
        self.assertEqual(worker.ready()["tasks"], ["echo", "double", "refuse"])
        self.assertEqual(worker.call("double", 21)["result"], 42)
        outcome = worker.call("refuse")
        self.assertEqual((outcome["error"]["code"], outcome["retry"]), ("refused", False))

    def test_one_that_is_not_there_ends_the_worker(self):
        worker = kit.Worker(command=[self.program], hello=None, env={"MORE_TASKS": "/nonexistent.so"})
        self.addCleanup(self.end, worker)
        self.assert_left(worker, 1)
        self.assertIn("nonexistent", worker.note("nonexistent"))


if __name__ == "__main__":
    kit.main()
