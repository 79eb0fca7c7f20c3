"""The quick start: a job goes in, its result comes out; and what a wrong command line answers."""

import json
import subprocess

import harness


class Results(harness.TestCase):
    def test_the_result_of_a_waited_job_is_printed_exactly(self):
        daemon = self.daemon()

        result = daemon.workman("enqueue", "--wait", "Echo", '{"msg":"hello"}')

        self.assertEqual((result.returncode, result.stdout, result.stderr),
                         (0, '{"msg":"hello"}\n', ""))

    def test_big_integers_digits_and_key_order_survive(self):
        daemon = self.daemon()
        args = '{"z":12345678901234567890123,"a":1.10,"m":{"b":[],"a":"é\\u2028"}}'

        result = daemon.workman("enqueue", "--wait", "Echo", args)

        self.assertEqual(result.stdout, args + "\n")

    def test_arguments_come_from_stdin_and_may_be_pretty_printed(self):
        daemon = self.daemon()
        args = {"list": [1, 2, {"deep": "x\ny"}], "empty": {}}

        for dash in ([], ["-"]):
            result = daemon.workman("enqueue", "--wait", "Echo", *dash,
                                    stdin=json.dumps(args, indent=4))
            self.assertEqual(json.loads(result.stdout), args)

    def test_enqueue_prints_an_id_and_the_job_is_done(self):
        daemon = self.daemon()

        first, second = daemon.enqueue("Echo", 1), daemon.enqueue("Echo", 2)

        self.assertNotEqual(first, second)
        self.assertEqual(daemon.wait_counts(done=2)["done"], 2)

    def test_text_payloads_are_not_json_on_the_queue(self):
        daemon = self.daemon(payload="text")

        result = daemon.workman("enqueue", "--wait", "Echo", "-", stdin='plain "wörds"')

        self.assertEqual(result.stdout, 'plain "wörds"\n')

    def test_binary_payloads_keep_every_byte(self):
        daemon = self.daemon(payload="base64")
        data = bytes(range(256))

        result = subprocess.run(daemon.command("enqueue", "--wait", "Echo", "-"), input=data,
                                capture_output=True, timeout=harness.DEADLINE)

        self.assertEqual(result.stdout, data + b"\n", result.stderr)

    def test_a_worker_knows_who_it_is(self):
        daemon = self.daemon(config={"bucket": "thumbs"})

        result = daemon.call("Whole")

        self.assertEqual((result["worker"], result["generation"]), ("t-1", 1))
        self.assertEqual(result["message"]["task"], "Whole")
        self.assertEqual(daemon.wait_record("hello")["config"], {"bucket": "thumbs"})


class Bulk(harness.TestCase):
    def test_a_bad_line_is_named_and_the_good_ones_go_in(self):
        daemon = self.daemon()
        lines = ['{"task":"Echo","args":{"n":1}}', "this is not JSON", '{"args":{}}',
                 '{"task":"Echo"}']

        result = daemon.workman("enqueue", "--from", "-", stdin="\n".join(lines) + "\n")

        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"\b2\b")
        self.assertRegex(result.stderr, r"\b2\b")
        self.assertRegex(result.stderr, r"\b3\b")
        daemon.wait_counts(done=2)

    def test_a_thousand_jobs_from_a_file_are_all_done_once(self):
        daemon = self.daemon(command=harness.mini(), max_workers=2)
        bulk = daemon.folder / "bulk.jsonl"
        bulk.write_text('{"task":"Mini","args":{}}\n' * 1000)

        result = daemon.workman("enqueue", "--from", str(bulk))

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("1000", result.stdout)
        counts = daemon.wait_counts(done=1000)
        self.assertEqual((counts["done"], counts["taken"]), (1000, 1000))


class CommandLine(harness.TestCase):
    def run_workmand(self, *arguments):
        return subprocess.run([harness.WORKMAND, *map(str, arguments)], capture_output=True,
                              text=True, timeout=harness.DEADLINE)

    def write(self, text):
        path = self.folder() / "p.yaml"
        path.write_text(text)
        return path

    def test_a_second_daemon_of_a_profile_is_refused(self):
        daemon = self.daemon()

        second = self.run_workmand(daemon.path)

        self.assertEqual(second.returncode, 1)
        self.assertIn(f"already running (pid {daemon.process.pid})", second.stderr)
        self.assertEqual(daemon.call("Echo", 1), 1)

    def test_check_prints_the_ladder_of_a_good_profile(self):
        result = self.run_workmand("--check", self.write("command: [cat]\n"))

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("KILL", result.stdout)

    def test_check_lists_every_error_of_a_bad_profile_with_its_place(self):
        path = self.write("command: [cat]\nmax_workers: 0\nmax_worker: 3\ntime_limit: soon\n")

        result = self.run_workmand("--check", path)

        self.assertEqual(result.returncode, 2)
        self.assertIn(f"workmand: {path}:2:", result.stderr)
        self.assertIn("max_workers", result.stderr)
        self.assertIn(":3:", result.stderr)
        self.assertIn(":4:", result.stderr)

    def test_a_bad_or_missing_profile_exits_2_without_check(self):
        self.assertEqual(self.run_workmand(self.write("command: cat: cat")).returncode, 2)
        self.assertEqual(self.run_workmand(self.folder() / "none.yaml").returncode, 2)

    def test_a_command_that_is_not_there_fails_the_check(self):
        result = self.run_workmand("--check", self.write("command: [no-such-program]\n"))

        self.assertEqual(result.returncode, 2)
        self.assertIn("no-such-program", result.stderr)

    def test_wrong_usage_exits_64(self):
        self.assertEqual(self.run_workmand().returncode, 64)
        self.assertEqual(self.run_workmand("--no-such-option", "x.yaml").returncode, 64)
        for arguments in ([], ["no-such-verb"], ["status", "--no-such-option"]):
            result = subprocess.run([harness.WORKMAN, *arguments], capture_output=True,
                                    timeout=harness.DEADLINE)
            self.assertEqual(result.returncode, 64, arguments)

    def test_help_and_version_go_to_stdout(self):
        for option in ("--help", "--version"):
            result = self.run_workmand(option)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn("workmand", result.stdout)

    def test_print_config_shows_what_set_changed(self):
        path = self.write("command: [cat]\nmax_workers: 2\n")

        result = self.run_workmand("--print-config", "--set", "max_workers=7", "--set",
                                   "retry_backoff.min=3s", path)

        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stdout, r"(?m)^max_workers: 7$")
        self.assertIn("3s", result.stdout)

    def test_set_overrides_the_profile_of_a_running_daemon(self):
        daemon = self.daemon(command_line=["--set", "max_workers=2"])

        daemon.wait_event("worker ready", count=2)

        self.assertEqual(sorted(daemon.pids()), ["t-1", "t-2"])

    def test_asking_a_daemon_that_does_not_run_exits_1(self):
        daemon = self.daemon(start=False)

        result = daemon.workman("status", "--json")

        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("t.sock", result.stderr)


if __name__ == "__main__":
    harness.main()
