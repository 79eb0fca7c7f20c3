"""A real beanstalkd with its log of jobs on disk: what comes back after deaths, and what another
program that speaks the protocol puts and finds."""

import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import dead_letters
import harness
import peer

PROGRAM = shutil.which("beanstalkd") or "/usr/bin/beanstalkd"
PEER = str(pathlib.Path(__file__).parent / "peers/beanstalk.rb")


class Server:
    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="wm-beanstalkd-")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "-l", "127.0.0.1", "-p", str(self.port), "-b", self.folder, "-f", "0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        harness.poll("beanstalkd to answer", self.answers)

    def answers(self):
        try:
            return self.talk("list-tube-used")[0].startswith("USING")
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def talk(self, *commands):
        """Each command, a line or a line and a body, with its answer as text."""
        answers = []
        with socket.create_connection(("127.0.0.1", self.port), harness.DEADLINE) as connection:
            with connection.makefile("rb") as stream:
                for command in commands:
                    connection.sendall(command.encode() + b"\r\n")
                    line = stream.readline().decode()
                    if not line:
                        raise OSError("the server closed the connection")
                    if line.split()[0] in ("OK", "FOUND", "RESERVED"):
                        line += stream.read(int(line.split()[-1]) + 2).decode()
                    answers.append(line)
        return answers

    def put(self, tube, body, ttr=60, number=1024):
        used, put = self.talk(f"use {tube}", f"put {number} 0 {ttr} {len(body)}\r\n{body}")
        assert put.startswith("INSERTED"), used + put
        return put.split()[1]

    def statistics(self, command):
        """Empty when there is no such job or tube."""
        answer, = self.talk(command)
        return dict(line.split(": ", 1) for line in answer.splitlines() if ": " in line)

    def statistic(self, job, name):
        """None when there is no such job."""
        return self.statistics(f"stats-job {job}").get(name)


