"""node-resque, a Resque for Node.js, and workman on one queue, in both directions."""

import json
import shutil
import subprocess
import sys

import harness
import redis_server

PACKAGE = "node-resque@9.7.1"
MODULES = harness.BUILD / "npm"

PRELUDE = """
const {Queue, Worker} = require('node-resque');
const fs = require('fs');
const url = new URL(process.env.REDIS_URL);
const connection = {pkg: 'ioredis', host: url.hostname, port: Number(url.port), database: 0};
const jobs = {Note: {perform: (...args) => {
  fs.appendFileSync(process.env.NOTES, JSON.stringify(args) + '\\n'); return true; }}};
(async () => {
  const queue = new Queue({connection}, jobs);
  queue.on('error', (error) => { console.error(error); process.exit(1); });
  await queue.connect();
"""


def install():
    """The package, once for each build tree."""
    if (MODULES / "node_modules/node-resque").is_dir():
        return True
    if not (shutil.which("npm") and shutil.which("node")):
        return False
    MODULES.mkdir(exist_ok=True)
    return subprocess.run(
        ["npm", "install", "--prefix", str(MODULES), "--no-audit", "--no-fund", PACKAGE],
        capture_output=True, timeout=300).returncode == 0


class Interop(redis_server.TestCase):
    def setUp(self):
        super().setUp()
        self.notes = self.folder() / "notes"
        self.notes.touch()

    def start(self, **profile):
        return self.daemon(queue={"driver": "resque", "url": self.server.url,
                                  "queues": ["urgent", "default"]}, **profile)

    def node(self, code):
        return self.run_program(
            ["node", "-e", PRELUDE + code + "\n  await queue.end(); process.exit(0);})();"],
            REDIS_URL=self.server.url, NOTES=str(self.notes),
            NODE_PATH=str(MODULES / "node_modules"))

    def test_a_job_of_resque_is_done_here(self):
        daemon = self.start()

        self.node("await queue.enqueue('default', 'Note', [1, {x: 'e'}, 'two']);")

        self.assertEqual(daemon.wait_record("note")["raw"], '[1,{"x":"e"},"two"]')
        daemon.wait_counts(done=1)
        self.assertEqual(self.node("console.log((await queue.stats()).processed);").strip(), "1")

    def test_queues_are_served_in_order(self):
        self.node("""await queue.enqueue('default', 'Note', ['last']);
                     await queue.enqueue('urgent', 'Note', ['first']);""")

        daemon = self.start()

        daemon.wait_record("note", count=2)
        self.assertEqual([one["args"] for one in daemon.records("note")], [["first"], ["last"]])

    def test_a_class_that_nobody_here_has_stays_for_others(self):
        daemon = self.start()

        self.node("""await queue.enqueue('default', 'Elsewhere', []);
                     await queue.enqueue('default', 'Note', ['mine']);""")

        self.assertEqual(daemon.wait_record("note")["args"], ["mine"])
        self.assertEqual(self.server.command("LLEN", "resque:queue:default"), 1)

    def test_a_failure_here_is_in_the_list_of_failures(self):
        daemon = self.start(max_attempts=1)
        self.node("await queue.enqueue('urgent', 'Fail', [{message: 'x'}]);")
        daemon.wait_counts(dead=1)

        failed = json.loads(self.node("console.log(JSON.stringify(await queue.failed(0, -1)));"))

        self.assertEqual([(one["payload"]["class"], one["payload"]["args"], one["queue"],
                           one["error"]) for one in failed],
                         [("Fail", [{"message": "x"}], "urgent", "failed")])
        self.assertEqual(self.server.command("GET", "resque:stat:failed"), "1")
        self.assertTrue(failed[0]["worker"].endswith(":urgent,default"))

    def test_resque_retries_a_failure_of_ours_to_us(self):
        daemon = self.start(max_attempts=1)
        daemon.enqueue("Fail", [])
        daemon.wait_counts(dead=1)

        self.node("await queue.retryAndRemoveFailed((await queue.failed(0, -1))[0]);")

        daemon.wait_record("job", count=2, task="Fail")

    def test_the_daemon_shows_as_a_worker(self):
        daemon = self.start()
        workers = json.loads(self.node("console.log(JSON.stringify(await queue.workers()));"))

        self.assertEqual(list(workers.values()), ["urgent,default"])
        daemon.stop()
        self.assertEqual(self.server.command("SMEMBERS", "resque:workers"), [])

    def test_jobs_of_workman_are_done_by_resque(self):
        daemon = self.daemon(start=False, queue={"driver": "resque", "url": self.server.url})
        daemon.enqueue("Note", [1, "two", {"x": None}])
        daemon.enqueue("Note", {"a": "mapping"})

        self.node("""
          const worker = new Worker({connection, queues: ['default']}, jobs);
          let left = 2;
          await worker.connect();
          await new Promise((resolve, reject) => {
            worker.on('success', () => { if (--left === 0) resolve(); });
            worker.on('failure', (q, job, error) => reject(error));
            worker.on('error', (error) => reject(error));
            worker.start();
          });
          await worker.end();""")

        self.assertEqual(self.notes.read_text().splitlines(),
                         ['[1,"two",{"x":null}]', '[{"a":"mapping"}]'])


if __name__ == "__main__":
    if not (redis_server.installed() and install()):
        print(f"SKIPPED: redis-server or {PACKAGE} is not there", file=sys.stderr)
        sys.exit(harness.SKIPPED)
    harness.main()
