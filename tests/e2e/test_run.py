"""`workman run`: one job on one worker of its own, with what the profile says of workers, and no
worker left behind."""

import json
import os
import secrets
import signal
import subprocess
import sys

import harness

EXAMPLE = str(harness.ROOT / "conf/examples/echo.py")
FIXTURE = str(harness.ROOT / "workers-sdk/python/fixture.py")
# A worker of its own for each test, in a few lines; jobs are answered by `answer(job)`.
WORKER = """
import json, os, signal, sys, time
def send(**message): print(json.dumps(message), flush=True)
{before}
send(type="ready", tasks=["T"], **{ready})
for line in sys.stdin:
    job = json.loads(line)
    if job["type"] == "hello": hello = job
    if job["type"] == "reply": send(type="done", id=last, result=job)
    if job["type"] != "job": continue
    last = job["id"]
{answer}
"""
DONE = 'send(type="done", id=last, result=job)'


class Run(harness.TestCase):
    def setUp(self):
        self.place, self.tag = self.folder(), secrets.token_hex(8)
        self.environment = dict(os.environ, **{harness.TAG: self.tag})
        self.addCleanup(self.no_process_left)

    def no_process_left(self):
        harness.poll("every worker to be gone", lambda: not harness.processes(self.tag), 5,
                     lambda: str(harness.processes(self.tag)))

    def worker(self, answer=DONE, before="", ready="{}"):
        path = self.place / "worker.py"
        lines = "".join("    %s\n" % line for line in answer.splitlines())
        path.write_text(WORKER.format(before=before, ready=ready, answer=lines))
        return [sys.executable, str(path)]

    def profile(self, **keys):
        path = self.place / "t.yaml"
        path.write_text(json.dumps({**harness.PROFILE, **keys}))
        return str(path)

    def start(self, *arguments, stdin=subprocess.DEVNULL):
        process = subprocess.Popen(
            [harness.WORKMAN, "run", *map(str, arguments)], stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment, cwd=self.place)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def run_job(self, *arguments, stdin=None):
        return subprocess.run([harness.WORKMAN, "run", *map(str, arguments)], input=stdin or "",
                              capture_output=True, text=True, env=self.environment,
                              cwd=self.place, timeout=harness.DEADLINE * 2)

    # ---- outcomes ----

    def test_a_result_goes_to_stdout(self):
        result = self.run_job("--", "python3", EXAMPLE, "Echo", '{"n": 12345678901234567890123}')

        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, '{"n": 12345678901234567890123}\n', ""))

    def test_the_arguments_may_come_from_stdin(self):
        result = self.run_job("--", "python3", EXAMPLE, "Echo", "-", stdin='{"a":\n1}\n')

        self.assertEqual((result.returncode, json.loads(result.stdout)), (0, {"a": 1}))

    def test_a_failed_job_has_its_message_on_stderr(self):
        result = self.run_job("--", "python3", EXAMPLE, "Fail", '{"message":"no luck"}')

        self.assertEqual((result.returncode, result.stdout, result.stderr), (1, "", "no luck\n"))

    def test_a_job_that_was_given_back(self):
        worker = self.worker('send(type="abort", id=last, reason="not today")')
        result = self.run_job("--", *worker, "T", "1")

        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (1, "", "workman: the worker gave the job back: not today\n"))

    def test_a_worker_that_dies_has_lost_the_job(self):
        result = self.run_job("--", *self.worker("sys.exit(3)"), "T", "1")

        self.assertEqual((result.returncode, result.stdout, result.stderr), (
            1, "", "workman: the worker ended without an outcome of the job: exit 3\n"))

    def test_bytes_are_printed_as_they_are(self):
        worker = self.worker('send(type="done", id=last, result_b64="aGFsbG8=")')
        result = self.run_job("--", *worker, "T", "1")

        self.assertEqual((result.returncode, result.stdout), (0, "hallo\n"))

    def test_what_the_job_says_meanwhile_is_on_stderr(self):
        worker = self.worker("""
send(type="progress", id=last, done=1, total=3, message="a third")
send(type="log", level="warn", message="hm", fields={"n": 1})
send(type="data", id=last, data={"row": 1})
print("stray")
sys.stderr.write("on stderr\\n")
send(type="enqueue", task="Next", args={"x": 1}, ref="r1")""")
        result = self.run_job("--", *worker, "T", "1")

        self.assertEqual(json.loads(result.stdout), {
            "type": "reply", "id": "r1", "ok": False,
            "error": {"message": "there is no queue behind workman run"}})
        lines = result.stderr.splitlines()
        # Its order among ours is nobody's promise: the worker writes it itself.
        self.assertEqual([line for line in lines if line != "on stderr"], [
            "workman: progress 1/3 a third", 'workman: warn hm {"n": 1}',
            'workman: data {"row": 1}', "stdout: stray",
            'workman: not enqueued, there is no queue: Next {"x": 1}'])
        self.assertIn("on stderr", lines)

    def test_follow_ups_are_shown(self):
        worker = self.worker('send(type="done", id=last, enqueue=[{"task": "Next", "args": 1}])')
        result = self.run_job("--", *worker, "T", "1")

        self.assertEqual((result.returncode, result.stdout, result.stderr), (
            0, "null\n",
            'workman: not enqueued, there is no queue: {"task": "Next", "args": 1}\n'))

    def test_an_outcome_with_text_glued_before_it_is_saved(self):
        worker = self.worker('print("...", end=""); ' + DONE.replace("result=job", "result=7"))
        result = self.run_job("--", *worker, "T", "1")

        self.assertEqual((result.returncode, result.stdout, result.stderr), (
            0, "7\n", "workman: an outcome with other text before it on stdout was saved\n"))

    # ---- the profile ----

    def test_a_profile_gives_command_environment_folder_limits_and_config(self):
        worker = self.worker("""
import resource
send(type="done", id=last, result={
    "config": hello["config"], "profile": os.environ["WORKMAN_PROFILE"], "x": os.environ["X"],
    "worker": hello["worker"], "folder": os.getcwd(), "workman": os.environ["WORKMAN"],
    "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "nice": os.nice(0),
    "limit": job["timeout_ms"], "attempts": job["max_attempts"]})""")
        profile = self.profile(command=worker, config={"bucket": "b"}, env={"X": "y"}, nice=7,
                               rlimits={"nofile": 321}, working_directory="/tmp", max_attempts=5,
                               time_limit="50s", tasks={"T": {"time_limit": "40s"}})
        result = self.run_job("-p", profile, "--", "T", "1")

        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(json.loads(result.stdout), {
            "config": {"bucket": "b"}, "profile": "t", "x": "y", "worker": "t-0", "folder": "/tmp",
            "workman": "1", "nofile": [321, 321], "nice": 7, "limit": 40000, "attempts": 5})

    def test_a_command_wins_over_that_of_the_profile(self):
        profile = self.profile(command=self.worker("sys.exit(1)"))
        result = self.run_job("-p", profile, "--", "python3", EXAMPLE, "Echo", "1")

        self.assertEqual((result.returncode, result.stdout), (0, "1\n"), result.stderr)

    def test_text_and_bytes(self):
        text = self.profile(command=self.worker(DONE.replace("=job", '=job["args"] + "!"')),
                            payload="text")
        result = self.run_job("-p", text, "--", "T", "hällo")
        self.assertEqual((result.returncode, result.stdout), (0, "hällo!\n"), result.stderr)

        self.worker('send(type="done", id=last, result_b64=job["args_b64"])')
        result = self.run_job("-p", self.profile(command=[sys.executable, "worker.py"],
                                                 payload="base64"), "--", "T", "bytes")
        self.assertEqual((result.returncode, result.stdout), (0, "bytes\n"), result.stderr)

    def test_a_bad_profile(self):
        result = self.run_job("-p", self.profile(nonsense=1), "--", "T", "1")

        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("nonsense", result.stderr)

    # ---- what goes wrong ----

    def test_a_task_that_is_not_there(self):
        result = self.run_job("--", "python3", EXAMPLE, "Nope", "1")

        self.assertEqual((result.returncode, result.stderr), (
            1, "workman: the worker has no task Nope; it has Echo, Sleep, Fail\n"))

    def test_a_worker_that_is_never_ready(self):
        died = self.run_job("--", *self.worker(before='sys.exit("no database")'), "T", "1")
        self.assertEqual((died.returncode, died.stderr), (
            1, "no database\nworkman: the worker ended before it was ready: exit 1\n"))

        silent = self.profile(command=self.worker(before="sys.stdin.read()"), start_timeout="200ms")
        result = self.run_job("-p", silent, "--", "T", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("workman: the worker was not ready within 200ms", result.stderr)

    def test_a_worker_that_does_not_flush(self):
        worker = self.worker(before="""
sys.stdout = open(1, "w", 65536, closefd=False)
def send(**message): print(json.dumps(message))""")
        result = self.run_job("-p", self.profile(command=worker, start_timeout="300ms"), "--",
                              "T", "1")

        self.assertEqual(result.returncode, 1)
        self.assertIn("it does not flush its stdout", result.stderr)

    def test_wrong_usage(self):
        for arguments, words in ((["--", "cat"], "run needs -- COMMAND… TASK JSON"),
                                 (["--", "cat", "T", "{"], "not valid JSON"),
                                 (["--time-limit", "x", "--", "cat", "T", "1"], "x"),
                                 ([], "WORDS")):
            with self.subTest(arguments):
                result = self.run_job(*arguments)
                self.assertEqual((result.returncode, result.stdout), (64, ""))
                self.assertIn(words, result.stderr)

    def test_a_command_that_is_not_there(self):
        for arguments in (["--"], ["-p", self.profile(command=["cat"]), "--"]):
            result = self.run_job(*arguments, "./nope", "T", "1")
            self.assertEqual((result.returncode, result.stderr), (
                1, "workman: cannot execute ./nope: No such file or directory\n"), arguments)

    # ---- the ladder ----

    def test_a_job_over_its_time_limit_is_aborted(self):
        result = self.run_job("--time-limit", "300ms", "--", "python3", FIXTURE, "kit.sleep",
                              '{"s": 60}')

        self.assertEqual((result.returncode, result.stdout), (124, ""))
        self.assertRegex(result.stderr, r"on_abort \w+ timeout")
        self.assertIn("workman: the job ran over its time limit of 300ms", result.stderr)

    def test_a_worker_that_ignores_all_but_the_last_rung(self):
        worker = self.worker("while True: time.sleep(60)", before="for number in (signal.SIGTERM, "
                             "signal.SIGABRT): signal.signal(number, lambda *_: None)")
        profile = self.profile(command=worker, abort_timeout="200ms", time_limit="200ms")
        result = self.run_job("-p", profile, "--", "T", "1")

        self.assertEqual((result.returncode, result.stdout), (124, ""), result.stderr)

    def begun(self, process):
        """The task's first progress."""
        self.assertEqual(process.stderr.readline(), "workman: progress 0\n")

    def test_an_interrupt_lets_the_job_end(self):
        process = self.start("--", "python3", FIXTURE, "kit.sleep", '{"s": 0.5}')
        self.begun(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=harness.DEADLINE)

        self.assertEqual((process.returncode, out), (0, '{"s":0.5}\n'), err)
        self.assertIn("stopping behind the job", err)

    def test_a_second_interrupt_aborts_it(self):
        process = self.start("--", "python3", FIXTURE, "kit.sleep", '{"s": 60}')
        self.begun(process)
        process.send_signal(signal.SIGINT)
        self.assertIn("stopping behind the job", process.stderr.readline())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=harness.DEADLINE)

        self.assertEqual((process.returncode, out), (130, ""), err)
        self.assertRegex(err, r"on_abort \w+ shutdown")

    def test_a_killed_workman_leaves_no_worker(self):
        process = self.start("--", "python3", FIXTURE, "kit.sleep", '{"s": 60}')
        self.begun(process)
        process.kill()
        self.assertEqual(process.wait(harness.DEADLINE), -signal.SIGKILL)
        self.no_process_left()


if __name__ == "__main__":
    harness.main()
