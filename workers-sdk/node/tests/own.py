#!/usr/bin/env python3
"""What is Node.js's alone: tasks in a thread, and files of tasks of two kinds."""

import os
import sys
import tempfile

sys.argv[1:1] = ["node"]
sys.path.insert(0, __file__.rsplit("/", 3)[0] + "/contract")

from case import Case  # noqa: E402
import kit  # noqa: E402
from languages import SDKS  # noqa: E402


class Threads(Case):
    def test_a_task_in_a_thread_does_what_others_do(self):
        worker = self.worker()
        for _ in range(2):  # The second one takes the thread of the first.
            job = worker.job("kit.thread", {"now": True})
            self.assertEqual(worker.next()["type"], "progress")
            worker.send({"type": "reply", "id": worker.next("enqueue")["ref"], "ok": True,
                         "result": {"job": "7"}})
            self.assertEqual(worker.next("log")["id"], job)
            outcome = worker.next()
            self.assertEqual((outcome["id"], outcome["result"]["reply"]), (job, {"job": "7"}))
            self.assertEqual(outcome["enqueue"], [{"task": "kit.echo", "args": 1}])
            self.assertIn("noise", worker.note("noise of a thread"))

    def test_its_error_is_a_failure(self):
        worker = self.worker()
        for args in ({"throws": True}, {"crashes": True}):
            error = worker.call("kit.thread", args)["error"]
            self.assertEqual(error["class"], "RangeError")
        job = worker.job("kit.thread", {})
        self.assertEqual(worker.next("done")["id"], job)

    def test_exit_in_a_thread_ends_the_worker(self):
        worker = self.worker()
        worker.job("kit.thread", {"exits": 3})
        self.assert_left(worker, 3)


class Files(Case):
    def test_several_task_files_are_loaded(self):
        with tempfile.TemporaryDirectory() as folder:
            names = []
            for name, text in (("one.js", "require('%s').task('one', () => 1)"),
                               ("two.mjs", "import { task } from '%s'; task('two', () => 2)")):
                names.append(os.path.join(folder, name))
                with open(names[-1], "w") as file:
                    file.write(text % (SDKS / "node/workman.js"))
            ready = self.worker(ready=False, env={"KIT_LOAD": " ".join(names)}).ready()
            self.assertLessEqual({"one", "two"}, set(map(str, ready["tasks"])))


if __name__ == "__main__":
    kit.main()
