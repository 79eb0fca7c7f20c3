"""What `cmake --install` puts on a machine works from there: the programs find each other, the unit
names them, and the first example does a job."""

import os
import signal
import subprocess

import harness


class Install(harness.TestCase):
    def setUp(self):
        self.prefix = self.folder()
        result = subprocess.run(["cmake", "--install", harness.BUILD, "--prefix", self.prefix],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)

    def program(self, name):
        return str(self.prefix / "bin" / name)

    def test_everything_is_in_its_place(self):
        programs = ["bin/workmand", "bin/workman", "libexec/workman/workmand-launch",
                    "share/workman/examples/any", "share/workman/examples/echo.py"]
        others = ["lib/systemd/system/workmand@.service", "share/workman/echo.yaml",
                  "share/workman/reference.yaml"]
        for name in programs + others:
            self.assertTrue((self.prefix / name).is_file(), f"{name} is not installed")
        for name in programs:
            self.assertTrue(os.access(self.prefix / name, os.X_OK), f"{name} is not executable")

    def test_the_unit_names_the_installed_programs(self):
        unit = (self.prefix / "lib/systemd/system/workmand@.service").read_text()

        settings = dict(line.split("=", 1) for line in unit.splitlines()
                        if "=" in line and not line.startswith("#"))

        self.assertEqual(settings["ExecStart"],
                         f"{self.program('workmand')} /etc/workman/%i.yaml")
        self.assertEqual(settings["ExecReload"],
                         f"{self.program('workman')} reload -p /etc/workman/%i.yaml")
        self.assertNotIn("@WORKMAN", unit)

    def test_the_installed_daemon_runs_an_installed_example(self):
        profile = self.prefix / "share/workman/echo.yaml"
        state, tag = self.folder(), os.urandom(8).hex()
        environment = dict(os.environ, STATE_DIRECTORY=str(state), RUNTIME_DIRECTORY=str(state),
                           **{harness.TAG: tag})
        environment.pop("WORKMAN_BUILD", None)  # as on a machine that has no build
        environment.pop("NOTIFY_SOCKET", None)
        log = state / "log"
        with open(log, "wb") as stderr:
            daemon = subprocess.Popen([self.program("workmand"), profile], stdin=subprocess.DEVNULL,
                                      stderr=stderr, env=environment)
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.kill)
        harness.poll("the daemon to be ready", lambda: " echo ready" in log.read_text(), None,
                     log.read_text)

        done = subprocess.run(
            [self.program("workman"), "enqueue", "-p", profile, "--wait", "Echo", '{"n": 1}'],
            capture_output=True, text=True, env=environment, timeout=harness.DEADLINE)

        self.assertEqual((done.returncode, done.stdout.replace(" ", "")), (0, '{"n":1}\n'),
                         done.stderr + log.read_text())
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(harness.DEADLINE), 0, log.read_text())
        harness.poll("every process to be gone", lambda: not harness.processes(tag))


if __name__ == "__main__":
    harness.main()
