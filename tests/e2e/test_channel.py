"""The ways between daemon and worker: descriptors of their own, pings, limits of a line, and the
turns that a worker gets that says too much."""

import json
import pathlib

import harness

BAD = str(pathlib.Path(__file__).parent / "workers/bad.py")
DONE = '{"type":"done","id":"$ID","result":7}'

# All that a worker needs of channel fd, in its own words: it prints where the protocol used to be.
SHOUTS = """
exec 3<&"$WORKMAN_IN" 4>&"$WORKMAN_OUT"
echo 'before anything'
echo '{"type":"ready","tasks":["Shout"]}' >&4
while IFS= read -r line <&3; do
  case $line in '{"type":"job",'*)
    echo "noise $WORKMAN_IN $WORKMAN_OUT"; echo '{"type":"done"}'; echo error >&2
    read -r nothing && echo "stdin was not empty"
    id=${line#*'"id":"'}
    printf '{"type":"done","id":"%s","result":"quiet"}\\n' "${id%%'"'*}" >&4 ;;
  esac
done
"""


def bash(script, *arguments):
    """A command of the profile, which has its own use for a dollar sign."""
    return ["bash", "-c", script.replace("$", "$$"), "-", *arguments]


def bad(*options):
    command = harness.worker(*options)
    return [BAD if part == harness.WORKER else part for part in command]


class Descriptors(harness.TestCase):
    def shouting(self, **profile):
        return self.daemon(channel="fd", command=bash(SHOUTS), **profile)

    def test_stdout_is_log_and_never_protocol(self):
        daemon = self.shouting(stdout_garbage="strict")

        self.assertEqual(daemon.call("Shout"), "quiet")

        for line in ("before anything", "noise 3 4", '{"type":"done"}', "error"):
            event = daemon.wait_event("worker stderr", line=line)
            self.assertEqual(event["worker"], "t-1")
        self.assertEqual(daemon.find("worker stderr", line="stdin was not empty"), [])
        self.assertEqual(daemon.status()["violations"], {})
        self.assertEqual(len(daemon.find("worker spawned")), 1)

    def test_the_end_of_input_is_on_3_as_well(self):
        daemon = self.shouting()
        self.assertEqual(daemon.call("Shout"), "quiet")

        self.assertEqual(daemon.workman("reload").returncode, 0)

        self.assertEqual(daemon.find("worker signalled"), [])
        self.assertEqual(daemon.wait_event("worker gone")["status"], "exit 0")

    def test_stdout_follows_stderr_into_nothing(self):
        daemon = self.shouting(stderr="null")

        self.assertEqual(daemon.call("Shout"), "quiet")

        daemon.stop()
        self.assertEqual(daemon.find("worker stderr"), [])
        self.assertEqual(daemon.find("worker stdout"), [])

    def test_with_stdio_nothing_is_said_of_descriptors(self):
        script = ('echo "{\\"type\\":\\"ready\\",\\"tasks\\":[\\"in${WORKMAN_IN}out\\"]}"; '
                  'while read -r line; do :; done')
        daemon = self.daemon(command=bash(script), start=False)
        daemon.environment["WORKMAN_IN"] = "9"  # as a workmand under a workmand would have

        daemon.start()
        daemon.enqueue("in9out")

        status = daemon.wait_status("the queue to be counted",
                                    lambda status: status["queue"]["depth"] is not None)
        self.assertEqual((status["queue"]["depth"], status["counts"]["taken"]), (1, 0))