class Beanstalkd(harness.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)

    def wait_state(self, job, state):
        """An outcome is counted before the server has it; None: the job is gone."""
        harness.poll(f"{job} to be {state or 'gone'}",
                     lambda: self.server.statistic(job, "state") == state)

    def waiting(self, tube):
        lines = self.server.statistics(f"stats-tube {tube}")
        return sum(int(lines.get(f"current-jobs-{state}", 0)) for state in ("ready", "delayed"))

    def start(self, **profile):
        return self.daemon(queue={
            "driver": "beanstalkd", "url": f"beanstalk://127.0.0.1:{self.server.port}",
            "tubes": ["thumbs", "mail"]}, **profile)

    def test_a_job_is_done_and_gone(self):
        daemon = self.start()

        job = daemon.enqueue("Note", {"n": 1})

        self.assertEqual(daemon.wait_record("note")["args"], {"n": 1})
        daemon.wait_counts(done=1)
        self.wait_state(job, None)

    def ruby(self, *words):
        """The client for Ruby, beaneater."""
        return peer.run(self, "ruby", PEER, f"127.0.0.1:{self.server.port}", *words)

    def test_a_job_that_ruby_puts_is_done(self):
        daemon = self.start()

        self.ruby("put", "mail", '{"task":"Note","args":{"from":"Ruby"}}')

        self.assertEqual(daemon.wait_record("note")["args"], {"from": "Ruby"})
        daemon.wait_counts(done=1)

    def test_a_job_of_ours_is_taken_by_ruby(self):
        daemon = self.start()

        job = daemon.enqueue("Elsewhere", {"n": 1})

        body = json.loads(self.ruby("take", "thumbs/Elsewhere"))
        self.assertEqual((body["task"], body["args"]), ("Elsewhere", {"n": 1}))
        self.assertIsNone(self.server.statistic(job, "state"))

    def test_a_caller_that_wants_a_result_is_refused(self):
        daemon = self.start()

        result = daemon.wait("Echo", 1).finish()

        self.assertEqual(result.returncode, 1)
        self.assertIn("nobody can wait for this job", result.stderr)

    def test_a_failed_job_comes_back_with_its_attempt(self):
        daemon = self.start()

        job = daemon.enqueue("Fail", {"once": str(daemon.folder / "once")})

        daemon.wait_counts(done=1)
        self.assertEqual([(entry["job"], entry["attempt"]) for entry in daemon.records("job")],
                         [(job, 1), (job, 2)])

    def test_the_jobs_of_a_killed_daemon_are_back_at_once(self):
        daemon = self.start()
        job = daemon.enqueue("Sleep", {"s": 600, "once": str(daemon.folder / "once")})
        daemon.wait_record("job")
        daemon.signal(signal.SIGKILL)
        daemon.wait_exit()
        daemon.wait_no_process()
        self.assertEqual(self.server.statistic(job, "state"), "ready")

        daemon.start()

        again = daemon.wait_record("job", count=2)
        daemon.wait_counts(done=1)
        self.assertEqual((again["job"], again["attempt"]), (job, 1))

    def test_a_server_that_is_killed_has_its_jobs_when_it_is_back(self):
        daemon = self.start()
        daemon.enqueue("Sleep", {"s": 1})
        daemon.wait_record("job")
        waiting = daemon.enqueue("Note", {"n": 2})

        self.server.stop()
        daemon.wait_event("queue down")
        self.server.start()

        daemon.wait_event("queue up", count=2)
        self.assertEqual(daemon.wait_record("note")["args"], {"n": 2})
        self.wait_state(waiting, None)

    def test_a_dead_letter_is_buried_and_listed_and_retried_and_deleted(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", {"message": "no luck"})
        daemon.wait_counts(dead=1)
        self.wait_state(job, "buried")

        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        self.assertEqual((letter["id"], letter["task"]), (job, "Fail"))
        self.assertIn("no luck", json.dumps(letter))

        dead_letters.failed(daemon, "retry", job)
        again = daemon.wait_record("job", count=2)
        self.assertEqual((again["job"], again["attempt"]), (job, 1))
        daemon.wait_counts(dead=2)
        self.wait_state(job, "buried")
        letter = json.loads(dead_letters.failed(daemon, "list", "--json"))
        self.assertEqual(letter["id"], job)

        self.server.talk(f"delete {job}")
        self.assertEqual(dead_letters.failed(daemon, "list", "--json"), "")

    def test_old_dead_letters_go_but_not_one_that_died_anew(self):
        daemon = self.start(max_attempts=1, dead_letter={"retention": "10s"})
        old, new = (daemon.enqueue("Fail", {"message": "no luck"}) for _ in range(2))
        self.wait_state(new, "buried")
        dead_letters.failed(daemon, "retry", new)
        daemon.wait_counts(dead=3)

        self.wait_state(old, None)
        self.wait_state(new, None)

        self.assertEqual(dead_letters.failed(daemon, "list", "--json"), "")
        harness.poll("the notes to be gone, too", lambda: all(
            self.waiting(tube) == 0 for tube in ("thumbs/$failed", "thumbs/$failed$expire")))

    def test_jobs_of_another_program(self):
        daemon = self.start()

        self.server.put("thumbs", '{"task":"Note","args":{"from":"args"}}')
        self.server.put("mail", '{"task":"Note","from":"body"}')
        self.server.put("thumbs/Note", '{"from":"tube"}')

        daemon.wait_counts(done=3)
        self.assertCountEqual(
            [json.dumps(entry["args"]) for entry in daemon.records("note")],
            ['{"from": "args"}', '{"task": "Note", "from": "body"}', '{"from": "tube"}'])

    def test_a_job_of_another_program_that_fails_keeps_its_id_and_body(self):
        daemon = self.start(max_attempts=2)

        job = self.server.put("thumbs", '{"task":"Fail","args":{"message":"no luck"}}')

        daemon.wait_counts(dead=1)
        self.assertEqual([entry["attempt"] for entry in daemon.records("job")], [1, 2])
        self.wait_state(job, "buried")
        self.assertIn('{"task":"Fail","args"', self.server.talk(f"peek {job}")[0])

    def test_a_short_time_to_run_is_touched(self):
        daemon = self.start()

        job = self.server.put("thumbs", '{"task":"Sleep","args":{"s":5}}', ttr=2)
        daemon.wait_record("job")
        daemon.wait_counts(done=1)

        self.assertEqual(len(daemon.records("job")), 1)
        self.wait_state(job, None)

    def test_a_job_that_no_free_worker_takes_goes_back_uncounted(self):
        daemon = self.start()
        daemon.enqueue("Note", 1)
        daemon.wait_counts(done=1)
        daemon.enqueue("Sleep", {"s": 4})
        daemon.wait_record("job", task="Sleep")

        job = daemon.enqueue("Fail", {"message": "no luck"})

        self.wait_state(job, "ready")
        number, reserves = (int(self.server.statistic(job, name)) for name in ("pri", "reserves"))
        self.assertEqual(number & 255, reserves)

    def test_a_job_that_nobody_serves_stays(self):
        daemon = self.start()

        job = self.server.put("thumbs", '{"task":"Other"}')

        daemon.wait_event("job left alone", task="Other")
        self.wait_state(job, "delayed")
        self.assertEqual(self.server.statistic(job, "pri"), "1024")


if __name__ == "__main__":
    if shutil.which(PROGRAM) is None:
        print("SKIPPED: beanstalkd is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
