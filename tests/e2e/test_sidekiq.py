"""Sidekiq itself (Ruby) and workman on one queue, in both directions."""

import json
import shutil
import subprocess
import sys

import harness
import redis_server

JOBS = """
require 'sidekiq'
class Note
  include Sidekiq::Worker
  def perform(*args)
    File.open(ENV['NOTES'], 'a') { |file| file.puts(JSON.generate(args)) }
  end
end
"""


class Interop(redis_server.TestCase):
    def setUp(self):
        super().setUp()
        self.place = self.folder()
        (self.place / "jobs.rb").write_text(JOBS)
        self.notes = self.place / "notes"
        self.notes.touch()

    def start(self, **profile):
        return self.daemon(queue={"driver": "sidekiq", "url": self.server.url}, **profile)

    def ruby(self, code):
        return self.run_program(
            ["ruby", "-r", str(self.place / "jobs.rb"), "-r", "sidekiq/api", "-e", code],
            REDIS_URL=self.server.url, NOTES=str(self.notes))

    def test_a_job_of_sidekiq_is_done_here(self):
        daemon = self.start()

        jid = self.ruby("print Note.perform_async(1, 'two', {'x' => [1.5, nil]})")

        self.assertEqual(daemon.wait_record("note")["raw"], '[1,"two",{"x":[1.5,null]}]')
        daemon.wait_counts(done=1)
        self.assertEqual(daemon.records("job")[0]["job"], jid)
        self.assertEqual(self.ruby("print Sidekiq::Stats.new.processed"), "1")
        self.assertEqual(self.server.command("LLEN", "queue:default"), 0)

    def test_a_scheduled_job_of_sidekiq_is_done_here_in_time(self):
        daemon = self.start()

        self.ruby("Note.perform_in(1, 'later')")

        self.assertEqual(daemon.wait_record("note")["args"], ["later"])
        self.assertEqual(self.server.command("ZCARD", "schedule"), 0)

    def test_a_job_in_the_retries_of_sidekiq_is_done_here_and_counts_on(self):
        self.ruby("""
          job = {'class' => 'Whole', 'queue' => 'default', 'args' => [], 'jid' => 'a' * 24,
                 'retry' => true, 'retry_count' => 1, 'created_at' => Time.now.to_f,
                 'failed_at' => Time.now.to_f, 'error_message' => 'x', 'error_class' => 'E'}
          Sidekiq.redis { |c| c.zadd('retry', Time.now.to_f.to_s, JSON.generate(job)) }""")

        daemon = self.start(max_attempts=9)

        self.assertEqual(daemon.wait_record("job", task="Whole")["attempt"], 3)

    def test_a_failure_here_is_a_dead_job_of_sidekiq(self):
        daemon = self.start(max_attempts=2)
        job = daemon.enqueue("Fail", [{"n": 1}, "no luck"])
        daemon.wait_counts(dead=1)

        dead = json.loads(self.ruby("print JSON.generate(Sidekiq::DeadSet.new.map(&:item))"))

        self.assertEqual([(one["jid"], one["class"], one["args"], one["error_message"],
                           one["retry_count"]) for one in dead],
                         [(job, "Fail", [{"n": 1}, "no luck"], "failed", 1)])
        self.assertEqual(self.ruby("print Sidekiq::Stats.new.failed"), "2")

    def test_sidekiq_retries_a_dead_job_of_ours_to_us(self):
        daemon = self.start(max_attempts=1)
        job = daemon.enqueue("Fail", [])
        daemon.wait_counts(dead=1)

        self.ruby(f"Sidekiq::DeadSet.new.find_job('{job}').retry")

        daemon.wait_record("job", count=2, task="Fail", job=job)

    def test_jobs_of_workman_are_done_by_sidekiq(self):
        daemon = self.daemon(start=False, queue={"driver": "sidekiq", "url": self.server.url})
        daemon.enqueue("Note", [1, "two", {"x": None}])
        daemon.enqueue("Note", {"a": "mapping"})
        daemon.enqueue("Note", ["later"], "--delay", "1s")
        process = subprocess.Popen(
            ["sidekiq", "-r", str(self.place / "jobs.rb"), "-c", "1"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.place,
            env={**daemon.environment, "REDIS_URL": self.server.url, "NOTES": str(self.notes)})
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

        # Sidekiq itself looks at its schedule every few seconds.
        harness.poll("sidekiq to have done all",
                     lambda: len(self.notes.read_text().splitlines()) >= 3, 90)

        found = sorted(self.notes.read_text().splitlines())
        self.assertEqual(found, ['["later"]', '[1,"two",{"x":null}]', '[{"a":"mapping"}]'])


if __name__ == "__main__":
    have_sidekiq = shutil.which("ruby") and subprocess.run(
        ["ruby", "-e", "require 'sidekiq'"], capture_output=True).returncode == 0
    if not (redis_server.installed() and have_sidekiq):
        print("SKIPPED: redis-server or ruby-sidekiq is not installed", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
