"""The dead letters of a daemon, as `workman failed` tells and handles them."""

import subprocess

import harness


def failed(daemon, *words):
    """What `workman failed` says."""
    result = subprocess.run([harness.WORKMAN, "failed", *words, "-p", str(daemon.path)],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            env=daemon.environment, timeout=harness.DEADLINE * 2)
    if result.returncode != 0:
        raise AssertionError(f"failed {words} exited {result.returncode}: {result.stderr}")
    return result.stdout


def wait(daemon, number):
    harness.poll(f"{number} dead letters",
                 lambda: len(failed(daemon, "list", "--json").splitlines()) == number,
                 explain=daemon.tail)


class Swept:
    """For the tests of a driver that looks for old ones itself; start() makes a daemon."""

    def test_old_dead_letters_go(self):
        daemon = self.start(max_attempts=1, lease_time="2s")
        daemon.enqueue("Fail", {"message": "no luck"})
        wait(daemon, 1)
        daemon.stop()
        daemon.write_profile(dead_letter={"retention": "1ms"})

        daemon.start()

        wait(daemon, 0)