class Pings(harness.TestCase):
    def test_an_idle_worker_that_understands_it_is_pinged(self):
        daemon = self.daemon(command=bad("--features=ping"), ping_interval="100ms")

        pings = [daemon.wait_record("ping", count=n)["id"] for n in (1, 2, 3)]

        self.assertEqual(pings, ["p1", "p2", "p3"])
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.status()["violations"], {})

    def test_a_worker_that_did_not_announce_it_is_left_alone(self):
        daemon = self.daemon(command=bad(), ping_interval="50ms", max_workers=2)
        daemon.wait_event("worker ready", count=2)

        self.assertEqual(daemon.call("Sleep", {"s": 0.5}), {"s": 0.5})

        self.assertEqual(daemon.records("ping"), [])

    def test_a_busy_worker_is_not_asked(self):
        daemon = self.daemon(command=bad("--features=ping"), ping_interval="200ms",
                             write_timeout="300ms")

        self.assertEqual(daemon.call("Sleep", {"s": 1.5}), {"s": 1.5})

        jobs = daemon.records("job")
        daemon.wait_record("ping", count=len(daemon.records("ping")) + 1)
        during = [ping for ping in daemon.records("ping")
                  if jobs[0]["t"] < ping["t"] < jobs[0]["t"] + 1.5]
        self.assertEqual(during, [])
        self.assertEqual(daemon.status()["violations"], {})

    def test_a_wedged_idle_worker_is_ended_and_replaced(self):
        wedge = self.folder() / "wedge"
        daemon = self.daemon(command=bad("--features=ping", f"--wedge-once={wedge}"),
                             ping_interval="100ms", write_timeout="500ms")

        event = daemon.wait_event("violation", code="V21")

        self.assertEqual((event["worker"], event["why"]),
                         ("t-1", "answered no ping for write_timeout"))
        self.assertEqual(daemon.wait_event("worker signalled")["why"], "does not read its stdin")
        daemon.wait_event("worker ready", count=2)
        self.assertEqual(daemon.call("Echo", 1), 1)
        self.assertEqual(daemon.status()["violations"], {"V21": 1})

    def test_a_job_that_went_into_a_wedged_worker_comes_back_uncounted(self):
        wedge = self.folder() / "wedge"
        daemon = self.daemon(command=bad("--features=ping", f"--wedge-once={wedge}"),
                             ping_interval="100ms", write_timeout="3s")
        daemon.wait_record("ping")

        self.assertEqual(daemon.call("Whole")["attempt"], 1)

        self.assertEqual(daemon.status()["violations"], {"V21": 1})

    def test_0_switches_it_off(self):
        daemon = self.daemon(command=bad("--features=ping"), ping_interval=0)

        self.assertEqual(daemon.call("Sleep", {"s": 0.3}), {"s": 0.3})

        self.assertEqual(daemon.records("ping"), [])

    def test_a_pong_that_nobody_asked_for_is_a_violation(self):
        daemon = self.daemon()

        self.assertEqual(daemon.call("Raw", {"text": '{"type":"pong","id":"p1"}\n' + DONE + "\n"}),
                         7)

        self.assertEqual(daemon.status()["violations"], {"V09": 1})


class Limits(harness.TestCase):
    def test_a_worker_may_take_shorter_lines_than_the_profile_allows(self):
        daemon = self.daemon(command=bad("--max-line=2000"))

        self.assertEqual(daemon.call("Echo", "x" * 500), "x" * 500)
        failed = daemon.wait("Echo", "x" * 2000).finish()

        self.assertEqual(failed.returncode, 1)
        self.assertIn("max_line (2000 bytes)", failed.stderr)
        self.assertEqual(len(daemon.records("job")), 1)
        self.assertEqual(daemon.status()["counts"]["dead"], 1)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_it_cannot_allow_more_than_the_profile(self):
        daemon = self.daemon(command=bad("--max-line=99999999"), max_line="64KiB")

        failed = daemon.workman("enqueue", "--wait", "Echo", "-", stdin=json.dumps("x" * 70_000))

        self.assertIn("max_line (65536 bytes)", failed.stderr)
        self.assertEqual(daemon.records("job"), [])


class Floods(harness.TestCase):
    def test_stderr_over_the_limit_is_counted_and_said(self):
        daemon = self.daemon()

        self.assertEqual(daemon.call("Flood", {"bytes": 2_000_000}), 2_000_000)  # 20,000 lines

        daemon.wait_event("worker stderr dropped", worker="t-1")
        daemon.stop()
        said = sum(event["lines"] for event in daemon.find("worker stderr dropped"))
        self.assertEqual(said + len(daemon.find("worker stderr")), 20_000)

    def test_messages_for_the_log_over_the_limit_are_counted_and_said(self):
        daemon = self.daemon()
        text = '{"type":"log","message":"again"}\n' * 3_000

        self.assertEqual(daemon.call("Raw", {"text": text, "done": "ok"}), "ok")

        daemon.wait_event("worker log dropped", worker="t-1")
        dropped = daemon.status()["dropped"]["log"]
        self.assertEqual(dropped + len(daemon.find("worker log")), 3_000)
        self.assertEqual(daemon.status()["violations"], {})

    def test_a_worker_that_never_stops_talking_does_not_silence_the_others(self):
        # Valid messages, as fast as they can be written: nothing ends this worker.
        script = ('echo \'{"type":"ready","tasks":["Other"]}\'; '
                  'yes \'{"type":"heartbeat"}\' & trap "kill $!" EXIT; '
                  'while read -r line; do :; done')
        daemon = self.daemon(start=False, max_workers=2, command=bash(
            f'if [ "$WORKMAN_WORKER" = t-1 ]; then {script}; else exec "$@"; fi',
            *harness.worker()))
        daemon.start()
        daemon.wait_event("worker ready", count=2)

        for n in range(20):
            self.assertEqual(daemon.call("Echo", n), n)

        self.assertEqual(daemon.status()["violations"], {})


if __name__ == "__main__":
    harness.main()
