"""Driver modules: one from outside of the tree is built against an installation and used; one that is
missing is told apart from a driver that nobody knows."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import harness

SOURCE = harness.ROOT / "tests/out_of_tree_driver"


def run(*command, **environment):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600,
                          env={**os.environ, **environment})


class OutOfTree(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = pathlib.Path(tempfile.mkdtemp(prefix="wm-"))
        cls.addClassCleanup(shutil.rmtree, cls.place, ignore_errors=True)
        cls.prefix, build = cls.place / "prefix", cls.place / "build"
        for command in (
                ["cmake", "--install", harness.BUILD, "--prefix", cls.prefix],
                ["cmake", "-S", SOURCE, "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release",
                 f"-DCMAKE_PREFIX_PATH={cls.prefix}", f"-DCMAKE_INSTALL_PREFIX={cls.prefix}"],
                ["cmake", "--build", build], ["cmake", "--install", build]):
            result = run(*command)
            if result.returncode != 0:
                raise AssertionError(f"{command}: {result.stdout}{result.stderr}")

    def profile(self):
        folder = self.folder()
        path = folder / "t.yaml"
        path.write_text(json.dumps({**harness.PROFILE, "command": harness.worker(),
                                    "state_dir": str(folder),
                                    "queue": {"driver": "folder", "path": str(folder / "jobs")}}))
        return path

    def test_it_lies_where_modules_belong(self):
        self.assertTrue((self.prefix / "lib/workman/queues/folder.so").is_file())

    def test_the_example_is_short(self):
        lines = (SOURCE / "folder.cc").read_text().splitlines()
        code = [line for line in lines if line.strip() and not line.strip().startswith("//")]
        self.assertLessEqual(len(code), 100)

    def test_the_example_passes_the_suite(self):
        result = run(self.prefix / "bin/workman", "test-queue", "-p", self.profile())

        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("payloads are binary-safe", result.stdout)
        self.assertNotIn(" FAIL ", result.stdout)

    def test_a_mistake_in_its_keys_is_told_with_its_place(self):
        path = self.profile()
        path.write_text(path.read_text().replace('"path"', '"pth"'))

        result = run(self.prefix / "bin/workmand", "--check", path)

        self.assertEqual(result.returncode, 2)
        self.assertRegex(result.stderr, r't\.yaml:\d+:\d+: queue\.pth: is not a key of the driver '
                                        r'folder \(did you mean "path"\?\)')

    def test_a_daemon_does_jobs_of_it(self):
        daemon = self.daemon(
            start=False, queue={"driver": "folder", "path": str(self.folder() / "jobs")})
        daemon.environment["WORKMAN_QUEUE_PATH"] = str(self.prefix / "lib/workman/queues")
        daemon.start()

        daemon.enqueue("Echo", {"n": 1})

        daemon.wait_record("job", task="Echo")


class Missing(harness.TestCase):
    def check(self, driver, **environment):
        daemon = self.daemon(start=False, queue={"driver": driver})
        result = run(harness.WORKMAND, "--check", daemon.path, **environment)
        self.assertEqual(result.returncode, 2)
        return result.stderr

    def test_a_module_that_is_not_installed_is_named_with_what_it_needs(self):
        empty = str(self.folder())

        error = self.check("redis", WORKMAN_QUEUE_PATH=empty)

        self.assertIn('queue.driver: the driver "redis" is a module that is not installed: '
                      f"no redis.so in {empty} (it is built where libhiredis is", error)

    def test_a_file_that_is_no_module_is_refused(self):
        folder = self.folder()
        (folder / "redis.so").write_text("nothing to load")

        error = self.check("redis", WORKMAN_QUEUE_PATH=f"{self.folder()}:{folder}")

        self.assertIn(f"the driver module {folder}/redis.so cannot be used: ", error)

    def test_a_driver_that_nobody_knows_gets_a_hint(self):
        error = self.check("sqllite")

        self.assertIn('there is no driver "sqllite"; installed are sqlite, gearman, memory', error)
        self.assertIn('(did you mean "sqlite"?)', error)


if __name__ == "__main__":
    harness.main()
